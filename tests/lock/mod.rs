//! `flow::lock` against a registry and a Helm repository in this process.

#![allow(clippy::expect_used, reason = "tests")]

// Hosts that only the bundle names.
mod private;

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, header},
};
use sluicegate::{
    edge::registry::{Options, Registries},
    flow::{
        lock::{LockOptions, resolve},
        progress::Progress,
    },
    model::{
        bundle::{
            lock::{Lock, Unresolved},
            need::{ChartVersion, Kind, Need, Target},
            object::ObjectId,
            path::RelPath,
        },
        digest::Digest,
    },
};

/// What the server answers and what it was asked.
#[derive(Default)]
struct Served {
    contents: HashMap<String, (u16, &'static str, Vec<u8>)>,
    asked: Mutex<Vec<String>>,
    credentials: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Served {
    fn put(&mut self, path: &str, status: u16, media_type: &'static str, body: &[u8]) -> Digest {
        self.contents.insert(path.to_owned(), (status, media_type, body.to_vec()));
        Digest::of(body)
    }

    fn manifest(&mut self, repository: &str, tag: &str, media_type: &'static str) -> Digest {
        let body =
            format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","x":"{repository}:{tag}"}}"#);
        self.put(&format!("/v2/{repository}/manifests/{tag}"), 200, media_type, body.as_bytes())
    }

    fn tags(&mut self, repository: &str, tags: &[&str]) {
        let body = serde_json::json!({"name": repository, "tags": tags}).to_string();
        let path = format!("/v2/{repository}/tags/list");
        self.put(&path, 200, "application/json", body.as_bytes());
    }

    fn count(&self, part: &str) -> usize {
        self.asked.lock().expect("lock").iter().filter(|path| path.contains(part)).count()
    }
}

async fn answer(State(served): State<Arc<Served>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    served.asked.lock().expect("lock").push(path.clone());
    if request.headers().contains_key(header::AUTHORIZATION) {
        served.credentials.fetch_add(1, Ordering::SeqCst);
    }
    let now = served.now.fetch_add(1, Ordering::SeqCst) + 1;
    served.most.fetch_max(now, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(5)).await;
    served.now.fetch_sub(1, Ordering::SeqCst);
    let nothing = (404, "text/plain", b"not here".to_vec());
    let (status, media_type, body) = served.contents.get(&path).unwrap_or(&nothing).clone();
    if path.contains("/stuck/") {
        std::future::pending::<()>().await;
    }
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, media_type)
        .header("docker-content-digest", Digest::of(&body).to_string())
        .body(Body::from(body))
        .expect("a response")
}

/// Serves until the runtime ends; the address is `host:port`.
async fn serve(served: Served) -> (String, Arc<Served>) {
    let served = Arc::new(served);
    let router = Router::new().fallback(answer).with_state(Arc::clone(&served));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, served)
}

fn need(target: Target) -> Need {
    Need {
        kind: Kind::Image,
        file: RelPath::new("a.yaml").expect("a path"),
        object: ObjectId {
            group: "helm.toolkit.fluxcd.io".into(),
            kind: "HelmRelease".into(),
            namespace: "shop".into(),
            name: "web".into(),
        },
        path: "spec".into(),
        at: Default::default(),
        reference: format!("{target:?}"),
        pinned: false,
        target,
    }
}

fn image(host: &str, path: &str, tag: &str) -> Need {
    let (host, path, tag) = (host.into(), path.into(), Some(tag.into()));
    need(Target::Image { host, path, tag, digest: None })
}

fn oci_chart(host: &str, path: &str, version: ChartVersion) -> Need {
    need(Target::OciChart { host: host.into(), path: path.into(), version })
}

fn http_chart(repository: &str, chart: &str, version: Option<&str>) -> Need {
    let (repository, chart) = (repository.into(), chart.into());
    need(Target::HttpChart { repository, chart, version: version.map(str::to_owned) })
}

/// The bundles here name this machine: the user allows it.
fn options() -> Options {
    let private_hosts = vec!["127.0.0.1".parse().expect("a host")];
    Options { private_hosts, ..Options::default() }
}

fn registries() -> Registries {
    Registries::new(options()).expect("registries")
}

fn mirrored(mirrors: &[String]) -> LockOptions {
    let mirrors = mirrors.iter().map(|text| text.parse().expect("a mirror")).collect();
    LockOptions { mirrors, ..LockOptions::default() }
}

async fn lock(needs: &[Need], options: &LockOptions) -> Lock {
    resolve(needs, &registries(), options, |_| {}).await
}

fn failure(unresolved: &Unresolved) -> (&str, bool) {
    (&unresolved.reason, unresolved.absent)
}

