//! Data in clear, wherever it is written.

use super::*;

#[test]
fn secrets() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: hunter2\n  user: shop\n";
    one(secret, "a.yaml:6:3 error secret-clear: a Secret carries `password` and 1 more in clear");
    let allowed = judged_with(&[("a.yaml", secret)], &LAX);
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
        "kustomization.yaml:3:5 error secret-clear: a patch writes `stringData.p` in clear into a Secret",
    );
    assert!(!format!("{:?}", judgement.problems).contains("hunter2"));
}

/// The findings of files, none of which may quote `hunter2`.
#[track_caller]
fn hides(files: &[(&str, &str)], wanted: &str) {
    let judgement = judged(files);
    same(&findings(&judgement), wanted);
    assert!(!format!("{:?}", judgement.problems).contains("hunter2"), "{:?}", judgement.problems);
    assert!(judgement.problems.iter().all(|problem| problem.hint.is_some()));
    let allowed = judged_with(files, &LAX);
    assert_eq!(findings(&allowed), "");
}

#[test]
fn patches_in_place() {
    let operations = "    - op: add\n      path: /stringData/p\n      value: hunter2\n";
    hides(
        &[(
            "kustomization.yaml",
            &format!(
                "patches:\n- target: {{kind: Secret}}\n  patch: |\n{operations}- target: {{name: db}}\n  patch: |\n{operations}- target: {{kind: Deployment}}\n  patch: |\n{operations}"
            ),
        )],
        "
        kustomization.yaml:4:5 error secret-clear: a patch writes `stringData.p` in clear into a Secret
        kustomization.yaml:9:5 error secret-clear: a patch writes `stringData.p` in clear into a Secret",
    );
    hides(
        &[(
            "kustomization.yaml",
            "patchesStrategicMerge:\n- |-\n  kind: Secret\n  metadata: {name: x}\n  data: {p: hunter2}\npatchesJson6902:\n- target: {kind: Secret, name: x, version: v1}\n  patch: '[{\"op\": \"add\", \"path\": \"/data\", \"value\": {\"p\": \"hunter2\"}}]'\n",
        )],
        "
        kustomization.yaml:3:3 error secret-clear: a patch writes `data.p` in clear into a Secret
        kustomization.yaml:8:10 error secret-clear: a patch writes `data` in clear into a Secret",
    );
    let judgement = judged(&[(
        "kustomization.yaml",
        "patches:\n- target: {name: a}\n  patch: '[{op: add, path: /data/p, value: hunter2}]'\n",
    )]);
    let problem = &judgement.problems[0];
    assert!(problem.hint.as_ref().unwrap().contains("write the `kind` in its target"));
    assert_eq!(problem.place.as_ref().unwrap().path, "patches[0].patch");
}

