//! HelmReleases (`helm.toolkit.fluxcd.io`): the fields that decide whether Flux
//! takes the object, and what chart and images it names.

use super::{
    check::MAX_PROBLEMS,
    problem::{Problem, code},
    scope::Scope,
    source_object::{Origin, chart_spec, object_ref},
    workload::{self, Images},
    yaml::{Kind, Node},
};
use crate::model::text::brief;

/// The group of HelmReleases.
pub const GROUP: &str = "helm.toolkit.fluxcd.io";

/// How a chart is named.
const CHART: &str = "write `chart.spec` with `chart`, `version` and `sourceRef`, or `chartRef` with \
                     `kind` and `name`";

/// What checking a HelmRelease gave.
#[derive(Debug, Default)]
pub struct Checked {
    /// Where its chart comes from.
    pub origin: Option<Origin>,
    /// The images in its values.
    pub images: Images,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// Checks a HelmRelease.
pub fn check(scope: &Scope<'_>, object: Node<'_>) -> Checked {
    let mut checked = Checked::default();
    check_api_version(scope, object, &mut checked.problems);
    let Some(spec) = object.get("spec").filter(|spec| spec.is_map()) else {
        let message = "a HelmRelease has no `spec`; expected a chart and an `interval`";
        let problem = scope.error(code::HELMRELEASE_CHART, object, "spec", message);
        checked.problems.push(problem.hint(CHART));
        return checked;
    };
    checked.origin = chart(scope, spec, &mut checked.problems);
    check_interval(scope, spec, &mut checked.problems);
    check_values_from(scope, spec, &mut checked.problems);
    match spec.get("values") {
        Some(values) if values.is_map() => {
            workload::of_values(scope, values, "spec.values", &mut checked.images);
        }
        Some(values) if !values.is_null() => {
            let message = format!("`values` is {}; expected a mapping", values.kind().name());
            let problem = scope.error(code::HELMRELEASE_VALUES, values, "spec.values", message);
            let hint = "write `values:` and its keys below, not as a text";
            checked.problems.push(problem.hint(hint));
        }
        _ => {}
    }
    checked
}

/// Flux stopped serving `v2beta1` with 2.7 and `v2beta2` with 2.8
/// (fluxcd/helm-controller#1280 and #1404).
fn check_api_version(scope: &Scope<'_>, object: Node<'_>, problems: &mut Vec<Problem>) {
    let Some(node) = object.get("apiVersion") else { return };
    let written = node.as_str().unwrap_or_default();
    let version = written.split_once('/').map_or("", |(_, version)| version);
    let dropped = match version {
        "v2" => return,
        "v2beta1" => "2.7",
        "v2beta2" => "2.8",
        _ => {
            let message = format!("`{}` is served by no release of Flux", brief(written));
            let problem = scope.error(code::HELMRELEASE_API_UNKNOWN, node, "apiVersion", message);
            return problems.push(problem.hint(format!("write `apiVersion: {GROUP}/v2`")));
        }
    };
    let message = format!("`{written}` is no longer served by Flux {dropped} and later");
    let hint = format!("write `apiVersion: {GROUP}/v2`; `flux migrate -f FILE` rewrites files");
    problems
        .push(scope.warning(code::HELMRELEASE_API_REMOVED, node, "apiVersion", message).hint(hint));
}

/// Exactly one of `chart.spec` and `chartRef`.
fn chart(scope: &Scope<'_>, spec: Node<'_>, problems: &mut Vec<Problem>) -> Option<Origin> {
    let fault = code::HELMRELEASE_CHART;
    let present = |key: &str| spec.get(key).filter(|node| !node.is_null());
    match (present("chart"), present("chartRef")) {
        (Some(chart), None) => match chart.get("spec").filter(|spec| spec.is_map()) {
            Some(node) => {
                let kinds = ["HelmRepository", "GitRepository", "Bucket"];
                let path = "spec.chart.spec";
                chart_spec(scope, node, path, &kinds, fault, problems).map(Origin::Chart)
            }
            None => {
                let message =
                    "`spec.chart` has no `spec`; expected `chart`, `version` and `sourceRef` in it";
                problems.push(scope.error(fault, chart, "spec.chart", message).hint(CHART));
                None
            }
        },
        (None, Some(node)) => {
            let kinds = ["OCIRepository", "HelmChart", "ExternalArtifact"];
            let found = object_ref(scope, node, "spec.chartRef", &kinds, fault, problems);
            found.map(Origin::Reference)
        }
        (Some(_), Some(node)) => {
            let message = "both `spec.chart` and `spec.chartRef` are written; expected one of them";
            let hint = "leave one of them out; Flux refuses both";
            problems.push(scope.error(fault, node, "spec.chartRef", message).hint(hint));
            None
        }
        (None, None) => {
            let message = "no chart is named; expected `spec.chart.spec` or `spec.chartRef`";
            problems.push(scope.error(fault, spec, "spec", message).hint(CHART));
            None
        }
    }
}

fn check_interval(scope: &Scope<'_>, spec: Node<'_>, problems: &mut Vec<Problem>) {
    let wanted = "expected a duration such as `10m`";
    let (node, message) = match spec.get("interval") {
        None => (spec, format!("`spec.interval` is missing; {wanted}")),
        Some(node) => match node.as_str() {
            Some(text) if is_duration(text) || text.contains("${") => return,
            Some(text) => {
                (node, format!("the interval `{}` is no duration; {wanted}", brief(text)))
            }
            None => (node, format!("the interval is {}; {wanted}", node.kind().name())),
        },
    };
    let problem = scope.error(code::HELMRELEASE_INTERVAL, node, "spec.interval", message);
    problems.push(problem.hint("write `interval: 10m`"));
}

/// `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`, the pattern of the CRD.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let fraction = match number.strip_prefix('.') {
            Some(digits) => {
                let after = digits.trim_start_matches(|c: char| c.is_ascii_digit());
                if after.len() == digits.len() {
                    return false;
                }
                after
            }
            None => number,
        };
        let unit = ["ms", "s", "m", "h"].iter().find_map(|unit| fraction.strip_prefix(unit));
        match unit {
            Some(after) if number.len() < rest.len() => rest = after,
            _ => return false,
        }
    }
    !text.is_empty()
}

