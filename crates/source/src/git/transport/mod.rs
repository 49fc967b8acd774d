//! Ways to reach a repository.

mod http;
mod local;
mod ssh;

pub(crate) use self::http::{Clients, Http, web_client};
pub(crate) use local::{Local, blocking};
pub(crate) use ssh::Ssh;

use gix_hash::ObjectId;

use super::error::Cause;
use super::mirror::{IncomingPack, Mirror};
use super::options::Options;
use super::wire::{FetchRequest, RefList};
use crate::repository::{Address, Repository};

/// One way to reach one repository.
pub(crate) enum Transport {
    /// `https://` and `http://`.
    Http(Box<Http>),
    /// `ssh://` and `user@host:path`.
    Ssh(Box<Ssh>),
    /// A folder on this machine.
    Local(Local),
}

impl Transport {
    /// Prepares the way; connects nowhere.
    pub(crate) fn open(
        repository: &Repository,
        options: &Options,
        clients: &Clients,
    ) -> Result<Self, Cause> {
        match repository.address().map_err(Cause::Address)? {
            Address::Http(url) => {
                let http = Http::open(url, repository, options, clients)?;
                Ok(Self::Http(Box::new(http)))
            }
            Address::Ssh {
                user,
                host,
                port,
                path,
            } => {
                let ssh = Ssh::open(user, &host, port, &path, repository, options);
                Ok(Self::Ssh(Box::new(ssh)))
            }
            Address::Local(_) if !options.allow_file_urls => Err(Cause::LocalDisabled),
            Address::Local(path) => Ok(Self::Local(Local::open(path))),
        }
    }

    /// Lists refs whose names start with one of `prefixes`, perhaps more.
    pub(crate) async fn ls_refs(
        &self,
        prefixes: &[String],
        options: &Options,
    ) -> Result<RefList, Cause> {
        match self {
            Self::Http(http) => http.ls_refs(prefixes, options).await,
            Self::Ssh(ssh) => ssh.ls_refs(prefixes, options).await,
            Self::Local(local) => local.ls_refs(prefixes, options).await,
        }
    }

    /// Fetches a pack.
    pub(crate) async fn fetch(
        &self,
        request: &FetchRequest,
        options: &Options,
    ) -> Result<IncomingPack, Cause> {
        match self {
            Self::Http(http) => http.fetch(request, options).await,
            Self::Ssh(ssh) => ssh.fetch(request, options).await,
            Self::Local(_) => Err(Cause::Lost("a fetch from a local repository")),
        }
    }

    /// Copies a commit into the mirror without a protocol; `None` when this way has no such shortcut.
    pub(crate) async fn copy(
        &self,
        commit: ObjectId,
        mirror: &std::sync::Arc<Mirror>,
        options: &Options,
    ) -> Option<Result<(), Cause>> {
        match self {
            Self::Local(local) => Some(local.copy(commit, mirror, options).await),
            Self::Http(_) | Self::Ssh(_) => None,
        }
    }

    /// Says whether the host gives commits that no ref points at.
    pub(crate) fn gives_any_commit(&self) -> bool {
        match self {
            Self::Http(http) => http.gives_any_commit(),
            Self::Ssh(ssh) => ssh.gives_any_commit(),
            Self::Local(_) => true,
        }
    }
}
