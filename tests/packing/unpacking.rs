//! Unpacking a layer: whole or not at all.

use std::{io::Write as _, os::unix::fs::MetadataExt as _, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sluicegate::{
    edge::registry::{Fault, RegistryError},
    flow::extract::{ExtractError, Extracted, Target, extract},
    model::{bundle::unpack::Limits, digest::Digest},
};
use tar::{Builder, EntryType, Header};

use super::*;

/// How a download ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Right,
    WrongDigest,
    Never,
}

/// Unpacks `bytes` as they would arrive.
async fn arrive(bytes: &[u8], target: &Path, end: End) -> Result<Extracted, ExtractError> {
    let mut chunks = bytes.chunks(1000);
    let digest = Digest::of(bytes);
    extract(Target::check(target)?, Limits::default(), async || match (chunks.next(), end) {
        (Some(chunk), _) => Ok(Some(Bytes::copy_from_slice(chunk))),
        (None, End::Right) => Ok(None),
        (None, End::WrongDigest) => {
            let fault = Fault::WrongDigest { wanted: digest, got: digest };
            Err(RegistryError::new("read the layer", fault))
        }
        (None, End::Never) => std::future::pending().await,
    })
    .await
}

fn entries(path: &Path) -> usize {
    fs::read_dir(path).expect("directory").count()
}

/// A layer with the files given, packed here.
fn packed_layer(files: &[(&str, &str)]) -> Vec<u8> {
    let root = directory(files);
    layer(&packed(root.path(), &Options::default()))
}

/// A layer with one odd entry behind a good one.
fn hostile(name: &[u8], kind: EntryType) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, kind) in [(&b"good.yaml"[..], EntryType::Regular), (name, kind)] {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o644);
        if kind.is_symlink() {
            header.set_link_name("/etc").expect("link");
        }
        header.set_cksum();
        builder.append(&header, &b""[..]).expect("append");
    }
    builder.into_inner().expect("tar").finish().expect("gzip")
}

#[tokio::test]
async fn gives_back_the_files_that_were_packed() {
    let files = [
        ("a/b/run.sh*", "#!/bin/sh\n"),
        ("a/c.yaml", "x: y\n"),
        ("empty", ""),
        ("файл/ключ.yaml", "z\n"),
    ];
    let bytes = packed_layer(&files);
    let root = directory(&[("existing/x", "")]);
    fs::remove_file(root.path().join("existing/x")).expect("remove");
    for target in ["new", "existing", "./with/../new2"] {
        fs::create_dir_all(root.path().join("with")).expect("directory");
        let target = root.path().join(target);
        let extracted = arrive(&bytes, &target, End::Right).await.expect("extract");
        assert_eq!(extracted, Extracted { files: 4, bytes: 17 });
        assert_eq!(tree(&target), files.map(|(n, t)| (n.to_owned(), t.to_owned())));
        let again = packed(&target, &Options::default());
        assert_eq!(layer(&again), bytes, "packing it again gives the same bytes");
        let mode = |path: &str| fs::metadata(target.join(path)).expect("file").mode() & 0o777;
        assert_eq!((mode("a/c.yaml") & !0o644, mode("a/b/run.sh") & !0o755), (0, 0));
    }
    assert_eq!(entries(root.path()), 4, "nothing else is left");
}

#[tokio::test]
async fn targets_that_are_not_free_are_refused_before_any_download() {
    let root = directory(&[("full/x", ""), ("file", "")]);
    std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).expect("link");
    for (target, fault) in [
        ("full", "is a directory that is not empty"),
        ("file", "is not a directory"),
        ("dangling", "is not a directory"),
        ("missing/out", "would be in a directory that does not exist"),
    ] {
        let error = Target::check(&root.path().join(target)).expect_err(target).to_string();
        assert!(error.contains(fault), "{error}");
    }
}

/// oras GHSA-g5v4-5x39-vwhx (CVE-2021-21272): tar path escape on pull. Nothing
/// is written, neither outside nor inside.
#[tokio::test]
async fn oras_ghsa_g5v4_5x39_vwhx_leaves_nothing_behind() {
    for (name, kind) in [
        (&b"../escaped"[..], EntryType::Regular),
        (b"/tmp/escaped", EntryType::Regular),
        (b"a\\b", EntryType::Regular),
        (b"link", EntryType::Symlink),
        (b"link", EntryType::Link),
        (b"device", EntryType::Char),
        (b"pipe", EntryType::Fifo),
        (b"good.yaml", EntryType::Regular),
        (b"GOOD.yaml", EntryType::Regular),
        (b"good.yaml/x", EntryType::Regular),
    ] {
        let root = directory(&[]);
        let target = root.path().join("out");
        let result = arrive(&hostile(name, kind), &target, End::Right).await;
        assert!(matches!(result, Err(ExtractError::Unpack(_))), "{result:?}");
        assert_eq!(entries(root.path()), 0, "{}", String::from_utf8_lossy(name));
    }
}

