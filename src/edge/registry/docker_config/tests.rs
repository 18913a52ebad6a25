use super::*;

fn repository(text: &str) -> Repository {
    let (host, path) = text.split_once('/').unwrap();
    Repository::new(host, path).unwrap()
}

async fn found(json: &str, at: &str) -> Result<Option<Found>, Fault> {
    let file = Path::new("/x/config.json");
    look_up(file, &parse(file, json.as_bytes())?, &repository(at)).await
}

/// What was found, secrets and all, for comparison.
async fn shown(json: &str, at: &str) -> String {
    match found(json, at).await.unwrap().map(|found| found.credential) {
        None => "none".into(),
        Some(Credential::Password { username, password }) => {
            format!("{username}:{}", password.expose())
        }
        Some(Credential::Identity(token)) => format!("identity {}", token.expose()),
        Some(Credential::Bearer(token)) => format!("bearer {}", token.expose()),
    }
}

#[tokio::test]
async fn the_longest_key_that_covers_the_repository_wins() {
    // "u1:p1" and so on, base64.
    let json = r#"{"auths": {
        "registry.example": {"auth": "dTE6cDE="},
        "registry.example/team": {"auth": "dTI6cDI="},
        "registry.example/team/shop": {"auth": "dTM6cDM="},
        "registry.example:5000": {"auth": "dTQ6cDQ="}
    }}"#;
    for (at, wanted) in [
        ("registry.example/other/x", "u1:p1"),
        ("registry.example/team/x", "u2:p2"),
        ("registry.example/teams/x", "u1:p1"),
        ("registry.example/team/shop", "u3:p3"),
        ("registry.example/team/shop/config", "u3:p3"),
        ("registry.example/team/shopping", "u2:p2"),
        ("registry.example:5000/team/shop", "u4:p4"),
        ("registry.example.evil/team/shop", "none"),
        ("evil.example/registry.example", "none"),
    ] {
        assert_eq!(shown(json, at).await, wanted, "{at}");
    }
}

#[tokio::test]
async fn keys_may_carry_a_scheme_and_docker_hub_has_aliases() {
    for key in [
        "https://index.docker.io/v1/",
        "index.docker.io",
        "docker.io",
        "registry-1.docker.io",
        "https://registry-1.docker.io/v2/",
    ] {
        let json = format!(r#"{{"auths": {{"{key}": {{"auth": "dTE6cDE="}}}}}}"#);
        assert_eq!(shown(&json, "docker.io/library/nginx").await, "u1:p1", "{key}");
    }
    for key in
        ["http://registry.example", "https://registry.example/", "https://Registry.example/v2/"]
    {
        let json = format!(r#"{{"auths": {{"{key}": {{"username": "u", "password": "p"}}}}}}"#);
        assert_eq!(shown(&json, "registry.example/x").await, "u:p", "{key}");
    }
}

#[tokio::test]
async fn every_form_of_an_entry() {
    for (entry, wanted) in [
        (r#"{"auth": "dTpwOnE="}"#, "u:p:q"),
        (r#"{"auth": "dTpw"}"#, "u:p"),
        (r#"{"auth": "dTpwAA=="}"#, "u:p"),
        (r#"{"auth": "PHRva2VuPjp0"}"#, "identity t"),
        (r#"{"username": "u", "password": "p"}"#, "u:p"),
        (r#"{"auth": "dTo=", "identitytoken": "t"}"#, "identity t"),
        (r#"{"registrytoken": "t"}"#, "bearer t"),
        ("{}", "none"),
        ("null", "none"),
        (r#"{"auth": ""}"#, "none"),
    ] {
        let json = format!(r#"{{"auths": {{"r.example": {entry}}}, "HttpHeaders": {{"a": "b"}}}}"#);
        assert_eq!(shown(&json, "r.example/x").await, wanted, "{entry}");
    }
    assert_eq!(shown("{}", "r.example/x").await, "none");
    assert_eq!(shown("", "r.example/x").await, "none");
    assert_eq!(shown(r#"{"auths": null}"#, "r.example/x").await, "none");
}

#[tokio::test]
async fn a_malformed_file_is_named_and_never_quoted() {
    let error = found("{\n \"auths\": {\"r.example\": \"hunter2\"}}", "r.example/x").await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("`/x/config.json` line 2"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");

    let error = found(r#"{"auths": {"r.example": {"auth": "hunter2"}}}"#, "r.example/x").await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("`r.example` in `/x/config.json`"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn flux_cve_2021_41254_a_helper_is_a_name_never_a_path_or_a_command() {
    for name in ["../x", "a b", "x;id", "/bin/sh", "$(id)", ""] {
        let json = format!(r#"{{"credHelpers": {{"r.example": "{name}"}}}}"#);
        let text = found(&json, "r.example/x").await.unwrap_err().to_string();
        assert!(text.contains("letters, digits"), "{name}: {text}");
    }
}

#[tokio::test]
async fn a_helper_that_is_missing_is_an_error() {
    let json = r#"{"credsStore": "sluicegate-test-no-such-helper"}"#;
    let text = found(json, "r.example/x").await.unwrap_err().to_string();
    assert!(text.contains("docker-credential-sluicegate-test-no-such-helper"), "{text}");
    assert!(text.contains("/x/config.json"), "{text}");
}

#[tokio::test]
async fn files_are_asked_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("first.json"), r#"{"auths": {"a.example": {"auth": "dTE6cDE="}}}"#)
        .unwrap();
    std::fs::write(
        path("config.json"),
        r#"{"auths": {"a.example": {"auth": "dTI6cDI="}, "b.example": {"auth": "dTM6cDM="}}}"#,
    )
    .unwrap();
    let source = DockerConfigSource {
        registry_auth_file: Some(path("first.json")),
        docker_config: Some(dir.path().to_owned()),
        runtime_dir: Some(path("nowhere")),
        home: None,
    };
    let origin =
        async |at: &str| find(&source, &repository(at)).await.unwrap().map(|found| found.origin);
    assert!(origin("a.example/x").await.unwrap().contains("first.json"));
    assert!(origin("b.example/x").await.unwrap().contains("config.json"));
    assert_eq!(origin("c.example/x").await, None);
}
