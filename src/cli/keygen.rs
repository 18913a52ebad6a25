//! `sluicegate keygen`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::flow::{error::Result, keygen};

use super::{args::Keygen, keys, output::Printer};

/// The JSON of `keygen`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Always `sluicegate.dev/keygen/v1`.
    schema: &'static str,
    /// The private key's file.
    private_key: String,
    /// The public key's file.
    public_key: String,
    /// What distinguishes the key.
    signer: String,
}

pub(super) async fn run(args: Keygen, printer: &Printer) -> Result<ExitCode> {
    keygen::check(&args.output_key_prefix)?;
    let password = keys::new_password(args.password).await?;
    if password.is_empty() {
        printer.warn("the key is encrypted with an empty password");
    }
    let pair = keygen::keygen(&args.output_key_prefix, password.as_bytes())?;
    let view = View {
        schema: "sluicegate.dev/keygen/v1",
        private_key: pair.private.display().to_string(),
        public_key: pair.public.display().to_string(),
        signer: pair.signer.to_string(),
    };
    printer
        .result(&view, || {
            format!(
                "private key  {}  (keep it secret)\npublic key   {}\nsigner       {}\n",
                view.private_key, view.public_key, view.signer
            )
        })
        .map_err(super::stdout)?;
    Ok(ExitCode::SUCCESS)
}
