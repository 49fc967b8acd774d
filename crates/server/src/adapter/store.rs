//! Live sets of objects.

use std::sync::Arc;

use driftless_kube::Store;
use driftless_kube::store::{StoreChange, StoreState, Stored};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::de::DeserializeOwned;

use crate::deps::Objects;

impl<T: DeserializeOwned + Send + Sync + 'static> Objects<T> for Store<T> {
    fn state(&self) -> StoreState {
        Store::state(self)
    }

    fn list(&self) -> Vec<Arc<Stored<T>>> {
        Store::list(self)
    }

    fn get(&self, namespace: &str, name: &str) -> Option<Arc<Stored<T>>> {
        Store::get(self, namespace, name)
    }

    fn changes(&self) -> BoxStream<'static, Vec<StoreChange>> {
        stream::unfold(Store::changes(self), |mut changes| async move {
            changes.next().await.map(|batch| (batch, changes))
        })
        .boxed()
    }
}
