//! Which applications follow which refs of which repositories.

use std::collections::{HashMap, HashSet};

use driftless_core::AppKey;
use driftless_source::{Git, Repository, RepositoryId, Target, Tracked};
use parking_lot::Mutex;

/// One ref of one repository.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RefKey {
    repository: RepositoryId,
    target: String,
}

impl RefKey {
    /// Builds a key.
    pub(crate) fn new(repository: RepositoryId, target: &Target) -> Self {
        Self {
            repository,
            target: target.as_str().to_owned(),
        }
    }
}

/// The refs that applications follow. One tracked ref serves all its applications: it is polled once.
#[derive(Default)]
pub(crate) struct Following {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failing: HashSet<RefKey>,
    refs: HashMap<RefKey, Ref>,
    apps: HashMap<AppKey, Vec<RefKey>>,
}

struct Ref {
    apps: HashSet<AppKey>,
    _tracked: Tracked,
}

impl Following {
    /// Replaces what an application follows.
    pub(crate) fn set(&self, git: &Git, app: &AppKey, refs: &[(Repository, Target)]) {
        let keys: Vec<RefKey> = refs
            .iter()
            .map(|(repository, target)| RefKey::new(repository.id(), target))
            .collect();
        let mut state = self.state.lock();
        if state.apps.get(app).is_some_and(|known| *known == keys) {
            return;
        }
        state.unfollow(app);
        for (key, (repository, target)) in keys.iter().zip(refs) {
            let tracked = || Ref {
                apps: HashSet::new(),
                _tracked: git.track(repository, target),
            };
            state
                .refs
                .entry(key.clone())
                .or_insert_with(tracked)
                .apps
                .insert(app.clone());
        }
        state.apps.insert(app.clone(), keys);
    }

    /// Remembers whether a ref can be resolved.
    pub(crate) fn set_failing(&self, key: &RefKey, failing: bool) {
        let mut state = self.state.lock();
        if failing {
            state.failing.insert(key.clone());
        } else {
            state.failing.remove(key);
        }
    }

    /// Says whether a ref of the application could not be resolved when it was last polled: an old answer must not
    /// hide that.
    pub(crate) fn is_failing(&self, app: &AppKey) -> bool {
        let state = self.state.lock();
        let keys = state.apps.get(app);
        keys.is_some_and(|keys| keys.iter().any(|key| state.failing.contains(key)))
    }

    /// Forgets an application; refs that nobody follows are not polled any more.
    pub(crate) fn forget(&self, app: &AppKey) {
        self.state.lock().unfollow(app);
    }

    /// Returns the applications that follow a ref, sorted.
    pub(crate) fn followers(&self, key: &RefKey) -> Vec<AppKey> {
        let state = self.state.lock();
        let mut apps: Vec<AppKey> = state
            .refs
            .get(key)
            .map(|one| one.apps.iter().cloned().collect())
            .unwrap_or_default();
        apps.sort();
        apps
    }
}

impl State {
    fn unfollow(&mut self, app: &AppKey) {
        for key in self.apps.remove(app).unwrap_or_default() {
            if let Some(one) = self.refs.get_mut(&key) {
                one.apps.remove(app);
                if one.apps.is_empty() {
                    self.refs.remove(&key);
                }
            }
        }
    }
}
