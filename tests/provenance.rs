//! The provenance that `publish` writes keeps to both of its JSON Schemas, and
//! they refuse what it must not be.

use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::{Value, json};
use sluicegate::model::{
    bundle::{
        lock::{Lock, Locked, Unresolved},
        need::{Kind, Need, Target},
        object::ObjectId,
        path::RelPath,
    },
    digest::Digest,
    source::{Origin, Source},
    statement::{
        intoto,
        provenance::{self, Build},
    },
    uris,
};

#[test]
fn what_is_written_is_valid() {
    for (source, lock) in
        [(from_git(), None), (from_git(), Some(lock())), (asserted(), Some(Lock::default()))]
    {
        let statement = written(&source, lock.as_ref());
        assert_valid(&statement);
    }
}

#[test]
fn the_example_of_the_page_is_valid() {
    assert_valid(&example());
}

/// A pointer into the example, what is put there (nothing: it is removed), and
/// whether the general schema refuses it too.
#[test]
fn what_is_wrong_is_refused() {
    let build = "/predicate/buildDefinition";
    let run = "/predicate/runDetails";
    let wrong = [
        ("/_type".to_owned(), Some(json!("https://in-toto.io/Statement/v0.1")), true),
        ("/subject".to_owned(), Some(json!([])), true),
        ("/subject/0/digest".to_owned(), None, true),
        ("/subject/0/digest".to_owned(), Some(json!({})), true),
        ("/subject/0/digest/sha256".to_owned(), Some(json!("abc")), true),
        ("/predicateType".to_owned(), Some(json!("https://slsa.dev/provenance/v0.2")), true),
        ("/predicate".to_owned(), None, true),
        (format!("{build}/buildType"), None, true),
        (format!("{build}/externalParameters"), None, true),
        (format!("{build}/resolvedDependencies/1"), Some(json!({"name": "x"})), true),
        (format!("{run}/builder/id"), None, true),
        (format!("{run}/metadata/startedOn"), Some(json!("2026-11-20T10:00:00+01:00")), true),
        (format!("{build}/buildType"), Some(json!("https://example.com/v1")), false),
        (format!("{build}/externalParameters/more"), Some(json!(1)), false),
        (format!("{build}/externalParameters/dirty"), None, false),
        (format!("{build}/externalParameters/origin"), Some(json!("guess")), false),
        (format!("{build}/externalParameters/source/ref"), Some(json!("main")), false),
        (format!("{build}/externalParameters/source/path"), Some(json!("/abs")), false),
        (format!("{build}/externalParameters/source/path"), None, false),
        (format!("{build}/externalParameters/tags"), Some(json!(["a b"])), false),
        (format!("{build}/internalParameters/lock/mode"), Some(json!("off")), false),
        (format!("{build}/internalParameters/lock/unresolved"), None, false),
        (format!("{build}/resolvedDependencies"), Some(json!([])), false),
        (format!("{build}/resolvedDependencies/0/digest"), None, false),
        (format!("{build}/resolvedDependencies/1/digest"), None, false),
        (format!("{build}/resolvedDependencies/1/annotations/pinned"), None, false),
        (format!("{run}/builder/id"), Some(json!("https://sluicegate.dev/builders/x/v1")), false),
        (format!("{run}/byproducts"), None, false),
    ];
    let (general, strict) = schemas();
    for (pointer, value, generally) in wrong {
        let statement = changed(&pointer, value.as_ref());
        assert!(!strict.is_valid(&statement), "{pointer} = {value:?} is accepted");
        assert_eq!(general.is_valid(&statement), !generally, "{pointer} = {value:?} in general");
    }
}

#[test]
fn builders_are_those_of_the_code() {
    let schema = schema(include_str!("../schemas/config-bundle-provenance.schema.json"));
    let listed = schema
        .pointer("/$defs/runDetails/properties/builder/properties/id/enum")
        .and_then(Value::as_array)
        .expect("the builders");
    for id in [uris::BUILDER_GITHUB, uris::BUILDER_LOCAL, uris::BUILDER_TEKTON] {
        assert!(listed.iter().any(|entry| entry == id), "{id}");
    }
    let code = include_str!("../src/model/uris.rs");
    assert_eq!(listed.len(), code.matches("pub const BUILDER_").count());
}

