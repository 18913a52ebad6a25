//! Tests of the unpacker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tar::{Builder, EntryType};

use super::*;
use crate::model::{bundle::pack::LayerWriter, text::chain};

const LIMITS: Limits = Limits { entries: 100, file: 1 << 20, total: 4 << 20 };

/// Everything in an archive, or why it is refused.
fn contents(bytes: &[u8], limits: Limits) -> Result<Vec<(String, String)>, UnpackError> {
    let mut unpacker = Unpacker::new(bytes, limits)?;
    let mut found = Vec::new();
    while let Some(entry) = unpacker.next_entry()? {
        match entry {
            Entry::Directory { path } => found.push((format!("{path}/"), String::new())),
            Entry::File { path, executable, size } => {
                let mut content = vec![0; 1 + usize::try_from(size).unwrap()];
                let mut filled = 0;
                loop {
                    match unpacker.read(&mut content[filled..])? {
                        0 => break,
                        read => filled += read,
                    }
                }
                let mark = if executable { "*" } else { "" };
                let text = String::from_utf8_lossy(&content[..filled]).into_owned();
                found.push((format!("{path}{mark}"), text));
            }
        }
    }
    Ok(found)
}

fn message(result: Result<Vec<(String, String)>, UnpackError>) -> String {
    chain(&result.expect_err("refused"))
}

