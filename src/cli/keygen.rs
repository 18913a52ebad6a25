//! `sluicegate keygen`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    edge::signer::{self, SigningKey},
    flow::error::{Error, Result},
};

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

pub(super) fn run(args: &Keygen, printer: &Printer) -> Result<ExitCode> {
    let password = keys::new_password(args.password)?;
    let key = SigningKey::generate()?;
    if password.is_empty() {
        printer.warn("the key is encrypted with an empty password");
    }
    let (private, public) = signer::write_pair(&args.output_key_prefix, &key, password.as_bytes())
        .map_err(|error| match &error {
            signer::SignerError::Write { path, source }
                if source.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                Error::usage(
                    format!("`{}` exists, and keys are never overwritten", path.display()),
                    "choose another name with `--output-key-prefix`",
                )
            }
            _ => error.into(),
        })?;
    let view = View {
        schema: "sluicegate.dev/keygen/v1",
        private_key: private.display().to_string(),
        public_key: public.display().to_string(),
        signer: key.fingerprint().to_string(),
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
