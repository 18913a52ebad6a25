//! `sluicegate policy init`.

use std::{path::Path, process::ExitCode};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::trust_policy::first,
    cli::{args::demands::PolicyInit, context, demands, keys, output::Printer},
    flow::{
        error::{Error, Result},
        policy::{self, Besides, propose},
        verify,
    },
    model::{
        evidence::{Trust, root::TrustRoot},
        policy::Kind,
    },
};

/// The JSON of `policy init`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// Always `sluicegate.dev/policy-init/v1`.
    schema: &'static str,
    /// The reference that was looked at.
    from: String,
    /// Its digest.
    digest: String,
    /// Whether the policy accepts it: it should.
    accepted: bool,
    /// The text of the policy.
    policy: String,
}

pub(in crate::cli) async fn run(args: PolicyInit, printer: &Printer) -> Result<ExitCode> {
    let root = match &args.trusted_root {
        Some(path) => policy::trust_root(path)?,
        None => TrustRoot::public_good().map_err(demands::carried)?,
    };
    let keys = keys::public(&args.key)?;
    let registries = context::registries(&args.registry, &[&args.from], printer).await?;
    let trust = Trust { keys, root: Some(root.clone()) };
    let draft = propose::propose(&registries, &args.from, trust).await?;
    let text = first::write(&draft);
    // What is written is tried: a first policy that does not load, or that turns
    // away the artifact it was made for, helps nobody.
    let besides =
        Besides { root: args.trusted_root.is_some().then_some(root), ..Besides::default() };
    let loaded = policy::read(text.as_bytes(), Path::new(""), None, &besides)
        .map_err(|error| Error::Internal(format!("the policy that was written: {error}")))?;
    let request = verify::Request::new(loaded.policy);
    let judged = verify::verify(&registries, &args.from, request).await?;
    let accepted = matches!(judged.verdict.kind(), Kind::Accepted);
    if !accepted {
        printer.warn("the policy does not accept the artifact that it was made for:");
        for reason in judged.verdict.reasons() {
            printer.say(&format!("  {}: found {}", reason.code, reason.found));
        }
    }
    if args.trusted_root.is_some() {
        printer.warn("the policy names no trust root: add `trustedRoot: {file: …}` to its `spec`");
    }
    let view = View {
        schema: "sluicegate.dev/policy-init/v1",
        from: draft.from.clone(),
        digest: draft.digest.clone(),
        accepted,
        policy: text,
    };
    printer.result(&view, || view.policy.clone()).map_err(crate::cli::stdout)?;
    Ok(ExitCode::SUCCESS)
}