fn check_values_from(scope: &Scope<'_>, spec: Node<'_>, problems: &mut Vec<Problem>) {
    let Some(list) = spec.get("valuesFrom").filter(|list| !list.is_null()) else { return };
    let fault = code::HELMRELEASE_VALUES_FROM;
    if list.kind() != Kind::Seq {
        let message = format!("`valuesFrom` is {}; expected a sequence", list.kind().name());
        let hint = "write a list of `- kind: ConfigMap` with `name`";
        return problems.push(scope.error(fault, list, "spec.valuesFrom", message).hint(hint));
    }
    for (index, entry) in list.items().enumerate() {
        if problems.len() > MAX_PROBLEMS {
            break;
        }
        let path = format!("spec.valuesFrom[{index}]");
        object_ref(scope, entry, &path, &["ConfigMap", "Secret"], fault, problems);
        for key in ["valuesKey", "targetPath"] {
            if let Some(node) =
                entry.get(key).filter(|node| !node.is_null() && node.as_str().is_none())
            {
                let path = format!("{path}.{key}");
                let message = format!("`{path}` is {}; expected a string", node.kind().name());
                let problem = scope.error(fault, node, &path, message);
                problems.push(problem.hint("put it in quotes, or leave it out"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for yes in ["10m", "1h30m", "500ms", "1.5s", "0s"] {
            assert!(is_duration(yes), "{yes}");
        }
        for no in ["", "10", "m", "1.m", "10 m", "1d", "-1m", ".5s", "10m5"] {
            assert!(!is_duration(no), "{no}");
        }
    }
}
