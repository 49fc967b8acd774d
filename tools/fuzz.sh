#!/usr/bin/env bash
# usage: tools/fuzz.sh [SECONDS [TARGET...]]: fuzzes each target that long (default 60 s, all of them), from fuzz/corpus.
# fuzz/corpus has seeds by hand (a folder per target) and what earlier runs learned (a packed archive per target). What this run
# learns goes to fuzz/found, which is not committed.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds=${1:-60}
targets=("${@:2}")
if [ ${#targets[@]} -eq 0 ]; then
  for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
cargo +nightly --version >/dev/null 2>&1 || { echo "a nightly compiler is missing: rustup toolchain install nightly" >&2; exit 1; }
cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2; exit 1; }

for target in "${targets[@]}"; do
  mkdir -p "found/$target"
  tar -xzf "corpus/$target.tgz" -C "found/$target" --skip-old-files
  options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1)
  if [ -f "dictionaries/$target" ]; then options+=(-dict="dictionaries/$target"); fi
  cargo +nightly fuzz run "$target" "found/$target" "corpus/$target" -- "${options[@]}"
done
