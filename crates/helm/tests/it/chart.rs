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

#[test]
fn values_that_do_not_fit_are_told_in_the_reference_words() {
    let cases = [
        (
            r#"{"properties": {"a": {"allOf": [{"type": "string"}, {"maxLength": 2}]}}}"#,
            "a: abcd",
            "- at '/a': 'allOf' failed\n  - at '/a': maxLength: got 4, want 2\n",
        ),
        (
            r#"{"properties": {"a": {"oneOf": [{"type": "integer"}, {"minimum": 1}]}}}"#,
            "a: 4",
            "- at '/a': 'oneOf' failed, subschemas 0, 1 matched\n",
        ),
        (
            r#"{"properties": {"a": {"anyOf": [{"required": ["x"]}, {"required": ["y", "z"]}]}}}"#,
            "a: {}",
            "- at '/a': 'anyOf' failed\n  - at '/a': missing property 'x'\n  - at '/a': missing properties 'y', 'z'\n",
        ),
        (
            r#"{"properties": {"a": {"uniqueItems": true, "items": {"multipleOf": 3}}}}"#,
            "a: [3, 4, 3]",
            "- at '/a': items at 0 and 2 are equal\n- at '/a/1': multipleOf: got 4, want 3\n",
        ),
        (
            r#"{"propertyNames": {"pattern": "^[a-z]+$"}}"#,
            "Z: 1",
            "- at '': invalid propertyName 'Z'\n  - at '': 'Z' does not match pattern '^[a-z]+$'\n",
        ),
        (
            r#"{"properties": {"a": {"additionalProperties": false}}}"#,
            "a: {z: 1}",
            "- at '/a': additional properties 'z' not allowed\n",
        ),
    ];
    for (schema, values, words) in cases {
        let told = failure(&format!(
            "{HEAD}//- /values.schema.json\n{schema}\n//- /values.yaml\n{values}\n"
        ));
        assert!(told.contains(words), "{schema}\n{told}");
    }
}

#[test]
fn what_is_wrong_in_a_chart_file_is_told_with_its_path() {
    for (lines, words) in [
        (
            "dependencies: a",
            "cannot unmarshal string into Go struct field .dependencies of type []*v2.Dependency",
        ),
        (
            "dependencies: [a]",
            "cannot unmarshal string into .dependencies.0 of type v2.Dependency",
        ),
        (
            "dependencies: [{tags: a}]",
            "cannot unmarshal string into Go struct field .dependencies.0.tags of type []string",
        ),
        (
            "dependencies: [null]",
            "validation: dependencies must not contain empty or null nodes",
        ),
        (
            "annotations: {a: [1]}",
            "cannot unmarshal array into Go struct field .annotations.a of type string",
        ),
        (
            "sources: [[1]]",
            "cannot unmarshal array into .sources.0 of type string",
        ),
    ] {
        let told = failure(&format!("{HEAD}{lines}\n"));
        assert!(told.contains(words), "{lines}\n{told}");
    }
}

#[test]
fn dates_of_toml_stay_dates() {
    let text = output(
        "//- /templates/t.yaml\n{{- $t := fromToml \"a = 1979-05-27T07:32:00Z\\nb = 1979-05-27T00:32:00+05:30\\nc = 1979-05-27\\nd = 07:32:00\" }}\n\
         v: {{ list $t.a $t.b $t.c $t.d | join \"|\" }}\nt: {{ toToml $t | quote }}\n",
    );
    assert!(
        text.contains("v: 1979-05-27 07:32:00 +0000 UTC|1979-05-27 00:32:00 +0530 +0530|1979-05-27 00:00:00 +0000 date-local|0000-01-01 07:32:00 +0000 time-local"),
        "{text}"
    );
    assert!(
        text.contains(r#"t: "a = 1979-05-27T07:32:00Z\nb = 1979-05-27T00:32:00+05:30\nc = 1979-05-27\nd = 07:32:00\n""#),
        "{text}"
    );
}

#[test]
fn bytes_and_quotes_are_printed_as_go_does() {
    let text = output(
        "//- /templates/t.yaml\nx: {{ printf \"% x|%#x|%# x|%X|%.2x|% .3x|%5x|%# X\" \"hello\" \"hi\" \"hi\" \"hi\" \"hello\" \"hello\" \"hi\" \"hi\" | squote }}\n\
         q: {{ printf \"%+q|%#q|%#+q|%U|%#U|%+q\" \"h\u{e9}\" \"h`x\" \"\u{e9}\" 233 233 233 | toJson }}\n",
    );
    assert!(
        text.contains("x: '68 65 6c 6c 6f|0x6869|0x68 0x69|6869|6865|68 65 6c| 6869|0X68 0X69'"),
        "{text}"
    );
    assert!(
        text.contains(r#"q: "\"h\\u00e9\"|\"h`x\"|`é`|U+00E9|U+00E9 'é'|'\\u00e9'""#),
        "{text}"
    );
}
