//! Any two texts, with a NUL between them, as objects and the replacements among them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some([objects, replacements]) = driftless_fuzz::texts(data) else {
        return;
    };
    let listing = format!(
        "//- /kustomization.yaml\nresources: [objects.yaml]\nreplacements: [{{path: replacements.yaml}}]\n//- /objects.yaml\n{objects}\n//- /replacements.yaml\n{replacements}\n"
    );
    driftless_fuzz::build_kustomization(&listing);
});
