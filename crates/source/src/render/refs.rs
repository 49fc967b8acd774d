//! A tree with the trees of other sources beside it, each below its name: `$values/prod/values.yaml`.

use std::sync::Arc;

use bytes::Bytes;
use driftless_core::tree::{Entry, Error, FolderEntry, Tree, TreePath};

/// The files of a source, with those of the sources it refers to. The names never show in a listing of the root;
/// a path that starts with one leads into the other tree.
pub struct RefTree {
    main: Arc<dyn Tree>,
    others: Vec<(String, Arc<dyn Tree>)>,
}

impl RefTree {
    /// Puts trees beside `main`, by the names of their sources (without `$`).
    pub fn new(main: Arc<dyn Tree>, others: Vec<(String, Arc<dyn Tree>)>) -> Self {
        Self { main, others }
    }

    /// Returns the tree that a path leads into, and the path in there.
    fn route(&self, path: &TreePath) -> Result<(&dyn Tree, TreePath), Error> {
        let mut parts = path.parts();
        let named = parts
            .next()
            .and_then(|first| first.strip_prefix('$'))
            .and_then(|name| self.others.iter().find(|(known, _)| known == name));
        match named {
            Some((_, tree)) => {
                let inner: Vec<&str> = parts.collect();
                Ok((&**tree, TreePath::root().join(&inner.join("/"))?))
            }
            None => Ok((&*self.main, path.clone())),
        }
    }
}

impl Tree for RefTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let (tree, path) = self.route(path)?;
        tree.entry(&path)
    }

    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
        let (tree, path) = self.route(path)?;
        tree.list(&path)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes, Error> {
        let (tree, path) = self.route(path)?;
        tree.read(&path, limit)
    }
}

/// Returns the name of the source that a path starting with `$` refers to.
pub fn ref_name(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('$')?;
    let name = rest.split('/').next().unwrap_or_default();
    (!name.is_empty() && rest.len() > name.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use driftless_core::MemoryTree;
    use driftless_core::tree::read_file;

    use super::*;

    #[test]
    fn names_lead_into_other_trees_and_do_not_show() {
        let main = MemoryTree::from_listing("//- /app/Chart.yaml\nmain\n").unwrap();
        let other = MemoryTree::from_listing("//- /prod/values.yaml\nother\n").unwrap();
        let tree = RefTree::new(Arc::new(main), vec![("values".to_owned(), Arc::new(other))]);
        let path = |text: &str| TreePath::parse(text).unwrap();
        let read = |text: &str| read_file(&tree, &path(text), 100);
        assert_eq!(&read("$values/prod/values.yaml").unwrap()[..], b"other\n");
        assert_eq!(&read("app/Chart.yaml").unwrap()[..], b"main\n");
        assert!(read("$nope/prod/values.yaml").is_err());
        assert_eq!(tree.list(&TreePath::root()).unwrap().len(), 1);
        assert_eq!(ref_name("$values/a.yaml"), Some("values"));
        assert_eq!(ref_name("$values"), None);
        assert_eq!(ref_name("values/a.yaml"), None);
    }
}
