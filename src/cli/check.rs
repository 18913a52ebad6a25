//! `sluicegate check`, and the input flags and reports that `publish` shares.

use std::{
    io::{self, Read},
    path::Path,
    process::ExitCode,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{
        error::{Error, Result},
        pack::{self, Options},
        progress::Event,
        publish,
    },
    model::bundle::{
        bounds::Bounds,
        check,
        path::RelPath,
        problem::{Problem, Severity},
    },
};

use super::{
    args::{Check, Input, Output},
    output::Printer,
    report::{self, Look},
    view::ProblemView,
};

/// The most bytes that are read from standard input.
const MAX_STDIN: u64 = 64 << 20;

/// The JSON of `check`, and of `publish` when the input stops it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// Always `sluicegate.dev/check/v1`.
    schema: &'static str,
    /// The verb that found the problems.
    verb: &'static str,
    /// The input as given.
    input: String,
    /// Whether it may be published.
    valid: bool,
    /// How many files would be packed; `null` when it was not got that far.
    files: Option<usize>,
    /// How many files are left out.
    ignored: Option<u64>,
    /// The Kubernetes objects.
    objects: Vec<String>,
    /// What is wrong.
    problems: Vec<ProblemView>,
}

pub(super) async fn run(args: Check, printer: &Printer) -> Result<ExitCode> {
    let (input, options) = input(&args.input)?;
    let watch = printer.glance();
    watch(Event::Step("checking"));
    let packed = pack::beside(input, Options { layer: false, ..options }, &watch).await?;
    let problems = &packed.judgement.problems;
    if publish::refuse_problems(problems.clone(), args.input.strict).is_err() {
        return refused("check", problems, &args.input.path, printer);
    }
    let view = View {
        schema: "sluicegate.dev/check/v1",
        verb: "check",
        input: args.input.path.display().to_string(),
        valid: true,
        files: Some(packed.files.len()),
        ignored: Some(packed.ignored_count),
        objects: packed.judgement.objects.iter().map(|object| object.id().to_string()).collect(),
        problems: problems.iter().map(ProblemView::new).collect(),
    };
    if !reported(problems, &args.input.path, printer)? {
        warnings(problems, &args.input.path, printer)?;
        let text = || {
            let (files, objects) = (packed.files.len(), view.objects.len());
            format!("valid  {}\n  files    {files}\n  objects  {objects}\n", view.input)
        };
        printer.result(&view, text).map_err(super::stdout)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The flags as an input and the options of packing it.
pub(super) fn input(flags: &Input) -> Result<(pack::Input, Options)> {
    let input = match (flags.path.as_os_str() == "-", &flags.name) {
        (true, Some(name)) => stdin(name)?,
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
        ignore: flags.ignore.clone(),
        resolve_symlinks: flags.resolve_symlinks,
        max_file: flags.max_file,
        check: check::Options {
            allow_secrets: flags.allow_secrets,
            needs: false,
            bounds: Bounds::default(),
        },
        ..Options::default()
    };
    Ok((input, options))
}

fn stdin(name: &str) -> Result<pack::Input> {
    let name = RelPath::new(name).map_err(|error| {
        Error::usage(error.to_string(), "give a plain file name such as `rendered.yaml`")
    })?;
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_STDIN + 1).read_to_end(&mut bytes).map_err(|error| {
        Error::usage(format!("cannot read standard input: {error}"), "pipe a manifest in")
    })?;
    if bytes.len() as u64 > MAX_STDIN {
        return Err(Error::usage(
            format!("standard input is larger than {MAX_STDIN} bytes"),
            "publish a directory instead",
        ));
    }
    Ok(pack::Input::Bytes { name, bytes })
}

/// Reports problems that stop; exit code 2.
pub(super) fn refused(
    verb: &'static str,
    problems: &[Problem],
    input: &Path,
    printer: &Printer,
) -> Result<ExitCode> {
    if !reported(problems, input, printer)? {
        printer.say_always(&report::text(problems, &base(input), look(printer)));
        let view = View {
            schema: "sluicegate.dev/check/v1",
            verb,
            input: input.display().to_string(),
            valid: false,
            files: None,
            ignored: None,
            objects: Vec::new(),
            problems: problems.iter().map(ProblemView::new).collect(),
        };
        printer.result(&view, String::new).map_err(super::stdout)?;
    }
    Ok(ExitCode::from(2))
}

/// Shows warnings on stderr.
pub(super) fn warnings(problems: &[Problem], input: &Path, printer: &Printer) -> Result<()> {
    let warnings: Vec<Problem> =
        problems.iter().filter(|p| p.severity == Severity::Warning).cloned().collect();
    if !warnings.is_empty() {
        printer.say(report::text(&warnings, &base(input), look(printer)).trim_end());
    }
    Ok(())
}

/// Writes SARIF or annotations to stdout where those were asked for.
fn reported(problems: &[Problem], input: &Path, printer: &Printer) -> Result<bool> {
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
    Look { colours: printer.talk_colour(), ..Look::default() }
}
