//! Building the context of a run: registries and the watch.

use std::{
    io::{self, Read},
    sync::{Arc, Mutex},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    edge::registry::{DockerConfigSource, Limits, Login, Options, Registries},
    edge::secret::Secret,
    flow::{
        error::{Error, Result},
        publish::{Event, Watch},
    },
    model::reference::{Place, Reference},
};

use super::{args, output::Printer};

/// The registries as the flags describe them; `reference` is where the flags'
/// login goes.
///
/// # Errors
/// [`Error::Usage`] for certificates and keys that cannot be used.
pub fn registries(flags: &args::Registry, reference: Option<&Reference>) -> Result<Registries> {
    let host = match reference.map(|reference| &reference.place) {
        Some(Place::Registry(repository)) => Some(repository.host().to_owned()),
        Some(Place::Layout(_)) | None => None,
    };
    let login = match (&flags.registry_username, host.clone()) {
        (Some(username), Some(host)) => {
            Some(Login { host, username: username.clone(), password: password()? })
        }
        (Some(_), None) => {
            return Err(Error::usage(
                "`--registry-username` needs a reference to a registry",
                "leave it out for a layout",
            ));
        }
        (None, _) => None,
    };
    let options = Options {
        plain_http: flags.plain_http,
        ca_file: flags.ca_file.clone(),
        client_cert: flags.client_cert.clone(),
        client_key: flags.client_key.clone(),
        login,
        own_hosts: host.into_iter().collect(),
        token_realms: flags.token_realm.clone(),
        deadline: flags.timeout,
        limits: Limits {
            manifest: flags.max_manifest,
            statement: flags.max_statement,
            in_flight: flags.max_in_flight,
            statements: flags.max_statements,
        },
        docker_config: DockerConfigSource::of_environment(|name| std::env::var_os(name)),
        ..Options::default()
    };
    Registries::new(options).map_err(|error| {
        Error::usage(
            format!("cannot {}: {}", error.action, error.fault),
            "check the registry flags",
        )
    })
}

/// The password of `--registry-username`, all of standard input.
fn password() -> Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    io::stdin().lock().take(64 * 1024).read_to_string(&mut text).map_err(|error| {
        Error::usage(
            format!("cannot read the registry's password from standard input: {error}"),
            "pipe it in",
        )
    })?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// Who is told about progress: bars on a terminal, plain lines otherwise.
pub fn watch(printer: &Printer) -> Watch {
    let printer = *printer;
    if !printer.talks() {
        return Arc::new(|_| {});
    }
    if !printer.bars() {
        return Arc::new(move |event| match event {
            Event::Step(step) => printer.say(&format!("{step} …")),
            Event::Note(note) => printer.say(&note),
            Event::Bytes { .. } => {}
        });
    }
    let bar = Mutex::new(None::<ProgressBar>);
    Arc::new(move |event| {
        let Ok(mut bar) = bar.lock() else { return };
        match event {
            Event::Note(note) => match &*bar {
                Some(bar) => bar.println(note),
                None => printer.say(&note),
            },
            Event::Step(step) => {
                if let Some(old) = bar.take() {
                    old.finish_and_clear();
                }
                let spinner = ProgressBar::new_spinner().with_message(step);
                spinner.enable_steady_tick(std::time::Duration::from_millis(100));
                *bar = Some(spinner);
            }
            Event::Bytes { what, done, total } => {
                let Some(bar) = bar.as_ref() else { return };
                if bar.length() != Some(total) {
                    let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}";
                    if let Ok(style) = ProgressStyle::with_template(template) {
                        bar.set_style(style);
                    }
                    bar.set_length(total);
                    bar.set_message(what);
                }
                bar.set_position(done);
            }
        }
    })
}
