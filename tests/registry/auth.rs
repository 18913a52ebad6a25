use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sluicegate::edge::{
    registry::{DockerConfigSource, Login},
    secret::Secret,
};

use super::*;
use crate::support::registry::{Auth, Config, Route, auth::Bearer};

const PASSWORD: &str = "hunter2-of-the-test";

fn with_auth(auth: Auth) -> Registry {
    Registry::start(Config { auth, ..Config::default() })
}

/// Options with a docker config in `dir` that has `entry` for the registry.
fn configured(dir: &Path, key: &str, entry: &serde_json::Value) -> Options {
    let config = serde_json::json!({"auths": {key: entry}});
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let docker_config =
        DockerConfigSource { docker_config: Some(dir.to_owned()), ..DockerConfigSource::default() };
    Options { docker_config, ..quick() }
}

fn entry(username: &str, password: &str) -> serde_json::Value {
    serde_json::json!({"auth": STANDARD.encode(format!("{username}:{password}"))})
}

fn login(host: &str, username: &str, password: &str) -> Options {
    let login =
        Login { host: host.into(), username: username.into(), password: Secret::new(password) };
    Options { login: Some(login), ..quick() }
}

#[tokio::test]
async fn basic_from_docker_config_and_unasked_afterwards() {
    let registry = with_auth(Auth::basic("ci", PASSWORD));
    let dir = tempfile::tempdir().unwrap();
    let options = configured(dir.path(), &registry.host(), &entry("ci", PASSWORD));
    let store = open_with(&registry, options);
    let digest = push(&store, "1.0.0", "a").await.unwrap();
    assert_eq!(registry.tag(REPOSITORY, "1.0.0"), Some(digest));
    store.resolve(&tag("1.0.0")).await.unwrap();
    let statuses: Vec<_> = registry.log().entries().iter().map(|e| e.status.unwrap()).collect();
    assert_eq!(statuses, [401, 202, 201, 201, 200], "asked for once");
    assert_eq!(registry.log().entries()[0].header("authorization"), None);
}

#[tokio::test]
async fn credentials_are_not_even_read_for_a_registry_that_does_not_ask() {
    let registry = Registry::start(Config::default());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), "{ torn").unwrap();
    let docker_config = DockerConfigSource {
        docker_config: Some(dir.path().to_owned()),
        ..DockerConfigSource::default()
    };
    let store = open_with(&registry, Options { docker_config: docker_config.clone(), ..quick() });
    push(&store, "1.0.0", "a").await.unwrap();
    assert!(registry.log().entries().iter().all(|entry| entry.header("authorization").is_none()));

    let registry = with_auth(Auth::basic("ci", PASSWORD));
    let store = open_with(&registry, Options { docker_config, ..quick() });
    let text = shown(store.resolve(&tag("1.0.0")).await);
    assert!(text.contains("config.json` line 1"), "{text}");
}

#[tokio::test]
async fn bearer_with_a_scope_for_each_access() {
    let registry = with_auth(Auth::Bearer(Bearer::with_login("ci", PASSWORD)));
    let store = open_with(&registry, login(&registry.host(), "ci", PASSWORD));
    push(&store, "1.0.0", "a").await.unwrap();
    store.resolve(&tag("1.0.0")).await.unwrap();
    store.manifest(&Key::Tag(tag("1.0.0"))).await.unwrap();
    let tokens = registry.log().of(Route::Token);
    assert_eq!(tokens.len(), 2, "one to push, one to pull: {tokens:?}");
    assert!(tokens[0].path.contains("service=test%2C+service"), "{}", tokens[0].path);
    assert!(tokens[0].path.contains("scope=repository%3Ashop%2Fconfig%3Apull%2Cpush"));
    assert!(
        tokens[1].path.contains("scope=repository%3Ashop%2Fconfig%3Apull&"),
        "{}",
        tokens[1].path
    );
    let refused = registry.log().entries().iter().filter(|e| e.status == Some(401)).count();
    assert_eq!(refused, 1, "the registry had to ask once only");
}

#[tokio::test]
async fn anonymous_bearer() {
    let registry = with_auth(Auth::Bearer(Bearer::default()));
    let digest = stored(&registry, "1.0.0", "a");
    assert_eq!(open(&registry).resolve(&tag("1.0.0")).await.unwrap(), Some(digest));
    assert_eq!(registry.log().of(Route::Token)[0].header("authorization"), None);
}

