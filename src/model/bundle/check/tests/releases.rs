//! HelmReleases: what Flux would refuse, and what runs another chart than the one tested.

use super::*;

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

/// A change of the good release, as text and what replaces it, and what is then
/// found.
#[track_caller]
fn changed(table: &[(&str, &str, &str)]) {
    for (from, to, wanted) in table {
        one(&release(from, to), wanted);
    }
}

#[test]
fn api_versions() {
    changed(&[
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
    ]);
}

#[test]
fn chart_versions() {
    changed(&[
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
    ]);
}

#[test]
fn intervals() {
    changed(&[
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
    ]);
}

#[test]
fn names() {
    changed(&[
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
    ]);
}

#[test]
fn charts_and_their_sources() {
    changed(&[
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
            "  interval: 10m\n  chartRef: {kind: OCIRepository, name: x}\n",
            "a.yaml:8:13 error helmrelease-chart: both `spec.chart` and `spec.chartRef` are written; expected one of them",
        ),
        (
            "    spec:\n      chart: podinfo\n      version: 6.5.0\n      sourceRef: {kind: HelmRepository, name: podinfo}\n",
            "    name: podinfo\n",
            "a.yaml:9:5 error helmrelease-chart: `spec.chart` has no `spec`; expected `chart`, `version` and `sourceRef` in it",
        ),
        ("{kind: HelmRepository, name: podinfo}", "{kind: GitRepository, name: x}", ""),
    ]);
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
fn values_and_where_they_come_from() {
    changed(&[
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
    ]);
}
