//! Seeded mutations of working input: whatever comes of it, no build panics or runs away. The fuzz targets in `fuzz/`
//! search deeper, with a nightly compiler.

use super::built;

const SEEDS: [&str; 3] = [
    "//- /kustomization.yaml\nresources: [a.yaml]\nnamePrefix: x-\nimages: [{name: web, newTag: '2'}]\npatches:\n- target: {kind: Deployment}\n  patch: '[{\"op\": \"add\", \"path\": \"/spec/x\", \"value\": 1}]'\n- path: p.yaml\n//- /a.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {l: v}}\nspec: {template: {spec: {containers: [{name: c, image: 'web:1', ports: [{containerPort: 80}]}]}}}\n//- /p.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: c, $patch: replace}, {name: d, ports: [{containerPort: 80, protocol: UDP}]}]}}}\n",
    "//- /kustomization.yaml\nresources: [a.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: a, fieldPath: data.x, options: {delimiter: '-', index: 1}}\n  targets:\n  - select: {kind: ConfigMap}\n    fieldPaths: ['data.[y]', data.inner.k.0, 'data.*']\n    options: {create: true, delimiter: '.', index: -1}\nvars: [{name: V, objref: {kind: ConfigMap, name: a, apiVersion: v1}, fieldref: {fieldpath: 'data.x'}}]\n//- /a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: a-b, y: c.d, inner: '{\"k\": [1]}'}\n",
    "//- /kustomization.yaml\nconfigMapGenerator: [{name: a, files: [k=f], envs: [e], literals: ['l=\"1\"'], behavior: create}]\nsecretGenerator: [{name: s, literals: [x=1]}]\ngeneratorOptions: {labels: {a: b}, immutable: true}\nbuildMetadata: [originAnnotations, transformerAnnotations]\nsortOptions: {order: legacy, legacySortOptions: {orderFirst: [Secret], orderLast: []}}\ncommonLabels: {c: l}\n//- /f\nfile\n//- /e\nA=1\n# c\nB\n",
];
const ROUNDS: usize = 1500;

/// A small generator of numbers: the same ones every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

const PIECES: [&str; 24] = [
    "null",
    "~",
    "[]",
    "{}",
    "\"",
    "'",
    ":",
    "- ",
    "\n",
    "  ",
    "*",
    "&a ",
    "*a",
    "<<: ",
    "$patch: delete",
    "$(V)",
    "\u{e9}",
    "|-\n",
    "0x",
    "-1",
    "!!binary ",
    "---\n",
    "..",
    "[a=b]",
];

fn mutate(text: &str, numbers: &mut Numbers) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(characters.len());
        match numbers.below(4) {
            0 => drop(characters.drain(at..(at + numbers.below(8)).min(characters.len()))),
            1 => {
                let piece = PIECES[numbers.below(PIECES.len())];
                characters.splice(at..at, piece.chars());
            }
            2 => {
                let other = numbers.below(characters.len());
                characters.swap(at, other);
            }
            _ => {
                let end = (at + numbers.below(40)).min(characters.len());
                let copy = characters[at..end].to_vec();
                let to = numbers.below(characters.len());
                characters.splice(to..to, copy);
            }
        }
        if characters.is_empty() {
            break;
        }
    }
    characters.into_iter().collect()
}

#[test]
fn mutated_input_never_panics() {
    let mut numbers = Numbers(0x5DEE_CE66_D1CE_4E5B);
    let mut fine = 0;
    for round in 0..ROUNDS {
        let seed = SEEDS[round % SEEDS.len()];
        let text = mutate(seed, &mut numbers);
        // A listing that no longer names files is no input.
        if driftless_core::MemoryTree::from_listing(&text).is_ok() && built(&text, "").is_ok() {
            fine += 1;
        }
    }
    // Mutations that change nothing of importance still build: the harness reaches more than the parser.
    assert!(fine > ROUNDS / 20, "{fine} of {ROUNDS}");
}
