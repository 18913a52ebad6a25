//! `sluicegate diff`.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    flow::{
        diff::{self, Failure, Input},
        error::{Error, Result},
    },
    model::reference::Reference,
};

use super::{args::Diff, context, diff_report, input, output::Printer};

pub(super) async fn run(args: Diff, printer: &Printer) -> Result<ExitCode> {
    let (from, to) = (side(&args.from)?, side(&args.to)?);
    let references: Vec<&Reference> = [&from, &to].into_iter().filter_map(reference).collect();
    let registries = context::registries(&args.registry, &references, printer).await?;
    let options = input::tree(&args.tree);
    let differences = match diff::diff(&registries, &from, &to, &options, &printer.glance()).await {
        Err(Failure { directory: Some(path), error: Error::Problems(problems) }) => {
            return input::refused("diff", &problems, &path, printer);
        }
        other => other.map_err(|failure| failure.error)?,
    };
    let text = || diff_report::text(&differences, &args.from, &args.to, printer.colour());
    let view = diff_report::view(&differences, &args.from, &args.to);
    printer.result(&view, text).map_err(super::stdout)?;
    let differ = args.exit_code && !differences.is_empty();
    Ok(ExitCode::from(u8::from(differ)))
}

/// A reference when it starts like one, else a path.
fn side(text: &str) -> Result<Input> {
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
