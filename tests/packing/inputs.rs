//! What can be packed, and what is refused by name.

use std::{
    ops::ControlFlow,
    os::unix::{fs::symlink, net::UnixListener},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use sluicegate::{
    flow::{pack::PackError, progress::Progress},
    model::{bundle::path::RelPath, source::git::ObjectFormat},
};

use super::*;

/// A file that is parsed; with no object in it, so that it can be there twice.
const MANIFEST: &str = "replicas: 1\n";
/// The warning that this is so.
const NOTHING: (&str, String) = ("no-object", String::new());

#[test]
fn a_directory_may_itself_be_a_link() {
    let root = directory(&[("real/app.yaml", MANIFEST)]);
    symlink("real", root.path().join("link")).expect("link");
    let real = packed(&root.path().join("real"), &Options::default());
    let link = packed(&root.path().join("link"), &Options::default());
    assert_eq!(names(&link), ["app.yaml"]);
    assert_eq!(layer(&real), layer(&link));
}

#[test]
fn one_file_and_bytes_are_bundles_too() {
    let root = directory(&[("app.yaml", MANIFEST), ("other.yaml", MANIFEST), ("logo.png", "x")]);
    let path = root.path().join("app.yaml");
    let file = packed(&path, &Options::default());
    assert_eq!(names(&file), ["app.yaml"]);
    let name = RelPath::new("app.yaml").expect("name");
    let bytes = Input::Bytes { name, bytes: MANIFEST.into() };
    let bytes = pack(&bytes, &Options::default(), None).expect("pack");
    assert_eq!(layer(&file), layer(&bytes));
    assert_eq!(file.files.len(), bytes.files.len());
    // What Flux leaves out by default leaves nothing.
    let ignored = packed(&root.path().join("logo.png"), &Options::default());
    assert_eq!(codes(&ignored.judgement.problems), [("empty", String::new())]);
}

#[test]
fn inputs_that_are_neither_are_refused() {
    let root = directory(&[]);
    let socket = root.path().join("sock");
    let _listener = UnixListener::bind(&socket).expect("socket");
    let error = Input::at(&socket).expect_err("refused").to_string();
    assert!(error.contains("is a socket; expected a directory, a file"), "{error}");
    let missing = Input::at(&root.path().join("missing"));
    assert!(matches!(missing, Err(PackError::Unreadable { .. })));
}

#[test]
fn all_problems_are_told_at_once_and_no_layer_comes_out() {
    let root = directory(&[
        ("ok.yaml", MANIFEST),
        ("Case/a.yaml", MANIFEST),
        ("case/b.yaml", MANIFEST),
        ("large.yaml", &"#".repeat(101)),
        ("large.txt", &"#".repeat(101)),
    ]);
    let path = root.path();
    symlink("ok.yaml", path.join("link")).expect("link");
    let _listener = UnixListener::bind(path.join("sock")).expect("socket");
    fs::write(path.join(std::str::from_utf8(b"back\\slash").expect("utf-8")), "").expect("file");
    let packed = packed(path, &Options { max_file: 100, ..Options::default() });
    assert!(packed.layer.is_none());
    let mut found = codes(&packed.judgement.problems);
    found.sort_unstable();
    let expected = [
        ("file-name", ""),
        ("file-too-large", "large.yaml"),
        ("file-type", "sock"),
        ("name-collision", "case/b.yaml"),
        ("symlink", "link"),
    ];
    assert_eq!(found, expected.map(|(code, file)| (code, file.to_owned())));
    assert!(packed.judgement.problems.iter().all(|p| p.hint.is_some()));
}

#[test]
fn names_that_are_not_utf8_are_refused_unless_ignored() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let root = directory(&[("ok.yaml", MANIFEST)]);
    let name = OsStr::from_bytes(b"caf\xe9.txt");
    if fs::write(root.path().join(name), "x").is_err() {
        return; // This file system has no such names.
    }
    let refused = packed(root.path(), &Options::default());
    assert_eq!(codes(&refused.judgement.problems), [("file-name", String::new())]);
    let ignore = vec!["*.txt".to_owned()];
    let ignored = packed(root.path(), &Options { ignore, ..Options::default() });
    assert_eq!(codes(&ignored.judgement.problems), [NOTHING]);
    assert_eq!(ignored.ignored_count, 1);
}

