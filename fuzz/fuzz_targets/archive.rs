//! Any bytes as a packed chart: as they are, and as the tar inside a sound gzip, so that both readers are reached.
#![no_main]

use std::io::Write as _;

use driftless_helm::load;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = load::Limits {
        total: 1 << 20,
        ..load::Limits::default()
    };
    let _ = load::from_archive(data, &limits);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let written = packed.write_all(data).and_then(|()| packed.finish());
    if let Ok(bytes) = written {
        let _ = load::from_archive(&bytes, &limits);
    }
});
