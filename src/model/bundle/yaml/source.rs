//! Offsets in a text turned into lines, columns and the lines to show.
//!
//! The tree keeps byte offsets only; a position is computed when something is
//! reported, which is rare.

use std::{
    cell::{Cell, OnceCell},
    ops::Range,
};

use crate::model::{
    bundle::problem::{Place, Position},
    text::masked_credentials,
};

/// The most lines a report shows.
const SHOWN_LINES: usize = 7;
/// Lines before the one that is meant.
const LINES_BEFORE: usize = 2;
/// Lines after the last one that is meant.
const LINES_AFTER: usize = 1;
/// The most characters of a line that a report shows.
const SHOWN_CHARS: usize = 200;

/// The most bytes of a line in which credentials are looked for, far more than
/// is shown, so that none is cut in two before it was seen.
const MASKED_BYTES: usize = 4 * 1024;

/// The text of one file.
#[derive(Debug)]
pub struct Source<'a> {
    text: &'a str,
    line_starts: OnceCell<Vec<u32>>,
    /// An offset and the characters before it in its line: of a line as long as
    /// a file, most positions are asked for in order.
    counted: Cell<(usize, usize)>,
}

impl<'a> Source<'a> {
    /// The source of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, line_starts: OnceCell::new(), counted: Cell::default() }
    }

    /// The text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let after_break = |(at, byte)| match byte {
                b'\n' => u32::try_from(at).ok().and_then(|at: u32| at.checked_add(1)),
                _ => None,
            };
            std::iter::once(0)
                .chain(self.text.bytes().enumerate().filter_map(after_break))
                .collect()
        })
    }

    /// The index of the line that holds the byte at `offset`.
    fn line_index(&self, offset: usize) -> usize {
        let starts = self.line_starts();
        starts.partition_point(|&start| start as usize <= offset).saturating_sub(1)
    }

    /// The number, from 1, of the line that holds the byte at `offset`.
    pub fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.line_index(offset)).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Where the line `index` (from 0) starts.
    fn start_of(&self, index: usize) -> usize {
        self.line_starts().get(index).map_or(self.text.len(), |&start| start as usize)
    }

    /// The line `index` (from 0) without its end.
    pub fn line_text(&self, index: usize) -> &'a str {
        let range = self.start_of(index)..self.start_of(index.saturating_add(1));
        self.text.get(range).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }

    /// The position of the byte at `offset`.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let start = self.start_of(self.line_index(offset));
        let (from, counted) = match self.counted.get() {
            (from, counted) if (start..=offset).contains(&from) => (from, counted),
            _ => (start, 0),
        };
        let column = match self.text.get(from..offset) {
            Some(new) => counted + new.chars().count(),
            None => return Position { line: self.line(offset), column: 1 },
        };
        self.counted.set((offset, column));
        Position {
            line: self.line(offset),
            column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    /// The place of `bytes`, with the lines around it, but none outside
    /// `within`. `show` rewrites a line before it is shown: it gets the offset
    /// at which the line starts and its text.
    pub fn place(
        &self,
        bytes: Range<usize>,
        path: &str,
        within: Range<usize>,
        show: impl Fn(usize, &str) -> String,
    ) -> Place {
        let first = self.line_index(bytes.start);
        let last = self.line_index(bytes.end.saturating_sub(1).max(bytes.start));
        let lowest = self.line_index(within.start);
        let highest = self.line_index(within.end.saturating_sub(1).max(within.start));
        let from = first.saturating_sub(LINES_BEFORE).max(lowest).min(first);
        let to = last.saturating_add(LINES_AFTER).min(highest).max(last);
        let to = to.min(from.saturating_add(SHOWN_LINES - 1));
        let shown = |index| clip(&show(self.start_of(index), self.line_text(index)));
        Place {
            start: self.position(bytes.start),
            end: self.position(bytes.end),
            path: path.to_owned(),
            lines: (from..=to).map(shown).collect(),
            first_line: u32::try_from(from).unwrap_or(u32::MAX).saturating_add(1),
        }
    }
}

/// A line cut to what a report shows, credentials in URLs masked; tabs and other
/// control characters become spaces, so that the columns still fit and a terminal
/// is not steered. Of a line that is a whole file only the beginning is looked
/// at: it may be reported hundreds of times.
pub fn clip(line: &str) -> String {
    let end = line.floor_char_boundary(MASKED_BYTES);
    masked_credentials(line.get(..end).unwrap_or(line))
        .chars()
        .take(SHOWN_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(_: usize, line: &str) -> String {
        line.to_owned()
    }

    #[test]
    fn positions_count_characters() {
        let source = Source::new("a: b\r\nü: ö\nlast");
        let at = |offset| (source.position(offset).line, source.position(offset).column);
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(6), (2, 1));
        assert_eq!(at(10), (2, 4));
        assert_eq!(at(13), (3, 1));
        assert_eq!(at(999), (3, 5));
        assert_eq!(at(10), (2, 4));
        assert_eq!(at(8), (2, 2));
        assert_eq!(at(12), (2, 5));
        assert_eq!(source.line_text(0), "a: b");
    }

    #[test]
    fn a_place_shows_its_neighbours_but_not_those_of_another_document() {
        let text = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let source = Source::new(text);
        let place = source.place(8..9, "", 0..text.len(), plain);
        assert_eq!((place.first_line, place.lines.join("")), (3, "3456".into()));
        let place = source.place(8..9, "", 8..12, plain);
        assert_eq!((place.first_line, place.lines.join("")), (5, "56".into()));
        let place = source.place(0..18, "", 0..text.len(), plain);
        assert_eq!(place.lines.len(), SHOWN_LINES);
        let place = source.place(18..18, "", 0..text.len(), plain);
        assert_eq!(place.start, Position { line: 10, column: 1 });
    }

    #[test]
    fn long_lines_are_cut() {
        let text = "x".repeat(1000);
        let place = Source::new(&text).place(0..1, "", 0..1000, plain);
        assert_eq!(place.lines[0].len(), SHOWN_CHARS);
    }
}
