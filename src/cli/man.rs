//! `sluicegate man`.

use std::{fs, io, path::Path, process::ExitCode};

use clap_mangen::Man;
use schemars::JsonSchema;
use serde::Serialize;

use crate::flow::error::{Error, Result};

use super::{args, output::Printer};

/// The JSON of `man`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// Always `sluicegate.dev/man/v1`.
    schema: &'static str,
    /// The directory.
    directory: String,
    /// The files that were written there.
    pages: Vec<String>,
}

pub(super) fn run(dir: &Path, printer: &Printer) -> Result<ExitCode> {
    let pages = write(dir).map_err(|error| {
        Error::usage(
            format!("cannot write man pages to `{}`: {error}", dir.display()),
            "give a directory that exists and can be written",
        )
    })?;
    let directory = dir.display().to_string();
    let view = View { schema: "sluicegate.dev/man/v1", directory, pages };
    let text = || format!("{} man pages in {}\n", view.pages.len(), view.directory);
    printer.result(&view, text).map_err(super::stdout)?;
    Ok(ExitCode::SUCCESS)
}

/// A page for the program, each verb and what a verb has below it; the names of
/// the files.
fn write(dir: &Path) -> io::Result<Vec<String>> {
    // A page says everything; what `-h` leaves out has no text otherwise.
    let mut program = args::command()
        .disable_help_subcommand(true)
        .mut_subcommands(|verb| verb.mut_args(|argument| argument.hide_short_help(false)));
    program.build();
    let mut pages = Vec::new();
    let mut rest = vec![program.display_name("sluicegate")];
    while let Some(command) = rest.pop() {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        rest.extend(
            below.map(|below| below.clone().display_name(format!("{name}-{}", below.get_name()))),
        );
        pages.push(page(dir, command)?);
    }
    pages.sort();
    Ok(pages)
}

fn page(dir: &Path, command: clap::Command) -> io::Result<String> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let file = format!("{name}.1");
    let required: Vec<(String, String)> = command
        .get_arguments()
        .filter(|argument| argument.is_required_set())
        .filter_map(|argument| Some((argument.get_long()?, argument.get_value_names()?.first()?)))
        .map(|(long, value)| (long.replace('-', "\\-"), value.to_string()))
        .collect();
    let mut roff = Vec::new();
    Man::new(command).render(&mut roff)?;
    let mut text = String::from_utf8_lossy(&roff).into_owned();
    for (long, value) in required {
        // The brackets around an option's name look like a value.
        let wrong = format!("<\\fB\\-\\-{long}\\fR>");
        text = text.replace(&wrong, &format!("\\fB\\-\\-{long}\\fR \\fI{value}\\fR"));
    }
    fs::write(dir.join(&file), text)?;
    Ok(file)
}
