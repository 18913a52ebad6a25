use jiff::SignedDuration;
use sluicegate::model::{
    artifact::manifest::Annotations,
    policy::{self, Demand, Policy, Reading, rule::Context},
};

use super::*;
use crate::support::sigstore::{
    authority::{Key, years},
    noon,
};

/// What is broken, and what must be said about it.
type Row = (Broken, &'static str);

/// Each is rejected for what is wrong with it, in every kind of entry and both
/// ways of storing it, and nothing else is wrong with it.
fn each_is_rejected(rows: &[Row]) {
    let sigstore = Sigstore::new();
    let trust = trust(&sigstore);
    for kind in [Kind::Dsse1, Kind::Intoto2, Kind::HashedRekord2] {
        let plan = Plan::of(kind);
        let made = |plan: &Plan| bundle(&sigstore.bundle(plan, &By::Identity, &payload()));
        verified(&trust, &made(&plan));
        for (broken, why) in rows {
            let v2 = kind == Kind::HashedRekord2;
            if v2
                && matches!(
                    broken,
                    Broken::PromiseByAnotherLog
                        | Broken::PromiseOfAnotherTime
                        | Broken::TimeFromTheFuture
                )
            {
                continue;
            }
            let found = refused(&trust, &made(&plan.clone().broken(*broken)));
            assert!(found.contains(why), "{broken:?} in {kind:?}: {found}");
        }
    }
}

/// Likewise for what cosign 2 stored.
fn each_legacy_is_rejected(rows: &[Row]) {
    let sigstore = Sigstore::new();
    let trust = trust(&sigstore);
    let signature = |plan: &Plan| sigstore.legacy_signature(plan, &By::Identity, &simple());
    let attestation = |plan: &Plan| sigstore.legacy_attestation(plan, &By::Identity, &payload());
    for kind in [Kind::HashedRekord1, Kind::Dsse1, Kind::Intoto2] {
        let made = |plan: &Plan| match kind {
            Kind::HashedRekord1 => signature(plan),
            _ => attestation(plan),
        };
        verified(&trust, &made(&Plan::of(kind)));
        for (broken, why) in rows {
            let found = refused(&trust, &made(&Plan::of(kind).broken(*broken)));
            assert!(found.contains(why), "{broken:?} in {kind:?}: {found}");
        }
    }
}

const ENTRIES: [Row; 3] = [
    (Broken::EntryOfAnotherSignature, "signature in bundle does not match"),
    (Broken::EntryOfAnotherPayload, "mismatch"),
    (Broken::EntryOfAnotherSigner, "does not match"),
];

#[test]
fn cosign_cve_2022_23649_an_entry_of_another_signature() {
    let rows = [
        (Broken::EntryOfAnotherSignature, "does not match"),
        (Broken::EntryOfAnotherPayload, "match"),
        (Broken::EntryOfAnotherSigner, "does not match"),
    ];
    each_is_rejected(&rows);
    each_legacy_is_rejected(&rows);
}

/// The entry of one valid signature in another valid one, both about the same.
#[test]
fn cosign_cve_2022_23649_entries_of_two_signatures_swapped() {
    let sigstore = Sigstore::new();
    let trust = trust(&sigstore);
    for kind in [Kind::Dsse1, Kind::Intoto2, Kind::HashedRekord2] {
        let made = || sigstore.bundle(&Plan::of(kind), &By::Identity, &payload());
        let (mut one, two) = (made(), made());
        let entries = "/verificationMaterial/tlogEntries";
        *one.pointer_mut(entries).unwrap() = two.pointer(entries).unwrap().clone();
        assert!(refused(&trust, &bundle(&one)).contains("match"));
    }
}

#[test]
fn cosign_cve_2022_36056_signature_certificate_and_payload_are_tied() {
    let rows = [
        (Broken::SignatureByAnotherKey, "invalid signature"),
        (Broken::SignatureOverAnotherPayload, "invalid signature"),
    ];
    each_is_rejected(&rows);
    each_legacy_is_rejected(&rows);
}

/// As the entries of identities, for a key whose log the root lists.
#[test]
fn cosign_cve_2026_22703_an_entry_is_compared_with_signature_digest_and_key() {
    let (sigstore, key) = (Sigstore::new(), Key::new());
    let by = By::Key(&key);
    let trust = Trust { keys: vec![public(&key)], ..trust(&sigstore) };
    for kind in [Kind::Dsse1, Kind::Intoto2, Kind::HashedRekord2] {
        for (broken, _) in ENTRIES {
            let found = bundle(&sigstore.bundle(&Plan::of(kind).broken(broken), &by, &payload()));
            assert!(refused(&trust, &found).contains("match"), "{broken:?} in {kind:?}");
        }
    }
    for (broken, _) in ENTRIES {
        let plan = Plan::of(Kind::HashedRekord1).broken(broken);
        let found = sigstore.legacy_signature(&plan, &by, &simple());
        assert!(refused(&trust, &found).contains("match"), "{broken:?}");
    }
}

#[test]
fn cosign_cve_2026_24122_an_expired_intermediate_or_root() {
    let (good, expired) =
        (years(noon()), (years(noon()).0, "2025-12-31T00:00:00Z".parse().unwrap()));
    for (root, intermediate, accepted) in
        [(good, good, true), (good, expired, false), (expired, good, false)]
    {
        let sigstore = Sigstore::with(root, intermediate);
        let trust = trust(&sigstore);
        for kind in [Kind::Dsse1, Kind::HashedRekord2] {
            let found = bundle(&sigstore.bundle(&Plan::of(kind), &By::Identity, &payload()));
            match accepted {
                true => drop(verified(&trust, &found)),
                false => assert!(refused(&trust, &found).contains("untrusted: no authority")),
            }
        }
        let plan = Plan::of(Kind::HashedRekord1);
        let found = sigstore.legacy_signature(&plan, &By::Identity, &simple());
        assert_eq!(check(&trust, &found).evidence().is_some(), accepted);
    }
}

#[test]
fn cosign_cve_2026_24122_a_certificate_that_was_not_valid() {
    let rows = [
        (Broken::SignedAfterItExpired, "CertExpired"),
        (Broken::SignedBeforeItWasValid, "CertNotValidYet"),
        (Broken::ForTimestamps, "no authority of the trust root"),
        (Broken::UnlistedAuthority, "untrusted: no authority of the trust root"),
    ];
    each_is_rejected(&rows);
    each_legacy_is_rejected(&rows);
}

#[test]
fn kyverno_cve_2025_29778_half_an_identity_or_two() {
    let rows = [
        (Broken::TwoNames, "exactly one identity"),
        (Broken::NoName, "exactly one identity"),
        (Broken::NoIssuer, "names no identity or no issuer"),
    ];
    each_is_rejected(&rows);
    each_legacy_is_rejected(&rows);
}

#[test]
fn an_sct_is_demanded_and_checked() {
    let rows = [
        (Broken::NoSct, "missing SCT"),
        (Broken::SctTwice, "multiple SCTs"),
        (Broken::SctByAnotherLog, "key not found"),
        (Broken::SctOfAnotherCertificate, "SCT signature"),
    ];
    each_is_rejected(&rows);
    each_legacy_is_rejected(&rows);
}

#[test]
fn sigstore_go_ghsa_cq38_jh5f_37mq_more_entries_or_timestamps_than_anybody_needs() {
    each_is_rejected(&[
        (Broken::ManyEntries, "more than 32"),
        (Broken::ManyStamps, "more than 32"),
    ]);
    let key = Key::new();
    let sigstore = Sigstore::new();
    let trust = Trust { keys: vec![public(&key)], ..trust(&sigstore) };
    for broken in [Broken::ManyEntries, Broken::ManyStamps] {
        let plan = Plan::of(Kind::Dsse1).broken(broken);
        let found = bundle(&sigstore.bundle(&plan, &By::Key(&key), &payload()));
        assert!(refused(&trust, &found).contains("more than 32"));
    }
}

#[test]
fn sigstore_go_633_one_log_twice_or_for_another() {
    each_is_rejected(&[
        (Broken::EntryTwice, "same log entry twice"),
        (Broken::StampTwice, "same timestamp twice"),
        (Broken::CheckpointByAnotherListedLog, "did not sign its checkpoint"),
        (Broken::EntryInUnlistedLog, "untrusted: the trust root does not list its log"),
    ]);
}

#[test]
fn every_entry_is_in_its_log_and_shows_it() {
    each_is_rejected(&[
        (Broken::NoEntry, "inclusion proof"),
        (Broken::NoProofNorPromise, "no proof of inclusion"),
        (Broken::OneOfTwoEntriesUnproven, "no proof of inclusion"),
        (Broken::ProofOfAnotherEntry, "inclusion proof"),
        (Broken::CheckpointOfAnotherTree, "root hash"),
        (Broken::PromiseByAnotherLog, "SET verification failed"),
        (Broken::PromiseOfAnotherTime, "SET verification failed"),
        (Broken::TimeFromTheFuture, "future"),
    ]);
    each_legacy_is_rejected(&[
        (Broken::NoEntry, "inclusion proof"),
        (Broken::NoProofNorPromise, "log entry"),
        (Broken::PromiseByAnotherLog, "SET verification failed"),
        (Broken::PromiseOfAnotherTime, "SET verification failed"),
        (Broken::TimeFromTheFuture, "future"),
        (Broken::EntryInUnlistedLog, "untrusted: the trust root does not list its log"),
    ]);
}

#[test]
fn sigstore_go_ghsa_wqqc_jjcq_vfxm_a_time_that_nobody_may_vouch_for() {
    each_is_rejected(&[
        (Broken::NoTime, "no verified timestamp"),
        (Broken::StampOfAnotherSignature, "hash mismatch"),
        (Broken::StampByAnotherAuthority, "does not match any trusted TSA"),
    ]);
    each_legacy_is_rejected(&[
        (Broken::StampOfAnotherSignature, "hash mismatch"),
        (Broken::StampByAnotherAuthority, "does not match any trusted TSA"),
    ]);
    // Neither a log nor an authority vouches for what is outside of its window.
    let sigstore = Sigstore::new();
    for (kind, pointer) in [
        (Kind::Dsse1, "/tlogs/0/publicKey/validFor"),
        (Kind::HashedRekord2, "/tlogs/1/publicKey/validFor"),
        (Kind::HashedRekord2, "/timestampAuthorities/0/validFor"),
        (Kind::HashedRekord2, "/ctlogs/0/publicKey/validFor"),
        (Kind::HashedRekord2, "/certificateAuthorities/0/validFor"),
    ] {
        let found = bundle(&sigstore.bundle(&Plan::of(kind), &By::Identity, &payload()));
        for (start, end, accepted) in [
            ("2025-06-01T00:00:00Z", "2026-01-01T11:57:00Z", false),
            ("2025-06-01T00:00:00Z", "2026-01-01T12:00:00Z", true),
            ("2026-01-01T12:00:01Z", "2026-06-01T00:00:00Z", false),
        ] {
            let mut value = sigstore.trusted_root();
            *value.pointer_mut(pointer).unwrap() = json!({"start": start, "end": end});
            let trust = Trust { keys: Vec::new(), root: Some(root(&value)) };
            let verified = check(&trust, &found).evidence().is_some();
            assert_eq!(verified, accepted, "{kind:?}, {pointer}: {start} to {end}");
        }
    }
}

/// A timestamp for a key that does not verify tells no time, and takes nothing
/// away: whoever could break it could leave it out.
#[test]
fn a_keys_bad_timestamp_tells_no_time() {
    let (sigstore, key) = (Sigstore::new(), Key::new());
    let trust = Trust { keys: vec![public(&key)], ..trust(&sigstore) };
    for broken in [Broken::StampOfAnotherSignature, Broken::StampByAnotherAuthority] {
        let plan = Plan::of(Kind::HashedRekord2).broken(broken);
        let found = bundle(&sigstore.bundle(&plan, &By::Key(&key), &payload()));
        assert!(verified(&trust, &found).times().is_empty(), "{broken:?}");
    }
}

/// Anybody can have an old signature of a key stamped again: a stamp alone does
/// not make it young.
#[test]
fn a_key_signature_is_as_old_as_it_claims() {
    let (sigstore, key) = (Sigstore::new(), Key::new());
    let trust = Trust { keys: vec![public(&key)], ..trust(&sigstore) };
    let plan = Plan::of(Kind::HashedRekord2);
    let found = bundle(&sigstore.bundle(&plan, &By::Key(&key), &payload()));
    let now = *verified(&trust, &found).times().first().unwrap();
    let (subject, annotations) = (subject(), Annotations::default());
    let context =
        Context { subject: &subject, annotations: &annotations, tag: None, resource: "x", now };
    for (max_age, accepted) in [(None, true), (Some(SignedDuration::from_hours(1)), false)] {
        let mut policy = Policy::by_keys(vec![public(&key)], false);
        for obligation in &mut policy.require {
            let Demand::Statement(demand) = &mut obligation.demand else { panic!() };
            demand.max_age = max_age;
        }
        let checked = evidence::check(&subject, &trust, &found);
        let exhibits = [policy.exhibit(context, checked)];
        let decision = policy::judge(&policy, context, &exhibits, &[], Reading::NotRead);
        assert_eq!(decision.verdict.admit().is_some(), accepted, "{max_age:?}");
    }
}

#[test]
fn sigstore_go_609_a_statement_by_an_identity_about_nothing() {
    let sigstore = Sigstore::new();
    for subject in ["[]", "null", r#"[{"digest":{}}]"#, r#"[{"name":"x"}]"#] {
        let payload = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":{subject},"predicateType":"p"}}"#
        );
        let plan = Plan::of(Kind::Dsse1);
        let found = bundle(&sigstore.bundle(&plan, &By::Identity, payload.as_bytes()));
        assert!(refused(&trust(&sigstore), &found).starts_with("invalid"), "{subject}");
    }
}

