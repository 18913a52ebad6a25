//! YAML and JSON text as a tree that knows where everything stands.
//!
//! The parser is `granit-parser` (YAML 1.2 syntax, of which JSON is a part);
//! the meaning of scalars is that of Kubernetes (see [`scalar`]). One document
//! is parsed at a time, the tree is one flat vector in the order of the text,
//! and texts are borrowed from it, because a bundle may hold hundreds of
//! megabytes of manifests.
//!
//! It never writes YAML, and nothing that a file says makes it recurse or grow
//! without bound: depth, nodes and what aliases expand to have limits.

mod build;
pub mod scalar;
pub mod source;

use std::{borrow::Cow, ops::Range};

use granit_parser::{Event, Parser, ScanError, StrInput};

/// How deep collections may nest, aliases expanded.
pub const MAX_DEPTH: usize = 128;
/// How many nodes a document may have.
pub const MAX_NODES: usize = 2_000_000;
/// How many nodes the aliases of a document may expand to; go-yaml tolerates
/// about as many before it calls aliasing excessive.
pub const MAX_ALIASED: u64 = 400_000;

/// Reads the bytes of a file as text: UTF-8, a byte order mark ignored.
///
/// # Errors
/// [`YamlError`] at the first byte that is not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, YamlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        YamlError { at: at..at, fault: Fault::Encoding }
    })?;
    match u32::try_from(text.len()) {
        Ok(_) => Ok(text),
        Err(_) => Err(YamlError { at: 0..0, fault: Fault::TooLarge }),
    }
}

/// The documents of `text`, one after the other. An error does not end it when
/// a later `---` starts a document that can be read.
pub fn documents(text: &str) -> Documents<'_> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    Documents { text, parser, max_nodes: MAX_NODES, ended: false }
}

/// The iterator of [`documents`].
pub struct Documents<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    max_nodes: usize,
    ended: bool,
}

impl<'a> Iterator for Documents<'a> {
    type Item = Result<Document<'a>, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.parser.next_event() {
                Some(Ok((Event::DocumentStart(..), span))) => {
                    let start = span.start.byte_offset().unwrap_or(0);
                    return Some(self.document(start));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    return Some(Err(self.recover(build::syntax(&error, self.text))));
                }
                None => self.ended = true,
            }
        }
        None
    }
}

impl<'a> Documents<'a> {
    fn document(&mut self, start: usize) -> Result<Document<'a>, YamlError> {
        build::document(self.text, &mut self.parser, start, self.max_nodes)
            .map_err(|error| self.recover(error))
    }

    /// Skips to the next document after `error`.
    fn recover(&mut self, error: YamlError) -> YamlError {
        let more: Result<bool, ScanError> = self.parser.proceed_next_document();
        self.ended = !more.unwrap_or(false);
        error
    }
}

/// One document of a text.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    /// Texts that are not a slice of the source, one after the other.
    unescaped: String,
    nodes: Vec<Raw>,
    range: Range<usize>,
}

/// A node in 24 bytes; where it stands is in bytes of the source.
#[derive(Debug, Clone, Copy)]
struct Raw {
    start: u32,
    end: u32,
    /// The index behind the last node of this one.
    next: u32,
    /// Where the text of a scalar starts; the index that an alias stands for.
    at: u32,
    /// The length of the text of a scalar; the children of a collection.
    len: u32,
    kind: Kind,
    /// Whether the text is in [`Document::unescaped`].
    unescaped: bool,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int,
    /// A number that is no integer.
    Float,
    /// Text.
    Str,
    /// A sequence.
    Seq,
    /// A mapping; `merges` when it has `<<` keys.
    Map {
        /// Whether other mappings are merged into it.
        merges: bool,
    },
    /// The key `<<`.
    Merge,
    /// An alias; [`Node::kind`] answers for what it stands for.
    Alias,
}

impl Kind {
    /// The name for messages, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Int | Kind::Float => "a number",
            Kind::Str | Kind::Merge | Kind::Alias => "a string",
            Kind::Seq => "a sequence",
            Kind::Map { .. } => "a mapping",
        }
    }
}

const NOTHING: Raw =
    Raw { start: 0, end: 0, next: 0, at: 0, len: 0, kind: Kind::Null, unescaped: false };

impl<'a> Document<'a> {
    /// The node that is the document.
    pub fn root(&self) -> Node<'_> {
        Node { document: self, index: 0 }
    }

    /// The bytes of the source that the document spans.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    fn raw(&self, index: u32) -> &Raw {
        self.nodes.get(index as usize).unwrap_or(&NOTHING)
    }

    fn text_of(&self, raw: &Raw) -> &str {
        let range = raw.at as usize..(raw.at as usize).saturating_add(raw.len as usize);
        let text: &str = if raw.unescaped { &self.unescaped } else { self.text };
        text.get(range).unwrap_or_default()
    }
}

/// A node of a [`Document`]. An alias behaves as what it stands for, except
/// that it stands where it is written.
#[derive(Debug, Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document<'d>,
    index: u32,
}

impl<'d> Node<'d> {
    /// The index of the node itself, an alias followed.
    fn target(self) -> u32 {
        let raw = self.document.raw(self.index);
        match raw.kind {
            Kind::Alias => raw.at,
            _ => self.index,
        }
    }

