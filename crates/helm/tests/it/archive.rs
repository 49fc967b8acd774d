//! Archives: what helm packs is read, what nobody packs in good faith is refused.

use std::io::Write as _;

use driftless_helm::load;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Packs entries as they are: names that the tar library would refuse, too.
fn pack(entries: &[(&str, &[u8], u8)]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    for (name, content, kind) in entries {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = *kind;
        if *kind == b'2' {
            header[157..168].copy_from_slice(b"/etc/passwd");
        }
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        gz.write_all(&header).unwrap();
        gz.write_all(content).unwrap();
        gz.write_all(&vec![
            0;
            content.len().next_multiple_of(512) - content.len()
        ])
        .unwrap();
    }
    gz.write_all(&[0; 1024]).unwrap();
    gz.finish().unwrap()
}

const CHART: &[u8] = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";

fn refused(entries: &[(&str, &[u8], u8)]) -> String {
    match load::from_archive(&pack(entries), &load::Limits::default()) {
        Ok(_) => panic!("loaded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_packed_chart_is_read() {
    let archive = pack(&[
        ("c/Chart.yaml", CHART, b'0'),
        ("c/templates/a.yaml", b"a: 1\n", b'0'),
    ]);
    let chart = load::from_archive(&archive, &load::Limits::default()).unwrap();
    assert_eq!((chart.name(), chart.templates.len()), ("c", 1));
}

#[test]
fn names_that_leave_the_archive_are_refused() {
    for name in [
        "c/../../etc/passwd",
        "/etc/passwd",
        "c//etc/passwd/../../../x",
        "../c/x",
        "c/..",
        "c\\..\\..\\x",
    ] {
        let error = refused(&[("c/Chart.yaml", CHART, b'0'), (name, b"x", b'0')]);
        assert!(error.contains("chart"), "{name}: {error}");
    }
}

#[test]
fn links_and_floods_are_refused() {
    let error = refused(&[("c/Chart.yaml", CHART, b'0'), ("c/link", b"", b'2')]);
    assert!(error.contains("links"), "{error}");
    let zeros = vec![0u8; 20 << 20];
    let error = refused(&[("c/Chart.yaml", CHART, b'0'), ("c/zeros", &zeros, b'0')]);
    assert!(error.contains("maximum size"), "{error}");
    let part = vec![0u8; 15 << 20];
    let many: Vec<(&str, &[u8], u8)> = [
        "c/1", "c/2", "c/3", "c/4", "c/5", "c/6", "c/7", "c/8", "c/9",
    ]
    .into_iter()
    .map(|name| (name, part.as_slice(), b'0'))
    .collect();
    assert!(refused(&many).contains("maximum size"));
}

#[test]
fn what_is_no_archive_is_refused() {
    let limits = load::Limits::default();
    for bytes in [
        &b""[..],
        b"not an archive",
        &[0x1F, 0x8B],
        &[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0xFF],
    ] {
        assert!(load::from_archive(bytes, &limits).is_err());
    }
    let whole = pack(&[("c/Chart.yaml", CHART, b'0')]);
    for length in 0..whole.len() {
        // A cut archive is an error or, when only the end marks are gone, the whole chart.
        let _ = load::from_archive(whole.get(..length).unwrap_or_default(), &limits);
    }
    assert!(refused(&[("c/values.yaml", b"a: 1", b'0')]).contains("Chart.yaml"));
    let error = refused(&[("c/Chart.yaml", b"\xFF\xFE\xFD: [", b'0')]);
    assert!(error.contains("Chart.yaml"), "{error}");
}
