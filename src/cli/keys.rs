//! Who signs: keys, passwords and identities from the command line and the
//! environment.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use zeroize::Zeroizing;

use crate::{
    edge::{
        clock,
        keyless::{TimestampAuthority, http::Http, identity},
        signer::{self, SignerError, SigningKey},
    },
    flow::{
        error::{Error, Result},
        seal::{Keyless, Signers},
    },
    model::{
        evidence::{
            key::PublicKey,
            root::{EMBEDDED_AT, TrustRoot},
            services::{self, Services},
        },
        source::ci::Ci,
    },
};

use super::{args, context, output::Printer};

/// The longest password that is read from standard input.
const MAX_PASSWORD: u64 = 64 * 1024;

/// The largest trust root or signing configuration that is read, in bytes.
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

    /// Those who sign; keys are decrypted beside what runs meanwhile, and an
    /// identity is asked for nothing yet.
    ///
    /// # Errors
    /// [`Error::Usage`], [`Error::Signer`], [`Error::Keyless`].
    pub async fn signers(self, printer: &Printer) -> Result<Signers> {
        if self.keyless.keyless {
            return self.identity(printer);
        }
        let root = self.keyless.trusted_root.as_deref().map(given_root).transpose()?;
        let authority = match &self.keyless.timestamp_url {
            Some(url) => {
                let url = services::url(url).map_err(|error| {
                    let hint = "give the URL of an RFC 3161 service";
                    Error::usage(format!("`--timestamp-url`: {error}"), hint)
                })?;
                Some(TimestampAuthority::new(self.http()?, url))
            }
            None => None,
        };
        let keys = decrypted(self.keys, self.password, printer).await?;
        Ok(match authority {
            Some(authority) => Signers::stamped(keys, &authority, root),
            None => keys.into(),
        })
    }

    fn http(&self) -> Result<Http> {
        Ok(Http::new(self.ca_file.as_deref(), self.timeout)?)
    }

    fn identity(self, printer: &Printer) -> Result<Signers> {
        let now = clock::now();
        let identity = identity::Source::find(self.keyless.identity_token_file.as_deref())?;
        let root = match &self.keyless.trusted_root {
            Some(file) => given_root(file)?,
            None => public_good_root(printer)?,
        };
        let services = match &self.keyless.signing_config {
            Some(file) => Services::choose(&read(file, "signing configuration")?, now),
            None => Services::public_good(now),
        };
        let services = services.map_err(|error| {
            let named = self.keyless.signing_config.as_deref().unwrap_or(Path::new("(embedded)"));
            Error::usage(
                format!("cannot use the signing configuration `{}`: {error}", named.display()),
                "give a `signing_config.json` (v0.2) with `--signing-config`",
            )
        })?;
        let ci = Ci::recognise(&context::environment());
        let http = self.http()?;
        Ok(Signers::keyless(Keyless { http, services, root, identity, ci }))
    }
}

fn given_root(file: &Path) -> Result<TrustRoot> {
    TrustRoot::parse(&read(file, "trust root")?).map_err(|error| {
        Error::usage(
            format!("cannot use the trust root `{}`: {error}", file.display()),
            "give a `trusted_root.json`",
        )
    })
}

fn public_good_root(printer: &Printer) -> Result<TrustRoot> {
    let root = TrustRoot::public_good().map_err(|error| Error::Internal(error.to_string()))?;
    if root.is_stale(clock::now()) {
        printer.warn(&format!(
            "the trust root of Sigstore's public good instance that this program carries is of \
             {EMBEDDED_AT}; give a newer one with `--trusted-root`"
        ));
    }
    Ok(root)
}

fn read(file: &Path, what: &str) -> Result<Vec<u8>> {
    let failed = |error: io::Error| {
        Error::usage(
            format!("cannot read the {what} `{}`: {error}", file.display()),
            "check the path",
        )
    };
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(failed)?;
    opened.take(MAX_CONFIG + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_CONFIG {
        return Err(failed(io::Error::other(format!("it is larger than {MAX_CONFIG} bytes"))));
    }
    Ok(bytes)
}

/// Loads every signing key; the password is asked for at most once a key.
///
/// # Errors
/// [`Error::Signer`]; [`Error::Usage`] for a key that is given twice.
fn signing(
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
async fn decrypted(
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
