//! Everything about an artifact, for showing: its manifest, the objects inside,
//! and every statement. Shown, not judged.

use crate::{
    edge::registry::Registries,
    model::{evidence::key::PublicKey, policy::Policy, reference::Reference, text::chain},
};

use super::{
    content::{self, Inside},
    discover::{self, Gathered},
    error::Result,
    verify::{self, Artifact, Case},
};

/// Whose statements are told apart from those of others.
#[derive(Debug, Clone)]
pub enum Known {
    /// Whoever holds one of these keys.
    Keys(Vec<PublicKey>),
    /// Whomever a policy names.
    Policy(Box<Policy>),
}

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// The artifact.
    pub artifact: Artifact,
    /// What is inside; why it is not known, when it is not.
    pub inside: Result<Inside, String>,
    /// The statements.
    pub gathered: Gathered,
}

/// Reads it all. What is inside and what hangs off it are read at the same
/// time.
///
/// # Errors
/// Only what keeps the manifest from being read.
pub async fn inspect(
    registries: &Registries,
    reference: &Reference,
    known: Known,
) -> Result<Inspection> {
    let artifact = verify::resolve(registries, reference).await?;
    let examine = match known {
        Known::Keys(keys) => discover::recognise(*artifact.digest(), keys.into()),
        Known::Policy(policy) => Case::examiner(*policy, reference, &artifact),
    };
    let (gathered, inside) = futures::join!(
        discover::gather(&artifact.store, artifact.digest(), &examine, registries.limits()),
        content::inside(&artifact),
    );
    let inside = inside.map_err(|error| chain(&error));
    Ok(Inspection { artifact, inside, gathered })
}
