//! `sluicegate sign-bundle`: a file, signed with an identity token, as a Sigstore
//! bundle (Sigstore client conformance protocol).

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{error::Result, sign_bundle},
    model::text::shown,
};

use super::{args::SignBundle, keys, output::Printer, verify_bundle};

/// The JSON of `sign-bundle`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// Always `sluicegate.dev/sign-bundle/v1`.
    schema: &'static str,
    /// The file that was written.
    bundle: String,
    /// Who signed it, as the certificate says.
    signer: String,
}

pub(super) async fn run(args: SignBundle, printer: &Printer) -> Result<ExitCode> {
    let bytes = verify_bundle::artifact(&args.artifact)?;
    let root = verify_bundle::root(args.trusted_root.as_deref(), args.staging)?;
    let config = args.signing_config.as_deref();
    let services = keys::services(config, args.staging)?;
    let (http, identity) = args.identity_token.session(args.timeout)?;
    let signer = sign_bundle::sign_bundle(sign_bundle::Request {
        bytes: &bytes,
        in_toto: args.in_toto,
        http,
        services,
        root: &root,
        identity,
        target: &args.bundle,
    })
    .await?;
    let view = View {
        schema: "sluicegate.dev/sign-bundle/v1",
        bundle: args.bundle.display().to_string(),
        signer: signer.to_string(),
    };
    let text = || format!("wrote {}, signed by {}\n", shown(&view.bundle), shown(&view.signer));
    printer.result(&view, text).map_err(super::stdout)?;
    Ok(ExitCode::SUCCESS)
}
