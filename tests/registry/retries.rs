use std::time::Instant;

use super::*;
use crate::support::registry::{Act, Config, Route};

#[tokio::test]
async fn crates_2_throttling_is_waited_out() {
    for status in [408, 429, 500, 502, 503, 504] {
        let registry = Registry::start(Config::default());
        let digest = stored(&registry, "1.0.0", "a");
        registry.faults(|faults| faults.throttle(Route::Manifest, status, 2, None));
        assert_eq!(open(&registry).resolve(&tag("1.0.0")).await.unwrap(), Some(digest));
        assert_eq!(registry.log().count(), 3, "{status}");
    }
}

#[tokio::test]
async fn crates_2_retry_after_is_honoured() {
    let registry = Registry::start(Config::default());
    stored(&registry, "1.0.0", "a");
    registry.faults(|faults| faults.throttle(Route::Manifest, 429, 1, Some("1")));
    let started = Instant::now();
    open(&registry).resolve(&tag("1.0.0")).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1), "not before it was asked to");

    registry.faults(|faults| faults.throttle(Route::Manifest, 429, 1, Some("3600")));
    registry.log().clear();
    let found = fault(open(&registry).resolve(&tag("1.0.0")).await);
    assert!(matches!(found, Fault::Throttled), "{found}");
    assert_eq!(registry.log().count(), 1, "no use in waiting past the deadline");
}

#[tokio::test]
async fn what_will_not_change_is_not_tried_again() {
    for status in [400, 403, 405, 409, 501] {
        let registry = Registry::start(Config::default());
        registry.before_each(move |_| Act::Fail(status));
        let store = open(&registry);
        let read = store.manifest(&Key::Digest(Digest::of(b"x"))).await;
        let text = shown(read);
        assert!(text.contains("a fault of the test"), "{text}");
        assert_eq!(registry.log().count(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_deadline_covers_all_attempts() {
    let registry = Registry::start(Config::default());
    registry.faults(|faults| faults.throttle(Route::Manifest, 503, 1000, None));
    let options = Options { deadline: Duration::from_millis(700), ..quick() };
    let found = fault(open_with(&registry, options).resolve(&tag("1.0.0")).await);
    assert!(matches!(found, Fault::Status { status: 503, .. }), "{found}");
    let attempts = registry.log().count();
    assert!((2..6).contains(&attempts), "{attempts}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_replaced() {
    let registry = Registry::start(Config::default());
    registry.before_each(|request| if request.index % 3 == 0 { Act::Abort } else { Act::Continue });
    let store = open(&registry);
    let digest = push(&store, "1.0.0", "a").await.unwrap();
    assert_eq!(registry.tag(REPOSITORY, "1.0.0"), Some(digest));
}

#[tokio::test]
async fn hostile_registry_an_upload_interrupted_at_each_step() {
    for act in [Act::Abort, Act::AbortAfter, Act::Fail(503)] {
        for step in 0..3 {
            let registry = Registry::start(Config::default());
            registry.before_each(
                move |request| if request.index == step { act } else { Act::Continue },
            );
            let digest = push(&open(&registry), "1.0.0", "a").await.unwrap();
            assert_eq!(registry.tag(REPOSITORY, "1.0.0"), Some(digest), "{act:?} at {step}");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_a_network_error() {
    let registry = Registry::start(Config::default());
    let place = registry.place(REPOSITORY);
    drop(registry);
    let options = Options { deadline: Duration::from_millis(500), ..quick() };
    let store = Registries::new(options).unwrap().open(&place).unwrap();
    let found = fault(store.resolve(&tag("1.0.0")).await);
    assert!(matches!(&found, Fault::Network(why) if why.contains("refused")), "{found}");
}

#[tokio::test]
async fn a_registry_that_never_answers_is_given_up() {
    let registry =
        Registry::start(Config { latency: Duration::from_secs(60), ..Config::default() });
    let found = fault(open_with(&registry, hurried()).resolve(&tag("1.0.0")).await);
    assert!(matches!(found, Fault::TimedOut(_)), "{found}");
}

#[tokio::test]
async fn giantswarm_retagger_1239_throttled_referrers_are_not_no_referrers() {
    for status in [401, 403, 429, 500, 503] {
        let registry = Registry::start(Config::default());
        let digest = stored(&registry, "1.0.0", "a");
        registry.faults(|faults| faults.throttle(Route::Referrers, status, 1000, None));
        let options = Options { deadline: Duration::from_millis(300), ..quick() };
        let store = open_with(&registry, options);
        assert!(store.referrers(&digest, 10).await.is_err(), "{status}");
        assert!(store.resolve(&tag("1.0.0")).await.is_ok(), "only the referrers are throttled");
    }
}
