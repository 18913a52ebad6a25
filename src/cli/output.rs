//! Printing: stdout is data, stderr is talk. The only place that prints.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::model::text::shown;

use super::args::{Global, Output};

/// Where results and talk go.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    format: Output,
    quiet: bool,
    verbose: bool,
}

impl Printer {
    /// The printer that the flags ask for.
    pub fn new(global: &Global) -> Self {
        Self { format: global.output, quiet: global.quiet, verbose: global.verbose }
    }

    /// The format of results.
    pub fn format(&self) -> Output {
        self.format
    }

    /// Whether stdout may be coloured: a terminal, and `NO_COLOR` is not set.
    pub fn colour(&self) -> bool {
        io::stdout().is_terminal() && no_color_unset()
    }

    /// Whether stderr is a terminal that shows progress bars.
    pub fn bars(&self) -> bool {
        !self.quiet && io::stderr().is_terminal() && no_color_unset()
    }

    /// Whether talk is wanted.
    pub fn talks(&self) -> bool {
        !self.quiet
    }

    /// Whether every request is told of.
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Prints a result: `view` as JSON or YAML, else `text`.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn result(&self, view: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        let rendered = match self.format {
            Output::Json => serde_json::to_string_pretty(view).map_err(io::Error::other)? + "\n",
            Output::Yaml => serde_saphyr::to_string(view).map_err(io::Error::other)?,
            Output::Text | Output::Sarif | Output::Github => text(),
        };
        self.data(&rendered)
    }

    /// Writes to stdout. A reader that went away is no error.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Says something on stderr unless `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            write_line(text);
        }
    }

    /// Says something on stderr even with `--quiet`: what an exit code means.
    pub fn say_always(&self, text: &str) {
        write_line(text.trim_end());
    }

    /// Says a warning on stderr unless `--quiet`.
    pub fn warn(&self, text: &str) {
        self.say(&format!("warning: {text}"));
    }

    /// Says an error on stderr, always: the chain of causes, then the hint.
    pub fn error(&self, error: &dyn std::error::Error, hint: Option<&str>) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            text.push_str(&format!(": {source}"));
            cause = source.source();
        }
        // Much of it may be somebody else's words.
        write_line(&format!("error: {}", shown(&text)));
        if let Some(hint) = hint {
            write_line(&format!("hint: {}", shown(hint)));
        }
    }
}

fn no_color_unset() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Nothing can be done about a stderr that cannot be written.
fn write_line(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{text}");
}
