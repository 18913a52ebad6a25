//! Pulling: verify, then extract. What was not accepted is not extracted,
//! unless the caller says in so many words that nothing is to be verified.

use std::path::PathBuf;

use crate::{
    edge::registry::Registries,
    model::{
        bundle::unpack::Limits,
        policy::{Admitted, Policy},
        reference::Reference,
    },
};

use super::{
    content,
    error::{Error, Result},
    extract::{self, Extracted, Target},
    progress::{Event, Progress, Watch},
    verify::{self, Artifact},
};

/// What to pull, and where to.
#[derive(Debug)]
pub struct Request {
    /// The artifact.
    pub reference: Reference,
    /// What must hold before anything is extracted.
    pub trust: Trust,
    /// Where it goes.
    pub target: PathBuf,
    /// What it may cost.
    pub limits: Limits,
}

/// What must hold before anything is extracted.
#[derive(Debug)]
pub enum Trust {
    /// What a policy demands.
    Verified(Box<Policy>),
    /// Nothing: the bytes may be anybody's.
    UnsafeAnything,
}

/// What was pulled.
#[derive(Debug)]
pub struct Pulled {
    /// The artifact.
    pub artifact: Artifact,
    /// The token of its verification; `None` when there was none.
    pub admitted: Option<Admitted>,
    /// What was extracted.
    pub extracted: Extracted,
}

/// Verifies and extracts. The target is looked at first, because what cannot
/// be written need not be fetched.
///
/// # Errors
/// [`Error::Verdict`] when it was not accepted, [`Error::Extract`], and what
/// keeps it from being read.
pub async fn pull(registries: &Registries, request: Request, watch: &Watch) -> Result<Pulled> {
    let target = Target::check(&request.target)?;
    let (artifact, admitted) = match &request.trust {
        Trust::UnsafeAnything => (verify::resolve(registries, &request.reference).await?, None),
        Trust::Verified(policy) => {
            watch(Event::Step("verifying"));
            let demanded = verify::Request::new((**policy).clone());
            let found = verify::verify(registries, &request.reference, demanded).await?;
            match (found.verdict.admit(), found.artifact) {
                (Some(admitted), Some(artifact)) => (artifact, Some(admitted)),
                _ => return Err(Error::Verdict(Box::new(found.verdict))),
            }
        }
    };
    watch(Event::Step("extracting"));
    let layer = content::layer(&artifact, request.limits.total)?;
    let mut read = Progress { done: 0, total: layer.size };
    let mut reader = artifact.store.open_blob(layer).await?;
    let chunk = async || {
        let chunk = reader.chunk().await?;
        read.done += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        watch(Event::Bytes(read));
        Ok(chunk)
    };
    let extracted = extract::extract(target, request.limits, chunk).await?;
    Ok(Pulled { artifact, admitted, extracted })
}
