//! The lock of `examples/shop`, from stand-ins for its charts and images in
//! local registries and in a Helm repository.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use super::*;

/// Files of a directory over HTTP, below a path.
struct Files {
    host: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Files {
    /// Serves `dir` as `/NAME/`.
    fn serve(dir: PathBuf, name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let _ = answer(stream, &dir, name);
            }
        });
        Self { host, stop, thread: Some(thread) }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.host);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers one request of a connection.
fn answer(mut stream: TcpStream, dir: &Path, name: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let file = path.strip_prefix(&format!("/{name}/")).filter(|file| !file.contains('/'));
    let (status, body) = match file.and_then(|file| fs::read(dir.join(file)).ok()) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", b"not here".to_vec()),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len())?;
    stream.write_all(b"Content-Type: application/octet-stream\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)?;
    stream.shutdown(Shutdown::Write)
}

/// An image of the shop: as written there, its place below the mirror.
struct Image {
    reference: &'static str,
    place: &'static str,
    uri: &'static str,
}

const IMAGES: [Image; 8] = [
    Image {
        reference: "busybox:1.37",
        place: "hub/library/busybox:1.37",
        uri: "oci://docker.io/library/busybox",
    },
    Image {
        reference: "ghcr.io/stefanprodan/podinfo:6.9.1",
        place: "stefanprodan/podinfo:6.9.1",
        uri: "oci://ghcr.io/stefanprodan/podinfo",
    },
    Image {
        reference: "registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.7",
        place: "k8s/ingress-nginx/kube-webhook-certgen:v1.6.7",
        uri: "oci://registry.k8s.io/ingress-nginx/kube-webhook-certgen",
    },
    Image {
        reference: "quay.io/jetstack/cert-manager-controller:v1.19.2",
        place: "jetstack/cert-manager-controller:v1.19.2",
        uri: "oci://quay.io/jetstack/cert-manager-controller",
    },
    Image {
        reference: "quay.io/jetstack/cert-manager-webhook:v1.19.2",
        place: "jetstack/cert-manager-webhook:v1.19.2",
        uri: "oci://quay.io/jetstack/cert-manager-webhook",
    },
    Image {
        reference: "quay.io/jetstack/cert-manager-cainjector:v1.19.2",
        place: "jetstack/cert-manager-cainjector:v1.19.2",
        uri: "oci://quay.io/jetstack/cert-manager-cainjector",
    },
    Image {
        reference: "quay.io/jetstack/cert-manager-acmesolver:v1.19.2",
        place: "jetstack/cert-manager-acmesolver:v1.19.2",
        uri: "oci://quay.io/jetstack/cert-manager-acmesolver",
    },
    Image {
        reference: "quay.io/jetstack/cert-manager-startupapicheck:v1.19.2",
        place: "jetstack/cert-manager-startupapicheck:v1.19.2",
        uri: "oci://quay.io/jetstack/cert-manager-startupapicheck",
    },
];

/// The pinned image: nobody is asked.
const CONTROLLER: &str = "82917be97c0939f6ada1717bb39aa7e66c229d6cfb10dcfc8f1bd42f9efe0f81";

/// The stand-ins, and the mirrors that lead to them.
struct Mirrors {
    /// Digests by the URI that the lock records, without the digest.
    expected: BTreeMap<String, String>,
    flags: Vec<String>,
    charts: Files,
}

/// Pushes stand-ins for everything that the shop names.
fn stand_ins(world: &World) -> Mirrors {
    let mut expected = BTreeMap::new();
    for image in &IMAGES {
        push_image(world, image);
        expected.insert(image.uri.to_owned(), world.digest(image.place));
    }
    for (repository, host, chart, version) in [
        ("stefanprodan/charts", "ghcr.io", "podinfo", "6.9.1"),
        ("jetstack/charts", "quay.io", "cert-manager", "v1.19.2"),
    ] {
        let file = package(world, chart, version);
        let place = world.oci(repository);
        let plain = world.plain("");
        let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
        world.peer("helm", &[&["push", &file, &place], &plain[..]].concat()).ok();
        let digest = world.digest(&format!("{repository}/{chart}:{version}"));
        expected.insert(format!("oci://{host}/{repository}/{chart}"), digest);
    }
    let file = package(world, "ingress-nginx", "4.14.3");
    fs::create_dir(world.path("repository")).unwrap();
    fs::rename(world.path(&file), world.path("repository").join(&file)).unwrap();
    let archive = fs::read(world.path("repository").join(&file)).unwrap();
    let home = "https://kubernetes.github.io/ingress-nginx";
    world.peer("helm", &["repo", "index", "repository", "--url", home]).ok();
    expected.insert(format!("{home}/{file}"), Digest::of(&archive).to_string());

    let charts = Files::serve(world.path("repository"), "ingress-nginx");
    let host = world.host();
    let mirrors = [
        format!("docker.io={host}/hub"),
        format!("ghcr.io={host}"),
        format!("quay.io={host}"),
        format!("registry.k8s.io={host}/k8s"),
        format!("kubernetes.github.io={}", charts.host),
    ];
    let flags = mirrors.into_iter().flat_map(|mirror| ["--mirror".to_owned(), mirror]).collect();
    Mirrors { expected, flags, charts }
}

/// A small image; podinfo's is an index of two, as real ones are.
fn push_image(world: &World, image: &Image) {
    let kind = ["--artifact-type", "application/vnd.example.image"];
    let place = world.at(image.place);
    world.write("content", image.reference);
    if !image.place.contains("stefanprodan") {
        world.oras(&[&["push", &place], &kind[..], &["content"]].concat()).ok();
        return;
    }
    for tag in ["amd64", "arm64"] {
        world.write("content", &format!("{} for {tag}", image.reference));
        let part = world.at(&format!("stefanprodan/podinfo:{tag}"));
        world.oras(&[&["push", &part], &kind[..], &["content"]].concat()).ok();
    }
    let plain = world.plain("");
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    let create = ["manifest", "index", "create", &place, "amd64", "arm64"];
    world.peer("oras", &[&create, &plain[..]].concat()).ok();
}

/// A chart without templates; the name of its archive.
fn package(world: &World, name: &str, version: &str) -> String {
    let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    world.write(&format!("charts/{name}/Chart.yaml"), &chart);
    world.peer("helm", &["package", &format!("charts/{name}")]).ok();
    format!("{name}-{version}.tgz")
}

fn publish(world: &World, mirrors: &Mirrors, reference: &str, lock: &str) -> Run {
    let mut arguments = vec!["publish", "work/shop", reference, "--key", "ci.key", "-o", "json"];
    arguments.extend(["--lock", lock]);
    arguments.extend(mirrors.flags.iter().map(String::as_str));
    world.ours(&arguments)
}

/// The dependencies after the commit: by URI without digest, the digest.
fn dependencies(provenance: &Value) -> BTreeMap<String, String> {
    let list = &provenance["predicate"]["buildDefinition"]["resolvedDependencies"];
    let list = list.as_array().expect("dependencies");
    let entry = |dependency: &Value| {
        let digest = format!("sha256:{}", text(&dependency["digest"]["sha256"]));
        let uri = text(&dependency["uri"]);
        (uri.split('@').next().unwrap_or_default().to_owned(), digest)
    };
    list.iter().skip(1).map(entry).collect()
}

on_registries! {
    everything_that_the_shop_names_is_locked
    what_does_not_resolve_is_named =>
    olareg: Olareg Http,
    distribution: Distribution Http,
}

fn everything_that_the_shop_names_is_locked(world: &World) {
    world.shop();
    world.keygen("ci");
    let mirrors = stand_ins(world);
    let place = world.oci("shop/config:1.4.0");
    let published = publish(world, &mirrors, &place, "require").json();
    assert_eq!(published["unresolved"], serde_json::json!([]));
    world.verify("ci.pub", &place).ok();

    let found = world.cosign_statements("ci.pub", "slsaprovenance1", "shop/config:1.4.0");
    let [provenance] = found.as_slice() else { panic!("{found:?}") };
    let list = &provenance["predicate"]["buildDefinition"]["resolvedDependencies"];
    assert!(text(&list[0]["uri"]).starts_with("git+https://github.com/acme/shop@"), "{list}");
    assert_eq!(text(&list[0]["digest"]["gitCommit"]).len(), 40);
    let mut expected = mirrors.expected.clone();
    let controller = "oci://registry.k8s.io/ingress-nginx/controller".to_owned();
    expected.insert(controller.clone(), format!("sha256:{CONTROLLER}"));
    assert_eq!(dependencies(provenance), expected);
    let pinned: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["annotations"]["pinned"] == true)
        .map(|dependency| text(&dependency["uri"]))
        .collect();
    assert_eq!(pinned, [format!("{controller}@sha256:{CONTROLLER}")]);
    for image in &IMAGES {
        let named = texts(list, "uri").iter().any(|uri| uri.starts_with(image.uri));
        assert!(named, "{} is missing: {list}", image.reference);
    }
    // No loopback address of a mirror is recorded.
    assert!(!list.to_string().contains("127.0.0.1"), "{list}");

    // Nothing moved: nothing is written. An image moves: one provenance more.
    let again = publish(world, &mirrors, &place, "require").json();
    assert_eq!(again["unchanged"], true);
    world.write("content", "busybox, rebuilt");
    let busybox = world.at("hub/library/busybox:1.37");
    world.oras(&["push", &busybox, "--artifact-type", "application/x", "content"]).ok();
    let moved = publish(world, &mirrors, &place, "require").json();
    assert_eq!(moved["digest"], published["digest"]);
    assert_eq!(moved["unchanged"], false);
    let found = world.cosign_statements("ci.pub", "slsaprovenance1", "shop/config:1.4.0");
    assert_eq!(found.len(), 2);
}

