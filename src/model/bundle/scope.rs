//! The document that is being read: what turns a node into the place of a
//! problem, and keeps the values of Secrets out of the lines shown there.

use std::{cell::OnceCell, ops::Range, sync::Arc};

use super::{
    path::RelPath,
    problem::{Code, Place, Position, Problem},
    secret,
    yaml::{
        Document, Node,
        source::{Source, clip},
    },
};

/// One document of a file.
#[derive(Debug)]
pub struct Scope<'d> {
    file: Arc<RelPath>,
    source: &'d Source<'d>,
    document: &'d Document<'d>,
    hidden: Hidden,
    keys: OnceCell<Vec<secret::ShownKey>>,
}

/// What of a document must not be shown.
#[derive(Debug)]
pub enum Hidden {
    /// Nothing: there is no Secret in it.
    Nothing,
    /// Everything but keys and names: it is a Secret, or a list with one.
    Values,
    /// The lines of these bytes.
    Lines(Vec<Range<usize>>),
}

impl<'d> Scope<'d> {
    /// The scope of `document`, a document of `source`, the text of `file`.
    pub fn new(
        file: &Arc<RelPath>,
        source: &'d Source<'d>,
        document: &'d Document<'d>,
        hidden: Hidden,
    ) -> Self {
        Self { file: Arc::clone(file), source, document, hidden, keys: OnceCell::new() }
    }

    /// The file.
    pub fn file(&self) -> &Arc<RelPath> {
        &self.file
    }

    /// The number of the line on which `node` starts.
    pub fn line(&self, node: Node<'_>) -> u32 {
        self.source.line(node.range().start)
    }

    /// Where `node` starts.
    pub fn position(&self, node: Node<'_>) -> Position {
        self.source.position(node.range().start)
    }

    /// An error at `node`, whose path in the object is `path`.
    pub fn error(
        &self,
        code: Code,
        node: Node<'_>,
        path: &str,
        message: impl Into<String>,
    ) -> Problem {
        Problem::error(code, message).in_file(&self.file).at(self.place(node.range(), path))
    }

    /// A warning at `node`, whose path in the object is `path`.
    pub fn warning(
        &self,
        code: Code,
        node: Node<'_>,
        path: &str,
        message: impl Into<String>,
    ) -> Problem {
        Problem::warning(code, message).in_file(&self.file).at(self.place(node.range(), path))
    }

    /// The place of some bytes of the source.
    pub fn place(&self, bytes: Range<usize>, path: &str) -> Place {
        self.source.place(bytes, path, self.document.range(), |start, line| self.show(start, line))
    }

    /// The first line of `node` alone, for what is reported when the file is
    /// no longer at hand.
    pub fn spot(&self, node: Node<'_>, path: &str) -> Spot {
        let range = node.range();
        let place =
            self.source.place(range.clone(), path, range, |start, line| self.show(start, line));
        let one_line = place.start.line == place.end.line;
        Spot {
            start: place.start,
            end_column: if one_line { place.end.column } else { place.start.column },
            line: place.lines.first().map(|line| line.as_str().into()).unwrap_or_default(),
            path: path.into(),
        }
    }

    /// A line as it may be shown.
    fn show(&self, start: usize, line: &str) -> String {
        match &self.hidden {
            Hidden::Nothing => clip(line),
            Hidden::Lines(ranges) => {
                let end = start.saturating_add(line.len());
                let touches = |range: &Range<usize>| range.start <= end && start < range.end;
                if ranges.iter().any(touches) { secret::masked(line) } else { clip(line) }
            }
            Hidden::Values => {
                let keys = self.keys.get_or_init(|| secret::shown_keys(self.document.root()));
                secret::shown(self.source.text(), keys, start, line)
            }
        }
    }
}

/// A place with a single line, small enough to keep one for every reference.
#[derive(Debug, Clone)]
pub struct Spot {
    start: Position,
    end_column: u32,
    line: Box<str>,
    path: Box<str>,
}

impl Spot {
    /// A spot of which the line is known.
    pub fn new(start: Position, end_column: u32, line: &str, path: &str) -> Self {
        Self { start, end_column, line: clip(line).into(), path: path.into() }
    }

    /// The spot as the place of a problem.
    pub fn place(&self) -> Place {
        Place {
            start: self.start,
            end: Position { line: self.start.line, column: self.end_column },
            path: self.path.to_string(),
            lines: vec![self.line.to_string()],
            first_line: self.start.line,
        }
    }

    /// Where it starts.
    pub fn start(&self) -> Position {
        self.start
    }

    /// The line.
    pub fn line(&self) -> &str {
        &self.line
    }
}
