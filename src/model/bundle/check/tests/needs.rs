//! What the manifests name: charts, images, and the sources of charts.

use super::*;

#[test]
fn charts() {
    let oci_release = |reference: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r, namespace: shop}}\nspec:\n  interval: 1m\n  chartRef: {reference}\n"
        )
    };
    let http = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: podinfo}\nspec: {url: 'https://user:pw@charts.example/podinfo'}\n";
    let oci_repo = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: podinfo, namespace: shop}\nspec: {type: oci, url: oci://ghcr.io/stefanprodan/charts}\n";
    let source = |name: &str, of: &str| {
        format!(
            "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  url: oci://ghcr.io/charts/podinfo\n{of}"
        )
    };
    let hex = "a".repeat(64);
    let sources = source("pinned", &format!("  ref: {{tag: 6.5.0, digest: 'sha256:{hex}'}}\n"))
        + &source("tagged", "  ref: {tag: 6.5.0}\n")
        + &source("ranged", "  ref: {semver: 6.x}\n")
        + &source("open", "")
        + &source("unused", "")
        + "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmChart\nmetadata: {name: hc, namespace: shop}\nspec: {chart: podinfo, version: 6.5.0, sourceRef: {kind: HelmRepository, name: podinfo}}\n";
    let chart = |text: &str, repo: &str| {
        let judgement = judged(&[("r.yaml", text), ("s.yaml", &sources), ("t.yaml", repo)]);
        let release: Vec<_> = listed(&judgement)
            .lines()
            .filter(|l| l.starts_with("HelmRelease"))
            .map(|l| format!("{l}\n"))
            .collect();
        release.concat() + &findings(&judgement)
    };
    for (text, repo, wanted) in [
        (RELEASE.to_owned(), oci_repo, "HelmRelease shop/podinfo spec.chart.spec `podinfo 6.5.0 (oci://ghcr.io/stefanprodan/charts)` -> oci ghcr.io/stefanprodan/charts/podinfo Tag(\"6.5.0\")"),
        (RELEASE.to_owned(), http, "HelmRelease shop/podinfo spec.chart.spec `podinfo 6.5.0 (https://charts.example/podinfo)` -> http https://charts.example/podinfo podinfo Some(\"6.5.0\")"),
        (RELEASE.to_owned(), "", "HelmRelease shop/podinfo spec.chart.spec `podinfo 6.5.0 (HelmRepository podinfo)` -> unknown: the HelmRepository `podinfo` is not in the bundle"),
        (release("6.5.0", "${V}"), http, "HelmRelease shop/podinfo spec.chart.spec `podinfo ${V} (https://charts.example/podinfo)` -> unknown: a part of it is filled in by Flux (`${…}`) when it is applied"),
        (release("HelmRepository", "GitRepository"), http, "HelmRelease shop/podinfo spec.chart.spec `podinfo 6.5.0 (GitRepository podinfo)` -> unknown: the chart is a directory of a GitRepository"),
        (release("name: podinfo}", "name: podinfo, namespace: other}"), oci_repo, "HelmRelease shop/podinfo spec.chart.spec `podinfo 6.5.0 (HelmRepository podinfo)` -> unknown: the HelmRepository `podinfo` is not in the bundle"),
        (release("6.5.0", "6.x"), oci_repo, "HelmRelease shop/podinfo spec.chart.spec `podinfo 6.x (oci://ghcr.io/stefanprodan/charts)` -> oci ghcr.io/stefanprodan/charts/podinfo Range(\"6.x\")
            r.yaml:11:16 warning helmrelease-version: `6.x` is a range; the newest match is taken each time"),
        (oci_release("{kind: OCIRepository, name: pinned}"), "", "HelmRelease shop/r spec.chartRef `oci://ghcr.io/charts/podinfo@sha256:HEX` pinned -> oci ghcr.io/charts/podinfo Digest(sha256:HEX)"),
        (oci_release("{kind: OCIRepository, name: tagged}"), "", "HelmRelease shop/r spec.chartRef `oci://ghcr.io/charts/podinfo:6.5.0` -> oci ghcr.io/charts/podinfo Tag(\"6.5.0\")"),
        (oci_release("{kind: OCIRepository, name: ranged}"), "", "HelmRelease shop/r spec.chartRef `oci://ghcr.io/charts/podinfo 6.x` -> oci ghcr.io/charts/podinfo Range(\"6.x\")
            s.yaml:21:17 warning source-version: the chart comes from the range `6.x`, which can change at any time"),
        (oci_release("{kind: OCIRepository, name: open}"), "", "HelmRelease shop/r spec.chartRef `oci://ghcr.io/charts/podinfo:latest` -> oci ghcr.io/charts/podinfo Tag(\"latest\")
            s.yaml:27:8 warning source-version: the chart comes from the tag `latest`, since `spec.ref` is not written, which can change at any time"),
        (oci_release("{kind: HelmChart, name: hc}"), oci_repo, "HelmRelease shop/r spec.chartRef `podinfo 6.5.0 (oci://ghcr.io/stefanprodan/charts)` -> oci ghcr.io/stefanprodan/charts/podinfo Tag(\"6.5.0\")"),
        (oci_release("{kind: ExternalArtifact, name: x}"), "", "HelmRelease shop/r spec.chartRef `ExternalArtifact x` -> unknown: the chart of an ExternalArtifact is made in the cluster"),
        (oci_release("{kind: OCIRepository, name: elsewhere}"), "", "HelmRelease shop/r spec.chartRef `OCIRepository elsewhere` -> unknown: the OCIRepository `elsewhere` is not in the bundle"),
        (oci_release("{kind: GitRepository, name: x}"), "", "r.yaml:6:20 error helmrelease-chart: `spec.chartRef.kind` is missing or wrong; expected one of `OCIRepository`, `HelmChart`, `ExternalArtifact`"),
    ] {
        same(&chart(&text, repo), &wanted.replace("HEX", &hex));
    }
    let two = format!(
        "{http}---\n{}",
        http.replace("podinfo'", "other'").replace("name: podinfo", "name: podinfo, labels: {}")
    );
    assert!(
        chart(RELEASE, &two)
            .contains("the bundle has more than one HelmRepository `podinfo`, and they differ")
    );
    let helm_chart = listed(&judged(&[("s.yaml", &sources), ("t.yaml", oci_repo)]));
    same(
        &helm_chart,
        "HelmChart shop/hc spec `podinfo 6.5.0 (oci://ghcr.io/stefanprodan/charts)` -> oci ghcr.io/stefanprodan/charts/podinfo Tag(\"6.5.0\")",
    );
}

#[test]
fn source_problems() {
    let source = |kind: &str, spec: &str| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"
        )
    };
    for (kind, spec, wanted) in [
        ("HelmRepository", "{url: 'https://x'}", ""),
        (
            "HelmRepository",
            "{}",
            "a.yaml:4:7 error source-shape: `spec.url` is missing or no string; expected a URL",
        ),
        (
            "HelmRepository",
            "{url: 'ftp://x'}",
            "a.yaml:4:13 error source-shape: `spec.url` is not usable; expected `https://…` or `oci://…`",
        ),
        ("OCIRepository", "{url: 'oci://h/p'}", ""),
        (
            "OCIRepository",
            "{url: 'oci://h/p:1'}",
            "a.yaml:4:13 error source-shape: `spec.url` is not usable; expected `oci://HOST/REPOSITORY` without tag or digest",
        ),
        (
            "OCIRepository",
            "{url: 'oci://h/p', ref: {tag: 1.10}}",
            "a.yaml:4:37 error source-shape: `1.10` is read as the number 1.1; expected a string",
        ),
        (
            "OCIRepository",
            "{url: 'oci://h/p', ref: {digest: abc}}",
            "a.yaml:4:40 error source-shape: `abc` is no digest; expected `sha256:…`",
        ),
        (
            "HelmChart",
            "{chart: a, version: 1.0.0, sourceRef: {kind: Nothing, name: a}}",
            "a.yaml:4:52 error source-shape: `spec.sourceRef.kind` is missing or wrong; expected one of `HelmRepository`, `GitRepository`, `Bucket`",
        ),
        ("GitRepository", "{}", ""),
    ] {
        one(&source(kind, spec), wanted);
    }
}

#[test]
fn images_of_workloads() {
    let pod = |kind: &str, api: &str, before: &str| {
        format!(
            "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: w}}\nspec: {before}{{containers: [{{image: nginx}}, {{name: x}}], initContainers: [{{image: 'ghcr.io/a/b:1'}}]}}"
        )
    };
    for (kind, api, before, after, path) in [
        ("Pod", "v1", "", "", "spec"),
        ("Deployment", "apps/v1", "{template: {spec: ", "}}", "spec.template.spec"),
        ("ReplicationController", "v1", "{template: {spec: ", "}}", "spec.template.spec"),
        (
            "CronJob",
            "batch/v1",
            "{jobTemplate: {spec: {template: {spec: ",
            "}}}}",
            "spec.jobTemplate.spec.template.spec",
        ),
    ] {
        let text = pod(kind, api, before) + after + "\n";
        same(
            &listed(&judged(&[("a.yaml", &text)])),
            &format!(
                "
            {kind} w {path}.initContainers[0].image `ghcr.io/a/b:1` -> image ghcr.io/a/b:1
            {kind} w {path}.containers[0].image `nginx` -> image docker.io/library/nginx:latest"
            ),
        );
    }
    one("apiVersion: v1\nkind: Pod\nmetadata: {name: w}\nspec: {containers: [{image: 'A B'}, {image: 5}]}\n", "
        a.yaml:4:29 warning image-reference: `A B` is not an image reference; expected `[HOST/]NAME[:TAG][@sha256:DIGEST]`
        a.yaml:4:45 warning image-reference: `image` is a number; expected an image reference");
}

#[test]
fn images_of_values() {
    let hex = "b".repeat(64);
    let values = format!("  values:
    image: {{registry: ghcr.io, repository: a/b, tag: 1.0.0, digest: 'sha256:{hex}', pullPolicy: Always}}
    text: {{image: 'quay.io/c/d:2'}}
    beside: {{image: quay.io/c/e, tag: \"3\"}}
    old: {{image: prom/prometheus, imageTag: v2}}
    ingress: {{image: {{registry: registry.k8s.io, image: ingress-nginx/controller, tag: v1.9.0}}}}
    sidecarImage: {{repository: f, tag: '1'}}
    otherImage: {{repository: g}}
    plainImage: text:1
    noTag: {{image: {{repository: h/i}}}}
    noRepository: {{image: {{tag: '7'}}}}
    policy: {{image: {{pullPolicy: Always}}}}
    logo: {{image: 'https://example.com/logo.png'}}
    filled: {{image: 'h/i:${{TAG}}'}}
    template: {{image: 'h/i:{{{{ .Values.tag }}}}'}}
    list: [{{image: j}}, [{{image: {{repository: k, tag: 1.10}}}}]]
    \"dotted.key\": {{image: l:1}}
    number: {{image: {{repository: m, tag: 20240101}}}}
    bad: {{image: {{repository: 'n:1', tag: '2'}}}}
    null: {{image: null}}
");
    let values = values.replace("    null: {image: null}\n", "    none: {image: null}\n");
    let judgement = judged(&[("a.yaml", &format!("{RELEASE}{values}"))]);
    let found: String = listed(&judgement)
        .lines()
        .skip(1)
        .map(|line| format!("{}\n", line.replace("HelmRelease shop/podinfo spec.values", "")))
        .collect();
    same(&found, &format!("
        .image `ghcr.io/a/b:1.0.0@sha256:{hex}` pinned -> image ghcr.io/a/b:1.0.0@bbbb
        .text.image `quay.io/c/d:2` -> image quay.io/c/d:2
        .beside.image `quay.io/c/e:3` -> image quay.io/c/e:3
        .old.image `prom/prometheus:v2` -> image docker.io/prom/prometheus:v2
        .ingress.image `registry.k8s.io/ingress-nginx/controller:v1.9.0` -> image registry.k8s.io/ingress-nginx/controller:v1.9.0
        .sidecarImage `f:1` -> image docker.io/library/f:1
        .noTag.image `h/i` -> unknown: the tag is the chart's default, which the manifests do not say
        .noRepository.image `:7` -> unknown: the repository is the chart's default, which the manifests do not say
        .filled.image `h/i:${{TAG}}` -> unknown: `h/i:${{TAG}}` is filled in by Flux when it is applied
        .template.image `h/i:{{{{ .Values.tag }}}}` -> unknown: `h/i:{{{{ .Values.tag }}}}` is filled in by Helm when it is applied
        .list[0].image `j` -> image docker.io/library/j:latest
        .list[1][0].image `k:1.1` -> image docker.io/library/k:1.1
        [\"dotted.key\"].image `l:1` -> image docker.io/library/l:1
        .number.image `m:2.0240101e+07` -> unknown: `m:2.0240101e+07` is not an image reference; expected `[HOST/]NAME[:TAG][@sha256:DIGEST]`
        .bad.image `n:1:2` -> unknown: `n:1:2` is not an image reference; expected `[HOST/]NAME[:TAG][@sha256:DIGEST]`"));
    same(&findings(&judgement), "
        a.yaml:28:54 warning image-tag-type: the tag `1.10` is a number; Helm sees `1.1`
        a.yaml:30:21 warning image-reference: `m:2.0240101e+07` is not an image reference; expected `[HOST/]NAME[:TAG][@sha256:DIGEST]`
        a.yaml:30:42 warning image-tag-type: the tag `20240101` is a number; Helm sees `2.0240101e+07`
        a.yaml:31:18 warning image-reference: `n:1:2` is not an image reference; expected `[HOST/]NAME[:TAG][@sha256:DIGEST]`");
    let off = judged_with(&[("a.yaml", RELEASE)], &Options { needs: false, ..STRICT });
    assert!(off.needs.is_empty());
}

#[test]
fn images_of_kustomizations() {
    let hex = "c".repeat(64);
    let text = format!(
        "images:\n- {{name: podinfo, newName: ghcr.io/x/podinfo, newTag: 6.5.0}}\n- {{name: a, digest: 'sha256:{hex}'}}\n- {{name: b, newName: c}}\n"
    );
    same(
        &listed(&judged(&[("o/kustomization.yaml", &text)])),
        &format!(
            "
        Kustomization o images[0] `ghcr.io/x/podinfo:6.5.0` -> image ghcr.io/x/podinfo:6.5.0
        Kustomization o images[1] `a@sha256:{hex}` pinned -> image docker.io/library/a@cccc"
        ),
    );
}

#[test]
fn the_images_of_every_list_are_named() {
    let pod = "items:\n- {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{image: 'nginx:1'}]}}\n";
    for head in [
        "apiVersion: v1\nkind: List\nmetadata: {name: x}\n",
        "apiVersion: v1\nkind: PodList\nmetadata: {name: x}\n",
        "apiVersion: x/v1\nkind: Bundle\nmetadata: {name: x}\n",
    ] {
        let judgement = judged(&[("a.yaml", &format!("{head}{pod}"))]);
        same(
            &listed(&judgement),
            "Pod p spec.containers[0].image `nginx:1` -> image docker.io/library/nginx:1",
        );
    }
    // Its own kind, and no list of objects.
    let named = "apiVersion: x/v1\nkind: AllowList\nmetadata: {name: x}\nspec: {}\n---\napiVersion: x/v1\nkind: Menu\nmetadata: {name: z}\nitems: [tea]\n";
    assert_eq!(judged(&[("a.yaml", named)]).objects.len(), 2);
}

#[test]
fn what_a_url_keeps_secret_is_not_in_the_reference() {
    let repository = |url: &str| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{name: podinfo}}\nspec: {{url: '{url}'}}\n"
        )
    };
    for (url, shown) in [
        ("https://charts.example/podinfo?sig=hunter2#hunter2", "https://charts.example/podinfo"),
        ("https://u:hunter2@charts.example/podinfo?x=hunter2", "https://charts.example/podinfo"),
        ("https://charts.example/podinfo#hunter2", "https://charts.example/podinfo"),
        ("https://[charts?sig=hunter2", "https://[charts"),
        ("https://u:hun?ter2@[charts?sig=hunter2", "…"),
    ] {
        let needs = judged(&[("r.yaml", RELEASE), ("s.yaml", &repository(url))]).needs;
        assert_eq!(needs[0].reference, format!("podinfo 6.5.0 ({shown})"));
    }
    // It is asked with its query all the same.
    let repo = repository("https://charts.example/podinfo?sig=1");
    let needs = judged(&[("r.yaml", RELEASE), ("s.yaml", &repo)]).needs;
    let Target::HttpChart { repository: asked, .. } = &needs[0].target else { panic!("{needs:?}") };
    assert_eq!(asked, "https://charts.example/podinfo?sig=1");
    for url in ["oci://ghcr.io/charts?sig=hunter2", "oci://u:hunter2@ghcr.io/charts"] {
        let judgement = judged(&[("r.yaml", RELEASE), ("s.yaml", &repository(url))]);
        assert!(!format!("{:?}", judgement.needs).contains("hunter2"), "{:?}", judgement.needs);
    }
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: o}\nspec: {url: 'oci://u:hunter2@ghcr.io/charts?sig=hunter2', ref: {tag: '1'}}\n";
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r}\nspec: {interval: 1m, chartRef: {kind: OCIRepository, name: o}}\n";
    let judgement = judged(&[("r.yaml", release), ("s.yaml", source)]);
    assert_eq!(judgement.needs[0].reference, "oci://ghcr.io/charts:1");
    assert!(!format!("{:?}", judgement.needs).contains("hunter2"), "{:?}", judgement.needs);
}

#[test]
fn what_only_looks_pinned_is_told() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - image: nginx@${DIGEST}\n  - image: nginx@sha256:zz\n  - image: nginx:${TAG}\n";
    let kustomization = "images:\n- {name: a, digest: 'sha256:zz'}\n";
    let judgement = judged(&[("kustomization.yaml", kustomization), ("p.yaml", pod)]);
    assert!(judgement.needs.iter().all(|need| !need.pinned), "{:?}", judgement.needs);
    assert_eq!(crate::model::bundle::lock::require_pinned(&judgement.needs).len(), 4);
    same(
        &findings(&judgement),
        "
        kustomization.yaml:2:3 warning image-reference: `a@sha256:zz` is not an image reference; expected `[HOST/]NAME[:TAG][@sha256:DIGEST]`; it is not pinned
        p.yaml:6:12 warning image-reference: `nginx@${DIGEST}` is filled in by Flux when it is applied; it is not pinned
        p.yaml:7:12 warning image-reference: `nginx@sha256:zz` is not an image reference; expected `[HOST/]NAME[:TAG][@sha256:DIGEST]`; it is not pinned",
    );
}