fn assert_valid(statement: &Value) {
    let (general, strict) = schemas();
    for validator in [general, strict] {
        let errors: Vec<String> = validator
            .iter_errors(statement)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{statement:#}");
    }
}

fn schemas() -> (Validator, Validator) {
    let build = |text| jsonschema::draft202012::new(&schema(text)).expect("a schema");
    (
        build(include_str!("../schemas/provenance.schema.json")),
        build(include_str!("../schemas/config-bundle-provenance.schema.json")),
    )
}

fn schema(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The example of docs/uris.md.
fn example() -> Value {
    let page = include_str!("../docs/uris.md");
    let block = page.split("```json\n").nth(1).and_then(|rest| rest.split("\n```").next());
    schema(block.expect("the example"))
}

/// The example with one place changed or removed.
fn changed(pointer: &str, value: Option<&Value>) -> Value {
    let mut statement = example();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = statement.pointer_mut(parent).expect("the place is in the example");
    match (parent, value) {
        (Value::Object(fields), Some(value)) => {
            fields.insert(key.to_owned(), value.clone());
        }
        (Value::Object(fields), None) => {
            fields.remove(key).expect("the field is in the example");
        }
        (Value::Array(items), Some(value)) => {
            items[key.parse::<usize>().expect("an index")] = value.clone();
        }
        other => panic!("{pointer}: {other:?}"),
    }
    statement
}

fn written(source: &Source, lock: Option<&Lock>) -> Value {
    let diff_id = Digest::of(b"tar");
    let build = Build {
        source,
        tags: &["1.4.0".to_owned(), "latest".to_owned()],
        builder: uris::BUILDER_LOCAL,
        run_url: Some("https://ci.example/run/1"),
        diff_id: &diff_id,
        lock,
        time: (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH),
    };
    let subject = Digest::of(b"manifest");
    let predicate = provenance::write(build);
    let bytes =
        intoto::write(&subject, Some("registry.example/shop"), uris::PROVENANCE, &predicate);
    serde_json::from_slice(&bytes.expect("write")).expect("JSON")
}

fn from_git() -> Source {
    Source {
        repository: "https://github.com/acme/shop".into(),
        reference: Some("refs/heads/main".into()),
        revision: format!("main@sha1:{}", "a".repeat(40)),
        commit: Some("a".repeat(40)),
        path: Some("deploy".into()),
        committed: None,
        origin: Origin::Git,
        dirty: false,
    }
}

fn asserted() -> Source {
    Source {
        reference: None,
        revision: "build 7".into(),
        commit: None,
        path: None,
        origin: Origin::Flag,
        ..from_git()
    }
}

/// How the lock was made is in the statement as it was demanded.
#[test]
fn the_mode_of_the_lock_is_recorded() {
    let mode = |lock: Option<&Lock>| {
        written(&from_git(), lock)["predicate"]["buildDefinition"]["internalParameters"]["lock"]
            ["mode"]
            .clone()
    };
    let required = Lock { required: true, unresolved: Vec::new(), ..lock() };
    assert_eq!(mode(Some(&lock())), "resolve");
    assert_eq!(mode(Some(&required)), "require");
    assert_eq!(mode(None), "off");
    let (_, strict) = schemas();
    assert!(strict.is_valid(&written(&from_git(), Some(&required))));
}

fn lock() -> Lock {
    let need = Need {
        kind: Kind::Chart,
        file: RelPath::new("releases/podinfo.yaml").expect("a path"),
        object: ObjectId {
            group: "helm.toolkit.fluxcd.io".into(),
            kind: "HelmRelease".into(),
            namespace: "shop".into(),
            name: "podinfo".into(),
        },
        path: "spec.chart.spec".into(),
        at: Default::default(),
        reference: "podinfo 6.x (https://charts.example)".into(),
        pinned: false,
        target: Target::HttpChart {
            repository: "https://charts.example".into(),
            chart: "podinfo".into(),
            version: Some("6.x".into()),
        },
    };
    Lock {
        required: false,
        locked: vec![Locked {
            need: need.clone(),
            digest: Digest::of(b"chart"),
            uri: "https://charts.example/podinfo-6.9.1.tgz".into(),
            version: Some("6.9.1".into()),
        }],
        unresolved: vec![Unresolved { need, reason: "it is not there".into(), absent: true }],
    }
}
