//! Printing: stdout is data, stderr is talk. The only place that prints.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    flow::progress::{Event, Watch},
    model::text::{chain, shown},
};

use super::{
    args::{Global, Output},
    progress::Line,
};

/// Where results and talk go.
#[derive(Debug, Clone)]
pub struct Printer {
    format: Output,
    quiet: bool,
    verbose: bool,
    line: Line,
}

impl Printer {
    /// The printer that the flags ask for.
    pub fn new(global: &Global) -> Self {
        let line = Line::default();
        Self { format: global.output, quiet: global.quiet, verbose: global.verbose, line }
    }

    /// The format of results.
    pub fn format(&self) -> Output {
        self.format
    }

    /// Whether stdout may be coloured: a terminal, and `NO_COLOR` is not set.
    pub fn colour(&self) -> bool {
        io::stdout().is_terminal() && is_not_dumb() && no_color_unset()
    }

    /// Whether stderr may be coloured.
    pub fn talk_colour(&self) -> bool {
        is_screen() && no_color_unset()
    }

    /// Who is told how far a long operation is: a line that is drawn anew on a
    /// terminal, a line for each step elsewhere.
    pub fn watch(&self) -> Watch {
        let printer = self.clone();
        match (self.quiet, is_screen()) {
            (true, _) => Arc::new(|_| {}),
            (false, true) => Arc::new(move |event| printer.line.draw(event)),
            (false, false) => Arc::new(move |event| match event {
                Event::Step(step) => printer.say(&format!("{step} …")),
                Event::Bytes(_) | Event::Items(_) => {}
            }),
        }
    }

    /// [`Printer::watch`] for what is soon over: nothing but on a terminal.
    pub fn glance(&self) -> Watch {
        match is_screen() {
            true => self.watch(),
            false => Arc::new(|_| {}),
        }
    }

    /// Erases what shows progress until the next step, because a question comes.
    pub fn pause(&self) {
        self.line.erase();
    }

    /// Erases what shows progress: no more comes.
    pub fn settle(&self) {
        self.line.close();
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
        self.settle();
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Says something on stderr unless `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.write_line(text);
        }
    }

    /// Says something on stderr even with `--quiet`: what an exit code means.
    pub fn say_always(&self, text: &str) {
        self.write_line(text.trim_end());
    }

    /// Says a warning on stderr unless `--quiet`.
    pub fn warn(&self, text: &str) {
        self.say(&format!("warning: {text}"));
    }

    /// Says an error on stderr, always: the chain of causes, then the hint.
    pub fn error(&self, error: &(dyn std::error::Error + 'static), hint: Option<&str>) {
        self.settle();
        // Much of it may be somebody else's words.
        self.write_line(&format!("error: {}", shown(&chain(error))));
        if let Some(hint) = hint {
            self.write_line(&format!("hint: {}", shown(hint)));
        }
    }

    /// Nothing can be done about a stderr that cannot be written.
    fn write_line(&self, text: &str) {
        self.line.above(|| _ = writeln!(io::stderr().lock(), "{text}"));
    }
}

/// Whether stderr is a terminal that can draw a line anew.
fn is_screen() -> bool {
    io::stderr().is_terminal() && is_not_dumb()
}

fn is_not_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn no_color_unset() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