#[test]
fn patterns_filter_as_source_controller_would() {
    let root = directory(&[
        (".sourceignore", "/*\n!/deploy\n"),
        ("README.md", "x"),
        ("deploy/.sourceignore", "*.tmp\n"),
        ("deploy/app.yaml", MANIFEST),
        ("deploy/x.tmp", "x"),
        ("deploy/logo.png", "x"),
        ("docs/.sourceignore", "!keep.md\n"),
        ("docs/keep.md", "x"),
        ("docs/other.md", "x"),
    ]);
    let expected = [
        ".sourceignore",
        "deploy/.sourceignore",
        "deploy/app.yaml",
        "deploy/logo.png",
        "docs/.sourceignore",
        "docs/keep.md",
    ];
    let plain = packed(root.path(), &Options::default());
    assert_eq!((names(&plain), plain.ignored_count), (expected.to_vec(), 3));
    let ignore = vec!["*.png\ndocs/".to_owned()];
    let asked = packed(root.path(), &Options { ignore, ..Options::default() });
    assert_eq!(names(&asked), [".sourceignore", "deploy/.sourceignore", "deploy/app.yaml"]);
}

#[test]
fn links_are_followed_only_when_asked_and_only_inside() {
    let outer = directory(&[
        ("secret.yaml", MANIFEST),
        ("root/base/app.yaml", MANIFEST),
        ("root/.git/config", "token"),
    ]);
    let root = outer.path().join("root");
    symlink("base", root.join("overlay")).expect("link");
    symlink("base/app.yaml", root.join("same.yaml")).expect("link");
    let refused = packed(&root, &Options::default());
    let links = ["overlay", "same.yaml"].map(|file| ("symlink", file.to_owned()));
    assert_eq!(codes(&refused.judgement.problems), links);

    let follow = Options { resolve_symlinks: true, ..Options::default() };
    let followed = packed(&root, &follow);
    assert_eq!(codes(&followed.judgement.problems), [NOTHING]);
    assert_eq!(names(&followed), ["base/app.yaml", "overlay/app.yaml", "same.yaml"]);
    let copy = directory(&[
        ("base/app.yaml", MANIFEST),
        ("overlay/app.yaml", MANIFEST),
        ("same.yaml", MANIFEST),
    ]);
    assert_eq!(layer(&followed), layer(&packed(copy.path(), &Options::default())));

    for (target, link) in
        [("../secret.yaml", "a"), ("..", "b"), (".git/config", "c"), (".", "d"), ("gone", "e")]
    {
        symlink(target, root.join(link)).expect("link");
    }
    let escaping = packed(&root, &follow);
    let links = ["a", "b", "c", "d", "e"].map(|file| ("symlink", file.to_owned()));
    assert_eq!(codes(&escaping.judgement.problems), links);
    assert!(escaping.layer.is_none());
}

/// A directory of two links to one of two links …: what they multiply to ends
/// at a limit.
#[test]
fn links_that_multiply_end_at_a_limit() {
    let root = directory(&[("0/app.yaml", MANIFEST)]);
    for level in 1..20 {
        let path = root.path().join(level.to_string());
        fs::create_dir(&path).expect("directory");
        for link in ["x", "y"] {
            symlink(format!("../{}", level - 1), path.join(link)).expect("link");
        }
    }
    let mut options = Options { resolve_symlinks: true, ..Options::default() };
    options.limits.entries = 500;
    let error = pack(&input(root.path()), &options, None).expect_err("refused");
    assert!(matches!(error, PackError::TooManyEntries { limit: 5000, .. }), "{error}");
}

