//! Verdicts by key.

use super::*;

fn annotations() -> Annotations {
    Annotations::from([
        (media::SOURCE.to_owned(), "https://github.com/acme/shop".to_owned()),
        (media::REVISION.to_owned(), format!("main@sha1:{}", "a".repeat(40))),
    ])
}

#[test]
fn nothing_is_rejected_and_a_gap_makes_it_unknown() {
    let subject = Digest::of(b"x");
    let verdict = judge(subject, &annotations(), &[], &[], Demands::default());
    assert!(matches!(verdict.kind(), Kind::Rejected(_)), "{verdict:?}");
    assert!(verdict.admit().is_none());
    let gap = Gap { what: "the referrers".into(), why: "503".into(), cap: false };
    let verdict = judge(subject, &annotations(), &[], &[gap], Demands::default());
    assert!(matches!(verdict.kind(), Kind::Unknown(_)), "{verdict:?}");
    assert!(verdict.admit().is_none());
}
