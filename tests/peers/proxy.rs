//! Through a forward proxy to real registries, and which protocol they speak.

use super::*;
use crate::support::proxy::Proxy;

const PLACE: &str = "oci://registry.example/shop/config:1.4.0";

fn prepared(world: &World) -> Proxy {
    world.shop();
    world.keygen("ci");
    let port = if world.registry.access == Access::Tls { 443 } else { 80 };
    Proxy::start(&[(&format!("registry.example:{port}"), world.host())])
}

fn behind(world: &World, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = world.ours_command(arguments);
    command.env_remove("HTTP_PROXY").env_remove("HTTPS_PROXY");
    command.envs(variables.iter().copied());
    if world.registry.access == Access::Http {
        command.arg("--plain-http");
    }
    Run::of(command, None)
}

on_registries! {
    the_registry_is_reached_through_the_proxy =>
    olareg: Olareg Http,
    olareg_tls: Olareg Tls,
    distribution: Distribution Http,
    distribution_tls: Distribution Tls,
}

fn the_registry_is_reached_through_the_proxy(world: &World) {
    let proxy = prepared(world);
    let url = proxy.url();
    let tls = world.registry.access == Access::Tls;
    let name = if tls { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let publish = ["publish", "work/shop", PLACE, "--key", "ci.key", "--lock", "off"];
    let verify = ["verify", PLACE, "--key", "ci.pub", "--require-provenance", "--deep"];
    behind(world, &[(name, &url)], &publish).ok();
    behind(world, &[("ALL_PROXY", &url)], &verify).ok();
    world.verify("ci.pub", &world.oci("shop/config:1.4.0")).ok();
    let asked = proxy.asked();
    assert!(asked.len() >= 2, "{asked:?}");
    for line in &asked {
        match tls {
            true => assert_eq!(line, "CONNECT registry.example:443"),
            false => assert!(line.contains(" http://registry.example/v2/shop/config/"), "{line}"),
        }
    }
    // Without the proxy there is no such host: nobody else was asked.
    let none = [(name, url.as_str()), ("NO_PROXY", "registry.example")];
    behind(world, &none, &[&verify[..], &["--timeout", "5s"]].concat()).ends(3);
    let other = if tls { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    let wrong = [(other, url.as_str())];
    behind(world, &wrong, &[&verify[..], &["--timeout", "5s"]].concat()).ends(3);
    assert_eq!(proxy.asked().len(), asked.len());
}

/// Registries written in Go speak HTTP/2 over TLS, and so do we, also through
/// the tunnel of a proxy: many requests at once in one connection.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn http_2_over_tls() {
    let world = World::new(Kind::Distribution, Access::Tls);
    let proxy = prepared(&world);
    let place = world.oci("shop/config:1.4.0");
    world.publish(&place, &["--key", "ci.key"]);
    world.verify("ci.pub", &place).ok();
    let verify = ["verify", PLACE, "--key", "ci.pub"];
    behind(&world, &[("HTTPS_PROXY", &proxy.url())], &verify).ok();
    let log = world.registry.access_log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("sluicegate/")).collect();
    assert!(lines.len() > 30, "{log}");
    for line in lines {
        assert!(line.contains(r#" HTTP/2.0" "#), "{line}");
    }
    assert_eq!(proxy.asked().len(), 1, "one connection for all of it");
}
