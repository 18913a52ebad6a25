//! Registries that repeat the credentials they were sent.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{StreamExt as _, stream};
use sluicegate::{
    edge::registry::{DockerConfigSource, Lookup, Trace},
    model::reference::{Place, Repository},
};

use super::*;
use crate::support::echo::{Echo, TOKEN, WAYS, Way};

/// One that a host may be called, and one that has to be encoded everywhere.
const PASSWORDS: [&str; 2] = ["hunter2-of-the-echo", "hunter2/of+the & \"echö%"];

/// What must not be seen, in lower case.
fn secrets(password: &str) -> Vec<String> {
    let both = format!("ci:{password}");
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let forms = [
        password.to_owned(),
        "hunter2".to_owned(),
        both.clone(),
        STANDARD.encode(&both).trim_end_matches('=').to_owned(),
        STANDARD.encode(password).trim_end_matches('=').to_owned(),
        encode(password),
        encode(&both),
        TOKEN.to_owned(),
        STANDARD.encode(TOKEN).trim_end_matches('=').to_owned(),
    ];
    forms.map(|form| form.to_ascii_lowercase()).into()
}

/// The ways to have a credential: the entry of a docker config, and whether the
/// registry wants tokens.
fn entries(password: &str) -> [(serde_json::Value, bool); 4] {
    let auth = serde_json::json!({"auth": STANDARD.encode(format!("ci:{password}"))});
    [
        (auth.clone(), false),
        (auth, true),
        (serde_json::json!({"identitytoken": password}), true),
        (serde_json::json!({"registrytoken": password.replace(['"', 'ö'], "x")}), true),
    ]
}

/// Everything that one says about an echo in every operation.
async fn heard(echo: &Echo, entry: &serde_json::Value) -> String {
    let dir = tempfile::tempdir().unwrap();
    let config = serde_json::json!({"auths": {echo.host(): entry}});
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let lines = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&lines);
    let options = Options {
        docker_config: DockerConfigSource {
            docker_config: Some(dir.path().to_owned()),
            ..DockerConfigSource::default()
        },
        trace: Trace::to(move |line| {
            let mut lines = told.lock().unwrap();
            lines.push_str(line);
            lines.push('\n');
        }),
        lookup: Lookup::by(|name| Err(std::io::Error::other(format!("no such host: {name}")))),
        ..hurried()
    };
    let place = Place::Registry(Repository::new(&echo.host(), REPOSITORY).unwrap());
    let store = Registries::new(options).unwrap().open(&place).unwrap();
    let (digest, descriptor) = (Digest::of(b"x"), Descriptor::of("x", b"x"));
    let mut said = Vec::new();
    let key = Key::Tag(tag("x"));
    let mut say = |text: String| said.push(text);
    say(spoken(store.resolve(&tag("x")).await));
    // What a document says is content; of the rest, what the registry says of it.
    let read = store.manifest(&key).await;
    say(spoken(read.map(|found| found.map(|found| found.descriptor))));
    say(spoken(store.has_blob(&digest).await));
    say(spoken(store.blob(&descriptor, 10).await.map(drop)));
    say(match store.open_blob(&descriptor).await {
        Ok(mut reader) => spoken(reader.chunk().await.map(drop)),
        Err(error) => spoken::<()>(Err(error)),
    });
    say(spoken(store.referrers(&digest, 10).await));
    say(spoken(store.tags(10).await));
    say(spoken(store.put_blob(&Blob::of("x", "x"), None).await));
    let etag = "\"x\"".to_owned();
    let expect = Expect::Unchanged { etag };
    say(spoken(store.put_manifest(&key, media::OCI_MANIFEST, manifest("x"), &expect).await));
    say(lines.lock().unwrap().clone());
    said.join("\n")
}

/// A result as an error shows it, or what it holds.
fn spoken<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error}: {}\n{error:?}", error.fault),
    }
}

#[tokio::test]
async fn oras_ghsa_5jhf_2qmf_m8c5_a_registry_that_repeats_what_it_was_sent() {
    let mut runs = Vec::new();
    for password in PASSWORDS {
        for way in WAYS {
            for (entry, bearer) in entries(password) {
                let token = matches!(way, Way::Token(_));
                if token && (!bearer || entry.get("registrytoken").is_some()) {
                    continue;
                }
                runs.push(async move {
                    let echo = Echo::start(way, bearer);
                    let text = heard(&echo, &entry).await;
                    assert!(echo.was_told(), "{way:?}: {text}");
                    let lower = text.to_ascii_lowercase();
                    for secret in secrets(password) {
                        assert!(!lower.contains(&secret), "{way:?} {entry}: `{secret}` in {text}");
                    }
                    text.contains("[redacted]")
                });
            }
        }
    }
    // Not all at once: each has a server of its own, and little time.
    let all = runs.len();
    let found: Vec<bool> = stream::iter(runs).buffer_unordered(6).collect().await;
    let redacted = found.iter().filter(|found| **found).count();
    assert!(redacted * 3 > all * 2, "only {redacted} of {all} runs had anything to take out");
}