fn what_does_not_resolve_is_named(world: &World) {
    world.shop();
    world.keygen("ci");
    let mut mirrors = stand_ins(world);
    let place = world.oci("shop/config:1.4.0");
    // A Helm repository whose index knows no digests: the archive is hashed.
    let index = world.path("repository/index.yaml");
    let text_with = fs::read_to_string(&index).unwrap();
    let without: Vec<_> = text_with.lines().filter(|line| !line.contains("digest:")).collect();
    assert_ne!(without.len(), text_with.lines().count(), "{text_with}");
    fs::write(&index, without.join("\n")).unwrap();
    let dry = ["publish", "work/shop", &place, "--key", "ci.key", "--dry-run", "-o", "json"];
    let flags: Vec<&str> = mirrors.flags.iter().map(String::as_str).collect();
    let planned = world.ours(&[&dry, &flags[..], &["--lock", "require"]].concat()).json();
    let home = "https://kubernetes.github.io/ingress-nginx/ingress-nginx-4.14.3.tgz";
    let chart = planned["locked"].as_array().unwrap().iter().find(|locked| locked["uri"] == home);
    assert_eq!(text(&chart.expect("the chart")["digest"]), mirrors.expected[home]);

    // quay.io is led to where nothing is.
    for flag in &mut mirrors.flags {
        if flag.starts_with("quay.io=") {
            *flag = format!("quay.io={}/nowhere", world.host());
        }
    }
    let refused = publish(world, &mirrors, &place, "require").ends(2);
    let refused = refused.says("cert-manager-controller").says("cert-manager-startupapicheck");
    refused.says("oci://quay.io/jetstack/charts/cert-manager");
    world.crane(&["digest", &world.at("shop/config:1.4.0")]).ends(1);

    let published = publish(world, &mirrors, &place, "resolve").json();
    assert_eq!(published["unresolved"].as_array().unwrap().len(), 6, "{published}");
    world.cosign_verify("cosign3", "ci.pub", "shop/config:1.4.0").ok();
    let found = world.cosign_statements("ci.pub", "slsaprovenance1", "shop/config:1.4.0");
    let lock = &found[0]["predicate"]["buildDefinition"]["internalParameters"]["lock"];
    assert_eq!(lock["unresolved"].as_array().unwrap().len(), 6, "{lock}");
    let pinned =
        world.ours(&["publish", "work/shop", &place, "--key", "ci.key", "--require-pinned"]);
    pinned.ends(2).says("busybox:1.37");
    assert!(!mirrors.charts.host.is_empty());
}
