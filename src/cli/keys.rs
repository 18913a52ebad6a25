//! Keys and passwords from the command line and the environment.

use std::io::{self, IsTerminal, Read};

use zeroize::Zeroizing;

use crate::{
    edge::signer::{self, SignerError, SigningKey},
    flow::error::{Error, Result},
    model::evidence::key::PublicKey,
};

use super::{args, output::Printer};

/// The longest password that is read from standard input.
const MAX_PASSWORD: u64 = 64 * 1024;

/// Loads every signing key; the password is asked for at most once a key.
///
/// # Errors
/// [`Error::Signer`]; [`Error::Usage`] for a key that is given twice.
pub fn signing(
    keys: &[String],
    password: args::Password,
    printer: &Printer,
) -> Result<Vec<SigningKey>> {
    let stdin = if password.key_password_stdin { Some(from_stdin()?) } else { None };
    let mut loaded: Vec<SigningKey> = Vec::new();
    for reference in keys {
        let found = signer::load(reference, &mut |reference| match &stdin {
            Some(password) => Ok(password.clone()),
            None => from_environment_or_prompt(reference),
        })?;
        if found.in_clear {
            printer.warn(&format!("the key `{reference}` is not encrypted"));
        }
        if loaded.iter().any(|key| key.fingerprint() == found.key.fingerprint()) {
            return Err(Error::usage(
                format!("the key `{reference}` is given twice"),
                "name each signer's key once",
            ));
        }
        loaded.push(found.key);
    }
    Ok(loaded)
}

/// [`signing`] beside what runs meanwhile: scrypt takes a while on purpose.
///
/// # Errors
/// As [`signing`].
pub async fn decrypted(
    keys: Vec<String>,
    password: args::Password,
    printer: &Printer,
) -> Result<Vec<SigningKey>> {
    let printer = *printer;
    tokio::task::spawn_blocking(move || signing(&keys, password, &printer))
        .await
        .map_err(|error| Error::Internal(format!("decrypting stopped: {error}")))?
}

/// Loads every public key.
///
/// # Errors
/// [`Error::Signer`].
pub fn public(keys: &[String]) -> Result<Vec<PublicKey>> {
    let mut loaded = Vec::new();
    for reference in keys {
        loaded.extend(signer::load_public(reference)?);
    }
    Ok(loaded)
}

/// The password of a new key: asked twice on a terminal.
///
/// # Errors
/// [`Error::Signer`] without a password; [`Error::Usage`] when the two differ.
pub fn new_password(password: args::Password) -> Result<Zeroizing<String>> {
    if password.key_password_stdin {
        return from_stdin();
    }
    if let Some(password) = from_environment() {
        return Ok(password);
    }
    let first = prompt("password for the new key (empty for none): ", "the new key")?;
    let second = prompt("the same again: ", "the new key")?;
    match *first == *second {
        true => Ok(first),
        false => Err(Error::usage("the two passwords differ", "run it again")),
    }
}

fn from_environment_or_prompt(reference: &str) -> Result<Zeroizing<String>, SignerError> {
    match from_environment() {
        Some(password) => Ok(password),
        None => prompt(&format!("password for `{reference}`: "), reference),
    }
}

/// An empty `COSIGN_PASSWORD` is a password, as for cosign.
fn from_environment() -> Option<Zeroizing<String>> {
    std::env::var("COSIGN_PASSWORD").ok().map(Zeroizing::new)
}

fn from_stdin() -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text);
    if let Err(error) = read {
        return Err(Error::usage(
            format!("cannot read the password from standard input: {error}"),
            "pipe it in, such as `printf %s \"$PASSWORD\" | sluicegate …`",
        ));
    }
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    Ok(text)
}

fn prompt(question: &str, reference: &str) -> Result<Zeroizing<String>, SignerError> {
    let missing = || SignerError::NoPassword { reference: reference.into() };
    if !io::stdin().is_terminal() {
        return Err(missing());
    }
    let terminal = console::Term::stderr();
    terminal.write_str(question).map_err(|_| missing())?;
    terminal.read_secure_line().map(Zeroizing::new).map_err(|_| missing())
}