#[test]
fn patches_in_files() {
    let operations = "- op: replace\n  path: /data/p\n  value: hunter2\n";
    let merge = "kind: Secret\nmetadata: {name: x}\nstringData:\n  p: hunter2\n";
    let any = "kind: any\nmetadata: {name: x}\nstringData:\n  p: hunter2\n";
    let kustomization = "patches:\n- {path: ops.yaml, target: {kind: Secret}}\n- {path: merge.yaml}\n- {path: any.yaml, target: {kind: Secret}}\n";
    hides(
        &[
            ("kustomization.yaml", kustomization),
            ("ops.yaml", operations),
            ("merge.yaml", merge),
            ("any.yaml", any),
        ],
        "
        any.yaml:4:3 error secret-clear: a patch writes `stringData.p` in clear into a Secret
        merge.yaml:4:3 error secret-clear: a Secret carries `p` in clear
        ops.yaml:3:10 error secret-clear: a patch writes `data.p` in clear into a Secret",
    );
    // The same operations on something else.
    hides(
        &[
            ("kustomization.yaml", "patches: [{path: ops.yaml, target: {kind: ConfigMap}}]\n"),
            ("ops.yaml", operations),
        ],
        "",
    );
    hides(
        &[
            (
                "kustomization.yaml",
                "patchesJson6902: [{path: ops.json, target: {kind: Secret, name: x}}]\npatchesStrategicMerge: [merge.yaml]\n",
            ),
            ("ops.json", "[{\"op\": \"add\", \"path\": \"/data/p\", \"value\": \"hunter2\"}]"),
            ("merge.yaml", merge),
        ],
        "
        merge.yaml:4:3 error secret-clear: a Secret carries `p` in clear
        ops.json:1:44 error secret-clear: a patch writes `data.p` in clear into a Secret",
    );
    // A list that no kustomization names as a patch is none.
    hides(&[("ops.yaml", operations)], "");
    for broken in [format!("{operations}  value: [hunter2\n"), format!("{any}  p: hunter2\n")] {
        let shown = format!("{:?}", judged(&[("a.yaml", broken.as_str())]).problems);
        assert!(shown.contains("place") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn patches_in_objects_of_flux() {
    let patches = "  patches:\n  - target: {kind: Secret}\n    patch: |\n      - {op: add, path: /stringData/p, value: hunter2}\n";
    hides(
        &[(
            "a.yaml",
            &format!(
                "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: apps}}\nspec:\n{patches}"
            ),
        )],
        "a.yaml:8:7 error secret-clear: a patch writes `stringData.p` in clear into a Secret",
    );
    hides(
        &[(
            "a.yaml",
            &format!(
                "{RELEASE}  postRenderers:\n  - kustomize:\n      patches:\n      - patch: |\n          kind: Secret\n          metadata: {{name: x}}\n          stringData: {{p: hunter2}}\n"
            ),
        )],
        "a.yaml:17:11 error secret-clear: a patch writes `stringData.p` in clear into a Secret",
    );
}

#[test]
fn generators_of_secrets() {
    let kustomization = "secretGenerator:\n- name: db\n  files: [clear.txt, key=sealed.json, config=sealed.yaml]\n  envs: [clear.env, sealed.env, empty.env]\n- name: old\n  env: clear.yaml\n- name: gone\n  files: [gone.txt]\n";
    let files = [
        ("kustomization.yaml", kustomization),
        ("clear.env", "p=hunter2\n"),
        ("clear.txt", "hunter2"),
        ("clear.yaml", "p: hunter2\n"),
        ("empty.env", ""),
        ("sealed.env", "p=ENC[x]\nsops_mac=ENC[m]\n"),
        ("sealed.json", "{\"data\": \"ENC[x]\", \"sops\": {\"mac\": \"ENC[m]\"}}"),
        ("sealed.yaml", "p: ENC[x]\nsops: {mac: 'ENC[m]'}\n"),
    ];
    let judgement = judged(&files);
    same(
        &findings(&judgement),
        "
        kustomization.yaml:3:11 error secret-clear: secretGenerator puts `clear.txt` into a Secret in clear
        kustomization.yaml:4:10 error secret-clear: secretGenerator puts `clear.env` into a Secret in clear
        kustomization.yaml:6:8 error secret-clear: secretGenerator puts `clear.yaml` into a Secret in clear
        kustomization.yaml:8:11 error kustomization-missing: `gone.txt` is not in the bundle",
    );
    let place = judgement.problems[0].place.as_ref().unwrap();
    assert_eq!(place.path, "secretGenerator[0].files[0]");
    let allowed = judged_with(&files, &LAX);
    assert_eq!(findings(&allowed).lines().count(), 1, "what is missing is not allowed");
    hides(
        &[
            ("kustomization.yaml", "generators: [generator.yaml]\n"),
            (
                "generator.yaml",
                "apiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: x}\nliterals: [p=hunter2]\n",
            ),
        ],
        "generator.yaml:4:12 error secret-clear: secretGenerator writes `p` in clear",
    );
}

#[test]
fn lists_are_looked_into_as_kustomize_and_flux_expand_them() {
    let secret = "items:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n  stringData: {p: hunter2}\n";
    for head in [
        "apiVersion: v1\nkind: List\nmetadata: {name: x}\n",
        "apiVersion: v1\nkind: SecretList\nmetadata: {name: x}\n",
        "apiVersion: x/v1\nkind: Bundle\nmetadata: {name: x}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
        "kind: List\nmetadata: {name: x}\n",
    ] {
        let text = format!("{head}{secret}");
        let judgement = judged(&[("a.yaml", &text)]);
        let found = findings(&judgement);
        assert!(found.contains("secret-clear: a Secret carries `p` in clear"), "{head}: {found}");
        assert!(!format!("{:?}", judgement.problems).contains("hunter2"), "{head}");
        let ids: Vec<_> = judgement.objects.iter().map(|object| object.id().to_string()).collect();
        assert_eq!(ids, ["Secret s"], "{head}");
    }
    let generator = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: builtin\n  kind: SecretGenerator\n  metadata: {name: g}\n  literals:\n  - p=hunter2\n";
    let judgement = judged(&[("g.yaml", generator)]);
    assert!(findings(&judgement).contains("secret-clear"), "{}", findings(&judgement));
    assert!(!format!("{:?}", judgement.problems).contains("hunter2"));
}
