//! `sluicegate sign`, and the shape of JSON that it shares with `attest`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{
        error::Result,
        progress::Event,
        sign::{self, Added, Outcome},
    },
    model::{digest::Digest, reference::Reference, text::shown},
};

use super::{args::Sign, context, keys::Given, output::Printer, view};

/// The JSON of `sign` and `attest`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// `sluicegate.dev/sign/v1` or `sluicegate.dev/attest/v1`.
    schema: &'static str,
    /// The reference as given.
    reference: String,
    /// What the statements are about.
    digest: Digest,
    /// What was added; empty when everything was there.
    added: Vec<AddedView>,
}

/// One statement that was added.
#[derive(Debug, Serialize, JsonSchema)]
struct AddedView {
    /// The predicate type.
    #[serde(rename = "type")]
    predicate_type: String,
    /// The manifest that holds it.
    digest: Digest,
    /// Who signed it.
    signer: String,
    /// `bundle` or `legacy-sig`.
    format: &'static str,
}

impl View {
    pub(super) fn new(schema: &'static str, reference: &Reference, outcome: &Outcome) -> Self {
        Self {
            schema,
            reference: reference.to_string(),
            digest: outcome.digest,
            added: outcome.added.iter().map(added).collect(),
        }
    }

    /// For people; `done` is what was done, such as `signed`.
    pub(super) fn text(&self, done: &str) -> String {
        if self.added.is_empty() {
            return format!("already there  {}\n  digest  {}\n", self.reference, self.digest);
        }
        let mut text = format!("{done}  {}\n  digest  {}\n", self.reference, self.digest);
        for added in &self.added {
            let AddedView { predicate_type, digest, signer, format } = added;
            text.push_str(&format!("  added   {}  ({format})\n", shown(predicate_type)));
            text.push_str(&format!("          {digest}\n          by {signer}\n"));
        }
        text
    }
}

fn added(added: &Added) -> AddedView {
    AddedView {
        predicate_type: added.predicate_type.clone(),
        digest: added.manifest,
        signer: added.signer.to_string(),
        format: view::format(added.format),
    }
}

pub(super) async fn run(args: Sign, printer: &Printer) -> Result<ExitCode> {
    let given = Given::new(args.keys.key, args.keys.password, args.keys.keyless, &args.registry)?;
    let registries = context::registries(&args.registry, &[&args.reference], printer).await?;
    let signers = given.signers(printer).await?;
    printer.glance()(Event::Step("signing"));
    let outcome =
        sign::sign(&registries, &args.reference, signers, !args.no_legacy_signature).await?;
    let view = View::new("sluicegate.dev/sign/v1", &args.reference, &outcome);
    printer.result(&view, || view.text("signed")).map_err(super::stdout)?;
    Ok(ExitCode::SUCCESS)
}
