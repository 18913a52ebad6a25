//! That every problem says what to do.

use std::collections::BTreeSet;

use super::*;
use crate::model::bundle::problem::Code;

/// What is not provoked here: it comes of asking registries, of a million
/// inclusions, or of what is found on disk before anything is parsed.
const ELSEWHERE: [Code; 11] = [
    code::LOCK_UNRESOLVED,
    code::LOCK_UNPINNED,
    code::KUSTOMIZATION_LIMIT,
    code::EMPTY,
    code::BUNDLE_TOO_LARGE,
    code::FILE_TOO_LARGE,
    code::FILE_NAME,
    code::NAME_COLLISION,
    code::FILE_TYPE,
    code::SYMLINK,
    code::UNREADABLE,
];

/// A HelmRelease with this `spec`.
fn helm(spec: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r}}\nspec: {spec}\n"
    )
}

/// A source object with this `spec`.
fn source(kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: {kind}\nmetadata: {{name: s}}\nspec: {spec}\n"
    )
}

/// Manifests with something wrong.
fn wrong() -> Vec<String> {
    let chart = "interval: 1m, chart: {spec: {chart: c, version: 1.0.0, sourceRef: {kind: HelmRepository, name: h}}}";
    let mut deep = String::from(
        "a0: &a0 [x]
",
    );
    for level in 1..300 {
        deep.push_str(&format!(
            "a{level}: &a{level} [*a{}]
",
            level - 1
        ));
    }
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: ";
    let mut texts: Vec<String> = [
        "a: b: c\n", "{{ x }}\n", "a: 1\na: 2\n", "{a: 1}: 2\n", "a: .inf\n", &deep,
        "kind: X\nmetadata: {name: a}\n", "apiVersion: v1\nspec: {}\n", "apiVersion: [v1]\nkind: X\nspec: {}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: x}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: 'ENC[x]'}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: A}, {image: 1}, {image: 'a@${X}'}]}\n",
        "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\n",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
    ]
    .map(str::to_owned)
    .into();
    texts.extend(
        [
            "{}",
            "{name: y}",
            "{name: 5}",
            "{name: ''}",
            "{name: [a]}",
            "{generateName: a-}",
            "{name: a, namespace: 1}",
            "{name: a, namespace: []}",
            "text",
        ]
        .map(|meta| format!("{object}{meta}\n")),
    );
    texts.push(format!("{object}{{name: {}}}\n", "a".repeat(300)));
    texts.extend(["1", "{}", "{interval: 1m, chart: {}}", "{interval: 1m, chart: {spec: {}}}",
        "{interval: 1m, chart: {spec: {chart: c, sourceRef: {}}}}",
        "{interval: 1m, chart: {spec: {chart: c, version: latest, sourceRef: {kind: HelmRepository, name: h}}}}",
        "{interval: 1m, chart: {spec: {chart: c, version: 1.10, sourceRef: {kind: HelmRepository, name: h}}}}",
        "{interval: 1m, chart: {spec: {chart: c, version: [], sourceRef: {kind: HelmRepository, name: h}}}}",
        "{interval: 1m, chart: {spec: {chart: c, version: 1.x, sourceRef: {kind: HelmRepository, name: h}}}}",
        "{interval: 1m, chart: {spec: {}}, chartRef: {}}", "{interval: 1m, chartRef: {kind: X}}"].map(helm));
    texts.extend(
        [
            "interval: 5, ",
            "interval: soon, ",
            "values: text, ",
            "valuesFrom: text, ",
            "valuesFrom: [{kind: X}], ",
            "valuesFrom: [{kind: Secret, name: s, valuesKey: 1}], ",
            "values: {image: {repository: a, tag: 1.10}}, ",
        ]
        .map(|field| {
            helm(
                &format!("{{{field}{chart}}}")
                    .replace("interval: 5, interval: 1m", "interval: 5")
                    .replace("interval: soon, interval: 1m", "interval: soon"),
            )
        }),
    );
    texts.push(helm("{chart: {}}"));
    for version in ["v2beta1", "v2beta2", "v9"] {
        texts.push(helm(&format!("{{{chart}}}")).replace("/v2", &format!("/{version}")));
    }
    texts.extend([
        source("HelmRepository", "{}"),
        source("HelmRepository", "{url: ftp://x}"),
        source("OCIRepository", "{url: oci://h/p, ref: {digest: x}}"),
        source("OCIRepository", "{url: oci://h/p, ref: {tag: []}}"),
        source("HelmChart", "{}"),
    ]);
    let floating = helm("{interval: 1m, chartRef: {kind: OCIRepository, name: s}}");
    texts.push(format!("{floating}---\n{}", source("OCIRepository", "{url: oci://h/p}")));
    texts.push("apiVersion: v1\nkind: X\nmetadata: {name: a}\n---\n".repeat(3));
    texts.push("kind: X\nmetadata: {name: a}\n---\n".repeat(MAX_PROBLEMS + 2));
    texts
}

/// Kustomizations with something wrong.
const KUSTOMIZATIONS: &[&str] = &[
    "resources: [gone.yaml, ../up, 'https://h/x', dir, 5, kustomization.yaml, words.txt]\n",
    "resources: text\n",
    "resources: [./]\n",
    "components: [base.yaml]\n",
    "patches: [{path: dir}, x, {path: 5}]\n",
    "configMapGenerator: [{files: x}]\n",
    "secretGenerator: [{literals: [p=x], files: [base.yaml]}]\n",
    "helmCharts: [{name: x}]\n",
    "images: [{name: a, digest: x}]\n",
    "resources: [base.yaml, base.yaml]\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
];

#[test]
fn every_problem_says_what_to_do() {
    let mut seen = BTreeSet::new();
    let mut take = |from: &str, judgement: Judgement| {
        for problem in judgement.problems {
            assert!(problem.hint.is_some(), "{from}\n{}: {}", problem.code, problem.message);
            seen.insert(problem.code);
        }
    };
    for text in wrong() {
        take(&text, judged(&[("a.yaml", &text)]));
    }
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let several = ("dir2/kustomization.yml", "resources: []\n");
    for text in KUSTOMIZATIONS {
        take(
            text,
            judged(&[
                ("kustomization.yaml", text),
                ("base.yaml", object),
                ("words.txt", "only words\n"),
                ("dir/a.yaml", object),
                ("dir2/kustomization.yaml", "resources: []\n"),
                several,
            ]),
        );
    }
    let path = RelPath::new("a.yaml").unwrap();
    let facts = vec![read_file(&path, b"a: \xff\n", Keep::All)];
    take("bytes", judge(facts, &[path].iter().collect(), &STRICT));
    take("nothing", Judgement { problems: vec![nothing()], ..Judgement::default() });
    let missing: Vec<_> = code::ALL
        .iter()
        .map(|(code, _)| *code)
        .filter(|code| !seen.contains(code) && !ELSEWHERE.contains(code))
        .collect();
    assert!(missing.is_empty(), "not provoked: {missing:?}");
}

#[test]
fn a_name_that_is_no_string_is_to_be_quoted() {
    let judgement = judged(&[("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n")]);
    assert_eq!(judgement.problems[0].hint.as_deref(), Some("quote it: `\"y\"`"));
}

#[test]
fn an_object_with_a_bad_name_is_checked_all_the_same() {
    let release = RELEASE.replace("name: podinfo", "name: 5").replace("interval: ", "wrong: ");
    let found = findings(&judged(&[("a.yaml", &release)]));
    assert!(found.contains("object-name") && found.contains("helmrelease-interval"), "{found}");
}
