//! What a registry can do wrong, one fault each (advisories.md, "The hostile
//! registry").

use super::*;
use crate::support::registry::{
    Act, BodyFault, ContentDigest, LinkFault, Redirect, Registry, Route,
};

/// Makes one thing go wrong, after an artifact and its statements were stored.
pub type Fault = Box<dyn Fn(&World, &Descriptor) + Send + Sync>;

fn on(change: impl Fn(&Registry) + Send + Sync + 'static) -> Fault {
    Box::new(move |world, _| change(&world.registry))
}

fn body(route: Route, fault: BodyFault) -> Fault {
    on(move |registry| registry.faults(|f| f.bodies.push((route, fault))))
}

fn status(route: Route, status: u16) -> Fault {
    on(move |registry| registry.faults(|f| f.throttle(route, status, 10_000, None)))
}

/// Every fault of the list, on every route where it can be.
pub fn all() -> Vec<(String, Fault)> {
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
        all.push((format!("redirect on {route:?}"), redirect(route)));
    }
    for wrong in [ContentDigest::Wrong, ContentDigest::Missing, ContentDigest::OtherAlgorithm] {
        let fault = on(move |registry| registry.faults(|f| f.content_digest = wrong));
        all.push((format!("digest header: {wrong:?}"), fault));
    }
    for link in
        [LinkFault::Circle, LinkFault::Endless, LinkFault::Elsewhere("http://[::1]:1/".into())]
    {
        let name = format!("link: {link:?}");
        all.push((name, on(move |registry| registry.faults(|f| f.link = link.clone()))));
    }
    for bytes in ["", "{}", "null", r#"{"layers":[],"manifests":[],"annotations":{}}"#] {
        all.push((format!("`{bytes}` for every statement's manifest"), other_bytes(bytes)));
    }
    all.extend(data());
    all
}

/// Whether nothing but time ends it: a stall, or trying again and again.
pub fn is_slow(name: &str) -> bool {
    const WORDS: [&str; 10] = [
        "Stalled",
        "Dripping",
        "Endless",
        "429",
        "500 ",
        "503",
        "Truncated",
        "redirect",
        "cut",
        "Announced(5",
    ];
    WORDS.iter().any(|word| name.contains(word))
}

/// One of each kind of fault, for pairs.
pub fn one_of_each() -> Vec<(String, Fault)> {
    const CHOSEN: [&str; 21] = [
        "401 on Manifest",
        "404 on Manifest",
        "404 on Blob",
        "404 on Referrers",
        "429 on Referrers",
        "503 on Referrers",
        "500 on Blob",
        "Truncated(5) on Manifest",
        "Truncated(5) on Blob",
        "Truncated(5) on Referrers",
        "Stalled(5) on Blob",
        "Dripping on Referrers",
        "Announced(3) on Blob",
        "Announced(5000000000) on Manifest",
        "GzipBomb(1000000) on Blob",
        "GzipBomb(1000000) on Referrers",
        "redirect on Manifest",
        "redirect on Blob",
        "digest header: Wrong",
        "link: Circle",
        "`{}` for every statement's manifest",
    ];
    let data: Vec<String> = data().into_iter().map(|(name, _)| name).collect();
    let mut chosen = all();
    chosen.retain(|(name, _)| CHOSEN.contains(&&**name) || data.contains(name));
    assert_eq!(chosen.len(), CHOSEN.len() + data.len());
    chosen
}

/// To a host that nobody named.
fn redirect(route: Route) -> Fault {
    on(move |registry| {
        let to = "http://127.0.0.2:9".to_owned();
        registry.faults(|f| f.redirect = Some(Redirect { route, status: 307, to }));
    })
}

fn other_bytes(bytes: &'static str) -> Fault {
    Box::new(move |world, subject| {
        let all = world.registry.manifests(REPOSITORY).into_iter().map(|(digest, ..)| digest);
        let others = all.filter(|digest| *digest != subject.digest);
        let others = others.map(|digest| (digest, bytes.into()));
        world.registry.faults(|f| f.other_bytes.extend(others));
    })
}

