//! Results in memory, bounded by bytes; what has not been used for longest goes first.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::super::rendered::{PackedSet, SetDigest};
use super::super::request::Key;
use super::Found;

/// Results kept per key: the current one, and one to go back to.
const PER_KEY: usize = 2;
/// What one recorded answer costs, about.
const ANSWER_COST: usize = 160;
/// What a result costs besides set and trace, about.
const ENTRY_COST: usize = 400;

/// Results in memory.
pub(in super::super) struct Memory {
    budget: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Slot>,
    /// Equal sets of different applications are held once.
    sets: HashMap<SetDigest, Weak<PackedSet>>,
    bytes: usize,
    tick: u64,
}

struct Slot {
    used: u64,
    /// Newest first.
    found: Vec<Arc<Found>>,
}

impl Memory {
    /// Creates a store of about `budget` bytes.
    pub(in super::super) fn new(budget: usize) -> Self {
        Self {
            budget,
            state: Mutex::default(),
        }
    }

    /// Returns the bytes in use.
    pub(in super::super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Returns the results under a key, newest first.
    pub(in super::super) fn get(&self, key: &Key) -> Vec<Arc<Found>> {
        let mut state = self.state.lock();
        state.tick += 1;
        let tick = state.tick;
        state.entries.get_mut(key).map_or_else(Vec::new, |slot| {
            slot.used = tick;
            slot.found.clone()
        })
    }

    /// Adds a result.
    pub(in super::super) fn put(&self, key: Key, found: Arc<Found>) {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.tick += 1;
        let found = match state.sets.get(&found.set.digest).and_then(Weak::upgrade) {
            Some(set) if !Arc::ptr_eq(&set, &found.set) => Arc::new(Found {
                source_type: found.source_type,
                diagnostics: found.diagnostics.clone(),
                trace: found.trace.clone(),
                seen: found.seen.clone(),
                set,
                pins: found.pins.clone(),
            }),
            _ => {
                state
                    .sets
                    .insert(found.set.digest, Arc::downgrade(&found.set));
                found
            }
        };
        let slot = state.entries.entry(key).or_insert_with(|| Slot {
            used: 0,
            found: Vec::new(),
        });
        slot.used = state.tick;
        state.bytes += cost(&found);
        slot.found.insert(0, found);
        for old in slot.found.drain(PER_KEY.min(slot.found.len())..) {
            state.bytes -= cost(&old);
        }
        if state.bytes > self.budget {
            self.evict(state);
        }
    }

    fn evict(&self, state: &mut State) {
        let mut by_use: Vec<(u64, Key)> = state
            .entries
            .iter()
            .map(|(key, slot)| (slot.used, *key))
            .collect();
        by_use.sort_unstable();
        for (_, key) in by_use {
            // A little more than needed, so that this is rare.
            if state.bytes <= self.budget / 10 * 9 {
                break;
            }
            if let Some(slot) = state.entries.remove(&key) {
                state.bytes -= slot.found.iter().map(|found| cost(found)).sum::<usize>();
            }
        }
        state.sets.retain(|_, set| set.strong_count() > 0);
    }
}

fn cost(found: &Found) -> usize {
    ENTRY_COST + found.set.bytes.len() + ANSWER_COST * found.trace.len()
}
