//! Any bytes as a chart's template.
#![no_main]

use std::sync::LazyLock;

use driftless_helm::Engine;
use driftless_helm::values::Overrides;
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

fuzz_target!(|data: &[u8]| driftless_fuzz::render_chart(&ENGINE, data, &Overrides::default()));