#[tokio::test]
async fn everything_is_read_through_mirrors_and_recorded_as_written() {
    let mut served = Served::default();
    let redis = served.manifest("hub/library/redis", "7", INDEX);
    let exact = served.manifest("charts/podinfo", "6.5.0_b1", MANIFEST);
    let range = served.manifest("charts/podinfo", "6.10.0", MANIFEST);
    served.tags("charts/podinfo", &["6.5.0_b1", "6.9.0", "6.10.0", "7.0.0-rc.1", "latest"]);
    let archive = served.put("/helm/stable/pod/a-2.0.0.tgz", 200, "application/gzip", b"archive");
    let known = Digest::of(b"known");
    let index = format!(
        "apiVersion: v1\nentries:\n  a:\n  - {{name: a, version: 2.0.0, urls: [pod/a-2.0.0.tgz]}}\n  \
         b:\n  - {{name: b, version: 1.1.0, digest: {}, urls: ['https://cdn.example/b.tgz?sig=1']}}\n",
        known.hex()
    );
    served.put("/helm/stable/index.yaml", 200, "text/yaml", index.as_bytes());
    let (address, served) = serve(served).await;

    let helm = "https://charts.example/stable";
    let needs = [
        image("docker.io", "library/redis", "7"),
        oci_chart("ghcr.example", "charts/podinfo", ChartVersion::Tag("6.5.0+b1".into())),
        oci_chart("ghcr.example", "charts/podinfo", ChartVersion::Range("6.x".into())),
        http_chart(helm, "a", None),
        http_chart(helm, "b", Some("1.1.0")),
    ];
    let options = mirrored(&[
        format!("docker.io={address}/hub"),
        format!("ghcr.example={address}"),
        format!("charts.example={address}/helm"),
    ]);
    let lock = lock(&needs, &options).await;
    assert_eq!(lock.unresolved, []);
    let found: Vec<_> = lock
        .locked
        .iter()
        .map(|locked| (locked.digest, locked.uri.clone(), locked.version.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            (redis, format!("oci://docker.io/library/redis@{redis}"), None),
            (exact, format!("oci://ghcr.example/charts/podinfo@{exact}"), None),
            (range, format!("oci://ghcr.example/charts/podinfo@{range}"), Some("6.10.0")),
            (archive, "https://charts.example/stable/pod/a-2.0.0.tgz".into(), Some("2.0.0")),
            (known, "https://cdn.example/b.tgz".into(), None),
        ]
    );
    assert_eq!(served.count("index.yaml"), 1);
}

