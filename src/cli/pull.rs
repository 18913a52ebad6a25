//! `sluicegate pull`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{
        error::Result,
        pull::{self, Pulled, Request, Trust},
    },
    model::{
        artifact::media, bundle::unpack::Limits, digest::Digest, reference::Reference, text::shown,
    },
};

use super::{args::Pull, context, demands, output::Printer, view};

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
    let trust = match args.unsafe_skip_verification {
        true => {
            printer.warn("nothing is verified: these bytes may be anybody's");
            Trust::UnsafeAnything
        }
        false => Trust::Verified(Box::new(demands::demanded(&args.demands, printer)?.policy)),
    };
    let registries = context::registries(&args.registry, &[&args.reference], printer).await?;
    let request = Request {
        reference: args.reference.clone(),
        trust,
        target: args.dir.clone(),
        limits: Limits { total: args.max_size, ..Limits::default() },
    };
    let pulled = pull::pull(&registries, request, &printer.watch()).await?;
    let view = view(&args.reference, args.dir.display().to_string(), &pulled);
    printer.result(&view, || text(&view)).map_err(super::stdout)?;
    Ok(ExitCode::SUCCESS)
}

fn view(reference: &Reference, directory: String, pulled: &Pulled) -> View {
    let annotations = pulled.artifact.content.annotations.clone();
    View {
        schema: "sluicegate.dev/pull/v1",
        reference: reference.to_string(),
        digest: *pulled.artifact.digest(),
        verified: pulled.admitted.is_some(),
        directory,
        files: pulled.extracted.files,
        bytes: pulled.extracted.bytes,
        source: annotations.get(media::SOURCE).cloned(),
        revision: annotations.get(media::REVISION).cloned(),
    }
}

fn text(view: &View) -> String {
    let state = if view.verified { "verified and extracted" } else { "extracted UNVERIFIED" };
    format!(
        "{state}  {}\n  digest    {}\n  revision  {}\n  files     {} of {} in {}\n",
        view.reference,
        view.digest,
        shown(view.revision.as_deref().unwrap_or("-")),
        view.files,
        view::size(view.bytes),
        view.directory
    )
}
