//! Which source is recorded for which state of a repository.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{
    git::{ObjectFormat, ObjectId},
    *,
};

const HEAD: &str = "ffac537e6cbbf934b08745a378932722df287a53";
const OTHER: &str = "0000000000000000000000000000000000000001";

fn facts() -> GitFacts {
    GitFacts {
        root: "/work".into(),
        path: "deploy/prod".into(),
        format: ObjectFormat::Sha1,
        commit: HEAD.into(),
        committed: Timestamp::from_second(1_700_000_000).ok(),
        branch: Some("refs/heads/main".into()),
        refs: vec!["refs/heads/main".into(), "refs/remotes/origin/main".into()],
        upstream: Some("origin".into()),
        remotes: vec![remote("origin", "https://u:s3cret@host/acme/shop.git")],
        shallow: false,
    }
}

fn remote(name: &str, url: &str) -> Remote {
    Remote { name: name.into(), url: url.into() }
}

fn ci(reference: &str, commit: &str) -> Ci {
    Ci { reference: Some(reference.into()), commit: Some(commit.into()), ..Ci::local() }
}

#[test]
fn a_branch_in_full() {
    let source = from_git(&facts(), &Ci::local()).unwrap();
    assert_eq!(
        source,
        Source {
            repository: "https://host/acme/shop".into(),
            reference: Some("refs/heads/main".into()),
            revision: format!("main@sha1:{HEAD}"),
            commit: Some(HEAD.into()),
            path: Some("deploy/prod".into()),
            committed: Timestamp::from_second(1_700_000_000).ok(),
            origin: Origin::Git,
            dirty: false,
        }
    );
}

#[test]
fn the_ref_is_cis_if_it_names_head_else_the_branch_else_the_only_tag() {
    let detached = |refs: &[&str]| GitFacts {
        branch: None,
        refs: refs.iter().map(|name| (*name).into()).collect(),
        ..facts()
    };
    let tagged = GitFacts {
        refs: vec!["refs/heads/main".into(), "refs/tags/v1".into(), "refs/heads/b".into()],
        ..facts()
    };
    let unborn_name = GitFacts { branch: Some("refs/heads/moved".into()), ..tagged.clone() };
    let local = Ci::local();
    let cases = [
        (&tagged, ci("refs/tags/v1", HEAD), "v1"),
        // The ref is at HEAD: a commit made within the run moved it along.
        (&tagged, ci("refs/heads/b", OTHER), "b"),
        (&tagged, ci("refs/heads/gone", HEAD), "main"),
        (&tagged, local.clone(), "main"),
        (&unborn_name, local.clone(), "v1"),
        (&detached(&[]), ci("refs/heads/main", HEAD), "main"),
        (&detached(&[]), ci("refs/pull/7/merge", HEAD), "refs/pull/7/merge"),
        (&detached(&["refs/tags/v1"]), ci("refs/heads/main", OTHER), "v1"),
        (&detached(&["refs/tags/v1", "refs/remotes/origin/x"]), local.clone(), "v1"),
        (&detached(&["refs/tags/v1", "refs/tags/v2"]), local.clone(), ""),
        (&detached(&[]), local, ""),
    ];
    for (facts, ci, pointer) in cases {
        let source = from_git(facts, &ci).unwrap();
        let expected = match pointer {
            "" => format!("sha1:{HEAD}"),
            pointer => format!("{pointer}@sha1:{HEAD}"),
        };
        assert_eq!(source.revision, expected, "{ci:?} {:?}", facts.refs);
        assert_eq!(source.commit.as_deref(), Some(HEAD), "never CI's");
    }
}

