//! Kustomizations: what they name, and which objects they bring together.

use super::*;

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

/// Every field that names files: what is not there, what is remote.
#[test]
fn every_field_that_names_files() {
    for (field, path) in [
        ("resources: [TARGET]", "resources[0]"),
        ("bases: [TARGET]", "bases[0]"),
        ("components: [TARGET]", "components[0]"),
        ("crds: [TARGET]", "crds[0]"),
        ("configurations: [TARGET]", "configurations[0]"),
        ("generators: [TARGET]", "generators[0]"),
        ("transformers: [TARGET]", "transformers[0]"),
        ("validators: [TARGET]", "validators[0]"),
        ("openapi: {path: TARGET}", "openapi.path"),
        ("replacements: [{path: TARGET}]", "replacements[0].path"),
        ("patches: [{path: TARGET}]", "patches[0].path"),
        ("patchesJson6902: [{path: TARGET, target: {}}]", "patchesJson6902[0].path"),
        ("patchesStrategicMerge: [TARGET]", "patchesStrategicMerge[0]"),
        ("configMapGenerator: [{files: [TARGET]}]", "configMapGenerator[0].files[0]"),
        ("configMapGenerator: [{files: [k=TARGET]}]", "configMapGenerator[0].files[0]"),
        ("configMapGenerator: [{envs: [TARGET]}]", "configMapGenerator[0].envs[0]"),
        ("configMapGenerator: [{env: TARGET}]", "configMapGenerator[0].env"),
        ("secretGenerator: [{files: [TARGET]}]", "secretGenerator[0].files[0]"),
        ("secretGenerator: [{envs: [TARGET]}]", "secretGenerator[0].envs[0]"),
    ] {
        for (target, severity, code) in [
            ("gone.yaml", Severity::Error, code::KUSTOMIZATION_MISSING),
            ("../gone.yaml", Severity::Error, code::KUSTOMIZATION_OUTSIDE),
            ("https://h.example/x.yaml", Severity::Warning, code::KUSTOMIZATION_REMOTE),
        ] {
            let text = field.replace("TARGET", target);
            let problems = judged(&[("kustomization.yaml", text.as_str())]).problems;
            let found: Vec<_> =
                problems.iter().map(|problem| (problem.severity, problem.code)).collect();
            assert_eq!(found, [(severity, code)], "{text}");
            assert_eq!(problems[0].place.as_ref().unwrap().path, path, "{text}");
        }
    }
}

#[test]
fn charts_that_only_kustomize_inflates() {
    let judgement = judged(&[
        (
            "kustomization.yaml",
            "helmCharts:\n- name: podinfo\n  repo: https://h.example\nhelmChartInflationGenerator:\n- chartName: a\ngenerators: [generator.yaml]\n",
        ),
        (
            "generator.yaml",
            "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\n",
        ),
    ]);
    same(&findings(&judgement), "
        generator.yaml:1:1 warning kustomization-helm: kustomize inflates this chart only with `--enable-helm`, which Flux never sets
        kustomization.yaml:2:3 warning kustomization-helm: kustomize inflates this chart only with `--enable-helm`, which Flux never sets
        kustomization.yaml:5:3 warning kustomization-helm: kustomize inflates this chart only with `--enable-helm`, which Flux never sets");
    assert!(judgement.problems.iter().all(|p| p.hint.as_ref().unwrap().contains("HelmRelease")));
    one("helmCharts: [{name: x}]\n", "");
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
fn a_file_that_is_named_is_judged_whatever_its_name() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  p: hunter2\n";
    let resources = ("kustomization.yaml", "resources: [secret.txt]\n");
    let judgement = judged(&[resources, ("secret.txt", secret)]);
    same(&findings(&judgement), "secret.txt:5:3 error secret-clear: a Secret carries `p` in clear");
    assert_eq!(judgement.objects.len(), 1);
    for kustomization in [
        "patches: [{path: secret.txt}]\n",
        "patchesStrategicMerge: [./x/../secret.txt]\n",
        "generators: [secret.txt]\n",
    ] {
        let judgement = judged(&[("kustomization.yaml", kustomization), ("secret.txt", secret)]);
        assert!(findings(&judgement).contains("secret-clear"), "{kustomization}");
    }
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: 'nginx:1'}]}\n";
    let judgement =
        judged(&[("kustomization.yaml", "resources: [pod]\n"), ("pod", pod), ("other", pod)]);
    assert_eq!(judgement.needs.len(), 1, "{}", listed(&judgement));
    let kustomization = ("kustomization.yaml", "resources: [a.txt]\n");
    for (text, wanted) in [
        ("{{ x }}\n", "yaml"),
        ("plain words\n", "`a.txt` is named as a resource, but holds no Kubernetes object"),
        ("x: 1\n", "`a.txt` is named as a resource, but holds no Kubernetes object"),
    ] {
        let found = findings(&judged(&[kustomization, ("a.txt", text)]));
        assert!(found.contains(" error ") && found.contains(wanted), "{text}: {found}");
    }
    // Data is no manifest.
    one("configMapGenerator: [{name: a, files: [a.yaml]}]\n", "");
}

#[test]
fn a_named_file_that_nobody_parsed_is_an_error() {
    let path = |name: &str| RelPath::new(name).unwrap();
    let kustomization = b"resources: [secret.txt]\n";
    let facts = vec![read_file(&path("kustomization.yaml"), kustomization, Keep::All)];
    let all = [path("kustomization.yaml"), path("secret.txt")];
    same(
        &findings(&judge(facts, &all.iter().collect(), &STRICT)),
        "kustomization.yaml:1:13 error kustomization-shape: `secret.txt` was not read as a manifest, but kustomize would",
    );
}
