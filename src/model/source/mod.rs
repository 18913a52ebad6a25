//! Where a bundle comes from: repository, ref and commit.
//!
//! Either read from git ([`from_git`]), where the commit is HEAD's whatever a
//! CI system says, or asserted by flags ([`asserted`]). [`clean`] says whether
//! what is packed is what the commit has, [`ci`] which builder this is,
//! [`repository`] how a repository's URL is written.

use jiff::Timestamp;

use self::{
    ci::Ci,
    clean::Difference,
    git::{GitFacts, Remote},
    repository::RepositoryError,
};
use super::text::brief;

pub mod ci;
pub mod clean;
pub mod git;
pub mod repository;

/// The longest revision that is asserted, in bytes.
const MAX_REVISION: usize = 1024;

/// The source of a bundle, from git or asserted by flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The repository's URL in normal form: `https://host/path`, without
    /// credentials and `.git`.
    pub repository: String,
    /// The ref, in full: `refs/heads/main`, `refs/tags/v1`; `None` for a
    /// detached commit that no ref names.
    pub reference: Option<String>,
    /// `main@sha1:<commit>`, `sha1:<commit>`, or with `-dirty` after the ref
    /// (`HEAD-dirty@…` without one). As given with `--revision` when asserted.
    pub revision: String,
    /// The commit, 40 or 64 hexadecimal digits; `None` when asserted without
    /// one.
    pub commit: Option<String>,
    /// The directory's path in the repository, `.` for its root; `None` when
    /// asserted.
    pub path: Option<String>,
    /// When the commit was made.
    pub committed: Option<Timestamp>,
    /// Whether it was read from git or asserted.
    pub origin: Origin,
    /// Whether the packed bytes differ from the commit's.
    pub dirty: bool,
}

/// How a [`Source`] is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Read from the git work tree.
    Git,
    /// Asserted with `--source` and `--revision`.
    Flag,
}

/// The source of a directory in a git work tree, taken to be clean; see
/// [`Source::into_dirty`].
///
/// # Errors
/// [`SourceError`] when there is no remote that others could use.
pub fn from_git(facts: &GitFacts, ci: &Ci) -> Result<Source, SourceError> {
    let remote = remote(facts)?;
    let repository = repository::normal(&remote.url)
        .map_err(|fault| SourceError::Remote { name: brief(&remote.name), fault })?;
    let reference = reference(facts, ci);
    let algorithm = facts.format.name();
    let revision = match &reference {
        Some(reference) => format!("{}@{algorithm}:{}", short(reference), facts.commit),
        None => format!("{algorithm}:{}", facts.commit),
    };
    Ok(Source {
        repository,
        reference,
        revision,
        commit: Some(facts.commit.clone()),
        path: Some(facts.path.clone()),
        committed: facts.committed,
        origin: Origin::Git,
        dirty: false,
    })
}

/// The source that `--source` and `--revision` assert. The URL is written in
/// normal form. The revision is kept as given; a commit is recognised where
/// Flux writes it, `<ref>@sha1:<commit>` or `sha1:<commit>`.
///
/// # Errors
/// [`SourceError::Asserted`] for a URL that names no repository,
/// [`SourceError::Revision`] for a revision that is empty, long or not plain.
pub fn asserted(source: &str, revision: &str) -> Result<Source, SourceError> {
    let repository = repository::normal(source).map_err(|fault| SourceError::Asserted { fault })?;
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if revision.is_empty() || revision.len() > MAX_REVISION || revision.contains(odd) {
        return Err(SourceError::Revision { text: brief(revision) });
    }
    let (pointer, digest) = match revision.rsplit_once('@') {
        Some((pointer, digest)) => (Some(pointer), digest),
        None => (None, revision),
    };
    let commit = digest.split_once(':').and_then(|(algorithm, hex)| {
        let format = git::ObjectFormat::named(algorithm)?;
        git::ObjectId::from_hex(format, hex).map(|id| id.to_string())
    });
    let pointer = pointer.filter(|_| commit.is_some());
    Ok(Source {
        repository,
        reference: pointer.and_then(ci::full),
        revision: revision.to_owned(),
        commit,
        path: None,
        committed: None,
        origin: Origin::Flag,
        dirty: pointer.is_some_and(|pointer| pointer.ends_with("-dirty")),
    })
}

/// When an artifact counts as created: `SOURCE_DATE_EPOCH` where it is set,
/// else the commit's time, else the beginning of 1970. Never the clock, so
/// that the same source makes the same bytes.
///
/// # Errors
/// [`SourceError::Epoch`] when the variable is not a number of seconds.
pub fn created(
    source_date_epoch: Option<&str>,
    committed: Option<Timestamp>,
) -> Result<Timestamp, SourceError> {
    let Some(text) = source_date_epoch else {
        return Ok(committed.unwrap_or(Timestamp::UNIX_EPOCH));
    };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = text.parse::<i64>().ok().filter(|_| digits);
    seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or_else(|| SourceError::Epoch { text: brief(text) })
}

/// The commit that a revision names: what follows `sha1:` or `sha256:` at its
/// end.
pub fn commit_of(revision: &str) -> Option<&str> {
    let (before, hex) = revision.rsplit_once(':')?;
    let algorithm = before.rsplit('@').next().unwrap_or(before);
    let format = git::ObjectFormat::named(algorithm)?;
    git::ObjectId::from_hex(format, hex).map(|_| hex)
}

