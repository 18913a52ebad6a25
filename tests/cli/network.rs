//! Which hosts are asked, and through what: proxies, redirects into the
//! network, and the flag that allows them.

use super::{Run, Shop};
use crate::support::{
    proxy::Proxy,
    registry::{Config, Redirect, Registry, Route},
};

const RELEASE: &str = "apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: charts, namespace: shop}
spec: {url: http://charts.example/stable}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec:
  interval: 5m
  chart: {spec: {chart: web, version: 1.0.0, sourceRef: {kind: HelmRepository, name: charts}}}
";

const INDEX: &str = "apiVersion: v1
entries: {web: [{name: web, version: 1.0.0, urls: [web.tgz], digest: \
 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}]}
";

/// ggcr #2259, #2293: a chart repository outside sends a CI job to a machine of
/// its own network.
#[test]
fn ggcr_2293_a_redirect_into_the_network() {
    let inner = Registry::start(Config::default());
    inner.put_blob("", INDEX);
    let outside = Registry::start(Config::default());
    let proxy = Proxy::start(&[("charts.example:80", &outside.host())]);
    let shop = Shop::new();
    shop.write("config/web.yaml", RELEASE);
    shop.commit();
    let publish = |to: &str, more: &[&str]| {
        let to = to.to_owned();
        outside.faults(|faults| {
            faults.redirect = Some(Redirect { route: Route::Other, status: 302, to });
        });
        let words = ["publish", "config", "oci-layout:out:1.0.0", "--key", "a.key", "-o", "json"];
        let mut command = shop.command(&[&words[..], more].concat());
        command.env("HTTP_PROXY", proxy.url());
        Run::of(command.output().unwrap())
    };
    let host = inner.host();
    let port = host.rsplit(':').next().unwrap();
    for (to, shown) in [
        (format!("http://{host}/index.yaml?"), "127.0.0.1"),
        (format!("http://localhost:{port}/index.yaml?"), "localhost"),
        ("http://10.0.0.1/?".to_owned(), "10.0.0.1"),
    ] {
        let run = publish(&to, &[]).ok();
        let reason = run.json()["unresolved"][0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(&format!("refused: `{shown}` is in ")), "{reason}");
        assert!(reason.contains(&format!("`--private-host {shown}`")), "{reason}");
        let required = publish(&to, &["--lock", "require"]);
        assert_eq!(required.code, 3, "{}", required.err);
        assert!(required.err.contains(&format!("`--private-host {shown}`")), "{}", required.err);
    }
    assert_eq!(inner.log().count(), 0);
    let allowed = publish(&format!("http://{host}/index.yaml?"), &["--private-host", &host]).ok();
    assert_eq!(allowed.json()["unresolved"], serde_json::json!([]));
    assert_eq!(allowed.json()["locked"][0]["uri"], "http://charts.example/stable/web.tgz");
    assert_eq!(inner.log().count(), 1);
    let never = publish("http://169.254.169.254/?", &["--private-host", "169.254.169.254"]).ok();
    assert!(never.out.contains("link-local"), "{}", never.out);
    let wrong = publish("", &["--private-host", "http://x"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("`http://x` is no host; expected `HOST[:PORT]`"), "{}", wrong.err);
}
