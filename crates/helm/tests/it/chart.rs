//! Small charts for each rule of Helm's; the expected text is what helm v4.3.1 prints.

use driftless_helm::values::Overrides;

use super::{options, rendered};

const HEAD: &str = "//- /Chart.yaml\napiVersion: v2\nname: c\nversion: 1.0.0\n";

fn output(listing: &str) -> String {
    rendered(
        &format!("{HEAD}{listing}"),
        &Overrides::default(),
        &options(),
    )
    .unwrap()
}

fn failure(listing: &str) -> String {
    rendered(listing, &Overrides::default(), &options())
        .unwrap_err()
        .to_string()
}

#[test]
fn documents_are_sorted_by_kind_and_hooks_come_last() {
    let text = output(
        "//- /templates/b.yaml\nkind: Service\nmetadata: {name: s}\n---\nkind: Odd\n---\nkind: Namespace\n\
         //- /templates/a.yaml\nkind: Job\nmetadata:\n  annotations: {\"helm.sh/hook\": pre-install}\n\
         //- /templates/_x.tpl\nnever\n//- /templates/NOTES.txt\nnever\n//- /crds/x.yaml\nkind: CRD\n",
    );
    assert_eq!(
        text,
        "---\n# Source: c/crds/x.yaml\nkind: CRD\n\n---\n# Source: c/templates/b.yaml\nkind: Namespace\n\n\
         ---\n# Source: c/templates/b.yaml\nkind: Service\nmetadata: {name: s}\n\n\
         ---\n# Source: c/templates/b.yaml\nkind: Odd\n\
         ---\n# Source: c/templates/a.yaml\nkind: Job\nmetadata:\n  annotations: {\"helm.sh/hook\": pre-install}\n\n"
    );
}

#[test]
fn null_removes_a_value_and_subcharts_see_theirs_and_globals() {
    let listing = format!(
        "{HEAD}//- /values.yaml\na: 1\nb: {{x: 1, z: 2}}\nglobal: {{g: G}}\nsub: {{own: P}}\n\
         //- /templates/t.yaml\nv: {{{{ toJson .Values }}}}\n\
         //- /charts/sub/Chart.yaml\napiVersion: v2\nname: sub\nversion: 1.0.0\n\
         //- /charts/sub/values.yaml\nown: S\nother: O\n\
         //- /charts/sub/templates/t.yaml\nv: {{{{ toJson .Values }}}}\n"
    );
    let overrides = Overrides {
        files: vec![("v.yaml".to_owned(), b"b: {x: null}\na: null\n".to_vec())],
        ..Overrides::default()
    };
    let text = rendered(&listing, &overrides, &options()).unwrap();
    assert!(
        text.contains("v: {\"global\":{\"g\":\"G\"},\"other\":\"O\",\"own\":\"P\"}"),
        "{text}"
    );
    assert!(
        text.contains("\"b\":{\"z\":2}") && !text.contains("\"a\":1"),
        "{text}"
    );
}

#[test]
fn a_variable_of_one_branch_is_an_error_in_the_other_only_when_reached() {
    let text =
        "//- /templates/t.yaml\n{{ if .Values.on }}{{ $x := 1 }}{{ else }}{{ $x }}{{ end }}a: b\n";
    let error = failure(&format!("{HEAD}{text}"));
    assert!(error.contains("undefined variable: $x"), "{error}");
    let overrides = Overrides {
        set: vec!["on=true".to_owned()],
        ..Overrides::default()
    };
    assert!(rendered(&format!("{HEAD}{text}"), &overrides, &options()).is_ok());
    let error = failure(&format!("{HEAD}//- /templates/t.yaml\n{{{{ $y }}}}\n"));
    assert!(
        error.contains("parse error at (c/templates/t.yaml:1): undefined variable \"$y\""),
        "{error}"
    );
}

#[test]
fn charts_that_cannot_be_installed_say_why() {
    let library = HEAD.replace("version: 1.0.0", "version: 1.0.0\ntype: library");
    assert_eq!(failure(&library), "library charts are not installable");
    assert_eq!(
        failure("//- /values.yaml\na: 1\n"),
        "Chart.yaml file is missing"
    );
    let old = HEAD.replace("version: 1.0.0", "version: 1.0.0\nkubeVersion: '<1.20'");
    assert!(failure(&old).contains("incompatible with Kubernetes v1.37.0"));
    let missing = HEAD.replace(
        "version: 1.0.0",
        "version: 1.0.0\ndependencies: [{name: x, version: 1.x.x, repository: https://e.example}]",
    );
    assert!(failure(&missing).contains("missing in charts/ directory: x"));
}

#[test]
fn a_seed_makes_random_functions_repeatable() {
    let listing = "//- /templates/t.yaml\na: {{ randAlphaNum 30 }}{{ uuidv4 }}{{ (genCA \"x\" 1).Cert | b64enc }}\n";
    assert_eq!(
        output(listing).lines().nth(2).map(|line| line.get(..70)),
        output(listing).lines().nth(2).map(|line| line.get(..70))
    );
    let mut unseeded = options();
    unseeded.seed = None;
    let draw = || {
        rendered(
            &format!("{HEAD}{listing}"),
            &Overrides::default(),
            &unseeded,
        )
        .unwrap()
    };
    assert_ne!(draw(), draw());
}

#[test]
fn odd_arguments_of_functions_are_told_as_helm_tells_them() {
    let one = |action: &str| format!("{HEAD}//- /templates/t.yaml\na: {action}\n");
    for (action, wanted) in [
        ("{{ printf \"%+v\" (list 1 \"x\") | quote }}", "\"[1 x]\""),
        (
            "{{ printf \"%s\" (list \"a\" nil) | quote }}",
            "\"[a <nil>]\"",
        ),
        ("{{ randAlphaNum -1 | quote }}", "\"\""),
    ] {
        let text = rendered(&one(action), &Overrides::default(), &options()).unwrap();
        assert!(text.contains(&format!("a: {wanted}\n")), "{text}");
    }
    for (action, wanted) in [
        ("{{ index (list 1) 5 }}", "index out of range: 5"),
        ("{{ index (list) 0 }}", "reflect: slice index out of range"),
        ("{{ call \"x\" }}", "non-function \"x\" of type string"),
        (
            "{{ mustRegexFind \"(\" \"a\" }}",
            "error calling mustRegexFind: error parsing regexp: missing closing ): `(`",
        ),
        (
            "{{ decryptAES \"k\" \"x\" }}",
            "illegal base64 data at input byte 0",
        ),
        ("{{ (list 1 2).Foo }}", "at <2>:"),
    ] {
        let told = failure(&one(action));
        assert!(told.contains(wanted), "{told}");
    }
}