#[test]
fn the_remote_is_the_upstreams_else_origin_else_the_only_one() {
    let two =
        || vec![remote("fork", "git@host:me/shop.git"), remote("origin", "git@host:acme/shop")];
    let cases = [
        (Some("fork"), two(), Ok("https://host/me/shop")),
        (Some("origin"), two(), Ok("https://host/acme/shop")),
        (Some("."), two(), Ok("https://host/acme/shop")),
        (Some("gone"), two(), Ok("https://host/acme/shop")),
        (Some("https://host/other/shop.git"), two(), Ok("https://host/other/shop")),
        (None, two(), Ok("https://host/acme/shop")),
        (None, vec![remote("x", "https://host/x")], Ok("https://host/x")),
        (None, vec![], Err("no remote")),
        (
            None,
            vec![remote("x", "https://host/x"), remote("y", "https://host/y")],
            Err("several remotes, none of them `origin`: `x`, `y`"),
        ),
        (None, vec![remote("origin", "/home/s3cret/shop.git")], Err("git remote `origin` cannot")),
    ];
    for (upstream, remotes, expected) in cases {
        let facts = GitFacts { upstream: upstream.map(Into::into), remotes, ..facts() };
        match (from_git(&facts, &Ci::local()), expected) {
            (Ok(source), Ok(expected)) => assert_eq!(source.repository, expected),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
                assert!(error.hint().contains("`--source URL`"));
                assert!(!format!("{error:?}").contains("s3cret"));
            }
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_dirty_tree_is_refused_or_recorded() {
    let source = from_git(&facts(), &Ci::local()).unwrap();
    assert_eq!(source.require_clean(&[]), Ok(()));
    let difference = Difference { path: "a.yaml".into(), how: clean::How::Changed };
    let error = source.require_clean(&[difference]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("what would be packed differs from commit `{HEAD}`: `a.yaml` (changed)")
    );
    let dirty = source.into_dirty();
    assert_eq!((dirty.revision.as_str(), dirty.dirty), (&*format!("main-dirty@sha1:{HEAD}"), true));
    assert_eq!(dirty.clone().into_dirty(), dirty);
    let detached = GitFacts { branch: None, refs: vec![], ..facts() };
    let dirty = from_git(&detached, &Ci::local()).unwrap().into_dirty();
    assert_eq!(dirty.revision, format!("HEAD-dirty@sha1:{HEAD}"));
}

#[test]
fn a_sha256_repository_says_so() {
    let commit = "a".repeat(64);
    let facts = GitFacts { format: ObjectFormat::Sha256, commit: commit.clone(), ..facts() };
    let source = from_git(&facts, &Ci::local()).unwrap();
    assert_eq!(source.revision, format!("main@sha256:{commit}"));
    assert!(ObjectId::from_hex(ObjectFormat::Sha256, &commit).is_some());
}

#[test]
fn flags_assert_a_source() {
    let cases = [
        (format!("main@sha1:{HEAD}"), Some(HEAD), None, false),
        (format!("refs/heads/main@sha1:{HEAD}"), Some(HEAD), Some("refs/heads/main"), false),
        (format!("sha1:{HEAD}"), Some(HEAD), None, false),
        (format!("main-dirty@sha1:{HEAD}"), Some(HEAD), None, true),
        (format!("main@sha256:{HEAD}"), None, None, false),
        ("1.2.3".into(), None, None, false),
        ("refs/heads/main@v1".into(), None, None, false),
    ];
    for (revision, commit, reference, dirty) in cases {
        let source = asserted("https://u:s3cret@host/acme/shop.git", &revision).unwrap();
        assert_eq!(source.repository, "https://host/acme/shop");
        assert_eq!(source.revision, revision);
        assert_eq!(source.commit.as_deref(), commit, "{revision}");
        assert_eq!(source.reference.as_deref(), reference, "{revision}");
        assert_eq!((source.origin, source.path, source.dirty), (Origin::Flag, None, dirty));
    }
    for (source, revision) in
        [("/srv/s3cret", "x"), ("https://host/a", ""), ("https://host/a", "a b"), ("", "x")]
    {
        let error = asserted(source, revision).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}

#[test]
fn created_is_never_the_clock() {
    let committed = Timestamp::from_second(1_700_000_000).ok();
    let text = |epoch, committed| created(epoch, committed).map(|time| time.to_string());
    assert_eq!(text(Some("0"), committed), Ok("1970-01-01T00:00:00Z".into()));
    assert_eq!(text(Some("1767225600"), committed), Ok("2026-01-01T00:00:00Z".into()));
    assert_eq!(text(None, committed), Ok("2023-11-14T22:13:20Z".into()));
    assert_eq!(text(None, None), Ok("1970-01-01T00:00:00Z".into()));
    for bad in ["", "-1", "+1", " 1", "1.5", "now", "253402300800", "99999999999999999999"] {
        let error = text(Some(bad), None).unwrap_err().to_string();
        assert!(error.contains("`SOURCE_DATE_EPOCH`"), "{bad}: {error}");
    }
}
