//! Whatever a host sends, we answer with a value or an error.

use std::path::Path;

use proptest::prelude::*;

use super::packet::write_line;
use super::*;

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn line(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_line(&mut out, text);
    out
}

const ID: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";

#[test]
fn refs_of_both_protocols_are_read() {
    let v2 = [
        line(&format!("{ID} HEAD symref-target:refs/heads/main")),
        line(&format!("{ID} refs/tags/v1 peeled:{OTHER}")),
        line("unborn refs/heads/x"),
        b"0000".to_vec(),
    ]
    .concat();
    let refs = run(v2::read_refs(&mut Packets::new(&v2[..]), 10)).unwrap();
    assert_eq!(refs["HEAD"].commit().to_string(), ID);
    assert_eq!(refs["refs/tags/v1"].commit().to_string(), OTHER);
    assert_eq!(refs.len(), 2);
    assert!(matches!(
        run(v2::read_refs(&mut Packets::new(&v2[..]), 1)),
        Err(Cause::TooLarge { limit: 1, .. })
    ));
    let v0 = [
        line("# service=git-upload-pack"),
        b"0000".to_vec(),
        line(&format!("{ID} HEAD\0side-band-64k shallow agent=x")),
        line(&format!("{ID} refs/tags/v1")),
        line(&format!("{OTHER} refs/tags/v1^{{}}")),
        b"0000".to_vec(),
    ]
    .concat();
    match run(read_greeting(&mut Packets::new(&v0[..]), 10)).unwrap() {
        Greeting::V0(host) => assert_eq!(host.refs["refs/tags/v1"].commit().to_string(), OTHER),
        Greeting::V2(_) => panic!("version 0 was sent"),
    }
}

#[test]
fn errors_of_the_host_keep_their_meaning() {
    let say = |text: &str| {
        let packet = line(&format!("ERR {text}"));
        run(Packets::new(&packet[..]).next()).unwrap_err()
    };
    assert!(matches!(
        say(&format!("upload-pack: not our ref {ID}")),
        Cause::CommitNotFound { .. }
    ));
    assert!(matches!(
        say("Repository not found."),
        Cause::RepositoryNotFound
    ));
    assert!(matches!(
        say("API rate limit exceeded"),
        Cause::RateLimited { .. }
    ));
    assert!(matches!(say("boom\u{7}"), Cause::Unreachable { detail, .. } if detail == "boom"));
}

#[test]
fn a_pack_that_ends_early_is_no_pack() {
    let start = [line("packfile"), b"0009\x01PACK".to_vec()].concat();
    let mut pack = IncomingPack::new(100, Path::new("/nowhere"));
    assert!(run(v2::read_fetch(&mut Packets::new(&start[..]), &mut pack)).is_err());
}

proptest! {
    #[test]
    fn nothing_a_host_sends_makes_us_panic(
        parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                "[0-9a-f]{4}.{0,20}".prop_map(String::into_bytes),
                prop_oneof![
                    Just("version 2"), Just("# service=x"), Just("packfile"), Just("shallow-info"), Just("NAK"),
                    Just("ERR x"), Just("fetch=shallow"), Just("object-format=sha256"),
                    Just("1111111111111111111111111111111111111111 HEAD"),
                    Just("1111111111111111111111111111111111111111 refs/tags/x^{}"),
                ].prop_map(line),
                prop_oneof![Just("0000"), Just("0001"), Just("0002"), Just("0003"), Just("0004")]
                    .prop_map(|text| text.as_bytes().to_vec()),
            ],
            0..12,
        )
    ) {
        let bytes = parts.concat();
        run(async {
            let _ = read_greeting(&mut Packets::new(&bytes[..]), 10).await;
            let _ = v2::read_refs(&mut Packets::new(&bytes[..]), 10).await;
            let _ = v2::read_fetch(&mut Packets::new(&bytes[..]), &mut IncomingPack::new(50, Path::new("/nowhere"))).await;
            let _ = v0::read_fetch(&mut Packets::new(&bytes[..]), &mut IncomingPack::new(50, Path::new("/nowhere"))).await;
        });
    }
}
