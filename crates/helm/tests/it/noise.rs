//! Broken input, by the thousand: seeds that are cut, spliced and flipped at random must never panic.
//!
//! `DRIFTLESS_NOISE=ROUNDS` runs more of them, with other random numbers each time `DRIFTLESS_NOISE_SEED` changes.

use driftless_gotemplate::Budget;
use driftless_helm::values::Overrides;
use driftless_helm::{Engine, load, render};

use super::{load as load_listing, options};

/// Texts that reach every part of the readers.
const TEMPLATES: &[&str] = include!("seeds/templates.in");
const VALUES: &[&str] = include!("seeds/values.in");
const SETS: &[&str] = include!("seeds/sets.in");

/// A small generator of random numbers, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Changes a text: pieces of others put in, taken out or doubled, and bytes flipped.
    fn mutate(&mut self, seeds: &[&str]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].as_bytes().to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            let until = at + self.below(bytes.len() - at + 1);
            match self.below(5) {
                0 => {
                    bytes.drain(at..until);
                }
                1 => {
                    let piece = bytes[at..until].to_vec();
                    bytes.splice(at..at, piece);
                }
                2 => {
                    let other = seeds[self.below(seeds.len())].as_bytes();
                    let from = self.below(other.len() + 1);
                    let to = from + self.below(other.len() - from + 1);
                    bytes.splice(at..until.min(at + 4), other[from..to].iter().copied());
                }
                3 if at < bytes.len() => bytes[at] = self.next() as u8,
                _ if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
        bytes.truncate(4096);
        bytes
    }
}

fn rounds() -> (u64, u64) {
    let read = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    (
        read("DRIFTLESS_NOISE").unwrap_or(1_500),
        read("DRIFTLESS_NOISE_SEED").unwrap_or(1),
    )
}

fn small() -> Budget {
    Budget {
        steps: 20_000,
        depth: 100,
        output: 1 << 20,
        value: 1 << 20,
        made: 8 << 20,
    }
}

#[test]
fn noisy_templates_and_values_never_panic() {
    let (rounds, seed) = rounds();
    let mut random = Random(seed);
    let engine = Engine::default();
    let mut options = options();
    options.budget = small();
    options.check_schema = false;
    let chart = load_listing("//- /Chart.yaml\napiVersion: v2\nname: c\nversion: 1.0.0\n//- /values.yaml\na: {b: 1}\nlist: [1, x]\n").unwrap();
    for _ in 0..rounds {
        let mut chart = chart.clone();
        chart.templates.push(driftless_helm::File::new(
            "templates/t.yaml",
            random.mutate(TEMPLATES).into(),
        ));
        let overrides = Overrides {
            files: vec![("v".to_owned(), random.mutate(VALUES))],
            set: vec![String::from_utf8_lossy(&random.mutate(SETS)).into_owned()],
            ..Overrides::default()
        };
        let values = overrides.to_map(&options.yaml).unwrap_or_default();
        let _ = render(&engine, chart, &values, &options);
    }
}

#[test]
fn noisy_archives_never_panic() {
    let (rounds, seed) = rounds();
    let mut random = Random(seed);
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [
        ("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("c/values.yaml", "a: 1\n"),
        ("c/.helmignore", "*.x\n!y\n/z/\n"),
        (
            "c/charts/s/Chart.yaml",
            "apiVersion: v1\nname: s\nversion: 0.1.0\n",
        ),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    let plain = builder.into_inner().unwrap();
    let limits = load::Limits {
        total: 1 << 20,
        ..load::Limits::default()
    };
    for _ in 0..rounds {
        let mut bytes = plain.clone();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(random.below(bytes.len() * 4).max(512));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, &bytes).unwrap();
        let mut packed = gz.finish().unwrap();
        if random.below(4) == 0 {
            let at = random.below(packed.len());
            packed[at] ^= 1 << random.below(8);
        }
        let _ = load::from_archive(&packed, &limits);
    }
}