impl Source {
    /// The same source, with bytes that differ from the commit's.
    #[must_use]
    pub fn into_dirty(mut self) -> Self {
        if self.dirty || self.origin == Origin::Flag {
            return self;
        }
        self.revision = match self.revision.rsplit_once('@') {
            Some((pointer, commit)) => format!("{pointer}-dirty@{commit}"),
            None => format!("HEAD-dirty@{}", self.revision),
        };
        self.dirty = true;
        self
    }

    /// Refuses a source whose bytes differ from the commit's.
    ///
    /// # Errors
    /// [`SourceError::Dirty`] naming the differences.
    pub fn require_clean(&self, differences: &[Difference]) -> Result<(), SourceError> {
        match differences.is_empty() {
            true => Ok(()),
            false => Err(SourceError::Dirty {
                commit: self.commit.clone().unwrap_or_default(),
                list: clean::list(differences),
            }),
        }
    }
}

/// The remote to record: the upstream's, else `origin`, else the only one.
fn remote(facts: &GitFacts) -> Result<Remote, SourceError> {
    let named = |name: &str| facts.remotes.iter().find(|remote| remote.name == name).cloned();
    // Some tools configure a URL as the upstream's remote; `.` is this
    // repository itself.
    let upstream = facts.upstream.as_deref().filter(|name| *name != ".").and_then(|name| {
        let anonymous = || Remote { name: "upstream".into(), url: name.to_owned() };
        named(name).or_else(|| repository::normal(name).is_ok().then(anonymous))
    });
    if let Some(remote) = upstream.or_else(|| named("origin")) {
        return Ok(remote);
    }
    match facts.remotes.as_slice() {
        [] => Err(SourceError::NoRemote),
        [only] => Ok(only.clone()),
        several => {
            let names: Vec<_> = several.iter().take(10).map(|remote| brief(&remote.name)).collect();
            Err(SourceError::SeveralRemotes { names: names.join("`, `") })
        }
    }
}

/// The ref to record: CI's if it names HEAD, else the branch, else the only
/// tag at HEAD, else none.
fn reference(facts: &GitFacts, ci: &Ci) -> Option<String> {
    let names_head = |reference: &&String| {
        let detached = facts.branch.is_none();
        facts.refs.contains(reference) || (detached && ci.commit.as_ref() == Some(&facts.commit))
    };
    let branch = || facts.branch.clone().filter(|branch| facts.refs.contains(branch));
    let only_tag = || {
        let mut tags = facts.refs.iter().filter(|name| name.starts_with("refs/tags/"));
        tags.next().filter(|_| tags.next().is_none()).cloned()
    };
    ci.reference.as_ref().filter(names_head).cloned().or_else(branch).or_else(only_tag)
}

/// The ref as Flux writes it in a revision: branches and tags by their short
/// name, anything else in full.
fn short(reference: &str) -> &str {
    let strip = |prefix| reference.strip_prefix(prefix);
    strip("refs/heads/").or_else(|| strip("refs/tags/")).unwrap_or(reference)
}

/// A source that cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No remote at all.
    #[error("the git repository has no remote to name as the source")]
    NoRemote,
    /// No telling which.
    #[error("the git repository has several remotes, none of them `origin`: `{names}`")]
    SeveralRemotes {
        /// Their names.
        names: String,
    },
    /// A remote that means nothing elsewhere.
    #[error("the URL of the git remote `{name}` cannot be recorded as the source")]
    Remote {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        fault: RepositoryError,
    },
    /// A `--source` that means nothing elsewhere.
    #[error("the value of `--source` cannot be recorded as the source")]
    Asserted {
        /// Why.
        #[source]
        fault: RepositoryError,
    },
    /// A `--revision` that is empty, long or not plain text.
    #[error(
        "`{text}` is not a revision; expected text without spaces such as `main@sha1:<commit>`"
    )]
    Revision {
        /// The revision.
        text: String,
    },
    /// A `SOURCE_DATE_EPOCH` that is no time.
    #[error(
        "`SOURCE_DATE_EPOCH` is `{text}`; expected the seconds since 1970 in decimal digits, up \
         to the year 9999"
    )]
    Epoch {
        /// The value.
        text: String,
    },
    /// What would be packed is not what the commit has.
    #[error("what would be packed differs from commit `{commit}`: {list}")]
    Dirty {
        /// The commit.
        commit: String,
        /// The first paths that differ, and how many there are.
        list: String,
    },
}

impl SourceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoRemote | Self::SeveralRemotes { .. } | Self::Remote { .. } => {
                "give the repository with `--source URL` and what was built with `--revision`"
            }
            Self::Asserted { .. } => "give a URL such as `https://host/acme/shop`",
            Self::Revision { .. } => "give what Flux writes, such as `main@sha1:<commit>`",
            Self::Epoch { .. } => "unset it to use the time of the commit",
            Self::Dirty { .. } => {
                "commit or remove them, or use `--allow-dirty`, which is recorded in the revision \
                 and the provenance"
            }
        }
    }
}

#[cfg(test)]
mod tests;
