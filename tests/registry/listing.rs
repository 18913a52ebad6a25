use sluicegate::edge::registry;

use super::*;
use crate::support::registry::{BodyFault, Config, LinkFault, Referrers, Route};

/// A registry with three referrers of an artifact.
fn with_three(referrers: Referrers) -> (Registry, Digest, Vec<Digest>) {
    let registry = Registry::start(Config { referrers, ..Config::default() });
    let subject = stored(&registry, "1.0.0", "a");
    let ours = ["x", "y", "z"]
        .map(|note| {
            let bytes = referrer(&subject, note);
            registry.put_manifest(REPOSITORY, None, media::OCI_MANIFEST, bytes)
        })
        .to_vec();
    (registry, subject, ours)
}

async fn listed(registry: &Registry, subject: &Digest, limit: usize) -> (Vec<Digest>, bool) {
    match open(registry).referrers(subject, limit).await.unwrap() {
        registry::Referrers::Listed { descriptors, truncated } => {
            (descriptors.iter().map(|entry| entry.digest).collect(), truncated)
        }
        registry::Referrers::Unsupported => panic!("the API is there"),
    }
}

#[tokio::test]
async fn crates_2_referrers_of_all_pages() {
    for (pages, requests) in
        [(Referrers::Listed, 1), (Referrers::Paged(2), 2), (Referrers::Paged(1), 3)]
    {
        let (registry, subject, ours) = with_three(pages);
        assert_eq!(listed(&registry, &subject, 10).await, (ours, false));
        assert_eq!(registry.log().of(Route::Referrers).len(), requests);
        assert_eq!(registry.log().entries()[0].header("accept"), Some(media::OCI_INDEX));
        let (none, truncated) = listed(&registry, &Digest::of(b"other"), 10).await;
        assert!(none.is_empty() && !truncated);
    }
}

#[tokio::test]
async fn crates_2_registries_without_the_referrers_api() {
    let mut answers = vec![Referrers::Html, Referrers::SeeOther];
    answers.extend([400, 404, 405, 406].map(Referrers::Absent));
    for answer in answers {
        let (registry, subject, _) = with_three(answer);
        let found = open(&registry).referrers(&subject, 10).await.unwrap();
        assert!(matches!(found, registry::Referrers::Unsupported), "{answer:?}");
        assert_eq!(registry.log().count(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn cosign_cve_2023_46737_a_hundred_thousand_referrers() {
    for pages in [Referrers::Paged(500), Referrers::Paged(5000)] {
        let (registry, subject, _) = with_three(pages);
        registry.faults(|faults| faults.invented_referrers = 100_000);
        let (found, truncated) = listed(&registry, &subject, 1000).await;
        assert_eq!((found.len(), truncated), (1000, true));
        assert!(registry.log().count() <= 3);
    }
    // All in one page: larger than any page may be.
    let (registry, subject, _) = with_three(Referrers::Listed);
    registry.faults(|faults| faults.invented_referrers = 100_000);
    let found = fault(open(&registry).referrers(&subject, 1000).await);
    assert!(matches!(found, Fault::TooLarge { limit: 4_194_304 }), "{found}");
}

#[tokio::test]
async fn exactly_the_limit_is_not_truncated() {
    let (registry, subject, ours) = with_three(Referrers::Listed);
    assert_eq!(listed(&registry, &subject, 3).await, (ours.clone(), false));
    assert_eq!(listed(&registry, &subject, 2).await, (ours[..2].to_vec(), true));
}

#[tokio::test]
async fn oras_ghsa_298f_872v_2rcx_pages_in_a_circle() {
    let (registry, subject, ours) = with_three(Referrers::Listed);
    for link in [LinkFault::Circle, LinkFault::Endless] {
        registry.faults(|faults| faults.link = link.clone());
        let (found, truncated) = listed(&registry, &subject, 10).await;
        assert!(truncated, "{link:?}: it is not known that there are no more");
        assert!(found.len() <= 2 * ours.len(), "{link:?}");
        assert!(open(&registry).tags(10).await.is_err(), "{link:?}");
    }
}

#[tokio::test]
async fn oras_ghsa_298f_872v_2rcx_a_referrer_of_itself_is_one_entry() {
    // Content addressing rules out true circles; two that claim each other by
    // digest cannot exist, and nothing here descends by itself.
    let (registry, subject, ours) = with_three(Referrers::Listed);
    let nested =
        registry.put_manifest(REPOSITORY, None, media::OCI_MANIFEST, referrer(&ours[0], "n"));
    assert_eq!(listed(&registry, &subject, 10).await.0, ours);
    assert_eq!(listed(&registry, &ours[0], 10).await.0, [nested]);
}

#[tokio::test]
async fn oras_ghsa_h3wm_jjqf_8jm2_the_next_page_on_another_host() {
    let thief = Registry::start(Config::default());
    let (registry, subject, _) = with_three(Referrers::Listed);
    let elsewhere = format!("http://{}/v2/x/referrers/{subject}", thief.host());
    registry.faults(|faults| faults.link = LinkFault::Elsewhere(elsewhere));
    let found = fault(open(&registry).referrers(&subject, 10).await);
    assert!(matches!(found, Fault::Refused(_)), "{found}");
    assert!(matches!(fault(open(&registry).tags(10).await), Fault::Refused(_)));
    assert_eq!(thief.log().count(), 0);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_an_error() {
    let (registry, subject, _) = with_three(Referrers::Listed);
    registry.faults(|faults| faults.bodies = vec![(Route::Referrers, BodyFault::Truncated(20))]);
    let options = Options { deadline: Duration::from_millis(700), ..quick() };
    let found = fault(open_with(&registry, options).referrers(&subject, 10).await);
    assert!(matches!(found, Fault::Truncated { .. }), "{found}");
}

#[tokio::test]
async fn crates_2_tags_of_all_pages() {
    let registry = Registry::start(Config::default());
    let digest = stored(&registry, "t000", "a");
    for n in 1..120 {
        registry.set_tag(REPOSITORY, &format!("t{n:03}"), digest);
    }
    let store = open(&registry);
    let tags = store.tags(1000).await.unwrap();
    assert_eq!((tags.len(), tags.first().unwrap().as_str()), (120, "t000"));
    assert!(matches!(fault(store.tags(100).await), Fault::TooLarge { limit: 100 }));
    let other = Registries::new(quick()).unwrap().open(&registry.place("no/such")).unwrap();
    assert!(other.tags(10).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn cosign_4641_a_fallback_index_without_artifact_types_is_read_as_it_is() {
    let (registry, subject, ours) = with_three(Referrers::Absent(404));
    let entries = ours.iter().map(|digest| {
        let bytes = registry.manifest(REPOSITORY, digest).unwrap();
        let mut entry = Descriptor::of(media::OCI_MANIFEST, &bytes);
        entry.artifact_type = Some(media::BUNDLE.into());
        entry
    });
    let entries: Vec<_> = entries.collect();
    registry.put_bare_fallback_index(REPOSITORY, &subject, &entries);
    let key = Key::Tag(Tag::referrers(&subject));
    let read = open(&registry).manifest(&key).await.unwrap().unwrap();
    assert_eq!(read.descriptor.media_type, media::OCI_INDEX);
    let entries = sluicegate::model::artifact::manifest::entries(&read.bytes).unwrap();
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.artifact_type.is_none()));
}
