//! Any bytes as a values file and, after a NUL, as the arguments of `--set`, `--set-string`, `--set-json` and `--set-literal`.
#![no_main]

use std::sync::LazyLock;

use driftless_helm::Engine;
use driftless_helm::values::Overrides;
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(5, |byte| *byte == 0);
    let file = parts.next().unwrap_or_default().to_vec();
    let mut argument = || {
        parts
            .next()
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .into_iter()
            .collect()
    };
    let overrides = Overrides {
        files: vec![("values.yaml".to_owned(), file)],
        set: argument(),
        strings: argument(),
        json: argument(),
        literals: argument(),
        ..Overrides::default()
    };
    driftless_fuzz::render_chart(
        &ENGINE,
        b"{{ toYaml .Values }}\n{{ .Values | toJson | quote }}\n",
        &overrides,
    );
});
