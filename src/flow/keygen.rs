//! Making a key pair that cosign reads, as two files that did not exist.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    edge::signer::{self, SignerError, SigningKey},
    model::evidence::key::Fingerprint,
};

use super::error::{Error, Result};

/// A key pair on disk.
#[derive(Debug)]
pub struct Pair {
    /// The private key's file, readable by its owner only.
    pub private: PathBuf,
    /// The public key's file.
    pub public: PathBuf,
    /// What distinguishes the key.
    pub signer: Fingerprint,
}

/// Looks whether a key pair could be written, which is known before the
/// password is.
///
/// # Errors
/// As [`keygen`].
pub fn check(prefix: &Path) -> Result<()> {
    signer::check_pair(prefix).map(|_| ()).map_err(refused)
}

/// Makes a key pair: `PREFIX.key`, encrypted with `password`, and `PREFIX.pub`.
///
/// # Errors
/// [`Error::Usage`] when one of the files exists, and [`Error::Signer`].
pub fn keygen(prefix: &Path, password: &[u8]) -> Result<Pair> {
    let key = SigningKey::generate()?;
    let signer = key.fingerprint();
    let (private, public) = signer::write_pair(prefix, &key, password).map_err(refused)?;
    Ok(Pair { private, public, signer })
}

fn refused(error: SignerError) -> Error {
    match error {
        SignerError::Write { path, source } if source.kind() == io::ErrorKind::AlreadyExists => {
            Error::usage(
                format!("`{}` exists, and keys are never overwritten", path.display()),
                "choose another name with `--output-key-prefix`",
            )
        }
        error => error.into(),
    }
}
