#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bounds;
mod hints;
mod kustomizations;
mod needs;
mod releases;
mod secrets;

use std::collections::BTreeSet;

use super::*;
use crate::model::bundle::need::Target;

const STRICT: Options = Options { allow_secrets: false, needs: true, bounds: Bounds::NONE };
const LAX: Options = Options { allow_secrets: true, needs: false, bounds: Bounds::NONE };

/// Judges files given as name and text.
fn judged_with(files: &[(&str, &str)], options: &Options) -> Judgement {
    let path = |name: &str| RelPath::new(name).expect(name);
    let all: Vec<RelPath> = files.iter().map(|(name, _)| path(name)).collect();
    let kustomizations = files.iter().map(|(name, text)| (path(name), text));
    let named: Vec<RelPath> = kustomizations
        .filter(|(path, _)| is_kustomization(path))
        .flat_map(|(path, text)| named_manifests(&path, text.as_bytes()))
        .collect();
    let facts = files
        .iter()
        .map(|(name, text)| (path(name), text))
        .filter_map(|(path, text)| match is_manifest(&path) || named.contains(&path) {
            true => Some(read_file(&path, text.as_bytes(), Keep::All)),
            false => read_other(&path, text.as_bytes()),
        })
        .rev()
        .collect();
    judge(facts, &all.iter().collect(), options)
}

fn judged(files: &[(&str, &str)]) -> Judgement {
    judged_with(files, &STRICT)
}

/// `file:line:column severity code: message`, one line each.
fn findings(judgement: &Judgement) -> String {
    let line = |problem: &Problem| {
        let file = problem.file.as_ref().map(RelPath::as_str).unwrap_or("-");
        let at = problem.place.as_ref().map(|place| place.start).unwrap_or_default();
        let severity = match problem.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let (code, message) = (problem.code, &problem.message);
        format!("{file}:{}:{} {severity} {code}: {message}\n", at.line, at.column)
    };
    judgement.problems.iter().map(line).collect()
}

fn listed(judgement: &Judgement) -> String {
    let line = |need: &Need| {
        let target = match &need.target {
            Target::Image { host, path, tag, digest } => {
                let tag = tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
                let digest =
                    digest.map(|digest| format!("@{}", digest.short(4))).unwrap_or_default();
                format!("image {host}/{path}{tag}{digest}")
            }
            Target::OciChart { host, path, version } => format!("oci {host}/{path} {version:?}"),
            Target::HttpChart { repository, chart, version } => {
                format!("http {repository} {chart} {version:?}")
            }
            Target::Unknown { reason } => format!("unknown: {reason}"),
        };
        let pinned = if need.pinned { " pinned" } else { "" };
        format!("{} {} `{}`{pinned} -> {target}\n", need.object, need.path, need.reference)
    };
    judgement.needs.iter().map(line).collect()
}

#[track_caller]
fn same(found: &str, wanted: &str) {
    let lines = |text: &str| {
        text.lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .map(|l| format!("{l}\n"))
            .collect::<String>()
    };
    let (found, wanted) = (lines(found), lines(wanted));
    assert!(found == wanted, "found:\n{found}\nwanted:\n{wanted}");
}

/// The findings of one file `a.yaml`.
#[track_caller]
fn one(text: &str, wanted: &str) {
    same(&findings(&judged(&[("a.yaml", text)])), wanted);
}

const RELEASE: &str = "\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: podinfo
  namespace: shop
spec:
  interval: 10m
  chart:
    spec:
      chart: podinfo
      version: 6.5.0
      sourceRef: {kind: HelmRepository, name: podinfo}
";

fn release(from: &str, to: &str) -> String {
    assert!(RELEASE.contains(from), "{from}");
    RELEASE.replace(from, to)
}

const CM: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

#[test]
fn documents_that_are_no_objects() {
    one("replicas: 2\nimage: nginx\n", "");
    one("- a\n- b\n", "");
    one("just text\n", "");
    one("", "");
    one("apiVersion: v2\nname: chart\nversion: 1.0.0\n", "");
    one("kind: anything\nvalue: 5\n", "");
    one("kind: ENC[AES]\napiVersion: ENC[AES]\nmetadata: {name: x}\nsops: {mac: x}\n", "");
    one(
        "kind: ConfigMap\nmetadata: {name: x}\n",
        "a.yaml:1:1 error object-incomplete: the object has no `apiVersion`",
    );
    one(
        "apiVersion: v1\nmetadata: {name: x}\n",
        "a.yaml:1:1 error object-incomplete: the object has no `kind`",
    );
    one(
        "apiVersion: 1\nkind: ConfigMap\nmetadata: {name: x}\n",
        "a.yaml:1:13 error object-incomplete: `apiVersion` is a number; expected a string",
    );
    one(
        "apiVersion: v1\nkind: ConfigMap\n",
        "a.yaml:2:7 error object-name: the ConfigMap has no name",
    );
}