#[tokio::test]
async fn a_registry_that_names_the_repository_otherwise() {
    let scope_prefix = "mirror/".to_owned();
    let registry = with_auth(Auth::Bearer(Bearer { scope_prefix, ..Bearer::default() }));
    let digest = stored(&registry, "1.0.0", "a");
    assert_eq!(open(&registry).resolve(&tag("1.0.0")).await.unwrap(), Some(digest));
    let asked = &registry.log().of(Route::Token)[0].path;
    assert!(asked.contains("scope=repository%3Amirror%2Fshop%2Fconfig%3Apull&"), "{asked}");
}

#[tokio::test]
async fn crates_2_identitytoken_is_exchanged_by_refresh_grant() {
    let refresh_token = Some(PASSWORD.to_owned());
    let registry = with_auth(Auth::Bearer(Bearer { refresh_token, ..Bearer::default() }));
    let dir = tempfile::tempdir().unwrap();
    // As `az acr login` stores it.
    let auth = STANDARD.encode("00000000-0000-0000-0000-000000000000:");
    let entry = serde_json::json!({"auth": auth, "identitytoken": PASSWORD});
    let options = configured(dir.path(), &registry.host(), &entry);
    push(&open_with(&registry, options), "1.0.0", "a").await.unwrap();
    let asked = &registry.log().of(Route::Token)[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/token"));
    assert_eq!(asked.header("authorization"), None);
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn registrytoken_is_sent_as_it_is() {
    let registry = with_auth(Auth::Bearer(Bearer::with_login("ci", PASSWORD)));
    let dir = tempfile::tempdir().unwrap();
    let entry = serde_json::json!({"registrytoken": PASSWORD});
    let options = configured(dir.path(), &registry.host(), &entry);
    let text = shown(open_with(&registry, options).resolve(&tag("1.0.0")).await);
    assert!(text.contains("the entry `127.0.0.1:"), "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
    let sent = format!("Bearer {PASSWORD}");
    assert_eq!(registry.log().entries()[1].header("authorization"), Some(sent.as_str()));
    assert_eq!(registry.log().of(Route::Token).len(), 0);
}

#[tokio::test]
async fn a_token_is_shared_by_requests_at_once_and_by_other_repositories() {
    let latency = Duration::from_millis(20);
    let auth = Auth::Bearer(Bearer::default());
    let registry = Registry::start(Config { auth, latency, ..Config::default() });
    let digest = stored(&registry, "1.0.0", "a");
    let registries = Registries::new(quick()).unwrap();
    let store = registries.open(&registry.place(REPOSITORY)).unwrap();
    let asked = (0..8).map(|_| store.has_manifest(&digest));
    for found in futures::future::join_all(asked).await {
        assert!(found.unwrap());
    }
    assert_eq!(registry.log().of(Route::Token).len(), 1);
    registry.log().clear();
    let other = registries.open(&registry.place("other")).unwrap();
    assert_eq!(other.resolve(&tag("x")).await.unwrap(), None);
    let routes: Vec<_> = registry.log().entries().iter().map(|e| e.route).collect();
    assert_eq!(routes, [Route::Token, Route::Manifest], "no need to be asked again");
}

#[tokio::test]
async fn a_token_that_expires_or_is_revoked_is_renewed() {
    let registry = with_auth(Auth::Bearer(Bearer { expires_in: 1, ..Bearer::default() }));
    stored(&registry, "1.0.0", "a");
    let store = open(&registry);
    for _ in 0..3 {
        store.resolve(&tag("1.0.0")).await.unwrap();
    }
    assert_eq!(registry.log().of(Route::Token).len(), 3, "a token of a second is never kept");

    let registry = with_auth(Auth::Bearer(Bearer::default()));
    stored(&registry, "1.0.0", "a");
    let store = open(&registry);
    store.resolve(&tag("1.0.0")).await.unwrap();
    registry.revoke_tokens();
    store.resolve(&tag("1.0.0")).await.unwrap();
    assert_eq!(registry.log().of(Route::Token).len(), 2);
}

#[tokio::test]
async fn crates_2_credentials_that_change_are_read_again() {
    let registry = with_auth(Auth::basic("ci", "new"));
    let dir = tempfile::tempdir().unwrap();
    let options = configured(dir.path(), &registry.host(), &entry("ci", "old"));
    let store = open_with(&registry, options);
    assert!(matches!(fault(store.resolve(&tag("x")).await), Fault::Unauthorized { .. }));
    configured(dir.path(), &registry.host(), &entry("ci", "new"));
    assert_eq!(store.resolve(&tag("x")).await.unwrap(), None);
}

#[tokio::test]
async fn crates_2_wrong_credentials_say_where_they_come_from() {
    for auth in [Auth::basic("ci", "right"), Auth::Bearer(Bearer::with_login("ci", "right"))] {
        let registry = with_auth(auth);
        let dir = tempfile::tempdir().unwrap();
        let host = registry.host();
        let options = configured(dir.path(), &host, &entry("ci", PASSWORD));
        let result = open_with(&registry, options).resolve(&tag("x")).await;
        let text = shown(result);
        assert!(text.contains(&format!("the entry `{host}` of `")), "{text}");
        assert!(text.contains("config.json"), "{text}");
        assert!(!text.contains(PASSWORD), "{text}");
        assert!(registry.log().count() <= 3, "{:?}", registry.log().lines());

        let given = open_with(&registry, login(&host, "ci", PASSWORD)).resolve(&tag("x")).await;
        let text = shown(given);
        assert!(text.contains("the user name and password given for"), "{text}");
        assert!(!text.contains(PASSWORD), "{text}");

        let none = open(&registry).resolve(&tag("x")).await;
        let text = shown(none);
        assert!(text.contains("no credentials") && text.contains("no credentials file"), "{text}");
    }
}

#[tokio::test]
async fn crates_2_a_failing_token_service_is_an_error_that_names_it() {
    for status in [403, 404, 503] {
        let bearer = Bearer { fail_with: Some(status), ..Bearer::with_login("ci", PASSWORD) };
        let registry = with_auth(Auth::Bearer(bearer));
        stored(&registry, "1.0.0", "a");
        let options = Options {
            deadline: Duration::from_millis(500),
            ..login(&registry.host(), "ci", PASSWORD)
        };
        let text = shown(open_with(&registry, options).resolve(&tag("1.0.0")).await);
        let realm = format!("the token realm `http://{}/token` answered {status}", registry.host());
        assert!(text.contains(&realm), "{text}");
        let encoded = STANDARD.encode(format!("ci:{PASSWORD}"));
        assert!(!text.contains(PASSWORD) && !text.contains(&encoded), "{text}");
        let anonymous = registry.log().of(Route::Manifest);
        assert!(anonymous.iter().all(|entry| entry.status == Some(401)), "never goes on without");
    }
}

#[tokio::test]
async fn hostile_registry_a_loop_of_401() {
    let registry = with_auth(Auth::Open);
    registry.faults(|faults| faults.always_unauthorized = true);
    let store = open_with(&registry, login(&registry.host(), "ci", PASSWORD));
    let found = fault(store.resolve(&tag("x")).await);
    assert!(matches!(found, Fault::Unauthorized { .. }), "{found}");
    assert!(registry.log().count() <= 3, "{:?}", registry.log().lines());
}

#[tokio::test]
async fn credentials_of_another_host_are_not_sent() {
    let registry = with_auth(Auth::basic("ci", PASSWORD));
    let dir = tempfile::tempdir().unwrap();
    let mut options = configured(dir.path(), "registry.example", &entry("ci", PASSWORD));
    options.login = login("127.0.0.1", "ci", PASSWORD).login;
    let found = fault(open_with(&registry, options).resolve(&tag("x")).await);
    assert!(matches!(found, Fault::Unauthorized { .. }), "{found}");
    assert!(registry.log().entries().iter().all(|entry| entry.header("authorization").is_none()));
}

#[tokio::test]
async fn path_scoped_credentials() {
    let registry = with_auth(Auth::basic("team", PASSWORD));
    let dir = tempfile::tempdir().unwrap();
    let key = format!("{}/shop", registry.host());
    let options = configured(dir.path(), &key, &entry("team", PASSWORD));
    let registries = Registries::new(options).unwrap();
    let ours = registries.open(&registry.place("shop/config")).unwrap();
    assert_eq!(ours.resolve(&tag("x")).await.unwrap(), None);
    let others = registries.open(&registry.place("others/config")).unwrap();
    assert!(matches!(fault(others.resolve(&tag("x")).await), Fault::Unauthorized { .. }));
}

#[tokio::test]
async fn forbidden_is_not_unauthorized() {
    let registry = with_auth(Auth::Open);
    registry.before_each(|_| crate::support::registry::Act::Fail(403));
    let read = open(&registry).manifest(&Key::Tag(tag("x"))).await;
    assert!(matches!(fault(read), Fault::Forbidden { detail } if detail.contains("INJECTED")));
}
