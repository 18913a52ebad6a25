//! Keys and passwords from the command line and the environment.

use zeroize::Zeroizing;

use crate::{
    edge::{
        signer::{self, Loaded, SignerError, SigningKey},
        terminal,
    },
    flow::error::{Error, Result},
    model::evidence::key::PublicKey,
};

use super::{args, output::Printer, stdin};

/// The longest password that is read from standard input.
const MAX_PASSWORD: u64 = 64 * 1024;

/// How often a person at a terminal may type the password of a key.
const ATTEMPTS: u32 = 3;

/// Loads every signing key beside what runs meanwhile, because scrypt takes a
/// while on purpose and a person longer. What is wrong with any of them is
/// said before a password is asked for.
///
/// # Errors
/// [`Error::Signer`]; [`Error::Usage`] for a key that is given twice.
pub async fn signing(
    keys: Vec<String>,
    password: args::Password,
    printer: &Printer,
) -> Result<Vec<SigningKey>> {
    look_at(&keys)?;
    let printer = printer.clone();
    let loading = tokio::task::spawn_blocking(move || load(&keys, password, &printer));
    loading.await.map_err(|error| Error::Internal(format!("decrypting stopped: {error}")))?
}

/// Looks whether the keys could be loaded, without their passwords.
///
/// # Errors
/// As [`signing`].
pub fn look_at(keys: &[String]) -> Result<()> {
    for (at, reference) in keys.iter().enumerate() {
        if keys.iter().take(at).any(|other| other == reference) {
            return Err(twice(reference));
        }
        signer::look_at(reference)?;
    }
    Ok(())
}

/// Whether somebody will be asked, should a key be encrypted.
pub fn will_ask(password: args::Password) -> bool {
    !password.key_password_stdin && from_environment().is_none() && terminal::is_there()
}

fn load(keys: &[String], password: args::Password, printer: &Printer) -> Result<Vec<SigningKey>> {
    let stdin = if password.key_password_stdin { Some(from_stdin()?) } else { None };
    let given = stdin.or_else(from_environment);
    let mut loaded: Vec<SigningKey> = Vec::new();
    for reference in keys {
        let found = match &given {
            Some(given) => signer::load(reference, &mut |_| Ok(given.clone()))?,
            None => asking(reference, printer)?,
        };
        if found.in_clear {
            printer.warn(&format!("the key `{reference}` is not encrypted"));
        }
        if loaded.iter().any(|key| key.fingerprint() == found.key.fingerprint()) {
            return Err(twice(reference));
        }
        loaded.push(found.key);
    }
    Ok(loaded)
}

/// Loads a key; a password that does not open it is asked for again.
fn asking(reference: &str, printer: &Printer) -> Result<Loaded, SignerError> {
    let mut attempt = 1;
    loop {
        let mut ask = |reference: &str| {
            let missing = || SignerError::NoPassword { reference: reference.into() };
            printer.pause();
            asked(&format!("password for `{reference}`: ")).ok_or_else(missing)
        };
        match signer::load(reference, &mut ask) {
            Err(error @ SignerError::Password { .. }) if attempt < ATTEMPTS => {
                printer.say_always(&format!("{error}; try again"));
                attempt += 1;
            }
            result => return result,
        }
    }
}

fn twice(reference: &str) -> Error {
    Error::usage(format!("the key `{reference}` is given twice"), "name each signer's key once")
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
/// [`Error::Usage`] without a password, and when the two differ.
pub async fn new_password(password: args::Password) -> Result<Zeroizing<String>> {
    let asking = tokio::task::spawn_blocking(move || ask_new_password(password));
    asking.await.map_err(|error| Error::Internal(format!("asking stopped: {error}")))?
}

fn ask_new_password(password: args::Password) -> Result<Zeroizing<String>> {
    if password.key_password_stdin {
        return from_stdin();
    }
    if let Some(password) = from_environment() {
        return Ok(password);
    }
    let ask = |question| {
        let missing = || {
            Error::usage(
                "there is no password for the new key",
                "set `COSIGN_PASSWORD`, give `--key-password-stdin`, or run on a terminal",
            )
        };
        asked(question).ok_or_else(missing)
    };
    let first = ask("password for the new key (empty for none): ")?;
    let second = ask("the same again: ")?;
    match *first == *second {
        true => Ok(first),
        false => Err(Error::usage("the two passwords differ", "run it again")),
    }
}

/// An empty `COSIGN_PASSWORD` is a password, as for cosign.
fn from_environment() -> Option<Zeroizing<String>> {
    std::env::var("COSIGN_PASSWORD").ok().map(Zeroizing::new)
}

fn from_stdin() -> Result<Zeroizing<String>> {
    let usage = |error: &dyn std::fmt::Display| {
        Error::usage(
            format!("cannot read the password from standard input: {error}"),
            "pipe it in, such as `printf %s \"$PASSWORD\" | sluicegate …`",
        )
    };
    let bytes = stdin::wait(MAX_PASSWORD).map_err(|error| usage(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| usage(&error))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The answer to a question on a terminal, when there is one.
fn asked(question: &str) -> Option<Zeroizing<String>> {
    match terminal::is_there() {
        true => terminal::ask(question).ok().flatten(),
        false => None,
    }
}

/// Leaves the terminal as it was, should a question be cut off; whether one
/// was, or a pipe is still waited for.
pub fn stop_asking() -> bool {
    terminal::restore() | stdin::is_awaited()
}