#[tokio::test]
async fn wrong_bytes_leave_nothing_behind_and_are_told_first() {
    let good = packed_layer(&[("a.yaml", "a")]);
    for bytes in [good.as_slice(), &hostile(b"../escaped", EntryType::Regular), b"garbage"] {
        let root = directory(&[]);
        let result = arrive(bytes, &root.path().join("out"), End::WrongDigest).await;
        assert!(matches!(result, Err(ExtractError::Registry(e)) if e.is_wrong_bytes()));
        assert_eq!(entries(root.path()), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_given_up_leaves_nothing_behind() {
    let bytes = packed_layer(&[("a.yaml", "a"), ("b.yaml", "b")]);
    let root = directory(&[]);
    let target = root.path().join("out");
    let never = arrive(&bytes, &target, End::Never);
    assert!(tokio::time::timeout(Duration::from_millis(100), never).await.is_err());
    // What staged it ends when it learns that nothing more comes.
    for _ in 0..1000 {
        if entries(root.path()) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("something is left behind");
}

#[tokio::test]
async fn a_target_that_fills_up_meanwhile_is_left_alone() {
    let bytes = packed_layer(&[("a.yaml", "a")]);
    let root = directory(&[]);
    let path = root.path().join("out");
    let target = Target::check(&path).expect("target");
    let mut chunks = vec![bytes];
    let result = extract(target, Limits::default(), async || {
        fs::create_dir_all(&path).expect("directory");
        fs::write(path.join("theirs"), "x").expect("file");
        Ok(chunks.pop().map(Bytes::from))
    })
    .await;
    assert!(matches!(result, Err(ExtractError::Unwritable { .. })));
    assert_eq!(tree(root.path()), [("out/theirs".to_owned(), "x".to_owned())]);
}

/// notation GHSA-qjh3-4j3h-vmwp: a write across file systems. What is unpacked
/// is staged beside its target, wherever the directory for temporary files is.
#[tokio::test]
async fn notation_ghsa_qjh3_4j3h_vmwp_tmpdir_on_another_mount() {
    let bytes = packed_layer(&[("a.yaml", "a")]);
    let device = |path: &Path| fs::metadata(path).map(|m| m.dev()).ok();
    let here = device(&std::env::temp_dir());
    let other = [Path::new("/dev/shm"), Path::new(env!("CARGO_MANIFEST_DIR"))];
    for elsewhere in other.into_iter().filter(|p| device(p).is_some() && device(p) != here) {
        let Ok(root) = tempfile::tempdir_in(elsewhere) else { continue };
        let target = root.path().join("out");
        arrive(&bytes, &target, End::Right).await.expect("extract");
        assert_eq!(tree(&target), [("a.yaml".to_owned(), "a".to_owned())]);
        assert_eq!(entries(root.path()), 1);
    }
}

#[tokio::test]
async fn a_bomb_ends_at_the_limit_and_leaves_nothing_behind() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = Header::new_ustar();
    header.set_path("zeros").expect("path");
    header.set_mode(0o644);
    header.set_size(1 << 30);
    header.set_cksum();
    gzip.write_all(header.as_bytes()).expect("header");
    for _ in 0..64 {
        gzip.write_all(&[0; 1 << 20]).expect("zeros");
    }
    let bytes = gzip.finish().expect("gzip");
    let root = directory(&[]);
    let target = Target::check(&root.path().join("out")).expect("target");
    let limits = Limits { file: 1 << 30, total: 8 << 20, ..Limits::default() };
    let mut chunks = bytes.chunks(1 << 10);
    let result =
        extract(target, limits, async || Ok(chunks.next().map(Bytes::copy_from_slice))).await;
    let error = std::error::Error::source(&result.expect_err("refused")).expect("why").to_string();
    assert_eq!(error, "the archive has more than 8388608 bytes when uncompressed");
    assert_eq!(entries(root.path()), 0);
}
