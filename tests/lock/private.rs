//! Whoever can change a manifest chooses what a CI job asks while it resolves
//! the lock. ggcr #2259, #2293: none of it may be a machine of its network that
//! the user did not name.

use std::net::IpAddr;

use sluicegate::edge::registry::{DockerConfigSource, Lookup};

use super::*;

/// A registry with an image and a chart, and a Helm repository.
async fn peer() -> (String, Arc<Served>) {
    let mut served = Served::default();
    served.manifest("app", "1", MANIFEST);
    served.manifest("charts/a", "1.0.0", MANIFEST);
    served.tags("charts/a", &["1.0.0"]);
    served.put("/helm/index.yaml", 200, "text/yaml", index("a.tgz").as_bytes());
    served.put("/helm/a.tgz", 200, "application/gzip", b"archive");
    serve(served).await
}

fn index(archive: &str) -> String {
    format!("apiVersion: v1\nentries: {{a: [{{name: a, version: 1.0.0, urls: ['{archive}']}}]}}\n")
}

/// One of each kind, all at `host`.
fn needs(host: &str) -> [Need; 4] {
    [
        image(host, "app", "1"),
        oci_chart(host, "charts/a", ChartVersion::Tag("1.0.0".into())),
        oci_chart(host, "charts/a", ChartVersion::Range("1.x".into())),
        http_chart(&format!("http://{host}/helm"), "a", Some("1.0.0")),
    ]
}

async fn resolved(needs: &[Need], options: Options, mirrors: &[String]) -> Lock {
    let registries = Registries::new(options).expect("registries");
    resolve(needs, &registries, &mirrored(mirrors), |_| {}).await
}

fn allowing(hosts: &[&str]) -> Options {
    let private_hosts = hosts.iter().map(|host| host.parse().expect("a host")).collect();
    Options { private_hosts, ..Options::default() }
}

/// That nothing was resolved, for the reason given, and how to allow it.
#[track_caller]
fn refused(lock: &Lock, host: &str, why: &str) {
    assert_eq!(lock.locked, [], "{host}");
    for unresolved in &lock.unresolved {
        let (reason, absent) = failure(unresolved);
        assert!(reason.contains(why), "{host}: {reason}");
        assert!(reason.contains(&format!("`--private-host {host}`")), "{host}: {reason}");
        assert!(!absent, "{reason}");
    }
    assert_eq!(lock.require().len(), lock.unresolved.len());
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().expect("a port")
}