/// One header, its checksum right.
fn header(name: &[u8], kind: u8, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

/// A stream of headers with their bytes, ended as it should be.
fn stream(entries: &[(Header, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (header, content) in entries {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

fn file(name: &[u8], content: &'static [u8]) -> (Header, &'static [u8]) {
    (header(name, b'0', content.len() as u64), content)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A PAX header of records (key, value).
fn pax(kind: u8, records: &[(&str, &str)]) -> (Header, Vec<u8>) {
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions(records.iter().map(|(key, value)| (*key, value.as_bytes())))
        .unwrap();
    let data = builder.into_inner().unwrap();
    let size = Header::from_byte_slice(&data[..BLOCK]).entry_size().unwrap();
    let data = data[BLOCK..][..usize::try_from(size).unwrap()].to_vec();
    (header(b"PaxHeaders.0/x", kind, size), data)
}

fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new()).unwrap();
    for (name, content) in files {
        writer.file(&RelPath::new(name).unwrap(), false, content.len() as u64).unwrap();
        writer.data(content).unwrap();
    }
    writer.finish().unwrap().1
}

#[test]
fn reads_what_is_written_here() {
    let long = format!("{}/ü{}", "d".repeat(150), "f".repeat(90));
    let layer = layer(&[("a/b.yaml", b"b"), ("a/c.yaml", b""), (&long, b"long")]);
    let expected = [("a/", ""), ("a/b.yaml", "b"), ("a/c.yaml", "")];
    let mut expected: Vec<_> =
        expected.iter().map(|(n, c)| ((*n).to_owned(), (*c).to_owned())).collect();
    expected.push((format!("{}/", "d".repeat(150)), String::new()));
    expected.push((long, "long".to_owned()));
    assert_eq!(contents(&layer, LIMITS).unwrap(), expected);
}

#[test]
fn reads_what_other_tools_write() {
    // GNU tar and busybox: `./` before names, `/` behind directories.
    let mut gnu = Header::new_gnu();
    gnu.set_path("./a/run.sh").unwrap();
    gnu.set_mode(0o700);
    gnu.set_size(2);
    gnu.set_cksum();
    let foreign = stream(&[
        (header(b"./", b'5', 0), b""),
        (header(b"./a/", b'5', 0), b""),
        (gnu, b"#!"),
        file(b"./a/x", b"x"),
    ]);
    let expected = [("a/", ""), ("a/run.sh*", "#!"), ("a/x", "x")];
    let expected: Vec<_> =
        expected.iter().map(|(n, c)| ((*n).to_owned(), (*c).to_owned())).collect();
    assert_eq!(contents(&foreign, LIMITS).unwrap(), expected);
    // In several gzip members, as parallel compressors write it.
    let (head, tail) = foreign.split_at(700);
    let members = [gzip(head), gzip(tail)].concat();
    assert_eq!(contents(&members, LIMITS).unwrap(), expected);
    // `git archive` names the commit; times and owners are passed over.
    let (global, commit) = pax(b'g', &[("comment", "52d1c1b2")]);
    let (local, times) =
        pax(b'x', &[("mtime", "1.5"), ("uid", "7"), ("path", "n/é"), ("size", "1")]);
    let archive = stream(&[(global, &commit), (local, &times), file(b"n", b"x")]);
    assert_eq!(contents(&archive, LIMITS).unwrap(), [("n/é".to_owned(), "x".to_owned())]);
}

#[test]
fn what_is_not_read_is_passed_over() {
    let layer = layer(&[("a", &[7; 2000]), ("b", b"b")]);
    let mut unpacker = Unpacker::new(layer.as_slice(), LIMITS).unwrap();
    unpacker.next_entry().unwrap();
    assert_eq!(unpacker.read(&mut [0; 10]).unwrap(), 10);
    let second = unpacker.next_entry().unwrap().unwrap();
    assert!(matches!(second, Entry::File { path, .. } if path.as_str() == "b"));
    assert_eq!(unpacker.next_entry().unwrap(), None);
    assert_eq!(unpacker.next_entry().unwrap(), None);
}

/// oras GHSA-g5v4-5x39-vwhx (CVE-2021-21272): tar path escape on pull.
#[test]
fn oras_ghsa_g5v4_5x39_vwhx_tar_path_escape() {
    for name in [
        "../a",
        "a/../../b",
        "a/..",
        "..",
        "/etc/passwd",
        "a//b",
        "a/./b",
        "././a",
        "a\\b",
        "..\\a",
        "a\nb",
        "",
        ".",
        "./",
        "./../a",
        ".//a",
        "a/",
    ] {
        let error = message(contents(&stream(&[file(name.as_bytes(), b"x")]), LIMITS));
        assert!(error.contains("unsafe name"), "{name:?}: {error}");
    }
    let (local, records) = pax(b'x', &[("path", "../../etc/passwd")]);
    let hidden = stream(&[(local, &records), file(b"harmless", b"x")]);
    assert!(message(contents(&hidden, LIMITS)).contains("`..` component"));
    let latin = stream(&[file(b"caf\xe9", b"x")]);
    assert!(message(contents(&latin, LIMITS)).contains("not UTF-8"));
}

#[test]
fn links_and_devices_are_refused_by_name() {
    for (kind, expected) in [
        (b'1', "a hard link"),
        (b'2', "a symbolic link"),
        (b'3', "a device"),
        (b'4', "a device"),
        (b'6', "a named pipe"),
        (b'7', "of an unknown kind"),
        (b'S', "a sparse file"),
        (b'L', "a GNU long name"),
        (b'V', "of an unknown kind"),
    ] {
        let error = message(contents(&stream(&[(header(b"odd", kind, 0), b"")]), LIMITS));
        assert_eq!(
            error,
            format!("`odd` in the archive is {expected}; expected files and directories only")
        );
    }
}

#[test]
fn names_that_clash_are_refused() {
    let directory = |name: &'static [u8]| (header(name, b'5', 0), &b""[..]);
    for (entries, expected) in [
        ([file(b"a", b""), file(b"a", b"x")], "`a` is there twice"),
        ([file(b"a", b""), file(b"./a", b"x")], "`a` is there twice"),
        ([directory(b"a"), directory(b"a/")], "`a` is there twice"),
        ([file(b"a", b""), file(b"A", b"x")], "`A` and `a` differ only in case"),
        ([directory(b"A"), file(b"a/b", b"x")], "`a` and `A` differ only in case"),
        ([file(b"a", b""), file(b"a/b", b"x")], "`a` is a file and a directory"),
        ([file(b"a/b", b""), file(b"a", b"x")], "`a` is a file and a directory"),
    ] {
        let error = message(contents(&stream(&entries), LIMITS));
        assert_eq!(error, format!("the archive has names that clash: {expected}"));
    }
}

#[test]
fn records_that_would_change_the_entry_are_refused() {
    for (records, expected) in [
        (&[("GNU.sparse.major", "1")][..], "PAX record `GNU.sparse.major`"),
        (&[("linkpath", "x")], "PAX record `linkpath`"),
        (&[("hdrcharset", "BINARY")], "PAX record `hdrcharset`"),
        (&[("size", "0")], "contradicts its size"),
        (&[("size", "2")], "contradicts its size"),
        (&[("size", "+1")], "malformed PAX size"),
        (&[("size", "-1")], "malformed PAX size"),
        (&[("size", "1"), ("size", "1")], "PAX record `size`"),
        (&[("path", "a"), ("path", "b")], "PAX record `path`"),
        (&[("path", "")], "unsafe name"),
    ] {
        let (local, data) = pax(b'x', records);
        let error = message(contents(&stream(&[(local, &data), file(b"n", b"x")]), LIMITS));
        assert!(error.contains(expected), "{records:?}: {error}");
    }
    let (global, data) = pax(b'g', &[("path", "a")]);
    let error = message(contents(&stream(&[(global, &data), file(b"n", b"x")]), LIMITS));
    assert!(error.contains("PAX record `path`"), "{error}");
    let (local, data) = pax(b'x', &[("mtime", "1")]);
    let twice = stream(&[(local.clone(), &data), (local.clone(), &data), file(b"n", b"x")]);
    assert!(message(contents(&twice, LIMITS)).contains("two PAX headers"));
    let alone = stream(&[(local, &data)]);
    assert!(message(contents(&alone, LIMITS)).contains("nothing behind it"));
    for malformed in ["8 path=a\n", "11 path=a\n", "x path=a\n", "7 path\n", "08 path=\n", "4 =\n"]
    {
        let local = header(b"x", b'x', malformed.len() as u64);
        let entries = [(local, malformed.as_bytes()), file(b"n", b"x")];
        let error = message(contents(&stream(&entries), LIMITS));
        assert!(error.contains("malformed PAX record"), "{malformed}: {error}");
    }
}

#[test]
fn limits_hold() {
    let many: Vec<_> = (0..101).map(|n| format!("{n:03}")).collect();
    let many: Vec<_> = many.iter().map(|n| (n.as_str(), &b""[..])).collect();
    assert!(contents(&layer(&many[..100]), LIMITS).is_ok());
    let error = message(contents(&layer(&many), LIMITS));
    assert_eq!(error, "the archive has more than 100 entries");
    // Directories without an entry of their own count.
    let deep = format!("{}x", "d/".repeat(200));
    let (local, data) = pax(b'x', &[("path", &deep)]);
    let deep = stream(&[(local, &data), file(b"n", b"")]);
    assert_eq!(message(contents(&deep, LIMITS)), "the archive has more than 100 entries");

    let large = layer(&[("large", &vec![0; (1 << 20) + 1])]);
    let error = message(contents(&large, LIMITS));
    assert_eq!(error, "`large` in the archive has more than 1048576 bytes");
}

/// cosign CVE-2023-46737 and others: endless content. The archive is a few
/// kilobytes that inflate to more than the limit.
#[test]
fn a_bomb_ends_at_the_limit() {
    let zeros = vec![0; 1 << 20];
    let names: Vec<_> = (0..8).map(|n| n.to_string()).collect();
    let files: Vec<_> = names.iter().map(|n| (n.as_str(), zeros.as_slice())).collect();
    let bomb = layer(&files);
    assert!(bomb.len() < 64 * 1024);
    let error = message(contents(&bomb, LIMITS));
    assert_eq!(error, "the archive has more than 4194304 bytes when uncompressed");
    // Zeros behind the end are counted as well.
    let tail = gzip(&vec![0; 5 << 20]);
    assert!(message(contents(&tail, LIMITS)).contains("more than 4194304 bytes"));
}

#[test]
fn what_follows_the_end_is_refused() {
    let whole = stream(&[file(b"a", b"x")]);
    let padded = [whole.as_slice(), &[0; 10240]].concat();
    assert_eq!(contents(&padded, LIMITS).unwrap().len(), 1);
    let twice = [whole.as_slice(), &whole].concat();
    assert!(message(contents(&twice, LIMITS)).contains("goes on after its end"));
    let garbage = [whole.as_slice(), b"x"].concat();
    assert!(message(contents(&garbage, LIMITS)).contains("goes on after its end"));
    let behind_gzip = [gzip(&whole).as_slice(), b"garbage"].concat();
    assert!(contents(&behind_gzip, LIMITS).is_err());
    let member_behind = [gzip(&whole), gzip(b"garbage")].concat();
    assert!(message(contents(&member_behind, LIMITS)).contains("goes on after its end"));
}

#[test]
fn an_archive_that_ends_early_is_refused() {
    let whole = stream(&[file(b"a", b"x"), file(b"b", b"y")]);
    for length in 0..=whole.len() - BLOCK {
        assert!(contents(&whole[..length], LIMITS).is_err(), "{length}");
    }
    let compressed = gzip(&whole);
    for length in 0..compressed.len() {
        assert!(contents(&compressed[..length], LIMITS).is_err(), "{length}");
    }
}

#[test]
fn headers_are_checked() {
    let valid = stream(&[file(b"a", b"x")]);
    for (at, byte) in [(0, b'b'), (124, b'7'), (148, b'7'), (156, b'2'), (257, b'X')] {
        let mut bytes = valid.clone();
        bytes[at] = byte;
        assert!(message(contents(&bytes, LIMITS)).contains("wrong checksum"), "{at}");
    }
    let change = |edit: &dyn Fn(&mut Header)| {
        let mut odd = header(b"a", b'0', 1);
        edit(&mut odd);
        odd.set_cksum();
        message(contents(&stream(&[(odd, b"x")]), LIMITS))
    };
    let binary = change(&|h| h.as_old_mut().size = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert!(binary.contains("malformed size"), "{binary}");
    let signed = change(&|h| h.as_old_mut().size = *b"+0000000001\0");
    assert!(signed.contains("malformed size"), "{signed}");
    let old = change(&|h| h.as_mut_bytes()[257..265].fill(0));
    assert!(old.contains("unknown format"), "{old}");
    let directory = change(&|h| h.set_entry_type(EntryType::Directory));
    assert!(directory.contains("although it is a directory"), "{directory}");
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = contents(&bytes, LIMITS);
    }

    #[test]
    fn no_change_of_an_archive_panics_or_escapes(
        at in 0_usize..3072, byte in any::<u8>(), name in "[a./\\\\é]{1,12}", kind in any::<u8>(),
    ) {
        let name: String = name.chars().take(40).collect();
        let odd = header(name.as_bytes(), kind, 1);
        let mut bytes = stream(&[(odd, b"x"), file(b"z", b"y")]);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Ok(found) = contents(&bytes, LIMITS) {
            for (path, _) in found {
                let path = path.trim_end_matches(['*', '/']);
                prop_assert!(RelPath::new(path).is_ok(), "{path}");
            }
        }
    }
}