#[test]
fn empty_directories_are_no_content() {
    let root = directory(&[("app.yaml", MANIFEST)]);
    let before = layer(&packed(root.path(), &Options::default()));
    fs::create_dir_all(root.path().join("empty/below")).expect("directories");
    assert_eq!(layer(&packed(root.path(), &Options::default())), before);
    let nothing = packed(&root.path().join("empty"), &Options::default());
    assert_eq!(codes(&nothing.judgement.problems), [("empty", String::new())]);
}

#[test]
fn blobs_are_those_of_git() {
    let root = directory(&[("a.yaml", "hello\n"), ("b.bin", "")]);
    let blobs = |git_hash, layer| {
        let packed = packed(root.path(), &Options { git_hash, layer, ..Options::default() });
        packed.files.iter().map(|f| f.git_blob.map(|id| id.to_string())).collect::<Vec<_>>()
    };
    let expected = [
        Some("ce013625030ba8dba906f756967f9e9ca394464a".to_owned()),
        Some("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391".to_owned()),
    ];
    assert_eq!(blobs(Some(ObjectFormat::Sha1), true), expected);
    assert_eq!(blobs(Some(ObjectFormat::Sha1), false), expected);
    assert_eq!(blobs(None, true), [None, None]);
    let sha256 = blobs(Some(ObjectFormat::Sha256), false);
    assert!(sha256.iter().flatten().all(|id| id.len() == 64));
}

#[test]
fn progress_tells_every_byte_once() {
    let large = "x".repeat(3_000_000);
    let root = directory(&[("a.yaml", MANIFEST), ("b.bin", &large)]);
    let seen = Mutex::new(Vec::new());
    let tell = |progress: Progress| {
        seen.lock().expect("lock").push((progress.done, progress.total));
        ControlFlow::Continue(())
    };
    pack(&input(root.path()), &Options::default(), Some(&tell)).expect("pack");
    let seen = seen.into_inner().expect("lock");
    assert!(seen.is_sorted() && seen.len() > 2);
    let all = (MANIFEST.len() + large.len()) as u64;
    assert_eq!(seen.last(), Some(&(all, all)));
    assert!(seen.iter().all(|(_, total)| *total == all));
}

/// Whoever packs a terabyte and gives up leaves no file behind.
#[test]
fn packing_can_be_stopped() {
    let root = directory(&[("a.bin", &"x".repeat(1_000_000)), ("b.yaml", MANIFEST)]);
    let calls = AtomicU64::new(0);
    let stop = |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Break(())
    };
    let error = pack(&input(root.path()), &Options::default(), Some(&stop)).expect_err("stopped");
    assert_eq!(error.to_string(), "packing was stopped");
    assert_eq!(calls.into_inner(), 1);
}

#[test]
fn files_that_change_while_they_are_packed_are_refused() {
    let large = "x".repeat(300_000);
    for change in ["longer", "shorter", "replaced"] {
        let root = directory(&[("a.bin", &large), ("b.bin", "second")]);
        let path = root.path().join("b.bin");
        let calls = AtomicU64::new(0);
        // Told after the first piece of the first file.
        let meddle = |_| {
            if calls.fetch_add(1, Ordering::Relaxed) > 0 {
                return ControlFlow::Continue(());
            }
            match change {
                "longer" => fs::write(&path, "second and more").expect("write"),
                "shorter" => fs::write(&path, "").expect("write"),
                _ => {
                    fs::write(root.path().join("new"), "second").expect("write");
                    fs::rename(root.path().join("new"), &path).expect("rename");
                }
            }
            ControlFlow::Continue(())
        };
        let error = pack(&input(root.path()), &Options::default(), Some(&meddle));
        let error = error.expect_err(change).to_string();
        assert_eq!(error, "`b.bin` changed while it was being packed");
    }
}

