//! Parser events put together into a tree, with the limits watched.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    ops::Range,
};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{
    Document, Fault, Kind, MAX_ALIASED, MAX_DEPTH, Node, Raw, YamlError,
    scalar::{self, Scalar},
    source::Source,
};

/// Mappings up to this many keys are searched for duplicates pair by pair.
const FEW_KEYS: usize = 12;

/// Builds the document whose start was just read.
pub(super) fn document<'a>(
    text: &'a str,
    parser: &mut Parser<'a, StrInput<'a>>,
    start: usize,
    max_nodes: usize,
) -> Result<Document<'a>, YamlError> {
    let document =
        Document { text, unescaped: String::new(), nodes: Vec::new(), range: start..text.len() };
    let mut builder = Builder {
        document,
        open: Vec::new(),
        anchors: HashMap::new(),
        max_nodes,
        aliased: 0,
        expanded: 0,
    };
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax(&error, text))?;
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            builder.document.range.end = bytes(&span).end.max(start);
            break;
        }
        builder.take(event, &span)?;
    }
    Ok(builder.document)
}

/// The error of the parser as ours.
pub(super) fn syntax(error: &ScanError, text: &str) -> YamlError {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    YamlError { at: at..at, fault: Fault::Syntax(error.kind().to_string()) }
}

fn bytes(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or(0..0)
}

/// What an alias can stand for.
struct Anchor {
    index: u32,
    height: usize,
    expanded: u64,
}

/// A collection that has not ended.
struct Open {
    index: u32,
    anchor: usize,
    /// The height of the highest child.
    height: usize,
    /// [`Builder::expanded`] when it started.
    expanded: u64,
    map: bool,
    children: u32,
    merges: bool,
    /// Where the last child ends.
    end: u32,
}