/// What is stored otherwise than it should be.
fn data() -> Vec<(String, Fault)> {
    let named = |name: &str, fault: Fault| (name.to_owned(), fault);
    vec![
        named(
            "connections cut",
            on(|registry| {
                registry.before_each(|request| {
                    if request.path.contains("manifests/1.4.0") {
                        Act::Continue
                    } else {
                        Act::Abort
                    }
                });
            }),
        ),
        named("401 always", on(|r| r.faults(|f| f.always_unauthorized = true))),
        named("HEAD is not known", on(|r| r.faults(|f| f.no_head = true))),
        named("invented referrers", on(|r| r.faults(|f| f.invented_referrers = 30))),
        named(
            "the tag flips",
            Box::new(|world, subject| {
                let evil = world.unsigned("evil", None).digest;
                let flips = [("1.4.0".to_owned(), vec![subject.digest, evil])];
                world.registry.faults(|f| f.flipping_tags.extend(flips));
            }),
        ),
        named(
            "an old tag is played back",
            Box::new(|world, _| {
                let old = world.unsigned("old and unsigned", None).digest;
                world.registry.set_tag(REPOSITORY, "1.4.0", old);
            }),
        ),
        named(
            "other bytes for the artifact",
            Box::new(|world, subject| {
                let other = world.unsigned("other bytes", None).digest;
                let bytes = world.registry.manifest(REPOSITORY, &other).unwrap();
                world.registry.faults(|f| f.other_bytes.extend([(subject.digest, bytes)]));
            }),
        ),
        named(
            "other bytes for every blob",
            Box::new(|world, _| {
                for (_, _, manifest) in world.registry.manifests(REPOSITORY) {
                    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
                    for layer in manifest["layers"].as_array().into_iter().flatten() {
                        let Ok(digest) = layer["digest"].as_str().unwrap_or_default().parse()
                        else {
                            continue;
                        };
                        world.registry.faults(|f| f.other_bytes.extend([(digest, "{}".into())]));
                    }
                }
            }),
        ),
        named(
            "the statements are removed",
            Box::new(|world, subject| {
                for (digest, ..) in world.registry.manifests(REPOSITORY) {
                    if digest != subject.digest {
                        world.registry.delete_manifest(REPOSITORY, &digest);
                    }
                }
            }),
        ),
        named(
            "a signature of another artifact",
            Box::new(|world, subject| {
                let other = world.unsigned("of another", None);
                let mut parcel = signature(&other, &world.alice);
                for made in &mut parcel.bundles {
                    let bytes = made.bundle.clone();
                    *made = attachment::referrer(subject, bytes, uris::SIGNATURE, "").unwrap();
                }
                parcel.legacy.extend(legacy(&other, &world.alice).legacy);
                world.store(subject, &parcel);
                let by = sigstore::By::Identity;
                world.store_by(subject, &INSTANCE.bundle(&plan(), &by, &said(&other.digest)));
            }),
        ),
        named(
            "the same digest in another repository",
            Box::new(|world, subject| {
                let parcel = signature(subject, &world.alice);
                for made in parcel.bundles {
                    world.registry.put_blob("other/repo", made.bundle);
                    world.registry.put_manifest(
                        "other/repo",
                        None,
                        media::OCI_MANIFEST,
                        made.manifest,
                    );
                }
            }),
        ),
        named(
            "a fallback index without artifact types",
            Box::new(|world, subject| {
                let entries: Vec<Descriptor> = world
                    .registry
                    .manifests(REPOSITORY)
                    .into_iter()
                    .map(|(_, kind, bytes)| Descriptor::of(&kind, &bytes))
                    .collect();
                world.registry.put_bare_fallback_index(REPOSITORY, &subject.digest, &entries);
            }),
        ),
        named(
            "no fallback index",
            Box::new(|world, subject| {
                let tag = Tag::referrers(&subject.digest).to_string();
                if let Some(index) = world.tag(&tag) {
                    world.registry.delete_manifest(REPOSITORY, &index);
                }
            }),
        ),
        named(
            "referrers in a circle",
            Box::new(|world, subject| {
                let mut before = subject.clone();
                for _ in 0..3 {
                    let made = attachment::referrer(&before, b"{}".to_vec(), "x", "").unwrap();
                    world.store(subject, &bundles(vec![made.clone()]));
                    before = made.descriptor;
                }
            }),
        ),
        // Last: nothing can be added to that tag any more.
        named(
            "an artifact where the fallback index should be",
            Box::new(|world, subject| {
                let digest = world.unsigned("copied there", None).digest;
                let tag = Tag::referrers(&subject.digest).to_string();
                world.registry.set_tag(REPOSITORY, &tag, digest);
            }),
        ),
    ]
}
