use super::*;
use jiff::{Span, Timestamp};

use crate::support::sigstore::{ISSUER, SUBJECT, authority::Key, claims, noon};

const STATEMENTS: [Kind; 3] = [Kind::Dsse1, Kind::Intoto2, Kind::HashedRekord2];

/// With promise, proof and timestamp in every combination that tells a time.
fn plans(kind: Kind) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (promise, stamped) in [(true, true), (true, false), (false, true)] {
        if kind == Kind::HashedRekord2 && !stamped {
            continue;
        }
        plans.push(Plan { stamped, shown: Shown { promise, proof: true }, ..Plan::of(kind) });
    }
    plans
}

/// What a root vouches for, of a plan.
fn times(plan: &Plan) -> Vec<Timestamp> {
    let stamp = noon().checked_sub(Span::new().minutes(1)).unwrap();
    let v1 = plan.kind != Kind::HashedRekord2;
    let logged = (plan.shown.promise && v1).then(noon);
    plan.stamped.then_some(stamp).into_iter().chain(logged).collect()
}

#[test]
fn bundles_by_identities() {
    let sigstore = Sigstore::new();
    let trust = trust(&sigstore);
    let mut count = 0;
    for plan in STATEMENTS.into_iter().flat_map(plans) {
        let evidence =
            verified(&trust, &bundle(&sigstore.bundle(&plan, &By::Identity, &payload())));
        let identity = evidence.signer().identity().unwrap();
        assert_eq!((&*identity.subject, &*identity.issuer), (SUBJECT, ISSUER));
        assert_eq!(evidence.times(), times(&plan));
        count += 1;
    }
    assert_eq!(count, 8);
}

#[test]
fn claims_of_a_ci_run_are_read() {
    let sigstore = Sigstore::new();
    let plan = Plan::of(Kind::Dsse1);
    let evidence =
        verified(&trust(&sigstore), &bundle(&sigstore.bundle(&plan, &By::Identity, &payload())));
    let found = evidence.signer().identity().unwrap().claims.clone();
    let wanted = claims();
    let value = |number: u8| wanted.iter().find(|(n, _)| *n == number).map(|(_, v)| v.clone());
    for (number, found) in [
        (9, found.build_signer),
        (11, found.runner),
        (12, found.repository),
        (13, found.commit),
        (14, found.reference),
        (15, found.repository_id),
        (18, found.build_config),
        (20, found.trigger),
        (21, found.run),
        (23, found.environment),
    ] {
        assert_eq!(found, value(number), "{number}");
    }
}

#[test]
fn people_have_addresses_and_no_claims() {
    let sigstore = Sigstore::new();
    let plan = Plan {
        names: vec!["jane@example.com".into()],
        claims: vec![(8, "https://accounts.example".into())],
        ..Plan::of(Kind::HashedRekord2)
    };
    let evidence =
        verified(&trust(&sigstore), &bundle(&sigstore.bundle(&plan, &By::Identity, &payload())));
    assert_eq!(evidence.signer().to_string(), "jane@example.com (https://accounts.example)");
    assert_eq!(evidence.signer().identity().unwrap().claims, Default::default());
}

#[test]
fn what_cosign_2_stored_by_identities() {
    let sigstore = Sigstore::new();
    let trust = trust(&sigstore);
    for plan in plans(Kind::HashedRekord1) {
        let found = sigstore.legacy_signature(&plan, &By::Identity, &simple());
        if !plan.shown.promise {
            assert!(refused(&trust, &found).contains("log entry"), "no SET, no entry of Rekor v1");
            continue;
        }
        assert_eq!(verified(&trust, &found).signer().identity().unwrap().subject, SUBJECT);
    }
    for kind in [Kind::Dsse1, Kind::Intoto2] {
        let plan = Plan::of(kind);
        let found = sigstore.legacy_attestation(&plan, &By::Identity, &payload());
        let evidence = verified(&trust, &found);
        assert_eq!((evidence.times(), evidence.subject()), (&times(&plan)[..], &subject()));
    }
}

/// The chain is in the annotation when the root lists only the root.
#[test]
fn the_chain_beside_a_legacy_signature_is_used() {
    let sigstore = Sigstore::new();
    let mut value = sigstore.trusted_root();
    let chain = value.pointer_mut("/certificateAuthorities/0/certChain/certificates").unwrap();
    chain.as_array_mut().unwrap().remove(0);
    let trust = Trust { keys: Vec::new(), root: Some(root(&value)) };
    let plan = Plan::of(Kind::HashedRekord1);
    let mut found = sigstore.legacy_signature(&plan, &By::Identity, &simple());
    verified(&trust, &found);
    found.legacy.chain = None;
    assert!(refused(&trust, &found).contains("no authority of the trust root"));
}

