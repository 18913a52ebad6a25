#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod needs;

use std::collections::BTreeSet;

use super::*;
use crate::model::bundle::need::Target;

/// Judges files given as name and text.
fn judged_with(files: &[(&str, &str)], options: &Options) -> Judgement {
    let path = |name: &str| RelPath::new(name).expect(name);
    let all: BTreeSet<RelPath> = files.iter().map(|(name, _)| path(name)).collect();
    let facts = files
        .iter()
        .map(|(name, text)| (path(name), text))
        .filter(|(path, _)| is_manifest(path))
        .map(|(path, text)| read_file(&path, text.as_bytes()))
        .rev()
        .collect();
    judge(facts, &all, options)
}

fn judged(files: &[(&str, &str)]) -> Judgement {
    judged_with(files, &Options { allow_secrets: false, needs: true })
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

#[test]
fn a_good_release_has_no_problems() {
    one(RELEASE, "");
    one(&release("chart: podinfo\n", "chart: podinfo # comment\n"), "");
    let judgement = judged(&[("a.yaml", RELEASE)]);
    let object = &judgement.objects[0];
    assert_eq!(object.id().to_string(), "HelmRelease shop/podinfo");
    assert_eq!(object.api_version(), "helm.toolkit.fluxcd.io/v2");
    assert_eq!((object.file().as_str(), object.line()), ("a.yaml", 1));
    let chart = object.chart().unwrap();
    assert_eq!((chart.name.as_str(), chart.version.as_deref()), ("podinfo", Some("6.5.0")));
}

#[test]
fn release_problems() {
    for (from, to, wanted) in [
        (
            "fluxcd.io/v2",
            "fluxcd.io/v2beta1",
            "a.yaml:1:13 warning helmrelease-api-removed: `helm.toolkit.fluxcd.io/v2beta1` is no longer served by Flux 2.7 and later",
        ),
        (
            "fluxcd.io/v2",
            "fluxcd.io/v2beta2",
            "a.yaml:1:13 warning helmrelease-api-removed: `helm.toolkit.fluxcd.io/v2beta2` is no longer served by Flux 2.8 and later",
        ),
        (
            "fluxcd.io/v2",
            "fluxcd.io/v3",
            "a.yaml:1:13 error helmrelease-api-unknown: `helm.toolkit.fluxcd.io/v3` is served by no release of Flux",
        ),
        (
            "      version: 6.5.0\n",
            "",
            "a.yaml:10:14 warning helmrelease-version: `spec.chart.spec.version` is not written; the newest chart is taken each time",
        ),
        (
            "6.5.0",
            "6.x",
            "a.yaml:11:16 warning helmrelease-version: `6.x` is a range; the newest match is taken each time",
        ),
        (
            "6.5.0",
            "\"*\"",
            "a.yaml:11:16 warning helmrelease-version: `*` is a range; the newest match is taken each time",
        ),
        (
            "6.5.0",
            "'>=1.0 <2'",
            "a.yaml:11:16 warning helmrelease-version: `>=1.0 <2` is a range; the newest match is taken each time",
        ),
        (
            "6.5.0",
            "1.10",
            "a.yaml:11:16 error helmrelease-version-syntax: `1.10` is read as the number 1.1; expected a string",
        ),
        (
            "6.5.0",
            "on",
            "a.yaml:11:16 error helmrelease-version-syntax: `on` is read as the boolean true; expected a string",
        ),
        (
            "6.5.0",
            "latest",
            "a.yaml:11:16 error helmrelease-version-syntax: `latest` is neither a version nor a range",
        ),
        ("6.5.0", "${VERSION}", ""),
        (
            "  interval: 10m\n",
            "",
            "a.yaml:7:3 error helmrelease-interval: `spec.interval` is missing; expected a duration such as `10m`",
        ),
        (
            "10m",
            "10",
            "a.yaml:7:13 error helmrelease-interval: the interval is a number; expected a duration such as `10m`",
        ),
        (
            "10m",
            "1d",
            "a.yaml:7:13 error helmrelease-interval: the interval `1d` is no duration; expected a duration such as `10m`",
        ),
        ("  name: podinfo\n", "", "a.yaml:4:3 error object-name: the HelmRelease has no name"),
        (
            "  name: podinfo\n",
            "  generateName: podinfo-\n",
            "a.yaml:4:3 error object-name: the HelmRelease has only `generateName`, which Flux cannot apply; expected `name`",
        ),
        (
            "  name: podinfo\n",
            "  name: 5\n",
            "a.yaml:4:9 error object-name: the name of the HelmRelease is a number; expected a string",
        ),
        (
            "kind: HelmRepository",
            "kind: OCIRepository",
            "a.yaml:12:25 error helmrelease-chart: `spec.chart.spec.sourceRef.kind` is missing or wrong; expected one of `HelmRepository`, `GitRepository`, `Bucket`",
        ),
        (
            ", name: podinfo}",
            "}",
            "a.yaml:12:18 error helmrelease-chart: `spec.chart.spec.sourceRef.name` is missing or wrong; expected the name of an object",
        ),
        (
            "      sourceRef: {kind: HelmRepository, name: podinfo}\n",
            "",
            "a.yaml:10:7 error helmrelease-chart: `spec.chart.spec.sourceRef` is missing; expected `kind` and `name`",
        ),
        (
            "      chart: podinfo\n",
            "",
            "a.yaml:10:7 error helmrelease-chart: `spec.chart.spec.chart` is missing or no string; expected the chart's name",
        ),
        (
            "  interval: 10m\n",
            "  interval: 10m\n  values: [a]\n",
            "a.yaml:8:11 error helmrelease-values: `values` is a sequence; expected a mapping",
        ),
        (
            "  interval: 10m\n",
            "  interval: 10m\n  valuesFrom: [{kind: ConfigMap, name: x, valuesKey: v}]\n",
            "",
        ),
        (
            "  interval: 10m\n",
            "  interval: 10m\n  valuesFrom: [{kind: Pod, name: x}]\n",
            "a.yaml:8:23 error helmrelease-values-from: `spec.valuesFrom[0].kind` is missing or wrong; expected one of `ConfigMap`, `Secret`",
        ),
        (
            "  interval: 10m\n",
            "  interval: 10m\n  chartRef: {kind: OCIRepository, name: x}\n",
            "a.yaml:8:13 error helmrelease-chart: both `spec.chart` and `spec.chartRef` are written; expected one of them",
        ),
        (
            "    spec:\n      chart: podinfo\n      version: 6.5.0\n      sourceRef: {kind: HelmRepository, name: podinfo}\n",
            "    name: podinfo\n",
            "a.yaml:9:5 error helmrelease-chart: `spec.chart` has no `spec`; expected `chart`, `version` and `sourceRef` in it",
        ),
        ("{kind: HelmRepository, name: podinfo}", "{kind: GitRepository, name: x}", ""),
    ] {
        one(&release(from, to), wanted);
    }
    one(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: x}\n",
        "a.yaml:1:1 error helmrelease-chart: a HelmRelease has no `spec`; expected a chart and an `interval`",
    );
    one(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: x}\nspec: {interval: 1m}\n",
        "a.yaml:4:7 error helmrelease-chart: no chart is named; expected `spec.chart.spec` or `spec.chartRef`",
    );
}

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
    let facts = read_file(&RelPath::new("x.yaml").unwrap(), b"a: b\nc: \xff\n");
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
fn secrets() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: hunter2\n  user: shop\n";
    one(secret, "a.yaml:6:3 error secret-clear: a Secret carries `password` and 1 more in clear");
    let allowed =
        judged_with(&[("a.yaml", secret)], &Options { allow_secrets: true, needs: false });
    assert!(allowed.problems.is_empty());
    assert_eq!(allowed.objects.len(), 1);
    let problem = &judged(&[("a.yaml", secret)]).problems[0];
    assert_eq!(
        problem.place.as_ref().unwrap().lines,
        ["  name: db", "stringData:", "  password: ***", "  user: ***"]
    );
    for broken in [
        format!("{secret}  user: again\n"),
        format!("{secret} broken: [\n"),
        format!("{secret}x: hunter2\n\u{0}"),
    ] {
        let judgement = judged(&[("a.yaml", broken.as_str())]);
        assert!(!judgement.problems.is_empty(), "{broken}");
        assert!(
            !format!("{:?}", judgement.problems).contains("hunter2"),
            "{:?}",
            judgement.problems
        );
    }
    one(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {p: 'ENC[AES256_GCM,data:x]'}\nsops: {mac: 'ENC[AES256_GCM,data:y]'}\n",
        "",
    );
    let file = (
        "kustomization.yaml",
        "secretGenerator:\n- name: db\n  literals:\n  - password=hunter2\n  - empty=\n  - filled=${PASSWORD}\nresources:\n- gone.yaml\n",
    );
    let judgement = judged(&[file]);
    same(
        &findings(&judgement),
        "
        kustomization.yaml:4:5 error secret-clear: secretGenerator writes `password` in clear
        kustomization.yaml:8:3 error kustomization-missing: `gone.yaml` is not in the bundle",
    );
    assert!(!format!("{:?}", judgement.problems).contains("hunter2"));
    let patch = (
        "kustomization.yaml",
        "patches:\n- patch: |\n    kind: Secret\n    metadata: {name: x}\n    stringData: {p: hunter2}\n",
    );
    let judgement = judged(&[patch]);
    same(
        &findings(&judgement),
        "kustomization.yaml:3:5 error secret-clear: a patch puts data in clear into a Secret",
    );
    assert!(!format!("{:?}", judgement.problems).contains("hunter2"));
}

