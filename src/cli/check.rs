//! `sluicegate check`.

use std::{path::Path, process::ExitCode};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{
        error::{Error, Result},
        pack::{self, Options},
        progress::Event,
        publish,
    },
    model::bundle::problem::Problem,
};

use super::{args::Check, input, output::Printer, view::ProblemView};

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

impl View {
    /// What is printed when the problems stop `verb`.
    pub(super) fn refused(verb: &'static str, input: &Path, problems: &[Problem]) -> Self {
        Self {
            schema: "sluicegate.dev/check/v1",
            verb,
            input: input.display().to_string(),
            valid: false,
            files: None,
            ignored: None,
            objects: Vec::new(),
            problems: problems.iter().map(ProblemView::new).collect(),
        }
    }
}

pub(super) async fn run(args: Check, printer: &Printer) -> Result<ExitCode> {
    let path = &args.input.path;
    let (input, options) = input::input(&args.input).await?;
    let watch = printer.glance();
    watch(Event::Step("checking"));
    let packed = pack::beside(input, Options { layer: false, ..options }, &watch).await?;
    let problems = match publish::refuse_problems(packed.judgement.problems, args.input.strict) {
        Err(Error::Problems(problems)) => {
            return input::refused("check", &problems, path, printer);
        }
        other => other?,
    };
    let view = View {
        schema: "sluicegate.dev/check/v1",
        verb: "check",
        input: path.display().to_string(),
        valid: true,
        files: Some(packed.files.len()),
        ignored: Some(packed.ignored_count),
        objects: packed.judgement.objects.iter().map(|object| object.id().to_string()).collect(),
        problems: problems.iter().map(ProblemView::new).collect(),
    };
    input::warnings(&problems, path, printer)?;
    let text = || {
        let (files, objects) = (packed.files.len(), view.objects.len());
        format!("valid  {}\n  files    {files}\n  objects  {objects}\n", view.input)
    };
    input::result(&view, text, printer)?;
    Ok(ExitCode::SUCCESS)
}
