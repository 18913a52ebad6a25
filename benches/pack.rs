//! Packing and unpacking: `cargo bench --bench pack`.
//!
//! The input is made up: HelmReleases that compress about as real ones do.
//! What has `one_core` in its name runs on one thread and is what the target of
//! 60 MB/s a core is about; `pack` is the whole operation with its threads.
#![allow(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write as _},
    sync::LazyLock,
};

use divan::{Bencher, black_box, counter::BytesCount};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sluicegate::{
    flow::pack::{Input, Options, pack},
    model::{
        bundle::{
            pack::LayerWriter,
            path::RelPath,
            unpack::{Limits, Unpacker},
        },
        digest::Digest,
    },
};
use tempfile::TempDir;

/// How many files the bundle has.
const FILES: u32 = 512;
/// How many HelmReleases a file has: about 64 KB.
const RELEASES: u32 = 128;

fn main() {
    divan::main();
}

/// The files of the bundle, in the order of the layer.
static BUNDLE: LazyLock<Vec<(RelPath, Vec<u8>)>> = LazyLock::new(|| {
    (0..FILES)
        .map(|number| {
            let name = format!("clusters/{:02}/apps-{number:04}.yaml", number / 32);
            (RelPath::new(&name).expect("name"), manifests(number).into_bytes())
        })
        .collect()
});

/// The bundle as a directory.
static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let root = tempfile::tempdir().expect("directory");
    for (name, bytes) in BUNDLE.iter() {
        let path = root.path().join(name.as_str());
        fs::create_dir_all(path.parent().unwrap_or(root.path())).expect("directory");
        fs::write(path, bytes).expect("file");
    }
    root
});

/// The bundle as a layer.
static LAYER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut writer = LayerWriter::new(Vec::new()).expect("layer");
    for (name, bytes) in BUNDLE.iter() {
        writer.file(name, false, bytes.len() as u64).expect("file");
        writer.data(bytes).expect("data");
    }
    writer.finish().expect("layer").1
});

fn manifests(file: u32) -> String {
    let mut text = String::new();
    for number in (0..RELEASES).map(|n| file * RELEASES + n) {
        let noise = Digest::of(&number.to_le_bytes());
        write!(
            text,
            "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  \
             name: app-{number}\n  namespace: team-{}\nspec:\n  interval: 10m\n  chart:\n    \
             spec:\n      chart: podinfo\n      version: 6.{}.{}\n      sourceRef:\n        \
             kind: HelmRepository\n        name: podinfo\n  values:\n    replicaCount: {}\n    \
             image:\n      repository: ghcr.io/acme/app-{number}\n      digest: \"{noise}\"\n    \
             resources:\n      requests:\n        cpu: 100m\n        memory: 64Mi\n",
            number % 17,
            number % 9,
            number % 23,
            number % 5,
        )
        .expect("text");
    }
    text
}

fn bytes() -> BytesCount {
    BytesCount::new(BUNDLE.iter().map(|(_, bytes)| bytes.len()).sum::<usize>())
}

/// Read, tar, gzip and hash on one thread.
#[divan::bench(sample_count = 5)]
fn read_tar_gzip_hash_one_core(bencher: Bencher<'_, '_>) {
    let root = DIRECTORY.path();
    bencher.counter(bytes()).bench(|| {
        let mut writer = LayerWriter::new(io::sink()).expect("layer");
        for (name, _) in BUNDLE.iter() {
            let bytes = fs::read(root.join(name.as_str())).expect("file");
            writer.file(name, false, bytes.len() as u64).expect("file");
            writer.data(&bytes).expect("data");
        }
        writer.finish().expect("layer").0
    });
}

/// The whole operation: walk, read, parse, judge, tar, gzip, hash, write.
#[divan::bench(sample_count = 5)]
fn pack_directory(bencher: Bencher<'_, '_>) {
    let input = Input::at(DIRECTORY.path()).expect("input");
    bencher
        .counter(bytes())
        .bench(|| pack(black_box(&input), &Options::default(), None).expect("pack"));
}

/// The same without a layer, as `check` does.
#[divan::bench(sample_count = 5)]
fn check_directory(bencher: Bencher<'_, '_>) {
    let input = Input::at(DIRECTORY.path()).expect("input");
    let options = Options { layer: false, ..Options::default() };
    bencher.counter(bytes()).bench(|| pack(black_box(&input), &options, None).expect("pack"));
}

/// The compressor alone.
#[divan::bench(sample_count = 5)]
fn gzip_one_core(bencher: Bencher<'_, '_>) {
    bencher.counter(bytes()).bench(|| {
        let mut gzip = GzEncoder::new(io::sink(), Compression::new(6));
        for (_, bytes) in BUNDLE.iter() {
            gzip.write_all(bytes).expect("gzip");
        }
        gzip.finish().expect("gzip")
    });
}

/// The digest alone.
#[divan::bench(sample_count = 5)]
fn sha256_one_core(bencher: Bencher<'_, '_>) {
    bencher.counter(bytes()).bench(|| {
        for (_, bytes) in BUNDLE.iter() {
            black_box(Digest::of(bytes));
        }
    });
}

/// Decompress and check every entry, writing nothing.
#[divan::bench(sample_count = 5)]
fn unpack_one_core(bencher: Bencher<'_, '_>) {
    bencher.counter(bytes()).bench(|| {
        let mut unpacker = Unpacker::new(LAYER.as_slice(), Limits::default()).expect("layer");
        let mut files = 0;
        while unpacker.next_entry().expect("entry").is_some() {
            files += 1;
        }
        files
    });
}

/// The decompressor alone.
#[divan::bench(sample_count = 5)]
fn gunzip_one_core(bencher: Bencher<'_, '_>) {
    bencher.counter(bytes()).bench(|| {
        let mut gzip = GzDecoder::new(LAYER.as_slice());
        let mut buffer = vec![0; 64 << 10];
        while gzip.read(&mut buffer).expect("gzip") > 0 {}
    });
}
