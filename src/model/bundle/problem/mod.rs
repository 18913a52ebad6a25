//! What is wrong with a bundle, and where.
//!
//! Problems are values: they are collected, sorted, shown together and written
//! as text, SARIF or GitHub annotations by the command line. A problem never
//! contains the value of a Secret.

pub mod code;

use super::{object::ObjectId, path::RelPath};

/// One finding about the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The rule that found it; stable, listed in `docs/check.md`.
    pub code: Code,
    /// Whether it stops a publish.
    pub severity: Severity,
    /// What was found and what was expected: one sentence, lower case, values
    /// in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The file it is in; `None` for problems of the bundle as a whole.
    pub file: Option<RelPath>,
    /// Where in the file.
    pub place: Option<Place>,
    /// The object it concerns.
    pub object: Option<ObjectId>,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Shown; stops only with `--strict`.
    Warning,
    /// Stops `publish` and makes `check` fail.
    Error,
}

/// A place in a file, with the lines around it, so that a report does not need
/// the file again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it starts.
    pub start: Position,
    /// Where it ends, exclusive; on the same line or later.
    pub end: Position,
    /// The path of the YAML node, such as `spec.values.image.tag` or
    /// `spec.containers[0].image`; empty for the document.
    pub path: String,
    /// The lines shown, without line ends; at most seven, each cut at 200
    /// characters.
    pub lines: Vec<String>,
    /// The number of the first of `lines`, from 1.
    pub first_line: u32,
}

/// A position in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// The name of a rule, such as `helmrelease-chart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl Problem {
    /// An error of the bundle as a whole.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            hint: None,
            file: None,
            place: None,
            object: None,
        }
    }

    /// A warning about the bundle as a whole.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same problem as an error, whatever it was: with `--strict`.
    pub fn into_error(mut self) -> Self {
        if self.severity == Severity::Warning {
            const STRICT: &str = "a warning that `--strict` makes an error";
            self.severity = Severity::Error;
            self.hint = Some(match self.hint {
                Some(hint) => format!("{hint} ({STRICT})"),
                None => STRICT.to_owned(),
            });
        }
        self
    }

    /// The same problem with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem in `file`.
    pub fn in_file(mut self, file: &RelPath) -> Self {
        self.file = Some(file.clone());
        self
    }

    /// The same problem at `place`.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same problem about `object`.
    pub fn about(mut self, object: &ObjectId) -> Self {
        self.object = Some(object.clone());
        self
    }
}