#[test]
fn keys_get_the_times_that_a_root_vouches_for() {
    let (sigstore, key) = (Sigstore::new(), Key::new());
    let by = By::Key(&key);
    let trust = Trust { keys: vec![public(&key)], ..trust(&sigstore) };
    let rootless = Trust { root: None, ..trust.clone() };
    let mut all: Vec<(Vec<Timestamp>, Found)> = STATEMENTS
        .into_iter()
        .flat_map(plans)
        .map(|plan| (times(&plan), bundle(&sigstore.bundle(&plan, &by, &payload()))))
        .collect();
    let plan = Plan::of(Kind::HashedRekord1);
    all.push((times(&plan), sigstore.legacy_signature(&plan, &by, &simple())));
    for plan in [Kind::Dsse1, Kind::Intoto2].map(Plan::of) {
        all.push((times(&plan), sigstore.legacy_attestation(&plan, &by, &payload())));
    }
    for (times, found) in &all {
        let evidence = verified(&trust, found);
        assert_eq!(evidence.signer().key(), Some(&public(&key).fingerprint()));
        assert_eq!(evidence.times(), times);
        assert!(verified(&rootless, found).times().is_empty(), "nobody vouches for it");
    }
    // A log and an authority that the root does not list say nothing.
    let elsewhere = Trust { root: self::trust(&Sigstore::new()).root, ..trust };
    for (_, found) in &all {
        assert!(verified(&elsewhere, found).times().is_empty());
    }
}

/// What is demanded follows from what the root lists.
#[test]
fn a_root_demands_what_it_lists() {
    let sigstore = Sigstore::new();
    let by = |broken| {
        let plan = Plan { broken, ..Plan::of(Kind::HashedRekord2) };
        bundle(&sigstore.bundle(&plan, &By::Identity, &payload()))
    };
    let without = |lists: &[&str]| {
        let mut value = sigstore.trusted_root();
        lists.iter().for_each(|list| value[list] = json!([]));
        Trust { keys: Vec::new(), root: Some(root(&value)) }
    };
    verified(&without(&["ctlogs"]), &by(Some(Broken::NoSct)));
    verified(&without(&["tlogs"]), &by(Some(Broken::NoEntry)));
    verified(&without(&["tlogs", "ctlogs"]), &by(Some(Broken::NoEntry)));
    // What it does not list it cannot vouch for.
    assert!(refused(&without(&["tlogs"]), &by(None)).contains("does not list its log"));
    for (lists, why) in [
        (&["certificateAuthorities"][..], "no trusted certificate authority"),
        (&["timestampAuthorities"], "no timestamp authorities"),
        (&["timestampAuthorities", "tlogs"], "nobody vouches for when"),
        (&["timestampAuthorities", "tlogs", "ctlogs", "certificateAuthorities"], "nobody vouches"),
    ] {
        let found = refused(&without(lists), &by(None));
        assert!(found.contains(why), "{lists:?}: {found}");
    }
    assert!(refused(&Trust::default(), &by(None)).contains("no trust root was given"));
}

/// The kind that cosign 1 wrote is not read, and says so; a key's signature is
/// none the worse for it.
#[test]
fn intoto_0_0_1_is_not_read() {
    let (sigstore, key) = (Sigstore::new(), Key::new());
    let old = |mut found: Found| {
        let mut entry: Value = serde_json::from_str(&found.legacy.bundle.unwrap()).unwrap();
        use base64::{Engine, engine::general_purpose::STANDARD};
        let body = STANDARD.encode(r#"{"apiVersion":"0.0.1","kind":"intoto","spec":{}}"#);
        entry["Payload"]["body"] = body.into();
        found.legacy.bundle = Some(entry.to_string());
        found
    };
    let plan = Plan::of(Kind::Dsse1);
    let by_identity = old(sigstore.legacy_attestation(&plan, &By::Identity, &payload()));
    assert!(refused(&trust(&sigstore), &by_identity).contains("intoto/0.0.1"));
    let trust = Trust { keys: vec![public(&key)], ..trust(&sigstore) };
    let by_key = old(sigstore.legacy_attestation(&plan, &By::Key(&key), &payload()));
    assert!(verified(&trust, &by_key).times().is_empty());
}