const CM: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

#[test]
fn kustomization_references() {
    let kustomization = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- cm.yaml
- gone.yaml
- ../base
- ../empty
- ../../outside
- /etc/passwd
- https://github.com/org/repo//deploy?ref=v1
- github.com/org/repo
components: [../cm-component, cm.yaml]
patches:
- path: patch.yaml
- path: gone-patch.yaml
  target: {kind: Deployment}
- patch: |
    kind: Deployment
patchesStrategicMerge:
- |-
  kind: Deployment
- merge.yaml
configMapGenerator:
- name: x
  files: [key=data.txt, gone.txt]
  envs: [some.env]
transformers: [../transformer]
openapi: {path: schema.json}
replacements: [{path: replace.yaml}]
resourcesTypo: [x]
";
    let judgement = judged(&[
        ("base/kustomization.yaml", "resources: [cm.yaml]\n"),
        ("base/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base}\n"),
        (
            "cm-component/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n",
        ),
        ("empty/readme.txt", ""),
        ("o/cm.yaml", CM),
        ("o/data.txt", ""),
        ("o/kustomization.yaml", kustomization),
        ("o/merge.yaml", "kind: Deployment\nmetadata: {name: x}\n"),
        (
            "o/patch.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: a}\nspec: {values: {image: nginx}}\n",
        ),
        ("o/some.env", ""),
    ]);
    same(&findings(&judgement), "
        o/kustomization.yaml:5:3 error kustomization-missing: `gone.yaml` is not in the bundle
        o/kustomization.yaml:7:3 error kustomization-missing: the directory `../empty` has no `kustomization.yaml`
        o/kustomization.yaml:8:3 error kustomization-outside: `../../outside` is outside the bundle
        o/kustomization.yaml:9:3 error kustomization-outside: `/etc/passwd` is outside the bundle
        o/kustomization.yaml:10:3 warning kustomization-remote: `https://github.com/org/repo//deploy?ref=v1` is remote: neither packed, nor locked, nor checked
        o/kustomization.yaml:11:3 warning kustomization-remote: `github.com/org/repo` is remote: neither packed, nor locked, nor checked
        o/kustomization.yaml:12:31 error kustomization-missing: `cm.yaml` is a file; expected the directory of a kustomization
        o/kustomization.yaml:15:9 error kustomization-missing: `gone-patch.yaml` is not in the bundle
        o/kustomization.yaml:25:25 error kustomization-missing: `gone.txt` is not in the bundle
        o/kustomization.yaml:27:16 error kustomization-missing: `../transformer` is not in the bundle
        o/kustomization.yaml:28:17 error kustomization-missing: `schema.json` is not in the bundle
        o/kustomization.yaml:29:23 error kustomization-missing: `replace.yaml` is not in the bundle");
    let names: Vec<_> = judgement.objects.iter().map(|o| o.id().to_string()).collect();
    assert_eq!(names, ["ConfigMap base", "ConfigMap a"]);
    assert!(judgement.needs.is_empty(), "a patch names nothing: {:?}", judgement.needs);
    let place = judgement.problems[0].place.as_ref().unwrap();
    assert_eq!(
        (place.lines.as_slice(), place.path.as_str()),
        (&["- gone.yaml".to_owned()][..], "resources[1]")
    );
}

#[test]
fn kustomization_shapes_and_names() {
    same(&findings(&judged(&[("kustomization.yaml", "resources: a.yaml\npatches: [a.yaml]\nbases: [1]\n")])), "
        kustomization.yaml:1:12 error kustomization-shape: `resources` is a string; expected a sequence
        kustomization.yaml:2:11 error kustomization-shape: `patches[0]` is a string; expected a mapping
        kustomization.yaml:3:9 error kustomization-shape: `bases[0]` is a number; expected a path");
    let flux =
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\n";
    let judgement = judged(&[("apps.yaml", flux), ("x/kustomization.yaml", flux)]);
    same(&findings(&judgement), "
        x/kustomization.yaml:2:7 warning kustomization-name: kustomize reads this file as its own kustomization, but it holds a Kustomization of Flux
        x/kustomization.yaml:3:18 error object-duplicate: `Kustomization apps` is defined twice, first in `apps.yaml` on line 1");
    one(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [x]\n",
        "a.yaml:2:7 warning kustomization-name: kustomize reads a kustomization only from a file with its name",
    );
    same(&findings(&judged(&[("kustomization.yaml", "resources: []\n"), ("kustomization.yml", "{}\n")])), "
        kustomization.yml:0:0 error kustomization-several: the directory has another kustomization, `kustomization.yaml`");
    // One that cannot be read is not missing as well.
    same(
        &findings(&judged(&[
            ("kustomization.yaml", "resources: [a]\n"),
            ("a/kustomization.yaml", "resources: [\n"),
        ])),
        "
        a/kustomization.yaml:1:12 error yaml-syntax: not valid YAML: unclosed bracket '['",
    );
}

#[test]
fn circles_end() {
    same(&findings(&judged(&[
        ("a/kustomization.yaml", "resources: [../b, cm.yaml]\n"),
        ("a/cm.yaml", CM),
        ("b/kustomization.yaml", "resources: [../a]\n"),
        ("c/kustomization.yaml", "resources: [.]\n"),
    ])), "
        b/kustomization.yaml:1:13 error kustomization-cycle: `b/kustomization.yaml` includes `a/kustomization.yaml`, which includes it
        c/kustomization.yaml:1:13 error kustomization-cycle: `c/kustomization.yaml` includes itself");
    // A long chain and a doubling ladder must neither overflow nor run forever.
    let mut files = Vec::new();
    for level in 0..3000 {
        files.push((
            format!("d{level}/kustomization.yaml"),
            format!("resources: [../d{}]\n", level + 1),
        ));
    }
    files.push(("d3000/kustomization.yaml".into(), "resources: []\n".into()));
    for level in 0..40 {
        let below = format!("resources: [../x{0}, ../y{0}]\nnamePrefix: ", level + 1);
        files.push((format!("x{level}/kustomization.yaml"), format!("{below}a\n")));
        files.push((format!("y{level}/kustomization.yaml"), format!("{below}b\n")));
    }
    for last in ["x40", "y40"] {
        files.push((format!("{last}/kustomization.yaml"), "resources: []\n".into()));
    }
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(findings(&judged(&files)).contains("kustomization-limit"));
}

#[test]
fn duplicates_are_judged_by_root() {
    let base = [("base/kustomization.yaml", "resources: [cm.yaml]\n"), ("base/cm.yaml", CM)];
    let with =
        |more: &[(&'static str, &'static str)]| findings(&judged(&[&base[..], more].concat()));
    // Two roots of one base.
    same(
        &with(&[
            ("prod/kustomization.yaml", "resources: [../base]\nnamespace: prod\n"),
            ("test/kustomization.yaml", "resources: [../base]\nnamespace: test\n"),
        ]),
        "",
    );
    // One root of both, told apart by prefix, by namespace, and not at all.
    for rename in ["namePrefix: ", "nameSuffix: ", "namespace: "] {
        let (one, two) = (
            format!("resources: [../base]\n{rename}one\n"),
            format!("resources: [../base]\n{rename}two\n"),
        );
        let files = [
            base[0],
            base[1],
            ("one/kustomization.yaml", one.as_str()),
            ("two/kustomization.yaml", two.as_str()),
            ("top/kustomization.yaml", "resources: [../one, ../two]\n"),
        ];
        same(&findings(&judged(&files)), "");
    }
    same(
        &with(&[
            ("one/kustomization.yaml", "resources: [../base]\n"),
            ("top/kustomization.yaml", "resources: [../one, ../base]\nnamePrefix: x-\n"),
        ]),
        "base/cm.yaml:4:9 error object-duplicate: `ConfigMap a` is included twice in what `top/kustomization.yaml` includes",
    );
    same(
        &with(&[
            ("top/kustomization.yaml", "resources: [../base, cm.yaml]\n"),
            (
                "top/cm.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: default\n",
            ),
            ("top/unused.yaml", CM),
        ]),
        "top/cm.yaml:4:9 error object-duplicate: `ConfigMap default/a` is defined twice in what `top/kustomization.yaml` includes, first in `base/cm.yaml` on line 1",
    );
    // A patch is no second object.
    same(
        &with(&[
            ("top/kustomization.yaml", "resources: [../base]\npatches: [{path: patch.yaml}]\n"),
            ("top/patch.yaml", CM),
        ]),
        "",
    );
    // A component renames what its kustomization gathered.
    same(
        &with(&[
            ("top/kustomization.yaml", "resources: [../base, ../one]\n"),
            ("one/kustomization.yaml", "resources: [../base]\ncomponents: [../c]\n"),
            (
                "c/kustomization.yaml",
                "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nnamePrefix: c-\n",
            ),
        ]),
        "",
    );
    // Files that no kustomization governs are one tree, whatever governs others.
    same(
        &with(&[("x/one.yaml", CM), ("y/two.yaml", CM)]),
        "y/two.yaml:4:9 error object-duplicate: `ConfigMap a` is defined twice, first in `x/one.yaml` on line 1",
    );
    one(&format!("{RELEASE}---\n{}", release("fluxcd.io/v2", "fluxcd.io/v2beta2")), "
        a.yaml:14:13 warning helmrelease-api-removed: `helm.toolkit.fluxcd.io/v2beta2` is no longer served by Flux 2.8 and later
        a.yaml:17:9 error object-duplicate: `HelmRelease shop/podinfo` is defined twice, first in `a.yaml` on line 1");
    let place = |text: &str| judged(&[("a.yaml", text)]).problems[0].place.clone().unwrap().lines;
    assert_eq!(place(&format!("{CM}---\n{CM}")), ["  name: a"]);
    assert_eq!(
        place(&format!("{CM}---\n{{kind: ConfigMap, apiVersion: v1, metadata: {{name: a}}}}\n")),
        ["{kind: ConfigMap, apiVersion: v1, metadata: {name: a}}"]
    );
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
                        let facts = read_file(&path, bytes);
                        let judgement = judge(
                            vec![facts],
                            &BTreeSet::from([path]),
                            &Options { allow_secrets: false, needs: true },
                        );
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
