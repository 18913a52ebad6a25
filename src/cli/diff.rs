//! `sluicegate diff`.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    flow::{
        diff::{self, Input},
        error::{Error, Result},
    },
    model::reference::Reference,
};

use super::{args::Diff, check, context, diff_report, output::Printer};

pub(super) async fn run(args: Diff, printer: &Printer) -> Result<ExitCode> {
    let (from, to) = (input(&args.from)?, input(&args.to)?);
    let references: Vec<&Reference> = [&from, &to].into_iter().filter_map(reference).collect();
    let registries = context::registries(&args.registry, &references, printer)?;
    let differences = match diff::diff(&registries, &from, &to, &printer.glance()).await {
        Err(Error::Problems(problems)) => {
            let path = [&from, &to].into_iter().find_map(directory).cloned().unwrap_or_default();
            return check::refused("diff", &problems, &path, printer);
        }
        other => other?,
    };
    let text = || diff_report::text(&differences, &args.from, &args.to, printer.colour());
    let view = diff_report::view(&differences, &args.from, &args.to);
    printer.result(&view, text).map_err(super::stdout)?;
    let differ = args.exit_code && !differences.is_empty();
    Ok(ExitCode::from(u8::from(differ)))
}

/// A reference when it starts like one, else a path.
fn input(text: &str) -> Result<Input> {
    let is_reference = text.starts_with("oci:") || text.starts_with("oci-layout:");
    match is_reference {
        true => Ok(Input::Artifact(text.parse()?)),
        false if text.contains("://") => Err(Error::usage(
            format!("`{text}` is neither a reference nor a directory"),
            "write `oci://HOST/REPOSITORY[:TAG]`, `oci-layout:DIR[:TAG]` or the path of a directory",
        )),
        false => Ok(Input::Directory(PathBuf::from(text))),
    }
}

fn reference(input: &Input) -> Option<&Reference> {
    match input {
        Input::Artifact(reference) => Some(reference),
        Input::Directory(_) => None,
    }
}

fn directory(input: &Input) -> Option<&PathBuf> {
    match input {
        Input::Directory(path) => Some(path),
        Input::Artifact(_) => None,
    }
}
