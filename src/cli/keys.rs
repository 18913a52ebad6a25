//! Who signs: keys, passwords and identities from the command line and the
//! environment.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use zeroize::Zeroizing;

use crate::{
    edge::{
        clock, files,
        keyless::{TimestampAuthority, http::Http, identity},
        secret::Secret,
        signer::{self, Loaded, SignerError, SigningKey},
        terminal,
    },
    flow::{
        error::{Error, Result},
        policy,
        seal::{Keyless, Signers},
    },
    model::{
        evidence::{
            key::PublicKey,
            root::TrustRoot,
            services::{self as known, Services},
        },
        source::ci::Ci,
    },
};

use super::{args, context, demands, output::Printer, stdin};

/// The longest password that is read from standard input.
const MAX_PASSWORD: u64 = 64 * 1024;

/// The largest signing configuration that is read, in bytes.
const MAX_CONFIG: u64 = 4 * 1024 * 1024;

/// Who was asked to sign.
#[derive(Debug)]
pub struct Given {
    keys: Vec<String>,
    password: args::Password,
    keyless: args::Keyless,
    ca_file: Option<PathBuf>,
    timeout: Duration,
}

impl Given {
    /// Takes the flags; exactly one of `--key` and `--keyless` must be there.
    ///
    /// # Errors
    /// [`Error::Usage`], with the identity that is available here.
    pub fn new(
        keys: Vec<String>,
        password: args::Password,
        keyless: args::Keyless,
        registry: &args::Registry,
    ) -> Result<Self> {
        if keys.is_empty() && !keyless.keyless {
            let here = match identity::Source::find(None) {
                Ok(source) => format!("the identity of {source}"),
                Err(error) => format!("{error}"),
            };
            return Err(Error::usage(
                "nobody was asked to sign: neither `--key` nor `--keyless` is given",
                format!("give `--key cosign.key`, or `--keyless` (here: {here})"),
            ));
        }
        // clap forgives what is required where it conflicts with what is given.
        let only = [
            ("--identity-token-file", keyless.identity_token_file.is_some()),
            ("--signing-config", keyless.signing_config.is_some()),
        ];
        if let Some((flag, _)) = only.iter().find(|(_, given)| *given && !keyless.keyless) {
            return Err(Error::usage(
                format!("`{flag}` has no effect on signing with a key"),
                "give it with `--keyless`, or leave it out",
            ));
        }
        if keyless.trusted_root.is_some() && !keyless.keyless && keyless.timestamp_url.is_none() {
            return Err(Error::usage(
                "`--trusted-root` has nothing to check: a key alone needs none",
                "give it with `--keyless` or with `--timestamp-url`",
            ));
        }
        let (ca_file, timeout) = (registry.ca_file.clone(), registry.timeout);
        Ok(Self { keys, password, keyless, ca_file, timeout })
    }

    /// Looks whether the keys could be loaded, without their passwords.
    ///
    /// # Errors
    /// As [`Given::signers`].
    pub fn look_at(&self) -> Result<()> {
        look_at(&self.keys)
    }

    /// Whether somebody will be asked, should a key be encrypted.
    pub fn will_ask(&self) -> bool {
        !self.keyless.keyless
            && !self.password.key_password_stdin
            && from_environment().is_none()
            && terminal::is_there()
    }

    /// Those who sign; keys are decrypted beside what runs meanwhile, and an
    /// identity is asked for nothing yet.
    ///
    /// # Errors
    /// [`Error::Usage`], [`Error::Signer`], [`Error::Keyless`].
    pub async fn signers(self, printer: &Printer) -> Result<Signers> {
        if self.keyless.keyless {
            return self.identity(printer);
        }
        let root = self.keyless.trusted_root.as_deref().map(policy::trust_root).transpose()?;
        let authority = match &self.keyless.timestamp_url {
            Some(url) => {
                let url = known::url(url).map_err(|error| {
                    let hint = "give the URL of an RFC 3161 service";
                    Error::usage(format!("`--timestamp-url`: {error}"), hint)
                })?;
                Some(TimestampAuthority::new(self.http()?, url))
            }
            None => None,
        };
        let keys = signing(self.keys, self.password, printer).await?;
        Ok(match authority {
            Some(authority) => Signers::stamped(keys, &authority, root),
            None => keys.into(),
        })
    }

    fn http(&self) -> Result<Http> {
        Ok(Http::new(self.ca_file.as_deref(), self.timeout)?)
    }

    fn identity(self, printer: &Printer) -> Result<Signers> {
        let identity = identity::Source::find(self.keyless.identity_token_file.as_deref())?;
        let root = match &self.keyless.trusted_root {
            Some(file) => policy::trust_root(file)?,
            None => public_good_root(printer)?,
        };
        let services = services(self.keyless.signing_config.as_deref(), false)?;
        let ci = Ci::recognise(&context::environment());
        let http = self.http()?;
        Ok(Signers::keyless(Keyless { http, services, root, identity, ci }))
    }
}

/// A token that was typed. It is shown nowhere.
#[derive(Debug, Clone)]
pub struct IdentityToken(Secret);

impl FromStr for IdentityToken {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Secret::new(text)))
    }
}

impl IdentityToken {
    /// What signing with it takes.
    ///
    /// # Errors
    /// [`Error::Keyless`].
    pub fn session(self, timeout: Duration) -> Result<(Http, identity::Source)> {
        Ok((Http::new(None, timeout)?, identity::Source::Given(self.0)))
    }
}

/// The services of a signing configuration, or else of an embedded one.
///
/// # Errors
/// [`Error::Usage`].
pub fn services(file: Option<&Path>, staging: bool) -> Result<Services> {
    let now = clock::now();
    let services = match (file, staging) {
        (Some(file), _) => {
            let bytes = files::read_bounded(file, MAX_CONFIG).map_err(|error| {
                let what = format!("the signing configuration `{}`", file.display());
                Error::usage(format!("cannot read {what}: {error}"), "check the path")
            })?;
            Services::choose(&bytes, now)
        }
        (None, true) => Services::staging(now),
        (None, false) => Services::public_good(now),
    };
    services.map_err(|error| {
        let named = file.unwrap_or(Path::new("(embedded)"));
        Error::usage(
            format!("cannot use the signing configuration `{}`: {error}", named.display()),
            "give a `signing_config.json` (v0.2) with `--signing-config`",
        )
    })
}

fn public_good_root(printer: &Printer) -> Result<TrustRoot> {
    let root = TrustRoot::public_good().map_err(demands::carried)?;
    if let Some(warning) = policy::stale(&root) {
        printer.warn(&warning);
    }
    Ok(root)
}

/// How often a person at a terminal may type the password of a key.
const ATTEMPTS: u32 = 3;

/// Loads every signing key beside what runs meanwhile, because scrypt takes a
/// while on purpose and a person longer. What is wrong with any of them is
/// said before a password is asked for.
///
/// # Errors
/// [`Error::Signer`]; [`Error::Usage`] for a key that is given twice.
async fn signing(
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
fn look_at(keys: &[String]) -> Result<()> {
    for (at, reference) in keys.iter().enumerate() {
        if keys.iter().take(at).any(|other| other == reference) {
            return Err(twice(reference));
        }
        signer::look_at(reference)?;
    }
    Ok(())
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