#[tokio::test]
async fn what_is_named_often_is_asked_once() {
    let mut served = Served::default();
    served.manifest("app", "1.0.0", MANIFEST);
    served.put(
        "/helm/index.yaml",
        200,
        "text/yaml",
        b"apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0, urls: [a.tgz]}]}\n",
    );
    served.put("/helm/a.tgz", 200, "application/gzip", b"archive");
    let (address, served) = serve(served).await;
    let helm = format!("http://{address}/helm");
    let mut needs = vec![image(&address, "app", "1.0.0"); 100];
    needs.extend(vec![http_chart(&helm, "a", Some("1.0.0")); 100]);
    needs.push(http_chart(&helm, "a", Some("^1")));
    needs.push(http_chart(&helm, "gone", None));
    let seen = Mutex::new(Vec::new());
    let options = LockOptions::default();
    let lock = resolve(&needs, &registries(), &options, |progress| {
        seen.lock().expect("lock").push(progress);
    })
    .await;
    assert_eq!((lock.locked.len(), lock.unresolved.len()), (201, 1));
    assert_eq!((served.count("/v2/app/manifests/"), served.count("index.yaml")), (1, 1));
    let seen = seen.into_inner().expect("lock");
    assert_eq!(seen.last(), Some(&Progress { done: 4, total: 4 }));
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn only_what_certainly_does_not_exist_is_absent() {
    let mut served = Served::default();
    served.manifest("charts/a", "1.0.0", MANIFEST);
    served.tags("charts/a", &["1.0.0"]);
    served.put("/v2/private/manifests/1", 403, "text/plain", b"no");
    served.put("/helm/index.yaml", 200, "text/yaml", b"apiVersion: v1\nentries: {}\n");
    served.put("/page/index.yaml", 200, "text/html", b"<html></html>");
    let (address, _) = serve(served).await;
    let helm = |path: &str| format!("http://{address}/{path}");
    let needs = [
        image(&address, "app", "gone"),
        image(&address, "app", "no tag"),
        oci_chart(&address, "charts/a", ChartVersion::Range(">=2".into())),
        oci_chart(&address, "charts/a", ChartVersion::Range("nonsense".into())),
        http_chart(&helm("helm"), "a", None),
        http_chart("nonsense", "a", None),
        image(&address, "private", "1"),
        image(&address, "stuck", "1"),
        http_chart(&helm("page"), "a", None),
    ];
    let options = Options { deadline: Duration::from_secs(2), ..options() };
    let registries = Registries::new(options).expect("registries");
    let lock = resolve(&needs, &registries, &LockOptions::default(), |_| {}).await;
    assert_eq!(lock.locked, []);
    let failures: Vec<_> = lock.unresolved.iter().map(failure).collect();
    for (index, absent, part) in [
        (0, true, "has no tag `gone`"),
        (1, true, "is not a tag"),
        (2, true, "no tag of"),
        (3, true, "is not a version range"),
        (4, true, "the repository has no chart `a`"),
        (5, true, "is not an http or https URL"),
        (6, false, "(403)"),
        (7, false, "no answer within"),
        (8, false, "the index"),
    ] {
        let (reason, is_absent) = failures[index];
        assert!(reason.contains(part), "{index}: {reason}");
        assert_eq!(is_absent, absent, "{index}: {reason}");
    }
    assert_eq!(lock.require().len(), needs.len());
}

#[tokio::test]
async fn what_carries_its_digest_costs_no_request() {
    let (address, served) = serve(Served::default()).await;
    let digest = Digest::of(b"x");
    let pinned = Need {
        pinned: true,
        ..need(Target::Image {
            host: address.clone(),
            path: "app".into(),
            tag: None,
            digest: Some(digest),
        })
    };
    let chart = oci_chart(&address, "charts/a", ChartVersion::Digest(digest));
    let lock = lock(&[pinned, chart], &LockOptions::default()).await;
    assert_eq!(lock.locked.len(), 2);
    assert!(lock.locked.iter().all(|locked| locked.digest == digest));
    assert_eq!(served.count(""), 0);
}

/// Advisory row in the spirit of CVE-2020-15157: credentials found for the
/// original host must not reach the host of a mirror.
#[tokio::test]
async fn credentials_of_the_original_are_not_sent_to_a_mirror() {
    use sluicegate::edge::{registry::Login, secret::Secret};
    let mut served = Served::default();
    served.put("/v2/app/manifests/1", 401, "text/plain", b"who are you?");
    let (address, served) = serve(served).await;
    let login = Login {
        host: "registry.example".into(),
        username: "ci".into(),
        password: Secret::new("hunter2"),
    };
    let options = Options { login: Some(login), ..Options::default() };
    let registries = Registries::new(options).expect("registries");
    let mirror = mirrored(&[format!("registry.example={address}")]);
    let lock =
        resolve(&[image("registry.example", "app", "1")], &registries, &mirror, |_| {}).await;
    assert_eq!(lock.unresolved.len(), 1);
    assert!(!lock.unresolved[0].absent);
    assert!(served.count("/v2/app/") > 0);
    assert_eq!(served.credentials.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn questions_run_side_by_side_but_not_all_at_once() {
    let mut served = Served::default();
    for app in 0..40 {
        served.manifest(&format!("app{app}"), "1", MANIFEST);
    }
    let (address, served) = serve(served).await;
    let needs: Vec<_> = (0..40).map(|app| image(&address, &format!("app{app}"), "1")).collect();
    let options = LockOptions { parallel: 4, ..LockOptions::default() };
    assert_eq!(lock(&needs, &options).await.locked.len(), 40);
    let most = served.most.load(Ordering::SeqCst);
    assert!((1..=4).contains(&most), "{most}");
}

#[tokio::test]
async fn a_large_index_is_read_again_alone() {
    let mut text = String::from("apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, ");
    writeln!(text, "digest: {}, urls: [a.tgz]}}", Digest::of(b"a").hex()).expect("text");
    while text.len() < 3 << 20 {
        let long = "x".repeat(100_000);
        writeln!(text, "  {}: [{{name: b, description: {long}}}]", text.len()).expect("text");
    }
    let mut served = Served::default();
    served.put("/helm/index.yaml", 200, "text/yaml", text.as_bytes());
    let (address, served) = serve(served).await;
    let needs = [http_chart(&format!("http://{address}/helm"), "a", None)];
    let lock = lock(&needs, &LockOptions::default()).await;
    assert_eq!(lock.unresolved, []);
    assert_eq!(served.count("index.yaml"), 2);
}

#[tokio::test]
async fn an_archive_over_the_limit_is_not_hashed() {
    let mut served = Served::default();
    served.put(
        "/helm/index.yaml",
        200,
        "text/yaml",
        b"apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0, urls: [a.tgz]}]}\n",
    );
    served.put("/helm/a.tgz", 200, "application/gzip", &[0; 2000]);
    let (address, _) = serve(served).await;
    let needs = [http_chart(&format!("http://{address}/helm"), "a", None)];
    let options = LockOptions { max_chart: 1000, ..LockOptions::default() };
    let lock = lock(&needs, &options).await;
    let (reason, absent) = failure(&lock.unresolved[0]);
    assert!(reason.contains("larger than the limit") && !absent, "{reason}");
}

/// ggcr #2259/#2293: a URL that only an answer names must not reach the
/// metadata service of a cloud.
#[tokio::test]
async fn an_index_cannot_send_us_to_link_local_space() {
    let mut served = Served::default();
    served.put(
        "/helm/index.yaml",
        200,
        "text/yaml",
        b"apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0, \
          urls: ['http://169.254.169.254/latest/meta-data/']}]}\n",
    );
    let (address, _) = serve(served).await;
    let needs = [http_chart(&format!("http://{address}/helm"), "a", None)];
    let lock = lock(&needs, &LockOptions::default()).await;
    let (reason, absent) = failure(&lock.unresolved[0]);
    assert!(reason.contains("refused") && !absent, "{reason}");
}
