//! Everything about an artifact, for showing: its manifest, the objects inside,
//! and every statement. Shown, not judged.

use std::collections::BTreeSet;

use crate::{
    edge::registry::Registries,
    model::{
        bundle::{
            bounds::{Bounds, Keep},
            check,
            need::Need,
            object::Object,
        },
        evidence::key::PublicKey,
        reference::Reference,
        text::chain,
    },
};

use super::{
    content,
    discover::{self, Gathered},
    error::{Error, Result},
    verify::{self, Artifact},
};

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

/// What is inside an artifact.
#[derive(Debug)]
pub struct Inside {
    /// The Kubernetes objects.
    pub objects: Vec<Object>,
    /// The charts and images that they name.
    pub needs: Vec<Need>,
}

/// Reads it all. What is inside and what hangs off it are read at the same
/// time.
///
/// # Errors
/// Only what keeps the manifest from being read.
pub async fn inspect(
    registries: &Registries,
    reference: &Reference,
    keys: &[PublicKey],
) -> Result<Inspection> {
    let artifact = verify::resolve(registries, reference).await?;
    let (gathered, inside) = futures::join!(
        discover::gather(&artifact.store, artifact.digest(), keys, registries.limits()),
        inside(&artifact),
    );
    let inside = inside.map_err(|error| chain(&error));
    Ok(Inspection { artifact, inside, gathered })
}

async fn inside(artifact: &Artifact) -> Result<Inside> {
    let layer = content::fetch(artifact).await?;
    let judged = tokio::task::spawn_blocking(move || {
        let (mut facts, mut paths) = (Vec::new(), BTreeSet::new());
        content::visit(layer.path(), check::is_manifest, |file| {
            paths.insert(file.path.clone());
            facts.extend(file.bytes.map(|bytes| check::read_file(file.path, bytes, Keep::All)));
        })?;
        Ok::<_, Error>(check::judge(
            facts,
            &paths.iter().collect(),
            &check::Options { allow_secrets: true, needs: true, bounds: Bounds::NONE },
        ))
    });
    let judged = judged.await.map_err(|error| Error::Internal(error.to_string()))??;
    Ok(Inside { objects: judged.objects, needs: judged.needs })
}