#[tokio::test]
async fn ggcr_2293_an_address_that_only_the_bundle_names() {
    let (address, served) = peer().await;
    let port = port(&address);
    for (host, shown) in [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("x.localhost", "x.localhost"),
        ("2130706433.localhost", "2130706433.localhost"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("[::1]", "[::1]"),
        ("[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    ] {
        let lock = resolved(&needs(&format!("{host}:{port}")), Options::default(), &[]).await;
        assert_eq!(lock.unresolved.len(), 4);
        refused(&lock, shown, "is in loopback address space");
    }
    for host in ["10.255.255.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fd00::1]"] {
        let lock = resolved(&needs(&format!("{host}:{port}")), Options::default(), &[]).await;
        refused(&lock, host, "is in private address space");
    }
    assert_eq!(served.count(""), 0);
}

#[tokio::test]
async fn ggcr_2293_link_local_is_refused_even_when_allowed() {
    let hosts = ["169.254.169.254", "[fe80::1]"];
    for host in hosts {
        let lock = resolved(&needs(host), allowing(&hosts), &[]).await;
        assert_eq!(lock.locked, []);
        for unresolved in &lock.unresolved {
            let (reason, _) = failure(unresolved);
            assert!(reason.contains("is in link-local address space"), "{reason}");
            assert!(!reason.contains("--private-host"), "{reason}");
        }
    }
}

/// A name is judged where it becomes an address, each time that a connection is
/// made; one address of several is enough to refuse it.
#[tokio::test]
async fn ggcr_2293_a_name_that_leads_inside() {
    let (address, served) = peer().await;
    let host = format!("charts.example:{}", port(&address));
    for addresses in [&["127.0.0.1"][..], &["8.8.8.8", "127.0.0.1"], &["10.0.0.1"], &["fd00::1"]] {
        let answer: Vec<IpAddr> =
            addresses.iter().map(|text| text.parse().expect("an address")).collect();
        let options = Options { lookup: Lookup::by(move |_| Ok(answer.clone())), ..allowing(&[]) };
        let lock = resolved(&needs(&host), options, &[]).await;
        let last = addresses.last().expect("an address");
        refused(&lock, "charts.example", &format!("`charts.example` leads to {last}, which is in"));
    }
    assert_eq!(served.count(""), 0);

    let lookup = Lookup::by(|_| Ok(vec![[127, 0, 0, 1].into()]));
    let options = Options { lookup, ..allowing(&["charts.example"]) };
    let lock = resolved(&needs(&host)[3..], options, &[]).await;
    assert_eq!(lock.unresolved, []);
}

/// What an index lists is content too, wherever the index itself lies.
#[tokio::test]
async fn ggcr_2293_an_archive_that_only_an_index_names() {
    let (inner, asked) = peer().await;
    let mut served = Served::default();
    for (at, archive) in
        [format!("http://{inner}/helm/a.tgz"), format!("oci://{inner}/charts/a:1.0.0")]
            .iter()
            .enumerate()
    {
        served.put(&format!("/{at}/index.yaml"), 200, "text/yaml", index(archive).as_bytes());
    }
    let (address, served) = serve(served).await;
    let mirror = [format!("charts.example={address}")];
    let needs =
        [0, 1].map(|at| http_chart(&format!("https://charts.example/{at}"), "a", Some("1.0.0")));
    let lock = resolved(&needs, Options::default(), &mirror).await;
    assert_eq!(served.count("index.yaml"), 2);
    refused(&lock, "127.0.0.1", "is in loopback address space");
    assert_eq!(asked.count(""), 0);
    let lock = resolved(&needs, allowing(&[&inner]), &mirror).await;
    assert_eq!(lock.unresolved, []);
}

#[tokio::test]
async fn ggcr_2293_what_the_user_named_is_asked() {
    let (address, _) = peer().await;
    let needs = needs(&address);
    let dir = tempfile::tempdir().expect("a directory");
    let entry = serde_json::json!({"auths": {format!("{address}/team"): {}}});
    std::fs::write(dir.path().join("config.json"), entry.to_string()).expect("a file");
    let file = dir.path().join("auth.json");
    let helper = serde_json::json!({"credHelpers": {address.clone(): "none"}});
    std::fs::write(&file, helper.to_string()).expect("a file");
    let nowhere = DockerConfigSource::default();
    let docker = DockerConfigSource { docker_config: Some(dir.path().to_owned()), ..nowhere };
    let podman =
        DockerConfigSource { registry_auth_file: Some(file), ..DockerConfigSource::default() };
    for options in [
        allowing(&[&address]),
        allowing(&["127.0.0.1"]),
        Options { own_hosts: vec![address.clone()], ..Options::default() },
        Options { docker_config: docker, ..Options::default() },
        Options { docker_config: podman, ..Options::default() },
    ] {
        assert_eq!(resolved(&needs, options, &[]).await.unresolved, []);
    }
    // As a mirror of anything.
    let mirror = [format!("quay.io={address}")];
    assert_eq!(resolved(&needs, Options::default(), &mirror).await.unresolved, []);
    // Another port of the same machine is another host.
    for options in [
        allowing(&["127.0.0.1:1"]),
        Options { own_hosts: vec!["127.0.0.1:1".into()], ..Options::default() },
    ] {
        let lock = resolved(&needs, options, &["quay.io=127.0.0.1:1".to_owned()]).await;
        refused(&lock, "127.0.0.1", "is in loopback address space");
    }
}
