//! The corpora of the fuzz targets, as ordinary tests: every input that was ever
//! worth keeping goes through the same functions.

use std::{collections::BTreeSet, fs, path::Path};

// A package of its own, which `tests/run --fuzz` builds with libFuzzer.
#[path = "../fuzz/src/lib.rs"]
mod targets;

#[test]
fn corpora_neither_panic_nor_break_what_must_hold() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let inputs = fs::read_dir(corpus.join(name)).unwrap();
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                panic!("{}", path.display());
            }
            count += 1;
        }
        assert!(count > 0, "the corpus of `{name}` is empty");
    }
}

#[test]
fn every_target_has_a_file_and_a_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz.join(folder)).unwrap();
        let stem =
            |path: std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries.map(|entry| stem(entry.unwrap().path())).collect()
    };
    let targets: BTreeSet<String> =
        targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}