/// From a registry, older versions come only through our own conversion.
#[test]
fn older_versions_of_bundles_are_refused() {
    let sigstore = Sigstore::new();
    for version in ["0.1", "0.2"] {
        let mut value = sigstore.bundle(&Plan::of(Kind::Dsse1), &By::Identity, &payload());
        value["mediaType"] =
            format!("application/vnd.dev.sigstore.bundle+json;version={version}").into();
        assert!(refused(&trust(&sigstore), &bundle(&value)).contains("older than 0.3"));
    }
    let blob = sigstore.blob(&Plan::of(Kind::HashedRekord1), &By::Identity, &simple());
    assert!(refused(&trust(&sigstore), &bundle(&blob)).contains("message signature"));
}

/// A trust root is a file that somebody gives, or is in the program: nothing here
/// speaks TUF, and no name in a root is ever a path.
#[test]
fn sigstore_ghsa_fcv2_xgw5_pqxf_nothing_is_fetched() {
    let lock = include_str!("../../Cargo.lock");
    assert!(lock.contains(r#"name = "sigstore-trust-root""#));
    assert!(!lock.contains(r#"name = "sigstore-tuf""#) && !lock.contains(r#"name = "tough""#));
    let mut value = Sigstore::new().trusted_root();
    for pointer in ["/tlogs/0/baseUrl", "/certificateAuthorities/0/uri", "/ctlogs/0/baseUrl"] {
        *value.pointer_mut(pointer).unwrap() = "../../../../etc/passwd".into();
    }
    root(&value);
}
