//! Data in clear, wherever it is written.

use super::*;

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
