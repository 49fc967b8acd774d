//! Names, tags and digests of images.

use regex::Regex;

use super::fields::{Field, Make};
use crate::config::FieldSpec;
use crate::error::Result;
use crate::kustomization::Image;
use crate::node::{Kind, Node, Scalar};
use crate::schema::Schemas;
use crate::set::Set;

/// A change of an image, and the fields it is looked for in besides containers.
pub(crate) struct ImageTag {
    image: Image,
    pattern: Regex,
    fields: Vec<Field>,
}

impl ImageTag {
    pub(crate) fn new(image: Image, specs: &[FieldSpec]) -> Result<Self> {
        let pattern = format!(
            "^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$",
            image.name
        );
        let pattern = crate::pattern::compile(&pattern)?;
        Ok(Self {
            image,
            pattern,
            fields: Field::all(specs),
        })
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        for resource in &mut set.list {
            if resource.id().gvk.kind == "CustomResourceDefinition" {
                continue;
            }
            resource.edit(schemas, |node| {
                self.containers(node)?;
                for field in &self.fields {
                    field.apply(node, &Make::Nothing, &mut |place| self.set(place))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Containers are looked for anywhere.
    fn containers(&self, node: &mut Node) -> Result<()> {
        match node {
            Node::Scalar(_) => Ok(()),
            Node::Seq(items) => items.iter_mut().try_for_each(|item| self.containers(item)),
            Node::Map(map) => {
                for (key, value) in &mut map.0 {
                    self.containers(value)?;
                    if !matches!(key.text(), "containers" | "initContainers") {
                        continue;
                    }
                    let Node::Seq(items) = value else { continue };
                    for item in items {
                        item.expect(Kind::Map)?;
                        if let Some(image) = item.get_mut("image") {
                            self.set(image)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn set(&self, place: &mut Node) -> Result<()> {
        place.expect(Kind::Scalar)?;
        let value = place.text();
        if !self.pattern.is_match(value) {
            return Ok(());
        }
        let new = self.changed(value);
        place.set_scalar(&Scalar::untyped(new))
    }

    fn changed(&self, value: &str) -> String {
        let image = &self.image;
        let Parts {
            name,
            mut tag,
            mut digest,
        } = Parts::of(value);
        let mut name = if image.new_name.is_empty() {
            name.to_owned()
        } else {
            image.new_name.clone()
        };
        if !image.new_tag.is_empty() || !image.digest.is_empty() {
            tag.clone_from(&image.new_tag);
            digest.clone_from(&image.digest);
        } else if !image.tag_suffix.is_empty() {
            tag.push_str(&image.tag_suffix);
            digest.clear();
        }
        if !tag.is_empty() {
            name.push(':');
            name.push_str(&tag);
        }
        if !digest.is_empty() {
            name.push('@');
            name.push_str(&digest);
        }
        name
    }
}

/// The parts of an image reference.
struct Parts<'a> {
    name: &'a str,
    tag: String,
    digest: String,
}

impl<'a> Parts<'a> {
    fn of(image: &'a str) -> Self {
        // A port belongs to the host, which ends with the first slash.
        let start = image.find('/').unwrap_or(0);
        let rest = image.get(start..).unwrap_or_default();
        let at = rest.find('@').map(|at| at + start);
        let colon = rest.find(':').map(|colon| colon + start);
        let cut = |from: usize, to: usize| image.get(from..to).unwrap_or_default();
        let end = image.len();
        match (at, colon) {
            (None, None) => Self {
                name: image,
                tag: String::new(),
                digest: String::new(),
            },
            (Some(at), colon) if colon.is_none_or(|colon| at < colon) => Self {
                name: cut(0, at),
                tag: String::new(),
                digest: cut(at + 1, end).to_owned(),
            },
            (Some(at), Some(colon)) => Self {
                name: cut(0, colon),
                tag: cut(colon + 1, at).to_owned(),
                digest: cut(at + 1, end).to_owned(),
            },
            (_, colon) => {
                let colon = colon.unwrap_or(end);
                Self {
                    name: cut(0, colon),
                    tag: cut(colon + 1, end).to_owned(),
                    digest: String::new(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ImageTag;
    use crate::kustomization::Image;

    fn changed(image: Image, value: &str) -> String {
        ImageTag::new(image, &[]).unwrap().changed(value)
    }

    #[test]
    fn images_keep_their_host_and_lose_what_is_replaced() {
        let tag = |tag: &str| Image {
            new_tag: tag.to_owned(),
            ..Image::default()
        };
        assert_eq!(changed(tag("2"), "host:5000/a/b:1"), "host:5000/a/b:2");
        assert_eq!(changed(tag("2"), "a@sha256:0"), "a:2");
        assert_eq!(changed(tag("2"), "a:1@sha256:0"), "a:2");
        let digest = Image {
            new_name: "b".to_owned(),
            digest: "sha256:1".to_owned(),
            ..Image::default()
        };
        assert_eq!(changed(digest, "a:1"), "b@sha256:1");
        let suffix = Image {
            tag_suffix: "-x".to_owned(),
            ..Image::default()
        };
        assert_eq!(changed(suffix, "a:1@sha256:0"), "a:1-x");
    }
}
