//! Any text as a tree of files that holds a kustomization (`//- /path` begins each file).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(listing) = std::str::from_utf8(data) {
        driftless_fuzz::build_kustomization(listing);
    }
});