#[test]
fn files_that_vanish_are_problems() {
    let root = directory(&[("a.bin", &"x".repeat(300_000)), ("b.bin", "second")]);
    let vanish = |_| {
        let _ = fs::remove_file(root.path().join("b.bin"));
        ControlFlow::Continue(())
    };
    let packed = pack(&input(root.path()), &Options::default(), Some(&vanish)).expect("pack");
    assert_eq!(codes(&packed.judgement.problems), [("unreadable", "b.bin".to_owned())]);
    assert!(packed.layer.is_none());
}

#[test]
fn judging_alone_writes_no_layer() {
    let root = directory(&[("a.yaml", MANIFEST)]);
    let judged = packed(root.path(), &Options { layer: false, ..Options::default() });
    assert!(judged.layer.is_none());
    assert_eq!(names(&judged), ["a.yaml"]);
    assert_eq!(codes(&judged.judgement.problems), [NOTHING]);
}

/// Files that are no manifests are looked into as well: a generator of Secrets
/// may take them.
#[test]
fn what_goes_into_a_secret_is_encrypted_or_refused() {
    let large = format!("p=ENC[x]\nsops_mac=ENC[m]\n{}", "# more\n".repeat(400_000));
    let root = directory(&[
        (
            "kustomization.yaml",
            "secretGenerator:\n- name: a\n  envs: [clear.env, sealed.env, large.env]\n",
        ),
        ("clear.env", "p=hunter2\n"),
        ("sealed.env", "p=ENC[x]\nsops_mac=ENC[m]\n"),
        ("large.env", &large),
    ]);
    for layer in [true, false] {
        let packed = packed(root.path(), &Options { layer, ..Options::default() });
        let problems = &packed.judgement.problems;
        let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        let wanted = ["clear.env", "large.env"]
            .map(|file| format!("secretGenerator puts `{file}` into a Secret in clear"));
        assert_eq!(messages, wanted);
        assert!(packed.layer.is_none());
    }
}

/// Whichever thread is faster, the same is reported.
#[test]
fn beyond_a_bound_the_report_is_the_same_each_time() {
    let files: Vec<(String, String)> = (0..200)
        .map(|file| {
            let text = (0..5).map(|n| {
                format!("---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{file}-{n}}}\nspec: {{containers: [{{image: 5}}]}}\n")
            });
            (format!("{file:03}.yaml"), text.collect())
        })
        .collect();
    let files: Vec<_> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let root = directory(&files);
    let mut options = Options { layer: false, ..Options::default() };
    options.check.bounds.problems = 7;
    let reported = |options: &Options| packed(root.path(), options).judgement.problems;
    let first = reported(&options);
    assert_eq!(first.len(), 8);
    assert_eq!(first[7].code.0, "problem-limit");
    options.check.bounds.objects = 999;
    let refused = reported(&options);
    assert_eq!(refused[0].message, "the bundle has 1000 Kubernetes objects; expected at most 999");
    for _ in 0..10 {
        assert_eq!(reported(&options), refused);
        options.check.bounds.objects = 1000;
        assert_eq!(reported(&options), first);
        options.check.bounds.objects = 999;
    }
}

#[test]
fn what_a_kustomization_names_is_a_manifest() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n";
    let root = directory(&[
        ("base/kustomization.yaml", "resources: [../files/secret.txt]\n"),
        ("files/secret.txt", secret),
        ("files/unnamed.txt", secret),
    ]);
    let judged = packed(root.path(), &Options::default());
    assert_eq!(
        codes(&judged.judgement.problems),
        [("secret-clear", "files/secret.txt".to_owned())]
    );
    assert!(judged.layer.is_none());
    let small = packed(root.path(), &Options { max_file: 60, ..Options::default() });
    let found = codes(&small.judgement.problems);
    assert!(found.contains(&("file-too-large", "files/secret.txt".to_owned())), "{found:?}");
    assert!(!found.iter().any(|(_, file)| file == "files/unnamed.txt"), "{found:?}");
}
