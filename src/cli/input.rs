//! The input of `check`, `publish` and `diff`: its flags, and the reports about
//! what is wrong with it.

use std::{path::Path, process::ExitCode};

use serde::Serialize;

use crate::{
    flow::{
        error::{Error, Result},
        pack::{self, Options},
    },
    model::bundle::{
        bounds::Bounds,
        check as judge,
        path::RelPath,
        problem::{Problem, Severity},
    },
};

use super::{
    args::{Input, Output, Tree},
    check,
    output::Printer,
    report::{self, Look},
    stdin,
};

/// The most bytes that are read from standard input.
const MAX_STDIN: u64 = 64 << 20;

/// The flags as an input and the options of packing it.
///
/// # Errors
/// [`Error::Usage`], and an input that cannot be read.
pub async fn input(flags: &Input) -> Result<(pack::Input, Options)> {
    let input = match (flags.path.as_os_str() == "-", &flags.name) {
        (true, Some(name)) => stdin(name).await?,
        (true, None) => {
            return Err(Error::usage(
                "standard input has no name",
                "give the file a name with `--name rendered.yaml`",
            ));
        }
        (false, Some(_)) => {
            return Err(Error::usage("`--name` is for standard input only", "leave it out"));
        }
        (false, None) => pack::Input::at(&flags.path)?,
    };
    let options = Options {
        check: judge::Options {
            allow_secrets: flags.allow_secrets,
            needs: false,
            bounds: Bounds::default(),
        },
        ..tree(&flags.tree)
    };
    Ok((input, options))
}

/// The flags that say what of a directory is read.
pub fn tree(flags: &Tree) -> Options {
    Options {
        ignore: flags.ignore.clone(),
        resolve_symlinks: flags.resolve_symlinks,
        max_file: flags.max_file,
        ..Options::default()
    }
}

async fn stdin(name: &str) -> Result<pack::Input> {
    let name = RelPath::new(name).map_err(|error| {
        Error::usage(error.to_string(), "give a plain file name such as `rendered.yaml`")
    })?;
    let bytes = stdin::read(MAX_STDIN + 1).await.map_err(|error| {
        Error::usage(format!("cannot read standard input: {error}"), "pipe a manifest in")
    })?;
    if bytes.len() as u64 > MAX_STDIN {
        return Err(Error::usage(
            format!("standard input is larger than {MAX_STDIN} bytes"),
            "publish a directory instead",
        ));
    }
    Ok(pack::Input::Bytes { name, bytes: bytes.to_vec() })
}

/// Reports problems that stop; exit code 2.
///
/// # Errors
/// When stdout cannot be written.
pub fn refused(
    verb: &'static str,
    problems: &[Problem],
    input: &Path,
    printer: &Printer,
) -> Result<ExitCode> {
    if !reported(problems, input, printer)? {
        let shown: Vec<Problem> = problems
            .iter()
            .filter(|problem| !printer.quiet() || problem.severity == Severity::Error)
            .cloned()
            .collect();
        printer.say_always(&report::text(&shown, &base(input), look(printer)));
        let view = check::View::refused(verb, input, problems);
        printer.result(&view, String::new).map_err(super::stdout)?;
    }
    Ok(ExitCode::from(2))
}

/// Shows the warnings of an input that is good enough: on stderr, or on stdout
/// where a report was asked for, even when there are none.
///
/// # Errors
/// When stdout cannot be written.
pub fn warnings(problems: &[Problem], input: &Path, printer: &Printer) -> Result<()> {
    if !reported(problems, input, printer)? && !problems.is_empty() {
        printer.say(report::text(problems, &base(input), look(printer)).trim_end());
    }
    Ok(())
}

/// Prints a result after [`warnings`]: a report on stdout stands alone, and what
/// people would read goes to stderr.
///
/// # Errors
/// When stdout cannot be written.
pub fn result(
    view: &impl Serialize,
    text: impl FnOnce() -> String,
    printer: &Printer,
) -> Result<()> {
    match printer.format() {
        Output::Sarif | Output::Github => printer.say(text().trim_end()),
        Output::Text | Output::Json | Output::Yaml => {
            printer.result(view, text).map_err(super::stdout)?;
        }
    }
    Ok(())
}

/// Writes SARIF or annotations to stdout where those were asked for; whether
/// they were.
///
/// # Errors
/// When stdout cannot be written.
pub fn reported(problems: &[Problem], input: &Path, printer: &Printer) -> Result<bool> {
    let text = match printer.format() {
        Output::Sarif => report::sarif(problems, &base(input), env!("CARGO_PKG_VERSION")),
        Output::Github => report::github(problems, &base(input)),
        Output::Text | Output::Json | Output::Yaml => return Ok(false),
    };
    printer.data(&text).map_err(super::stdout)?;
    Ok(true)
}

/// What file names are shown below: the directory as typed; a single file is
/// below its own directory.
fn base(input: &Path) -> String {
    let dir = match input.is_dir() {
        true => Some(input),
        false => input.parent(),
    };
    dir.map(|dir| dir.display().to_string()).unwrap_or_default()
}

fn look(printer: &Printer) -> Look {
    let width = printer.talk_width().unwrap_or(Look::default().width);
    Look { colours: printer.talk_colour(), width }
}
