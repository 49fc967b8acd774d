//! Templates that mean harm end with an error that names the place, in bounded time and memory.

use driftless_helm::Error;

use super::template;

#[track_caller]
fn refused(text: &str) -> String {
    match template(text) {
        Ok(output) => panic!("rendered {} bytes: {text}", output.len()),
        Err(error @ (Error::Render(_) | Error::Limit(_))) => error.to_string(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn loops_end_after_their_steps() {
    let error = refused("{{ range until 4000000 }}{{ range until 1000 }}x{{ end }}{{ end }}");
    assert!(error.contains("c/templates/t.yaml"), "{error}");
    assert!(
        error.contains("steps") || error.contains("bytes"),
        "{error}"
    );
    refused("{{ range $i := 9000000000 }}{{ end }}");
    refused("{{ range until 100000000000 }}{{ end }}");
    refused("{{ range untilStep 0 9000000000000 1 }}{{ end }}");
    refused("{{ seq 1 9000000000000 }}");
}

#[test]
fn recursion_ends_with_its_call_stack() {
    let error = refused(
        "{{ define \"a\" }}{{ include \"b\" . }}{{ end }}{{ define \"b\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
    );
    assert!(error.contains("nested reference name"), "{error}");
    let error = refused("{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}");
    assert!(error.contains("depth"), "{error}");
    refused(
        "{{ define \"a\" }}{{ tpl \"{{ include \\\"a\\\" . }}\" . }}{{ end }}{{ include \"a\" . }}",
    );
}

#[test]
fn texts_that_multiply_are_refused() {
    refused("{{ repeat 1000000000000 \"x\" }}");
    refused("{{ repeat -1 \"x\" }}");
    refused("{{ \"x\" | indent 1000000000000 }}");
    refused("{{ $s := repeat 1000000 \"x\" }}{{ replace \"x\" $s $s }}");
    refused(
        "{{ $s := \"xx\" }}{{ range until 60 }}{{ $s = printf \"%s%s\" $s $s }}{{ end }}{{ $s }}",
    );
    refused("{{ $s := \"xx\" }}{{ range until 60 }}{{ $s = cat $s $s }}{{ end }}");
    refused("{{ printf (repeat 100000 \"%1000000d\") 1 }}");
    refused("{{ join (repeat 1000000 \"x\") (until 100000) }}");
    refused("{{ range until 200000 }}{{ repeat 10000 \"x\" }}{{ end }}");
}

#[test]
fn values_that_multiply_are_refused() {
    for write in [
        "toJson", "toYaml", "toString", "deepCopy", "toToml", "print",
    ] {
        let error = refused(&format!(
            "{{{{ $l := dict \"a\" 1 }}}}{{{{ range until 60 }}}}{{{{ $l = dict \"a\" $l \"b\" $l }}}}{{{{ end }}}}{{{{ {write} $l }}}}"
        ));
        assert!(error.contains("larger or nests deeper"), "{write}: {error}");
    }
    refused("{{ $l := list 1 2 }}{{ range until 60 }}{{ $l = concat $l $l }}{{ end }}");
    refused("{{ $l := list }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}");
}

#[test]
fn maps_that_hold_themselves_are_told_not_followed() {
    for write in ["toJson", "toYaml", "deepCopy", "print", "toToml", "quote"] {
        refused(&format!(
            "{{{{ $d := dict }}}}{{{{ $_ := set $d \"self\" $d }}}}{{{{ {write} $d }}}}"
        ));
    }
    // Making one is no mistake.
    let text =
        template("{{ $_ := set . \"self\" . }}a: {{ .self.self.self.Release.Name }}").unwrap();
    assert!(text.contains("a: demo"), "{text}");
}

#[test]
fn deep_values_are_dropped_without_a_deep_stack() {
    let text =
        template("{{ $l := list }}{{ range until 60000 }}{{ $l = list $l }}{{ end }}a: b").unwrap();
    assert!(text.contains("a: b"));
    let text =
        template("{{ $d := dict }}{{ range until 60000 }}{{ $d = dict \"d\" $d }}{{ end }}a: b")
            .unwrap();
    assert!(text.contains("a: b"));
    refused("{{ $l := list }}{{ range until 60000 }}{{ $l = list $l }}{{ end }}{{ toJson $l }}");
}

#[test]
fn costly_functions_are_worth_many_steps() {
    refused("{{ range until 100000 }}{{ genPrivateKey \"rsa\" }}{{ end }}");
    refused("{{ range until 100000 }}{{ htpasswd \"a\" \"b\" }}{{ end }}");
    refused("{{ range until 100000 }}{{ derivePassword 1 \"long\" \"a\" \"b\" \"c\" }}{{ end }}");
}

#[test]
fn templates_that_cannot_be_read_are_refused() {
    refused(&"{{ if true }}".repeat(20_000));
    refused(&format!(
        "{{{{ {}1{} }}}}",
        "(".repeat(20_000),
        ")".repeat(20_000)
    ));
    refused(&format!(
        "{{{{ tpl {} . }}}}",
        "(repeat 2000 \"{{ if true }}\")"
    ));
    refused("{{ regexMatch (repeat 1000 \"(a{1000}){1000}\") \"a\" }}");
    refused("{{ include \"nope\" . }}");
    refused("{{ fail \"no\" }}");
}

#[test]
fn documents_that_expand_are_refused() {
    let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let item = format!("*a{},", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{}]\n", item.trim_end_matches(','));
    }
    refused(&text);
    refused(&"[".repeat(100_000));
    refused(&"a: {".repeat(100_000));
    let error =
        refused("{{ fromYaml (printf \"a: %s\" (repeat 100000 \"[\")) | toJson }}{{ fail \"x\" }}");
    assert!(error.contains('x'), "{error}");
}
