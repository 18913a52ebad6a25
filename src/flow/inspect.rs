//! Everything about an artifact, for showing: its manifest, the objects inside,
//! and every statement. Shown, not judged.

use std::collections::BTreeSet;

use crate::{
    edge::registry::Registries,
    model::{
        bundle::{check, object::Object},
        evidence::key::PublicKey,
        reference::Reference,
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
    /// The objects inside; why they are not known, when they are not.
    pub objects: Result<Vec<Object>, String>,
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
    keys: &[PublicKey],
) -> Result<Inspection> {
    let artifact = verify::resolve(registries, reference).await?;
    let (gathered, objects) = futures::join!(
        discover::gather(&artifact.store, artifact.digest(), keys, registries.limits()),
        objects(&artifact),
    );
    let objects = objects.map_err(|error| with_causes(&error));
    Ok(Inspection { artifact, objects, gathered })
}

async fn objects(artifact: &Artifact) -> Result<Vec<Object>> {
    let layer = content::fetch(artifact).await?;
    let judged = tokio::task::spawn_blocking(move || {
        let (mut facts, mut paths) = (Vec::new(), BTreeSet::new());
        content::visit(layer.path(), check::is_manifest, |file| {
            paths.insert(file.path.clone());
            facts.extend(file.bytes.map(|bytes| check::read_file(file.path, bytes)));
        })?;
        Ok::<_, Error>(check::judge(facts, &paths, &check::Options { allow_secrets: true, needs: false }))
    });
    let judged = judged.await.map_err(|error| Error::Internal(error.to_string()))??;
    Ok(judged.objects)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}
