//! What needs no network; the rest is in `tests/lock`.

use super::*;
use crate::model::bundle::{need::Kind, object::ObjectId, path::RelPath};

fn need(reference: &str, target: Target) -> Need {
    Need {
        kind: Kind::Image,
        file: RelPath::new("a.yaml").unwrap(),
        object: ObjectId {
            group: String::new(),
            kind: "Pod".into(),
            namespace: String::new(),
            name: "p".into(),
        },
        path: "spec.containers[0].image".into(),
        at: Default::default(),
        reference: reference.into(),
        pinned: false,
        target,
    }
}

fn image(tag: Option<&str>, digest: Option<Digest>) -> Target {
    Target::Image {
        host: "docker.io".into(),
        path: "library/redis".into(),
        tag: tag.map(str::to_owned),
        digest,
    }
}

fn oci_chart(version: ChartVersion) -> Target {
    Target::OciChart { host: "ghcr.io".into(), path: "charts/podinfo".into(), version }
}

#[test]
fn equal_targets_are_one_question() {
    let of = |target: &Target| Question::of(target);
    assert_eq!(of(&image(None, None)), of(&image(Some("latest"), None)));
    assert_eq!(
        of(&oci_chart(ChartVersion::Tag("1.0.0+b".into()))),
        of(&oci_chart(ChartVersion::Tag("1.0.0_b".into())))
    );
    assert_ne!(
        of(&oci_chart(ChartVersion::Tag("1.0.0".into()))),
        of(&oci_chart(ChartVersion::Range("1.0.0".into())))
    );
}

#[test]
fn what_carries_its_digest_is_not_asked_for() {
    let digest = Digest::of(b"x");
    for target in [image(Some("7"), Some(digest)), oci_chart(ChartVersion::Digest(digest))] {
        assert_eq!(Question::of(&target), None);
        assert_eq!(without_question(&target).unwrap().digest, digest);
    }
    let pinned = without_question(&image(Some("7"), Some(digest))).unwrap();
    assert_eq!(pinned.uri, format!("oci://docker.io/library/redis@{digest}"));
}

#[test]
fn the_lock_is_in_the_order_of_the_manifests() {
    let digest = Digest::of(b"x");
    let tag = Question::of(&image(Some("7"), None)).unwrap();
    let gone = Question::of(&image(Some("8"), None)).unwrap();
    let answers = HashMap::from([
        (tag, Ok(Found::oci("docker.io", "library/redis", digest, None))),
        (gone, Err(Failure::absent("gone"))),
    ]);
    let unknown = Target::Unknown { reason: "no repository".into() };
    let needs = [
        need("redis:8", image(Some("8"), None)),
        need("a redis:7", image(Some("7"), None)),
        need("?", unknown),
        need("b redis:7", image(Some("7"), None)),
    ];
    let lock = assemble(&needs, &answers);
    let locked: Vec<_> = lock.locked.iter().map(|locked| locked.need.reference.as_str()).collect();
    assert_eq!(locked, ["a redis:7", "b redis:7"]);
    let unresolved: Vec<_> = lock
        .unresolved
        .iter()
        .map(|u| (u.need.reference.as_str(), u.reason.as_str(), u.absent))
        .collect();
    assert_eq!(unresolved, [("redis:8", "gone", true), ("?", "no repository", false)]);
}

#[test]
fn secrets_of_urls_are_not_recorded() {
    let url = Url::parse("https://user:secret@h/c/a.tgz?X-Amz-Signature=abc#f").unwrap();
    assert_eq!(recorded(&url), "https://h/c/a.tgz");
}

#[test]
fn a_reason_is_the_whole_chain() {
    let error = RegistryError::new("read the tags of `h/p`", Fault::Throttled);
    let failure = Failure::from(error);
    assert!(!failure.absent);
    assert_eq!(
        failure.reason,
        "could not read the tags of `h/p`: the registry is throttling (429) and did not recover \
         in time"
    );
    assert!(Failure::from(RegistryError::new("read the tags of `h/p`", Fault::NotFound)).absent);
}
