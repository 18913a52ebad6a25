//! Tests of the layer writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Read as _;

use super::*;

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("valid")
}

fn layer(files: &[(&str, bool, &[u8])]) -> (Written, Vec<u8>) {
    let mut writer = LayerWriter::new(Vec::new()).expect("new");
    for (name, executable, bytes) in files {
        writer.file(&path(name), *executable, bytes.len() as u64).expect("file");
        writer.data(bytes).expect("data");
    }
    writer.finish().expect("finish")
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut tar).expect("gzip");
    tar
}

#[test]
fn entries_are_those_of_flux_with_normal_modes() {
    let (written, bytes) =
        layer(&[("a/b/run.sh", true, b"#!"), ("a/c.yaml", false, b"x"), ("b.yaml", false, b"")]);
    assert_eq!(written.digest, Digest::of(&bytes));
    assert_eq!(written.size, bytes.len() as u64);
    assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    let tar = inflate(&bytes);
    assert_eq!(written.diff_id, Digest::of(&tar));
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries: Vec<_> = archive
        .entries()
        .expect("entries")
        .map(|entry| {
            let entry = entry.expect("entry");
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!(header.mtime().unwrap(), 0);
            let name = String::from_utf8(entry.path_bytes().into_owned()).expect("utf-8");
            (name, header.entry_type().as_byte(), header.mode().unwrap(), header.size().unwrap())
        })
        .collect();
    let expected = [
        (".", b'5', 0o755, 0),
        ("a", b'5', 0o755, 0),
        ("a/b", b'5', 0o755, 0),
        ("a/b/run.sh", b'0', 0o755, 2),
        ("a/c.yaml", b'0', 0o644, 1),
        ("b.yaml", b'0', 0o644, 0),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(n, k, m, s)| ((*n).to_owned(), *k, *m, *s)).collect();
    assert_eq!(entries, expected);
}

#[test]
fn ends_with_two_zero_blocks_and_no_more() {
    let tar = inflate(&layer(&[("a", false, b"x")]).1);
    assert_eq!(tar.len(), 512 + 512 + 512 + 1024);
    assert!(tar[1536..].iter().all(|b| *b == 0));
}

#[test]
fn headers_are_the_bytes_that_go_writes() {
    let tar = inflate(&layer(&[("app.yaml", false, b"x")]).1);
    let header = &tar[512..1024];
    assert_eq!(&header[..9], b"app.yaml\0");
    assert_eq!(&header[100..136], b"0000644\x000000000\x000000000\x0000000000001\0");
    assert_eq!(&header[136..148], b"00000000000\0");
    assert_eq!(&header[148..156], b"010640\0 ");
    assert_eq!(&header[257..265], b"ustar\x0000");
    assert_eq!(&header[329..345], b"0000000\x000000000\0");
}

#[test]
fn long_and_foreign_names_survive() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(90));
    let split_too_long = format!("{}/{}", "d".repeat(160), "f".repeat(110));
    let deep = format!("{}x", "é/".repeat(60));
    for name in [long.as_str(), &split_too_long, &deep, "ключ.yaml", &"n".repeat(255)] {
        let tar = inflate(&layer(&[(name, false, b"content")]).1);
        let mut archive = tar::Archive::new(tar.as_slice());
        let entries = archive.entries().expect("entries").map(|entry| entry.expect("entry"));
        let mut files = entries.filter(|entry| entry.header().entry_type().is_file());
        let mut last = files.next().expect("one");
        assert_eq!(last.path_bytes().as_ref(), name.as_bytes());
        let mut content = String::new();
        last.read_to_string(&mut content).expect("content");
        assert_eq!(content, "content");
    }
}

#[test]
fn records_count_their_own_length() {
    for length in 1..1100 {
        let record = record("path", &"x".repeat(length));
        let said: usize = record.split(' ').next().expect("length").parse().expect("number");
        assert_eq!(said, record.len());
    }
}

#[test]
fn bytes_do_not_depend_on_how_they_arrive() {
    let content: Vec<u8> = (0..300_000_u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 20).to_le_bytes())
        .collect();
    let whole = layer(&[("a", false, &content)]);
    let mut writer = LayerWriter::new(Vec::new()).expect("new");
    writer.file(&path("a"), false, content.len() as u64).expect("file");
    for piece in content.chunks(777) {
        writer.data(piece).expect("data");
    }
    assert_eq!(writer.finish().expect("finish"), whole);
}

#[test]
fn refuses_wrong_order_and_wrong_length() {
    let mut writer = LayerWriter::new(Vec::new()).expect("new");
    writer.file(&path("b"), false, 2).expect("file");
    writer.data(b"x").expect("data");
    assert!(matches!(writer.data(b"yz"), Err(LayerError::Length { wanted: 2, .. })));
    assert!(matches!(writer.file(&path("c"), false, 0), Err(LayerError::Length { .. })));
    writer.data(b"y").expect("data");
    for bad in ["a", "b", "a/z"] {
        assert!(
            matches!(writer.file(&path(bad), false, 0), Err(LayerError::Order { .. })),
            "{bad}"
        );
    }
    assert!(matches!(
        writer.file(&path("c"), false, MAX_SIZE + 1),
        Err(LayerError::TooLarge { .. })
    ));
    writer.file(&path("c"), false, 1).expect("file");
    assert!(writer.finish().is_err());
}