struct Builder<'a> {
    document: Document<'a>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchor>,
    max_nodes: usize,
    /// Nodes that aliases expanded to so far.
    aliased: u64,
    /// All nodes so far, aliases expanded.
    expanded: u64,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>, span: &Span) -> Result<(), YamlError> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                self.scalar(value, style, anchor, tag.as_deref(), bytes(span))
            }
            Event::SequenceStart(_, anchor, _) => self.start(false, anchor, bytes(span)),
            Event::MappingStart(_, anchor, _) => self.start(true, anchor, bytes(span)),
            Event::SequenceEnd | Event::MappingEnd => self.end(bytes(span)),
            Event::Alias(id) => self.alias(id, bytes(span)),
            _ => Ok(()),
        }
    }

    /// Appends a node below the innermost open collection.
    fn push(&mut self, raw: Raw, height: usize) -> Result<u32, YamlError> {
        let range = raw.start as usize..raw.end as usize;
        if self.document.nodes.len() >= self.max_nodes {
            return Err(YamlError { at: range, fault: Fault::Nodes });
        }
        let index = u32::try_from(self.document.nodes.len()).unwrap_or(u32::MAX);
        let next = index.saturating_add(1);
        self.expanded = self.expanded.saturating_add(1);
        if let Some(open) = self.open.last_mut() {
            open.height = open.height.max(height);
            open.children = open.children.saturating_add(1);
            open.end = open.end.max(raw.end);
        }
        self.document.nodes.push(Raw { next, ..raw });
        Ok(index)
    }

    /// Whether the next node is the key of a mapping.
    fn wants_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.map && open.children.is_multiple_of(2))
    }

    fn scalar(
        &mut self,
        value: Cow<'a, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Range<usize>,
    ) -> Result<(), YamlError> {
        let fault = |fault| YamlError { at: at.clone(), fault };
        let plain = style == ScalarStyle::Plain;
        let mut kind = kind(&value, plain, tag).map_err(fault)?;
        if self.wants_key() {
            if kind == Kind::Null {
                return Err(fault(Fault::Key { found: "null" }));
            }
            if plain && tag.is_none() && value == "<<" {
                kind = Kind::Merge;
                if let Some(open) = self.open.last_mut() {
                    open.merges = true;
                }
            }
        }
        let (text_at, len, unescaped) = self.keep(value);
        let (start, end) = (narrow(at.start), narrow(at.end));
        let index = self.push(Raw { start, end, next: 0, at: text_at, len, kind, unescaped }, 1)?;
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { index, height: 1, expanded: 1 });
        }
        Ok(())
    }

    /// Where the text of a scalar can be found: in the source when the parser
    /// borrowed it from there, else behind the other unescaped texts.
    fn keep(&mut self, value: Cow<'a, str>) -> (u32, u32, bool) {
        let len = narrow(value.len());
        if let Cow::Borrowed(borrowed) = value {
            let offset = borrowed.as_ptr().addr().wrapping_sub(self.document.text.as_ptr().addr());
            let range = offset..offset.saturating_add(borrowed.len());
            if self.document.text.get(range).is_some_and(|text| text == borrowed) {
                return (narrow(offset), len, false);
            }
        }
        let at = narrow(self.document.unescaped.len());
        self.document.unescaped.push_str(&value);
        (at, len, true)
    }

    fn start(&mut self, map: bool, anchor: usize, at: Range<usize>) -> Result<(), YamlError> {
        let fault = |fault| Err(YamlError { at: at.clone(), fault });
        let kind = if map { Kind::Map { merges: false } } else { Kind::Seq };
        if self.wants_key() {
            return fault(Fault::Key { found: kind.name() });
        }
        if self.open.len() >= MAX_DEPTH {
            return fault(Fault::Depth);
        }
        let expanded = self.expanded;
        let (start, end) = (narrow(at.start), narrow(at.end));
        let raw = Raw { start, end, next: 0, at: 0, len: 0, kind, unescaped: false };
        let index = self.push(raw, 1)?;
        self.open.push(Open {
            index,
            anchor,
            height: 0,
            expanded,
            map,
            children: 0,
            merges: false,
            end: 0,
        });
        Ok(())
    }

    fn end(&mut self, at: Range<usize>) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let height = open.height.saturating_add(1);
        let next = narrow(self.document.nodes.len());
        // A block collection ends with its last child, not at the next token.
        let flow = self.document.text.get(at.clone()).is_some_and(|end| matches!(end, "]" | "}"));
        let end = if flow { narrow(at.end) } else { open.end };
        if let Some(raw) = self.document.nodes.get_mut(open.index as usize) {
            raw.next = next;
            raw.len = open.children;
            raw.end = end.max(raw.end);
            if open.map {
                raw.kind = Kind::Map { merges: open.merges };
            }
        }
        if let Some(parent) = self.open.last_mut() {
            parent.height = parent.height.max(height);
            parent.end = parent.end.max(end);
        }
        if open.anchor != 0 {
            let expanded = self.expanded.saturating_sub(open.expanded);
            self.anchors.insert(open.anchor, Anchor { index: open.index, height, expanded });
        }
        match open.map {
            true => self.check_mapping(open.index, open.merges),
            false => Ok(()),
        }
    }

    fn alias(&mut self, id: usize, at: Range<usize>) -> Result<(), YamlError> {
        let fault = |fault| YamlError { at: at.clone(), fault };
        let Some(&Anchor { index, height, expanded }) = self.anchors.get(&id) else {
            return Err(fault(Fault::Cycle));
        };
        self.aliased = self.aliased.saturating_add(expanded);
        self.expanded = self.expanded.saturating_add(expanded);
        if self.aliased > MAX_ALIASED {
            return Err(fault(Fault::Aliases));
        }
        if self.open.len().saturating_add(height) > MAX_DEPTH {
            return Err(fault(Fault::Depth));
        }
        let found = self.document.raw(index).kind;
        if self.wants_key() && matches!(found, Kind::Seq | Kind::Map { .. } | Kind::Null) {
            return Err(fault(Fault::Key { found: found.name() }));
        }
        let (start, end) = (narrow(at.start), narrow(at.end));
        let raw =
            Raw { start, end, next: 0, at: index, len: 0, kind: Kind::Alias, unescaped: false };
        self.push(raw, height).map(drop)
    }

    /// Refuses duplicate keys and merges of what is no mapping.
    fn check_mapping(&self, index: u32, merges: bool) -> Result<(), YamlError> {
        let map = Node { document: &self.document, index };
        if merges {
            check_merges(map)?;
        }
        match duplicate(map) {
            None => Ok(()),
            Some((first, again)) => {
                let first_line = Source::new(self.document.text).line(first.range().start);
                let key = again.key().chars().filter(|c| !c.is_control()).take(200).collect();
                Err(YamlError { at: again.range(), fault: Fault::DuplicateKey { key, first_line } })
            }
        }
    }
}

