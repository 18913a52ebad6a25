use sluicegate::edge::{registry::Login, secret::Secret};

use super::*;
use crate::support::registry::{Auth, Config, Redirect, Route, auth::Bearer};

const PASSWORD: &str = "hunter2-of-the-test";

/// A registry with basic authentication that sends readers of blobs to
/// `elsewhere`, and options that know the way in.
fn sending_to(to: String, status: u16) -> (Registry, Options) {
    let auth = Auth::basic("ci", PASSWORD);
    let registry = Registry::start(Config { auth, ..Config::default() });
    registry.faults(|faults| {
        faults.redirect = Some(Redirect { route: Route::Blob, status, to });
    });
    let login =
        Login { host: registry.host(), username: "ci".into(), password: Secret::new(PASSWORD) };
    (registry, Options { login: Some(login), ..quick() })
}

#[tokio::test]
async fn ggcr_2337_nothing_goes_along_to_another_host() {
    for status in [301, 302, 303, 307, 308] {
        let storage = Registry::start(Config::default());
        storage.put_blob(REPOSITORY, "right");
        let (registry, options) = sending_to(format!("http://{}", storage.host()), status);
        let store = open_with(&registry, options);
        let descriptor = Descriptor::of("x", b"right");
        assert_eq!(store.blob(&descriptor, 100).await.unwrap(), "right");
        assert!(store.has_blob(&descriptor.digest).await.unwrap());
        let mut reader = store.open_blob(&descriptor).await.unwrap();
        while reader.chunk().await.unwrap().is_some() {}
        let asked = storage.log().entries();
        assert_eq!(asked.len(), 3);
        for entry in asked {
            let names: Vec<_> = entry.headers.iter().map(|(name, _)| name.as_str()).collect();
            for name in names {
                assert!(matches!(name, "host" | "accept" | "user-agent"), "{status}: {name}");
            }
        }
        assert!(registry.log().entries().last().unwrap().header("authorization").is_some());
    }
}

#[tokio::test]
async fn ggcr_2337_a_401_from_another_host_gets_nothing() {
    let thief = Registry::start(Config { auth: Auth::basic("ci", PASSWORD), ..Config::default() });
    let (registry, options) = sending_to(format!("http://{}", thief.host()), 307);
    let found = fault(open_with(&registry, options).blob(&Descriptor::of("x", b"x"), 100).await);
    assert!(
        matches!(&found, Fault::Unauthorized { detail } if detail.contains("another host")),
        "{found}"
    );
    assert_eq!(thief.log().count(), 1);
    assert_eq!(thief.log().entries()[0].header("authorization"), None);
}

#[tokio::test]
async fn ggcr_2337_a_realm_named_after_a_redirect_gets_nothing() {
    let thief = Registry::start(Config {
        auth: Auth::Bearer(Bearer::with_login("ci", PASSWORD)),
        ..Config::default()
    });
    let (registry, options) = sending_to(format!("http://{}", thief.host()), 307);
    let found = fault(open_with(&registry, options).blob(&Descriptor::of("x", b"x"), 100).await);
    assert!(matches!(found, Fault::Unauthorized { .. }), "{found}");
    assert_eq!(thief.log().of(Route::Token).len(), 0);
}

#[tokio::test]
async fn ggcr_2337_credentials_do_not_come_back_after_a_detour() {
    // There and back again: what the other host asks for at home goes without.
    let (registry, options) = sending_to("http://127.0.0.1:1/?".into(), 307);
    registry.put_blob(REPOSITORY, "right");
    let home = format!("http://{}/v2/{REPOSITORY}/manifests/1.0.0?", registry.host());
    let detour = Registry::start(Config::default());
    detour.faults(|faults| {
        faults.redirect = Some(Redirect { route: Route::Blob, status: 307, to: home });
    });
    let to = format!("http://{}", detour.host());
    registry
        .faults(|faults| faults.redirect = Some(Redirect { route: Route::Blob, status: 307, to }));
    let found = fault(open_with(&registry, options).blob(&Descriptor::of("x", b"x"), 100).await);
    assert!(matches!(found, Fault::Unauthorized { .. }), "{found}");
    let last = registry.log().entries().last().unwrap().clone();
    assert_eq!((last.route, last.header("authorization")), (Route::Manifest, None));
}

#[tokio::test]
async fn at_home_credentials_go_along() {
    let (registry, options) = sending_to(String::new(), 307);
    registry.put_blob("other", "right");
    let digest = Digest::of(b"right");
    // To another path of the same origin; the redirect is gone from there.
    let to = format!("http://{}/v2/other/manifests/none?{digest}", registry.host());
    registry
        .faults(|faults| faults.redirect = Some(Redirect { route: Route::Blob, status: 307, to }));
    let found =
        fault(open_with(&registry, options).blob(&Descriptor::of("x", b"right"), 100).await);
    assert!(matches!(found, Fault::NotFound), "{found}");
    assert!(registry.log().of(Route::Manifest)[0].header("authorization").is_some());
}

