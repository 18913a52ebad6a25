//! `sluicegate pull`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    edge::registry::Registries,
    flow::{
        content,
        error::{Error, Result},
        extract::{self, Target},
        verify::{self, Artifact},
    },
    model::{
        artifact::media,
        bundle::unpack::Limits,
        digest::Digest,
        policy::{Admitted, Demands},
    },
};

use super::{args::Pull, context, keys, output::Printer, view};

/// The JSON of `pull`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Always `sluicegate.dev/pull/v1`.
    schema: &'static str,
    /// The reference as given.
    reference: String,
    /// What was extracted.
    digest: Digest,
    /// Whether it was verified; `false` only with `--unsafe-skip-verification`.
    verified: bool,
    /// Where it was extracted.
    directory: String,
    /// How many files.
    files: u64,
    /// How many bytes.
    bytes: u64,
    /// The manifest's source annotation.
    source: Option<String>,
    /// The manifest's revision annotation.
    revision: Option<String>,
}

pub(super) async fn run(args: Pull, printer: &Printer) -> Result<ExitCode> {
    let target = Target::check(&args.dir)?;
    let registries = context::registries(&args.registry, Some(&args.reference))?;
    let (artifact, admitted) = match args.unsafe_skip_verification {
        true => {
            printer.warn("nothing is verified: these bytes may be anybody's");
            (verify::resolve(&registries, &args.reference).await?, None)
        }
        false => {
            let (artifact, admitted) = admitted(&registries, &args).await?;
            (artifact, Some(admitted))
        }
    };
    let layer = content::layer(&artifact)?;
    let limits = Limits { total: args.max_size, ..Limits::default() };
    let mut reader = artifact.store.open_blob(layer).await?;
    let extracted = extract::extract(target, limits, async || reader.chunk().await).await?;
    let annotations = artifact.content.annotations();
    let view = View {
        schema: "sluicegate.dev/pull/v1",
        reference: args.reference.to_string(),
        digest: *artifact.digest(),
        verified: admitted.is_some(),
        directory: args.dir.display().to_string(),
        files: extracted.files,
        bytes: extracted.bytes,
        source: annotations.get(media::SOURCE).cloned(),
        revision: annotations.get(media::REVISION).cloned(),
    };
    printer.result(&view, || text(&view)).map_err(super::stdout)?;
    Ok(ExitCode::SUCCESS)
}

/// Verifies, and gives the artifact only with the token that says so.
async fn admitted(registries: &Registries, args: &Pull) -> Result<(Artifact, Admitted)> {
    let keys = keys::public(&args.key)?;
    let demands = Demands { provenance: args.require_provenance };
    let judged = verify::verify(registries, &args.reference, &keys, demands, false).await?;
    match (judged.verdict.admit(), judged.artifact) {
        (Some(admitted), Some(artifact)) => Ok((artifact, admitted)),
        _ => Err(Error::Verdict(Box::new(judged.verdict))),
    }
}

fn text(view: &View) -> String {
    let state = if view.verified { "verified and extracted" } else { "extracted UNVERIFIED" };
    format!(
        "{state}  {}\n  digest    {}\n  revision  {}\n  files     {} of {} in {}\n",
        view.reference,
        view.digest,
        view.revision.as_deref().unwrap_or("-"),
        view.files,
        view::size(view.bytes),
        view.directory
    )
}
