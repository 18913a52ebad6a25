//! The command line: what was typed → a request → a flow → output; no
//! decisions.
//!
//! [`args`] says what can be typed, [`output`] is the only place that prints,
//! and each verb has a file of its own that also defines the shape of its JSON.

use std::{process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser};

use crate::{
    flow::error::{Class, Error},
    model::text::shown,
};

pub mod args;
pub mod context;
pub mod keys;
pub mod output;
pub mod report;
pub mod view;

mod attest;
mod check;
mod diff;
pub mod diff_report;
mod inspect;
mod keygen;
mod publish;
mod pull;
mod sign;
mod verify;
mod verify_bundle;

use args::{Cli, Output, Verb};
use output::Printer;

/// How long threads may take to remove their temporary files after Ctrl-C.
const CLEANING_UP: Duration = Duration::from_secs(3);

/// Parses the arguments, runs the verb and says the exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let printer = Printer::new(&cli.global);
    if let Err(error) = allowed(&cli) {
        return failed(&error, &printer, None);
    }
    let verb = cli.verb.name();
    match dispatch(cli.verb, &printer) {
        Ok(code) => code,
        Err(error) => failed(&error, &printer, Some(verb)),
    }
}

fn dispatch(verb: Verb, printer: &Printer) -> Result<ExitCode, Error> {
    match verb {
        Verb::Keygen(args) => keygen::run(&args, printer),
        Verb::Check(args) => check::run(&args, printer),
        Verb::Publish(args) => block_on(publish::run(*args, printer)),
        Verb::Verify(args) => block_on(verify::run(args, printer)),
        Verb::Inspect(args) => block_on(inspect::run(args, printer)),
        Verb::Pull(args) => block_on(pull::run(args, printer)),
        Verb::Diff(args) => block_on(diff::run(args, printer)),
        Verb::Sign(args) => block_on(sign::run(args, printer)),
        Verb::Attest(args) => block_on(attest::run(args, printer)),
        Verb::VerifyBundle(args) => verify_bundle::run(&args, printer),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sluicegate", &mut script);
            printer.data(&String::from_utf8_lossy(&script)).map_err(stdout)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Man { dir } => {
            clap_mangen::generate_to(Cli::command(), &dir).map_err(|error| {
                Error::usage(
                    format!("cannot write man pages to `{}`: {error}", dir.display()),
                    "give a directory that exists",
                )
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Verb {
    /// The verb as typed.
    fn name(&self) -> &'static str {
        match self {
            Verb::Keygen(_) => "keygen",
            Verb::Check(_) => "check",
            Verb::Publish(_) => "publish",
            Verb::Verify(_) => "verify",
            Verb::Inspect(_) => "inspect",
            Verb::Pull(_) => "pull",
            Verb::Diff(_) => "diff",
            Verb::Sign(_) => "sign",
            Verb::Attest(_) => "attest",
            Verb::VerifyBundle(_) => "verify-bundle",
            Verb::Completions { .. } => "completions",
            Verb::Man { .. } => "man",
        }
    }
}

/// What of the arguments is read from standard input: it can be read once.
fn stdin_readers(verb: &Verb) -> Vec<&'static str> {
    let (path, password, registry) = match verb {
        Verb::Keygen(args) => (None, Some(args.password), None),
        Verb::Check(args) => (Some(&args.input.path), None, None),
        Verb::Publish(args) => {
            (Some(&args.input.path), Some(args.keys.password), Some(&args.registry))
        }
        Verb::Sign(args) => (None, Some(args.keys.password), Some(&args.registry)),
        Verb::Attest(args) => (Some(&args.predicate), Some(args.password), Some(&args.registry)),
        Verb::Verify(args) => (None, None, Some(&args.registry)),
        Verb::Inspect(args) => (None, None, Some(&args.registry)),
        Verb::Pull(args) => (None, None, Some(&args.registry)),
        Verb::Diff(args) => (None, None, Some(&args.registry)),
        Verb::VerifyBundle(_) | Verb::Completions { .. } | Verb::Man { .. } => (None, None, None),
    };
    let readers = [
        ("`-`", path.is_some_and(|path| path.as_os_str() == "-")),
        ("`--key-password-stdin`", password.is_some_and(|p| p.key_password_stdin)),
        ("`--registry-password-stdin`", registry.is_some_and(|r| r.registry_password_stdin)),
    ];
    readers.into_iter().filter(|(_, reads)| *reads).map(|(name, _)| name).collect()
}

/// SARIF and GitHub annotations are reports about input.
fn allowed(cli: &Cli) -> Result<(), Error> {
    let readers = stdin_readers(&cli.verb);
    if readers.len() > 1 {
        return Err(Error::usage(
            format!("{} all read standard input, which can be read once", readers.join(" and ")),
            "give the key's password with `COSIGN_PASSWORD`, the registry's with `docker login`, \
             and the rest as files",
        ));
    }
    let report = matches!(cli.global.output, Output::Sarif | Output::Github);
    match report && !matches!(cli.verb, Verb::Check(_) | Verb::Publish(_)) {
        true => Err(Error::usage(
            format!("`{}` cannot print `sarif` or `github`", cli.verb.name()),
            "use `-o text`, `-o json` or `-o yaml`",
        )),
        false => Ok(()),
    }
}

/// Runs a flow; ends cleanly on Ctrl-C, which leaves nothing half-written.
fn block_on(flow: impl Future<Output = Result<ExitCode, Error>>) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = flow => result,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        }
    });
    runtime.shutdown_timeout(CLEANING_UP);
    result
}

/// Says an error, as JSON too where JSON was asked for, and its exit code.
fn failed(error: &Error, printer: &Printer, verb: Option<&'static str>) -> ExitCode {
    let hint = error.hint();
    printer.error(error, hint.as_deref());
    for line in error.details() {
        printer.say_always(&format!("  {}", shown(&line)));
    }
    for reason in view::reasons(error) {
        printer.say_always(&reason.text());
    }
    let code = match error.class() {
        Class::Rejected => 1,
        Class::Usage => 2,
        Class::Unknown => 3,
    };
    if let (Some(verb), Output::Json | Output::Yaml) = (verb, printer.format()) {
        let _ = printer.result(&view::Failure::new(verb, error, code), String::new);
    }
    ExitCode::from(code)
}

/// An error of stdout.
fn stdout(error: std::io::Error) -> Error {
    Error::Usage { message: format!("cannot write to stdout: {error}"), hint: None }
}