#[test]
fn lists_hold_objects() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {p: hunter2}}\n";
    one(
        text,
        "a.yaml:5:54 error object-duplicate: `ConfigMap a` is defined twice, first in `a.yaml` on line 4\na.yaml:6:68 error secret-clear: a Secret carries `p` in clear",
    );
    let shown = format!("{:?}", judged(&[("a.yaml", text)]).problems);
    assert!(!shown.contains("hunter2"), "{shown}");
    one(
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMapList\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}]}",
        "a.yaml:1:78 error object-name: the ConfigMap has no name",
    );
}

#[test]
fn text_problems() {
    one(
        "a: 1\nb: [1,\nc: 2\n---\na: 1\na: 2\n",
        "
        a.yaml:2:4 error yaml-syntax: not valid YAML: unclosed bracket '['
        a.yaml:6:1 error yaml-duplicate-key: the key `a` is written twice, first on line 5",
    );
    one(
        "? {a: b}\n: c\n",
        "a.yaml:1:3 error yaml-value: a key of a mapping is a mapping; Kubernetes takes only strings, numbers and booleans",
    );
    let facts = read_file(&RelPath::new("x.yaml").unwrap(), b"a: b\nc: \xff\n", Keep::All);
    let problem = &facts.problems[0];
    assert_eq!(
        (problem.code, problem.place.as_ref().unwrap().start.line),
        (code::YAML_ENCODING, 2)
    );
    let many = (0..500).map(|_| "---\na: 1\na: 2\n").collect::<String>();
    let judgement = judged(&[("a.yaml", &many)]);
    assert_eq!(judgement.problems.len(), MAX_PROBLEMS + 1);
    assert!(findings(&judgement).contains("problem-limit: the file has more than 100 problems"));
}

#[test]
fn helm_templates_get_a_hint() {
    let judgement = judged(&[("a.yaml", "a: {{ .Values.x }}\n{{- if .y }}\nb: 1\n")]);
    assert!(judgement.problems[0].hint.as_ref().unwrap().contains("Helm templates are no YAML"));
}

#[test]
fn which_files_are_parsed() {
    let is = |name: &str| is_manifest(&RelPath::new(name).unwrap());
    for yes in ["a.yaml", "b/c.yml", "d.json", "x/Kustomization"] {
        assert!(is(yes), "{yes}");
    }
    for no in ["a.txt", "yaml", "a.yaml.bak", ".sourceignore", "Kustomization.md"] {
        assert!(!is(no), "{no}");
    }
}

/// Whatever the bytes, reading ends in facts and never in a panic, and no
/// value of a Secret is shown.
#[test]
fn any_prefix_and_any_flip_is_survived() {
    let kustomization =
        "resources: [a.yaml]\nsecretGenerator: [{name: x, literals: [p=hunter2]}]\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  p: hunter2\n  q: |\n    hunter2\n";
    for text in [RELEASE, kustomization, secret] {
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            for flip in [b'\xff', b'[', b':', b'\n', b'&', b'"', 0] {
                bytes[at] = flip;
                for bytes in [&bytes[..], &bytes[..at]] {
                    for name in ["a.yaml", "kustomization.yaml"] {
                        let path = RelPath::new(name).unwrap();
                        let facts = read_file(&path, bytes, Keep::All);
                        let judgement = judge(vec![facts], &BTreeSet::from([&path]), &STRICT);
                        let intact = bytes.windows(12).any(|w| w == b"kind: Secret");
                        if intact {
                            let shown: String = judgement
                                .problems
                                .iter()
                                .filter_map(|p| p.place.as_ref())
                                .flat_map(|p| p.lines.clone())
                                .collect();
                            assert!(
                                !shown.contains("hunter2"),
                                "{shown} {}",
                                String::from_utf8_lossy(bytes)
                            );
                        }
                    }
                }
            }
        }
    }
}
