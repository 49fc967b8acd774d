//! One behaviour each, small enough to be read.

use super::{check, refuses};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn names_of_generated_maps_carry_a_hash_and_references_follow() {
    check(
        "//- /kustomization.yaml\nnamePrefix: x-\nresources: [pod.yaml]\nconfigMapGenerator: [{name: a, literals: [x=1, 'y=<&>']}]\n\
         //- /pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {volumes: [{name: v, configMap: {name: a}}]}\n",
        "",
        "apiVersion: v1\ndata:\n  x: \"1\"\n  \"y\": <&>\nkind: ConfigMap\nmetadata:\n  name: x-a-c9hgdm4882\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: x-p\nspec:\n  volumes:\n  - configMap:\n      name: x-a-c9hgdm4882\n    name: v\n",
    );
}

#[test]
fn a_patch_of_a_label_reaches_the_selector_that_shares_its_value() {
    check(
        "//- /base/kustomization.yaml\nresources: [d.yaml]\ncommonLabels: {app: one}\n\
         //- /base/d.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n\
         //- /kustomization.yaml\nresources: [base]\npatches: [{patch: '{apiVersion: v1, kind: Service, metadata: {name: s, labels: {app: two}}}'}]\n",
        "",
        "apiVersion: v1\nkind: Service\nmetadata:\n  labels:\n    app: two\n  name: s\nspec:\n  selector:\n    app: two\n",
    );
}

#[test]
fn lists_are_merged_by_their_keys_and_new_items_come_first() {
    check(
        "//- /kustomization.yaml\nresources: [p.yaml]\npatches: [{path: patch.yaml}]\n\
         //- /p.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: i, args: [x]}, {name: b, image: j}]}\n\
         //- /patch.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: k}, {name: b, $patch: delete}, {name: a, args: [y]}]}\n",
        "",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - image: k\n    name: c\n  - args:\n    - \"y\"\n    image: i\n    name: a\n",
    );
}

#[test]
fn dates_and_floats_take_the_detour_through_json() {
    check(
        "//- /kustomization.yaml\nresources: [a.yaml]\n\
         //- /a.yaml\napiVersion: x/v1\nkind: K\nmetadata: {name: a}\nspec: {date: 2021-01-02, float: 1.0, big: 1e3, octal: 0777, word: yes, none: null}\n",
        "",
        "apiVersion: x/v1\nkind: K\nmetadata:\n  name: a\nspec:\n  big: 1000\n  date: \"2021-01-02T00:00:00Z\"\n  float: 1\n  none: null\n  octal: 511\n  word: \"yes\"\n",
    );
}

#[test]
fn replacements_copy_parts_of_values_and_create_fields() {
    check(
        &format!(
            "//- /kustomization.yaml\nresources: [a.yaml, b.yaml]\nreplacements:\n- source: {{kind: ConfigMap, name: a, fieldPath: data.image, options: {{delimiter: ':', index: 1}}}}\n  targets:\n  - select: {{kind: Secret}}\n    fieldPaths: [stringData.tag]\n    options: {{create: true}}\n\
             //- /a.yaml\n{MAP}data: {{image: 'web:1.2'}}\n\
             //- /b.yaml\napiVersion: v1\nkind: Secret\nmetadata: {{name: b}}\n"
        ),
        "",
        "apiVersion: v1\ndata:\n  image: web:1.2\nkind: ConfigMap\nmetadata:\n  name: a\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: b\nstringData:\n  tag: 1.2\n",
    );
}

#[test]
fn components_go_on_with_what_is_there() {
    check(
        &format!(
            "//- /kustomization.yaml\nresources: [a.yaml]\ncomponents: [c]\n//- /a.yaml\n{MAP}\
             //- /c/kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: c-\n"
        ),
        "",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c-a\n",
    );
}

#[test]
fn the_kustomization_says_what_is_wrong_with_it() {
    refuses(
        "//- /kustomization.yaml\nnope: 1\n",
        "",
        "invalid Kustomization: json: unknown field \"nope\"",
    );
    refuses(
        "//- /kustomization.yaml\nnamePrefix: [a]\n",
        "",
        "json: cannot unmarshal array into Go struct field Kustomization.namePrefix of type string",
    );
    refuses(
        "//- /kustomization.yaml\n{}\n",
        "",
        "kustomization.yaml is empty",
    );
    refuses(
        "//- /a/kustomization.yaml\nkind: Nope\nnamePrefix: a\n",
        "a",
        "Failed to read kustomization file under /a:\nkind should be Kustomization or Component",
    );
}
