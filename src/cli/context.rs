//! The context of a run: registries, and what the environment says.

use std::collections::BTreeMap;

use crate::{
    edge::{
        ci,
        registry::{DockerConfigSource, Host, Limits, Login, Options, Registries, Trace},
        scratch,
        secret::Secret,
        terminal,
    },
    flow::error::{Error, Result},
    model::reference::{Place, Reference},
};

use super::{args, output::Printer, stdin};

/// The registries as the flags describe them; the hosts of `references` are
/// those that login, client certificate and `--plain-http` are for.
///
/// # Errors
/// [`Error::Usage`] for certificates and keys that cannot be used, and for a
/// login that is not for exactly one host.
pub async fn registries(
    flags: &args::Registry,
    references: &[&Reference],
    printer: &Printer,
) -> Result<Registries> {
    let mut hosts: Vec<String> = references.iter().filter_map(|named| host(named)).collect();
    hosts.dedup();
    let login = match (&flags.registry_username, hosts.as_slice()) {
        (Some(username), [host]) => Some(Login {
            host: host.clone(),
            username: username.clone(),
            password: password().await?,
        }),
        (Some(_), hosts) => {
            let (found, hint) = match hosts.is_empty() {
                true => ("there is none", "leave it out for a layout"),
                false => ("there are two", "log in with `docker login`"),
            };
            return Err(Error::usage(
                format!("`--registry-username` needs one registry to log in at; {found}"),
                hint,
            ));
        }
        (None, _) => None,
    };
    let options = Options {
        plain_http: flags.plain_http,
        ca_file: flags.ca_file.clone(),
        client_cert: flags.client_cert.clone(),
        client_key: flags.client_key.clone(),
        own_hosts: hosts,
        login,
        token_realms: flags.token_realm.clone(),
        private_hosts: private_hosts(&flags.private_host)?,
        deadline: flags.timeout,
        limits: Limits {
            manifest: flags.max_manifest,
            statement: flags.max_statement,
            in_flight: flags.max_in_flight,
            statements: flags.max_statements,
            gather: flags.timeout.saturating_mul(4),
        },
        docker_config: DockerConfigSource::of_environment(|name| std::env::var_os(name)),
        trace: trace(printer),
        ..Options::default()
    };
    Registries::new(options).map_err(|error| {
        Error::usage(
            format!("cannot {}: {}", error.action, error.fault),
            "check the registry flags",
        )
    })
}

fn host(reference: &Reference) -> Option<String> {
    match &reference.place {
        Place::Registry(repository) => Some(repository.host().to_owned()),
        Place::Layout(_) => None,
    }
}

fn private_hosts(texts: &[String]) -> Result<Vec<Host>> {
    let parsed = texts.iter().map(|text| text.parse::<Host>());
    parsed.collect::<Result<_, _>>().map_err(|error| {
        Error::usage(format!("`--private-host`: {error}"), "give a host without scheme and path")
    })
}

/// With `--verbose`, every request is told of.
fn trace(printer: &Printer) -> Trace {
    let printer = printer.clone();
    match printer.verbose() {
        true => Trace::to(move |line| printer.say(line)),
        false => Trace::default(),
    }
}

/// The password of `--registry-username`, all of standard input.
async fn password() -> Result<Secret> {
    let usage = |error: &dyn std::fmt::Display| {
        Error::usage(
            format!("cannot read the registry's password from standard input: {error}"),
            "pipe it in",
        )
    };
    let bytes = stdin::read(64 * 1024).await.map_err(|error| usage(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| usage(&error))?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// Lets no temporary file be made any more, because the program is stopped.
pub fn stop() {
    scratch::stop();
}

/// Whether the parent of this process wants it to survive its terminal.
pub fn ignores_hangup() -> bool {
    terminal::ignores_hangup()
}

/// Removes the temporary files of threads that nobody waits for.
pub fn sweep() {
    scratch::sweep();
}

/// What the environment says about the CI system.
pub fn environment() -> BTreeMap<String, String> {
    ci::read()
}

/// `SOURCE_DATE_EPOCH`, when it says something.
pub fn epoch() -> Option<String> {
    std::env::var("SOURCE_DATE_EPOCH").ok().filter(|text| !text.is_empty())
}
