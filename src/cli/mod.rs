//! The command line: what was typed → a request → a flow → output; no
//! decisions.
//!
//! [`args`] says what can be typed, [`output`] is the only place that prints,
//! and each verb has a file of its own that also defines the shape of its JSON.

use std::{io, process::ExitCode, time::Duration};

use clap::FromArgMatches;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    flow::error::{Class, Error},
    model::text::shown,
};

pub mod args;
pub mod context;
pub mod keys;
pub mod output;
pub mod progress;
pub mod report;
pub mod view;

mod attest;
mod check;
mod demands;
mod diff;
pub mod diff_report;
mod document;
mod evidence;
mod input;
mod inspect;
mod keygen;
mod man;
mod obligations;
pub mod policy;
mod publish;
mod pull;
mod sign;
mod sign_bundle;
mod stdin;
mod usage;
mod verify;
mod verify_bundle;

use args::{Cli, Global, Output, Verb, demands::PolicyVerb};
use output::Printer;

/// How long threads may take to end by themselves after a signal.
const CLEANING_UP: Duration = Duration::from_secs(3);

/// Parses the arguments, runs the verb and says the exit code.
pub fn run() -> ExitCode {
    let parsed = args::command().try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let printer = Printer::new(&cli.global);
    let verb = cli.verb.name();
    match allowed(&cli).and_then(|()| dispatch(cli.verb, &printer)) {
        Ok(code) => code,
        Err(error) => failed(&error, &printer, verb),
    }
}

fn dispatch(verb: Verb, printer: &Printer) -> Result<ExitCode, Error> {
    match verb {
        Verb::Keygen(args) => block_on(keygen::run(args, printer), printer),
        Verb::Check(args) => block_on(check::run(args, printer), printer),
        Verb::Publish(args) => block_on(publish::run(*args, printer), printer),
        Verb::Verify(args) => block_on(verify::run(*args, printer), printer),
        Verb::Inspect(args) => block_on(inspect::run(args, printer), printer),
        Verb::Pull(args) => block_on(pull::run(*args, printer), printer),
        Verb::Diff(args) => block_on(diff::run(args, printer), printer),
        Verb::Sign(args) => block_on(sign::run(args, printer), printer),
        Verb::Attest(args) => block_on(attest::run(args, printer), printer),
        Verb::VerifyBundle(args) => verify_bundle::run(&args, printer),
        Verb::SignBundle(args) => block_on(sign_bundle::run(args, printer), printer),
        Verb::Policy { verb } => match verb {
            PolicyVerb::Check(args) => policy::check::run(&args, printer),
            PolicyVerb::Init(args) => block_on(policy::init::run(args, printer), printer),
            PolicyVerb::Test(args) => block_on(policy::test::run(args, printer), printer),
        },
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::command(), "sluicegate", &mut script);
            printer.data(&String::from_utf8_lossy(&script)).map_err(stdout)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Man { dir } => man::run(&dir, printer),
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
            Verb::Policy { verb } => match verb {
                PolicyVerb::Check(_) => "policy check",
                PolicyVerb::Init(_) => "policy init",
                PolicyVerb::Test(_) => "policy test",
            },
            Verb::VerifyBundle(_) => "verify-bundle",
            Verb::SignBundle(_) => "sign-bundle",
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
        Verb::Policy { verb } => match verb {
            PolicyVerb::Check(_) => (None, None, None),
            PolicyVerb::Init(args) => (None, None, Some(&args.registry)),
            PolicyVerb::Test(args) => (None, None, Some(&args.registry)),
        },
        Verb::VerifyBundle(_)
        | Verb::SignBundle(_)
        | Verb::Completions { .. }
        | Verb::Man { .. } => (None, None, None),
    };
    let readers = [
        ("`-`", path.is_some_and(|path| path.as_os_str() == "-")),
        ("`--key-password-stdin`", password.is_some_and(|p| p.key_password_stdin)),
        ("`--registry-password-stdin`", registry.is_some_and(|r| r.registry_password_stdin)),
    ];
    readers.into_iter().filter(|(_, reads)| *reads).map(|(name, _)| name).collect()
}

