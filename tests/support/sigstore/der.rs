//! As much of DER as certificates and timestamps need: what writes it, and what
//! finds its parts again to change them.

use jiff::{Timestamp, tz::TimeZone};

/// A value of any tag.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(u8::try_from(short).unwrap()),
        long => {
            let bytes = long.to_be_bytes();
            let used = &bytes[bytes.iter().position(|b| *b != 0).unwrap()..];
            out.push(0x80 | u8::try_from(used.len()).unwrap());
            out.extend(used);
        }
    }
    out.extend(content);
    out
}

pub fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// A set, in DER's order.
pub fn set(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    tlv(0x31, &parts.concat())
}

/// A context-specific, constructed value.
pub fn context(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

pub fn int(number: u8) -> Vec<u8> {
    tlv(2, &[number])
}

pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, content)
}

pub fn bits(content: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], content].concat())
}

pub fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = vec![u8::try_from(arcs[0] * 40 + arcs[1]).unwrap()];
    for arc in &arcs[2..] {
        let mut groups = vec![u8::try_from(arc & 127).unwrap()];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | u8::try_from(rest & 127).unwrap());
            rest >>= 7;
        }
        content.extend(groups.into_iter().rev());
    }
    tlv(6, &content)
}

/// A `GeneralizedTime`.
pub fn time(at: Timestamp) -> Vec<u8> {
    tlv(0x18, at.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
}

/// Where a value is in a document: its header and its content, and which of the
/// values inside of which it is.
#[derive(Debug, Clone)]
pub struct Place {
    pub start: usize,
    pub content: usize,
    pub end: usize,
    pub path: String,
}

/// Every value of a document, also inside of others, outer ones first. Of what a
/// string holds, only what parses as a whole is looked into.
pub fn places(document: &[u8]) -> Vec<Place> {
    let mut found = Vec::new();
    walk(document, 0, "", &mut found);
    found
}

/// Whether all of it was well-formed.
fn walk(bytes: &[u8], base: usize, above: &str, found: &mut Vec<Place>) -> bool {
    let (mut at, mut index) = (0, 0);
    while at < bytes.len() {
        let Some((content, end)) = measure(bytes, at) else { return false };
        let path = format!("{above}/{index}");
        let (start, inside) = (base + at, base + content);
        found.push(Place { start, content: inside, end: base + end, path: path.clone() });
        let inner = &bytes[content..end];
        // A bit string has a byte of its own before what it holds.
        let skip = usize::from(bytes[at] == 3 && !inner.is_empty());
        if bytes[at] & 0x20 != 0 || matches!(bytes[at], 3 | 4) {
            let before = found.len();
            if !walk(&inner[skip..], inside + skip, &path, found) {
                found.truncate(before);
            }
        }
        (at, index) = (end, index + 1);
    }
    true
}

fn measure(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = usize::from(*bytes.get(at + 1)?);
    let (content, length) = match first {
        0..=127 => (at + 2, first),
        0x81..=0x83 => {
            let count = first - 0x80;
            let digits = bytes.get(at + 2..at + 2 + count)?;
            (at + 2 + count, digits.iter().fold(0, |sum, b| sum * 256 + usize::from(*b)))
        }
        _ => return None,
    };
    (content + length <= bytes.len()).then_some((content, content + length))
}

/// The document with one value replaced; the lengths around it follow.
pub fn replaced(document: &[u8], place: &Place, by: &[u8]) -> Vec<u8> {
    rebuild(document, 0, place, by)
}

fn rebuild(bytes: &[u8], base: usize, place: &Place, by: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let Some((content, end)) = measure(bytes, at) else {
            out.extend(&bytes[at..]);
            return out;
        };
        if (base + at, base + end) == (place.start, place.end) {
            out.extend(by);
        } else if base + content <= place.start && place.end <= base + end {
            let skip = usize::from(bytes[at] == 3);
            let inner = rebuild(&bytes[content + skip..end], base + content + skip, place, by);
            out.extend(tlv(bytes[at], &[&bytes[content..content + skip], &inner[..]].concat()));
        } else {
            out.extend(&bytes[at..end]);
        }
        at = end;
    }
    out
}