fn check_merges(map: Node<'_>) -> Result<(), YamlError> {
    for (_, value) in map.own_entries().filter(|(key, _)| key.kind() == Kind::Merge) {
        let wrong = match value.kind() {
            Kind::Map { .. } => None,
            Kind::Seq => value.items().find(|item| !item.is_map()),
            _ => Some(value),
        };
        if let Some(wrong) = wrong {
            let found = wrong.kind().name();
            return Err(YamlError { at: wrong.range(), fault: Fault::Merge { found } });
        }
    }
    Ok(())
}

/// The first key that is written again, and where.
fn duplicate(map: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    let keys = || map.own_entries().map(|(key, _)| key);
    if map.resolved().len as usize / 2 <= FEW_KEYS {
        return keys().enumerate().find_map(|(count, again)| {
            keys().take(count).find(|first| same_key(*first, again)).map(|first| (first, again))
        });
    }
    let mut seen = HashMap::new();
    keys().find_map(|again| match seen.entry(again.key()) {
        Entry::Occupied(first) => Some((*first.get(), again)),
        Entry::Vacant(vacant) => {
            vacant.insert(again);
            None
        }
    })
}

fn same_key(a: Node<'_>, b: Node<'_>) -> bool {
    let (raw_a, raw_b) = (a.resolved(), b.resolved());
    match (raw_a.kind, raw_b.kind) {
        (Kind::Str, Kind::Str) => {
            raw_a.len == raw_b.len && a.document.text_of(raw_a) == b.document.text_of(raw_b)
        }
        _ => a.key() == b.key(),
    }
}

/// What a scalar is. A tag outside the core schema makes it a string, as
/// `goyaml.v2` has it; a core tag must fit.
fn kind(value: &str, plain: bool, tag: Option<&Tag>) -> Result<Kind, Fault> {
    let Some(tag) = tag else {
        return if plain { of(scalar::resolve(value)) } else { Ok(Kind::Str) };
    };
    let wanted = match tag.core_suffix() {
        Some("int") => "int",
        Some("float") => "float",
        Some("bool") => "bool",
        Some("null") => "null",
        _ => return Ok(Kind::Str),
    };
    match (wanted, of(scalar::resolve(value))?) {
        ("int", Kind::Int) => Ok(Kind::Int),
        ("float", Kind::Int | Kind::Float) => Ok(Kind::Float),
        ("bool", kind @ Kind::Bool(_)) => Ok(kind),
        ("null", Kind::Null) => Ok(Kind::Null),
        _ => Err(Fault::Tag { tag: wanted }),
    }
}

fn of(scalar: Scalar) -> Result<Kind, Fault> {
    match scalar {
        Scalar::Null => Ok(Kind::Null),
        Scalar::Bool(value) => Ok(Kind::Bool(value)),
        Scalar::Int => Ok(Kind::Int),
        Scalar::Float => Ok(Kind::Float),
        Scalar::Str => Ok(Kind::Str),
        Scalar::NotJson => Err(Fault::NotJson),
    }
}

/// Offsets fit: [`super::text`] refuses what is larger.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