    fn resolved(self) -> &'d Raw {
        self.document.raw(self.target())
    }

    /// What the node is.
    pub fn kind(self) -> Kind {
        self.resolved().kind
    }

    /// The bytes of the source where it is written.
    pub fn range(self) -> Range<usize> {
        let raw = self.document.raw(self.index);
        raw.start as usize..raw.end.max(raw.start) as usize
    }

    /// Whether it is null.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Whether it is a mapping.
    pub fn is_map(self) -> bool {
        matches!(self.kind(), Kind::Map { .. })
    }

    /// The text of a string.
    pub fn as_str(self) -> Option<&'d str> {
        let raw = self.resolved();
        (raw.kind == Kind::Str).then(|| self.document.text_of(raw))
    }

    /// The text of any scalar as written, unescaped; nothing for collections.
    pub fn scalar(self) -> Option<&'d str> {
        let raw = self.resolved();
        match raw.kind {
            Kind::Seq | Kind::Map { .. } => None,
            _ => Some(self.document.text_of(raw)),
        }
    }

    /// The text of a mapping's key, as JSON would spell it.
    pub fn key(self) -> Cow<'d, str> {
        let raw = self.resolved();
        match raw.kind {
            Kind::Bool(true) => "true".into(),
            Kind::Bool(false) => "false".into(),
            Kind::Int => scalar::integer_key(self.document.text_of(raw)).into(),
            _ => self.document.text_of(raw).into(),
        }
    }

    /// The items of a sequence; nothing for anything else.
    pub fn items(self) -> impl Iterator<Item = Node<'d>> {
        let count = if self.kind() == Kind::Seq { self.resolved().len } else { 0 };
        self.children(count)
    }

    /// The entries of a mapping: its own in their order, then those that are
    /// merged into it and not overridden. Nothing for anything else.
    ///
    /// Own keys win whatever stands first, as in kustomize; `goyaml.v2` lets a
    /// `<<` override the keys before it, which no author means.
    pub fn entries(self) -> impl Iterator<Item = (Node<'d>, Node<'d>)> {
        let merged = match self.kind() {
            Kind::Map { merges: true } => self.merged(),
            _ => Vec::new(),
        };
        self.own_entries().filter(|(key, _)| key.kind() != Kind::Merge).chain(merged)
    }

    /// The value of `key`.
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        let own =
            self.own_entries().find(|(found, _)| found.kind() != Kind::Merge && found.key() == key);
        match own {
            Some((_, value)) => Some(value),
            None if self.kind() == (Kind::Map { merges: true }) => {
                self.merge_sources().find_map(|source| source.get(key))
            }
            None => None,
        }
    }

    /// The value at a path of keys, such as `["spec", "chart"]`.
    pub fn at(self, path: &[&str]) -> Option<Node<'d>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The string at a path of keys.
    pub fn str_at(self, path: &[&str]) -> Option<&'d str> {
        self.at(path)?.as_str()
    }

    fn children(self, count: u32) -> impl Iterator<Item = Node<'d>> {
        let document = self.document;
        let mut index = self.target().saturating_add(1);
        (0..count).map(move |_| {
            let node = Node { document, index };
            index = document.raw(index).next;
            node
        })
    }

    fn own_entries(self) -> impl Iterator<Item = (Node<'d>, Node<'d>)> {
        let pairs = if self.is_map() { self.resolved().len / 2 } else { 0 };
        let mut children = self.children(pairs.saturating_mul(2));
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// The mappings that `<<` names, the first winning.
    fn merge_sources(self) -> impl Iterator<Item = Node<'d>> {
        self.own_entries().filter(|(key, _)| key.kind() == Kind::Merge).flat_map(|(_, value)| {
            let alone = value.is_map().then_some(value);
            alone.into_iter().chain(value.items())
        })
    }

    fn merged(self) -> Vec<(Node<'d>, Node<'d>)> {
        let own = self.own_entries().map(|(key, _)| key.key());
        let mut seen: std::collections::HashSet<Cow<'d, str>> = own.collect();
        // Boxed: the iterator of a mapping would otherwise contain itself.
        let all = self.merge_sources().flat_map(|source| {
            let entries: Box<dyn Iterator<Item = _>> = Box::new(source.entries());
            entries
        });
        all.filter(|(key, _)| seen.insert(key.key())).collect()
    }
}

/// What is wrong with a text that should be YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct YamlError {
    /// The bytes of the source it is about.
    pub at: Range<usize>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a text that should be YAML. No variant but the duplicate
/// key quotes the text, which may be that of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes are not UTF-8.
    #[error("the file is not UTF-8 text")]
    Encoding,
    /// More than 4 GiB.
    #[error("the file is larger than 4 GiB")]
    TooLarge,
    /// The grammar of YAML.
    #[error("not valid YAML: {0}")]
    Syntax(String),
    /// One key twice in a mapping.
    #[error("the key `{key}` is written twice, first on line {first_line}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the first, from 1.
        first_line: u32,
    },
    /// A collection or null as a key.
    #[error("a key of a mapping is {found}; Kubernetes takes only strings, numbers and booleans")]
    Key {
        /// What the key is.
        found: &'static str,
    },
    /// `<<` with something else than mappings.
    #[error("`<<` merges {found}; expected a mapping or a sequence of mappings")]
    Merge {
        /// What it is.
        found: &'static str,
    },
    /// An alias inside the very node it stands for.
    #[error("an alias refers to a node that contains it")]
    Cycle,
    /// Nested too deeply.
    #[error("collections nest deeper than {MAX_DEPTH} levels")]
    Depth,
    /// Too many nodes.
    #[error("the document has more than {MAX_NODES} nodes")]
    Nodes,
    /// Aliases that expand to too much.
    #[error("the aliases of the document expand to more than {MAX_ALIASED} nodes")]
    Aliases,
    /// A number that JSON does not have.
    #[error("infinity and NaN cannot be written as JSON, which Kubernetes stores")]
    NotJson,
    /// An explicit tag that does not fit its scalar.
    #[error("the value does not fit its tag `!!{tag}`")]
    Tag {
        /// The tag without its prefix.
        tag: &'static str,
    },
}

#[cfg(test)]
mod tests;
