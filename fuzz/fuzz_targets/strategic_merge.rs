//! Any two texts, with a NUL between them, as an object and the patch for it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some([object, patch]) = driftless_fuzz::texts(data) else {
        return;
    };
    let listing = format!(
        "//- /kustomization.yaml\nresources: [object.yaml]\npatches: [{{path: patch.yaml, target: {{}}}}]\n//- /object.yaml\n{object}\n//- /patch.yaml\n{patch}\n"
    );
    driftless_fuzz::build_kustomization(&listing);
});
