//! Scenarios times single faults: nothing that is not accepted becomes so by
//! adding a fault, and what a fault does to an accepted one is told right.

use futures::future::join_all;

use super::*;
use crate::support::registry::{Act, BodyFault, ContentDigest, LinkFault, Registry, Route};

/// Puts something under `1.4.0`; gives its digest.
type Scenario = fn(&World) -> Descriptor;
type Fault = Box<dyn Fn(&Registry, &Descriptor)>;

fn bare(world: &World) -> Descriptor {
    world.unsigned("x", Some("1.4.0"))
}

fn with(world: &World, parcel: impl FnOnce(&Descriptor) -> Parcel) -> Descriptor {
    let subject = bare(world);
    world.store(&subject, &parcel(&subject));
    subject
}

/// What must never be accepted.
const UNSIGNED: [(&str, Scenario); 7] = [
    ("nothing", bare),
    ("by somebody else", |w| with(w, |s| signature(s, &w.bob))),
    ("legacy by somebody else", |w| with(w, |s| legacy(s, &w.bob))),
    ("an SBOM", |w| with(w, |s| statement(s, &w.alice, "https://spdx.dev/Document", &json!({})))),
    ("of something else", |w| {
        let other = w.unsigned("other", None);
        with(w, |s| moved(&other, s, w))
    }),
    ("legacy of something else", |w| {
        let other = w.unsigned("other", None);
        with(w, |_| legacy(&other, &w.alice))
    }),
    ("no provenance but one", |w| {
        with(w, |s| statement(s, &w.alice, uris::PROVENANCE, &json!({"buildDefinition": {}})))
    }),
];

/// Alice's signature of `from`, hung under `to`.
fn moved(from: &Descriptor, to: &Descriptor, world: &World) -> Parcel {
    let mut parcel = signature(from, &world.alice);
    for made in &mut parcel.bundles {
        let bytes = made.bundle.clone();
        *made = attachment::referrer(to, bytes, uris::SIGNATURE, "").unwrap();
    }
    parcel
}

fn body(route: Route, fault: BodyFault) -> Fault {
    Box::new(move |registry, _| registry.faults(|f| f.bodies = vec![(route, fault)]))
}

fn status(route: Route, status: u16) -> Fault {
    Box::new(move |registry, _| registry.faults(|f| f.throttle(route, status, 10_000, None)))
}

fn faults() -> Vec<(String, Fault)> {
    let mut all: Vec<(String, Fault)> = Vec::new();
    for route in [Route::Manifest, Route::Blob, Route::Referrers] {
        for code in [401, 403, 404, 429, 500, 503] {
            all.push((format!("{code} on {route:?}"), status(route, code)));
        }
        for fault in [
            BodyFault::Truncated(5),
            BodyFault::Stalled(5),
            BodyFault::Dripping,
            BodyFault::Endless,
            BodyFault::Announced(3),
            BodyFault::Announced(5_000_000_000),
            BodyFault::GzipBomb(1_000_000),
        ] {
            all.push((format!("{fault:?} on {route:?}"), body(route, fault)));
        }
    }
    for wrong in [ContentDigest::Wrong, ContentDigest::Missing, ContentDigest::OtherAlgorithm] {
        let fault: Fault = Box::new(move |r, _| r.faults(|f| f.content_digest = wrong));
        all.push((format!("digest header: {wrong:?}"), fault));
    }
    for link in
        [LinkFault::Circle, LinkFault::Endless, LinkFault::Elsewhere("http://[::1]:1/".into())]
    {
        let name = format!("{link:?}");
        all.push((name, Box::new(move |r, _| r.faults(|f| f.link = link.clone()))));
    }
    for bytes in ["", "{}", "null", r#"{"layers":[],"manifests":[],"annotations":{}}"#] {
        let fault: Fault = Box::new(move |registry, subject| {
            let all = registry.manifests(REPOSITORY).into_iter().map(|(digest, ..)| digest);
            let others = all.filter(|digest| *digest != subject.digest);
            let others = others.map(|digest| (digest, bytes.into())).collect();
            registry.faults(|f| f.other_bytes = others);
        });
        all.push((format!("`{bytes}` for every statement's manifest"), fault));
    }
    let aborts: Fault = Box::new(|registry, _| {
        registry.before_each(|request| {
            if request.path.contains("manifests/1.4.0") { Act::Continue } else { Act::Abort }
        });
    });
    all.push(("connections cut".into(), aborts));
    let invented: Fault = Box::new(|r, _| r.faults(|f| f.invented_referrers = 30));
    all.push(("invented referrers".into(), invented));
    all.push(("401 always".into(), Box::new(|r, _| r.faults(|f| f.always_unauthorized = true))));
    all
}

async fn with_each_fault(scenario: Scenario, config: &Config) -> Vec<(String, &'static str)> {
    let run = async |(name, fault): (String, Fault)| {
        let world = World::new(config.clone()).hurried();
        let subject = scenario(&world);
        fault(&world.registry, &subject);
        (name, world.signed(&world.at(":1.4.0")).await)
    };
    join_all(faults().into_iter().map(run)).await
}

#[tokio::test]
async fn policy_controller_1648_no_fault_makes_anything_accepted() {
    for (config, every) in [(Config::default(), 1), (Config::old(), 3)] {
        for (name, scenario) in UNSIGNED.into_iter().step_by(every) {
            let world = World::new(config.clone());
            scenario(&world);
            assert_eq!(world.signed(&world.at(":1.4.0")).await, "rejected", "{name}");
            for (fault, verdict) in with_each_fault(scenario, &config).await {
                assert_ne!(verdict, "accepted", "{name}, {fault}");
            }
        }
    }
}

/// What is signed is never called unsigned because of a fault of the transport.
#[tokio::test]
async fn policy_controller_1648_a_fault_of_transport_is_unknown() {
    for config in [Config::default(), Config::old()] {
        for scenario in [(|w| with(w, |s| signature(s, &w.alice))) as Scenario, |w| {
            with(w, |s| legacy(s, &w.alice))
        }] {
            for (fault, verdict) in with_each_fault(scenario, &config).await {
                // What is other than it should be is a lie, or is not there. A body
                // that ends where its (too small) length says is complete for
                // HTTP: wrong bytes, unless the connection breaks first.
                let lies = [
                    "for every statement",
                    "digest header: Wrong",
                    "404 on",
                    "Gzip",
                    "Announced(3)",
                ];
                if !lies.iter().any(|lie| fault.contains(lie)) {
                    assert_ne!(verdict, "rejected", "{fault}");
                }
            }
        }
    }
}
