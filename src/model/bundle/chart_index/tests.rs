use std::fmt::Write as _;

use super::*;

const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// What chart-releaser, chartmuseum and hand-written indexes look like.
fn sample() -> String {
    format!(
        "apiVersion: v1
generated: 2026-01-02T03:04:05.123456789+02:00
serverInfo: {{contextPath: /v1/helm}}
entries:
  other:
  - {{name: other, version: 9.9.9, urls: [o.tgz], anything: [1, {{deep: true}}], appVersion: 12e4567}}
  podinfo:
  - apiVersion: v2
    name: podinfo
    version: 6.5.0
    appVersion: 1.0
    digest: {DIGEST}
    created: \"2023-09-27T14:45:47.862Z\"
    dependencies: [{{name: redis, version: 1.x}}]
    urls: [https://example.org/charts/podinfo-6.5.0.tgz]
  - {{name: podinfo, version: 6.5.1-rc.1, urls: [podinfo-6.5.1-rc.1.tgz]}}
  - {{name: podinfo, version: 6.10.0, digest: 'sha256:{DIGEST}', urls: [a/podinfo-6.10.0.tgz]}}
  - {{name: podinfo, version: 6.9.0, digest: 'md5:00', urls: [podinfo-6.9.0.tgz]}}
  - {{name: podinfo, version: 7.0.0+old, created: '2026-01-01T00:00:00Z'}}
  - {{name: podinfo, version: 7.0.0+new, created: '2026-02-01T00:00:00Z'}}
  - {{name: podinfo, version: 6.4}}
  - {{version: 8.0.0}}
  - null
  empty: null
"
    )
}

fn parse(text: &str) -> Result<ChartIndex, IndexError> {
    let wanted = ["podinfo", "empty", "absent"].map(str::to_owned).into();
    ChartIndex::parse(text.as_bytes(), &wanted)
}

#[test]
fn picks_what_flux_picks() {
    let index = parse(&sample()).unwrap();
    for (range, version) in [
        (None, "7.0.0+new"),
        (Some("*"), "7.0.0+new"),
        (Some(""), "7.0.0+new"),
        (Some("7.0.0+old"), "7.0.0+old"),
        (Some("7.0.0"), "7.0.0+new"),
        (Some("6.5.0"), "6.5.0"),
        (Some("v6.5.0"), "6.5.0"),
        (Some("6.x"), "6.10.0"),
        (Some("~6.5"), "6.5.0"),
        (Some("~6.5.0-0"), "6.5.1-rc.1"),
        (Some(">=6.5.0 <6.10.0"), "6.9.0"),
        (Some("6.4"), "6.4"),
    ] {
        assert_eq!(index.pick("podinfo", range).unwrap().version, version, "{range:?}");
    }
}

#[test]
fn says_what_is_missing() {
    let index = parse(&sample()).unwrap();
    let error = |chart, range| index.pick(chart, Some(range)).unwrap_err().to_string();
    assert_eq!(error("absent", "1.0.0"), "the repository has no chart `absent`");
    assert_eq!(error("empty", "*"), "the repository has no chart `empty`");
    assert_eq!(error("podinfo", "<6"), "no version of chart `podinfo` matches `<6`");
    assert!(error("podinfo", "latest").contains("is not a version range"));
}

#[test]
fn charts_not_asked_for_are_not_kept() {
    assert_eq!(parse(&sample()).unwrap().charts.keys().collect::<Vec<_>>(), ["empty", "podinfo"]);
}

#[test]
fn digests_with_and_without_algorithm() {
    let index = parse(&sample()).unwrap();
    let digest = |range| index.pick("podinfo", Some(range)).unwrap().digest;
    assert_eq!(digest("6.5.0"), Some(Digest::from_hex(DIGEST).unwrap()));
    assert_eq!(digest("6.10.0"), digest("6.5.0"));
    assert_eq!(digest("6.9.0"), None);
    assert_eq!(digest("6.5.1-rc.1"), None);
}

#[test]
fn urls_are_relative_to_the_repository() {
    let entry = |url: &str| Entry {
        version: "1.0.0".into(),
        digest: None,
        urls: vec![url.into()],
        created: None,
    };
    for (base, url, full) in [
        ("https://h/charts", "a-1.tgz", "https://h/charts/a-1.tgz"),
        ("https://h/charts/", "a-1.tgz", "https://h/charts/a-1.tgz"),
        ("https://h", "x/a-1.tgz", "https://h/x/a-1.tgz"),
        ("https://h/charts", "/a-1.tgz", "https://h/a-1.tgz"),
        ("https://h/charts", "../a-1.tgz", "https://h/a-1.tgz"),
        ("https://h/charts", "https://cdn/a.tgz", "https://cdn/a.tgz"),
        ("https://h/c?token=t", "a.tgz", "https://h/c/a.tgz?token=t"),
        ("https://h/c", "a.tgz?x=1", "https://h/c/a.tgz?x=1"),
    ] {
        let base = Url::parse(base).unwrap();
        assert_eq!(entry(url).url(&base).unwrap().as_str(), full, "{base} {url}");
    }
    let none = Entry { urls: Vec::new(), ..entry("") };
    assert_eq!(none.url(&Url::parse("https://h").unwrap()), Err(UrlError::None));
    let index = |text| index_url(&Url::parse(text).unwrap()).unwrap().to_string();
    assert_eq!(index("https://h/c"), "https://h/c/index.yaml");
    assert_eq!(index("https://h/c/?q=1"), "https://h/c/index.yaml?q=1");
}

#[test]
fn json_is_an_index_too() {
    let text = format!(
        r#" {{"apiVersion":"v1","entries":{{"x":[],"podinfo":[{{"name":"podinfo","version":"1.0.0",
        "description":"\ud83d\ude00","digest":"{DIGEST}","urls":["p.tgz"]}}]}}}}"#
    );
    assert_eq!(parse(&text).unwrap().pick("podinfo", None).unwrap().version, "1.0.0");
    assert!(parse(r#"{"apiVersion":"v1"} x"#).is_err());
}

#[test]
fn what_is_no_index_is_refused() {
    for (text, part) in [
        ("", "no `apiVersion`"),
        ("<html>no</html>", "cannot be read"),
        ("- a\n- b\n", "cannot be read"),
        ("entries: {}\n", "no `apiVersion`"),
        ("apiVersion: ''\nentries: {}\n", "no `apiVersion`"),
        ("apiVersion: v1\nentries: {podinfo: 7}\n", "cannot be read"),
        ("apiVersion: v1\nentries:\n  podinfo: []\n  podinfo: []\n", "cannot be read"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    assert!(parse("apiVersion: v1\nentries: null\n").is_ok());
}

/// YAML that grows on reading must not take the machine down.
#[test]
fn alias_bomb_and_deep_nesting_are_refused() {
    let mut bomb = String::from("apiVersion: v1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let alias = format!("*a{}", i - 1);
        writeln!(bomb, "a{i}: &a{i} [{}]", vec![alias; 10].join(", ")).unwrap();
    }
    assert!(parse(&bomb).is_err());
    let deep = format!("apiVersion: v1\ndeep: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(&deep).is_err());
    let deep = format!("{{\"apiVersion\":\"v1\",\"deep\":{}", "[".repeat(100_000));
    assert!(parse(&deep).is_err());
}

/// More nodes than the parser's own budget allows.
#[test]
fn a_large_index_is_read() {
    let mut text = String::from("apiVersion: v1\nentries:\n");
    for chart in 0..20 {
        writeln!(text, "  chart-{chart}:").unwrap();
        for version in 0..100 {
            write!(
                text,
                "  - apiVersion: v2\n    name: chart-{chart}\n    version: 1.{version}.0\n    \
                 description: A chart for Kubernetes, with a description of usual length\n    \
                 keywords:\n    - one\n    - two\n    digest: {DIGEST}\n    \
                 urls:\n    - https://example.org/chart-{chart}-1.{version}.0.tgz\n"
            )
            .unwrap();
        }
    }
    let index = ChartIndex::parse(text.as_bytes(), &["chart-7".to_owned()].into()).unwrap();
    assert_eq!(index.pick("chart-7", Some("^1")).unwrap().version, "1.99.0");
    assert_eq!(index.charts.len(), 1);
}