#[tokio::test]
async fn ggcr_2293_link_local_is_never_reached() {
    for to in [
        "http://169.254.169.254/latest/meta-data?",
        "http://[fe80::1]/?",
        "http://[::ffff:169.254.169.254]/?",
        "http://2852039166/?",
        "http://0251.0376.0251.0376/?",
    ] {
        let (registry, options) = sending_to(to.into(), 307);
        let found = fault(open_with(&registry, options).blob(&Descriptor::of("x", b"x"), 9).await);
        assert!(matches!(&found, Fault::OutOfReach { zone: Zone::LinkLocal, .. }), "{to}: {found}");
    }
    // Nor as a registry or a web server that the user names.
    let registries = Registries::new(quick()).unwrap();
    let url = "http://169.254.169.254/latest/meta-data".parse().unwrap();
    let found = fault(registries.get(&url, NamedBy::User, 9).await);
    assert!(matches!(found, Fault::OutOfReach { .. }), "{found}");
    let place = "oci://169.254.169.254/x".parse::<sluicegate::model::reference::Reference>();
    let store = registries.open(&place.unwrap().place).unwrap();
    assert!(matches!(fault(store.resolve(&tag("x")).await), Fault::OutOfReach { .. }));
}

#[tokio::test]
async fn redirects_without_end_or_sense() {
    let (registry, options) = sending_to(String::new(), 307);
    let to = format!("http://{}", registry.host());
    registry
        .faults(|faults| faults.redirect = Some(Redirect { route: Route::Blob, status: 307, to }));
    let store = open_with(&registry, options);
    let found = fault(store.blob(&Descriptor::of("x", b"x"), 9).await);
    assert!(matches!(&found, Fault::Refused(why) if why.contains("more than 5")), "{found}");
    for to in ["ftp://x/?", "file:///etc/passwd?", "http://u:p@127.0.0.1/?"] {
        registry.faults(|faults| {
            let to = to.to_owned();
            faults.redirect = Some(Redirect { route: Route::Blob, status: 307, to });
        });
        let found = fault(store.blob(&Descriptor::of("x", b"x"), 9).await);
        assert!(matches!(found, Fault::Refused(_)), "{to}: {found}");
    }
}

#[tokio::test]
async fn an_upload_on_another_host_gets_no_credentials() {
    let storage = Registry::start(Config::default());
    let (registry, options) = sending_to(String::new(), 307);
    let location = format!("http://{}/v2/{REPOSITORY}/blobs/uploads/1?sig=secret", storage.host());
    registry.faults(|faults| faults.location = Some(location));
    open_with(&registry, options).put_blob(&Blob::of("x", "a"), None).await.unwrap();
    let put = &storage.log().entries()[0];
    assert_eq!(put.method, "PUT");
    assert_eq!(put.header("authorization"), None);
    assert!(put.path.contains("sig=secret&digest=sha256"), "{}", put.path);
}

#[tokio::test]
async fn what_a_signed_url_holds_is_not_shown() {
    let (registry, options) = sending_to("http://127.0.0.1:1/x?X-Amz-Signature=secret".into(), 307);
    let options = Options { deadline: Duration::from_millis(300), ..options };
    let text = shown(open_with(&registry, options).blob(&Descriptor::of("x", b"x"), 9).await);
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn ratify_cve_2025_27403_a_realm_on_another_host() {
    let thief = Registry::start(Config {
        auth: Auth::Bearer(Bearer::with_login("ci", PASSWORD)),
        ..Config::default()
    });
    // The registry is on loopback, and so is the thief: what makes the
    // difference is a name that is not of this machine.
    for realm in [
        "http://10.255.255.1/token",
        "https://10.255.255.1/token",
        "https://169.254.169.254/token",
        "http://auth.example/token",
        "ftp://127.0.0.1/token",
    ] {
        let bearer = Bearer { realm: Some(realm.into()), ..Bearer::with_login("ci", PASSWORD) };
        let registry = Registry::start(Config { auth: Auth::Bearer(bearer), ..Config::default() });
        let login =
            Login { host: registry.host(), username: "ci".into(), password: Secret::new(PASSWORD) };
        let options = Options { login: Some(login), ..quick() };
        let found = fault(open_with(&registry, options).resolve(&tag("x")).await);
        assert!(
            matches!(&found, Fault::Refused(why) if why.contains("token realm")),
            "{realm}: {found}"
        );
        assert!(!found.to_string().contains(PASSWORD));
    }
    // A realm elsewhere on this machine is fine for a registry on this machine.
    let realm = format!("http://{}/token", thief.host());
    let bearer = Bearer { realm: Some(realm), ..Bearer::with_login("ci", PASSWORD) };
    let registry = Registry::start(Config { auth: Auth::Bearer(bearer), ..Config::default() });
    let login =
        Login { host: registry.host(), username: "ci".into(), password: Secret::new(PASSWORD) };
    let options = Options { login: Some(login), ..quick() };
    let found = fault(open_with(&registry, options).resolve(&tag("x")).await);
    assert!(matches!(found, Fault::Unauthorized { .. }), "its tokens are not the registry's");
    let asked = thief.log().of(Route::Token);
    assert!(!asked.is_empty() && asked.iter().all(|entry| entry.status == Some(200)), "{asked:?}");
}