/// Such as `both A and B`, `all of A, B and C`.
fn all_of(names: &[&str]) -> String {
    match names {
        [first, second] => format!("both {first} and {second}"),
        [others @ .., last] => format!("all of {} and {last}", others.join(", ")),
        [] => String::new(),
    }
}

/// SARIF and GitHub annotations are reports about input.
fn allowed(cli: &Cli) -> Result<(), Error> {
    let readers = stdin_readers(&cli.verb);
    if readers.len() > 1 {
        return Err(Error::usage(
            format!("{} read standard input, which can be read once", all_of(&readers)),
            "give the key's password with `COSIGN_PASSWORD`, the registry's with `docker login`, \
             and the rest as files",
        ));
    }
    let report = matches!(cli.global.output, Output::Sarif | Output::Github);
    let reports = matches!(
        cli.verb,
        Verb::Check(_) | Verb::Publish(_) | Verb::Policy { verb: PolicyVerb::Check(_) }
    );
    match report && !reports {
        true => Err(Error::usage(
            format!("`{}` cannot print `sarif` or `github`", cli.verb.name()),
            "use `-o text`, `-o json` or `-o yaml`",
        )),
        false => Ok(()),
    }
}

/// Runs a flow; ends cleanly when the user or the CI system stops it: nothing
/// is half-written, and the terminal is as it was.
fn block_on(
    flow: impl Future<Output = Result<ExitCode, Error>>,
    printer: &Printer,
) -> Result<ExitCode, Error> {
    let cannot = |error| Error::Internal(format!("cannot start the runtime: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(cannot)?;
    let result = runtime.block_on(async {
        let stopped = stopped().map_err(cannot)?;
        tokio::select! {
            biased;
            () = stopped => Err(Error::Interrupted),
            result = flow => result,
        }
    });
    let interrupted = matches!(result, Err(Error::Interrupted));
    if interrupted {
        context::stop();
        printer.settle();
    }
    match keys::stop_asking() {
        // Nothing ends a thread that waits for a line but the end of all.
        true => runtime.shutdown_background(),
        false => runtime.shutdown_timeout(CLEANING_UP),
    }
    if interrupted {
        context::sweep();
    }
    result
}

/// Ends when the program is to end: Ctrl-C, the end of a CI job, a terminal
/// that was closed.
///
/// # Errors
/// When signals cannot be received.
fn stopped() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // `nohup` means that it should be ignored.
    let mut hangup = match context::ignores_hangup() {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    Ok(async move {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => _ = hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hung_up => {}
        }
    })
}

/// Says what the parser of the command line says; help and the version too.
fn misused(error: &clap::Error) -> ExitCode {
    let typed: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let output = usage::format(&typed);
    let printer = Printer::new(&Global { output, quiet: false, verbose: false });
    printer.misuse(error);
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let advice = usage::advice(&typed);
    if let Some(advice) = &advice {
        printer.say(&format!("hint: {advice}"));
    }
    if matches!(output, Output::Json | Output::Yaml) {
        let (verb, error) = (usage::verb(&typed), usage::error(error, advice));
        let _ = printer.result(&view::Failure::new(verb, &error, 2), String::new);
    }
    ExitCode::from(2)
}

/// Says an error, as JSON too where JSON was asked for, and its exit code.
fn failed(error: &Error, printer: &Printer, verb: &'static str) -> ExitCode {
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
    if matches!(printer.format(), Output::Json | Output::Yaml) {
        let _ = printer.result(&view::Failure::new(Some(verb.into()), error, code), String::new);
    }
    ExitCode::from(code)
}

/// An error of stdout.
fn stdout(error: std::io::Error) -> Error {
    Error::Usage { message: format!("cannot write to stdout: {error}"), hint: None }
}
