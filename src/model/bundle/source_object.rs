//! Where charts come from: what HelmReleases, and the Flux source objects that
//! they name, say about it (`source.toolkit.fluxcd.io`, interop §2.1 and §2.6).

use super::{
    constraint::Constraint,
    object::NamedChart,
    problem::{Problem, code},
    scope::Scope,
    yaml::{Kind, Node},
};
use crate::model::{digest::Digest, reference::Repository, text::brief};

/// The group of the source objects.
pub const GROUP: &str = "source.toolkit.fluxcd.io";

/// What an object says about where a chart comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A HelmRelease with `chart.spec`, or a HelmChart: a chart out of a source.
    Chart(ChartSpec),
    /// A HelmRelease with `chartRef`.
    Reference(ObjectRef),
    /// A HelmRepository.
    HelmRepository {
        /// `spec.url`.
        url: Box<str>,
    },
    /// An OCIRepository.
    OciRepository {
        /// `spec.url`.
        url: Box<str>,
        /// `spec.ref`.
        version: OciVersion,
        /// What matters only if a chart comes from it.
        problems: Vec<Problem>,
    },
}

/// A chart out of a source, `spec.chart.spec` or the `spec` of a HelmChart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartSpec {
    /// `chart`.
    pub chart: Box<str>,
    /// `version`.
    pub version: Option<Box<str>>,
    /// `sourceRef`.
    pub source: ObjectRef,
}

/// A reference to another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// The kind.
    pub kind: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// The namespace when written; the referring object's otherwise.
    pub namespace: Option<Box<str>>,
}

/// What an OCIRepository selects; Flux prefers the digest, then the range, then
/// the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OciVersion {
    /// `ref.digest`.
    Digest(Box<str>),
    /// `ref.semver`.
    Range(Box<str>),
    /// `ref.tag`.
    Tag(Box<str>),
    /// No `ref`, which means `latest`.
    Latest,
}

impl Origin {
    /// The chart it names, for people.
    pub fn named(&self) -> Option<NamedChart> {
        match self {
            Origin::Chart(spec) => Some(NamedChart {
                name: spec.chart.to_string(),
                version: spec.version.as_ref().map(ToString::to_string),
            }),
            Origin::Reference(object) => {
                Some(NamedChart { name: format!("{} {}", object.kind, object.name), version: None })
            }
            _ => None,
        }
    }

    /// Whether two objects say the same, problems aside.
    pub fn agrees(&self, other: &Origin) -> bool {
        match (self, other) {
            (Origin::Chart(a), Origin::Chart(b)) => a == b,
            (Origin::Reference(a), Origin::Reference(b)) => a == b,
            (Origin::HelmRepository { url: a }, Origin::HelmRepository { url: b }) => a == b,
            (
                Origin::OciRepository { url: a, version: x, .. },
                Origin::OciRepository { url: b, version: y, .. },
            ) => a == b && x == y,
            _ => false,
        }
    }
}

/// How a chart version is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// One version, an optional `v` before it.
    Exact,
    /// A range in the language of Masterminds/semver, which Helm and Flux use.
    Range,
    /// Something that `${…}` fills in.
    Filled,
    /// Neither.
    Neither,
}

/// How `version` is written.
pub fn written(version: &str) -> Written {
    let version = version.trim();
    if version.contains("${") {
        Written::Filled
    } else if semver::Version::parse(version.strip_prefix('v').unwrap_or(version)).is_ok() {
        Written::Exact
    } else if version.is_empty() || Constraint::parse(version).is_ok() {
        Written::Range
    } else {
        Written::Neither
    }
}

/// Reads a source object of the bundle; nothing for kinds that charts are
/// never locked from.
pub fn read(
    scope: &Scope<'_>,
    kind: &str,
    object: Node<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Origin> {
    match kind {
        "HelmRepository" => {
            let url = url(scope, object, problems)?;
            if !["http://", "https://", "oci://", "${"].iter().any(|s| url.starts_with(s)) {
                problems.push(shape(scope, object, "url", "expected `https://…` or `oci://…`"));
            }
            Some(Origin::HelmRepository { url: url.into() })
        }
        "OCIRepository" => {
            let url = url(scope, object, problems)?;
            let mut of_charts = Vec::new();
            let version = oci_version(scope, object, &mut of_charts, problems);
            if !url.contains("${") && oci(url).is_none() {
                let wanted = "expected `oci://HOST/REPOSITORY` without tag or digest";
                problems.push(shape(scope, object, "url", wanted));
            }
            Some(Origin::OciRepository { url: url.into(), version, problems: of_charts })
        }
        "HelmChart" => {
            let spec = object.get("spec")?;
            let kinds = ["HelmRepository", "GitRepository", "Bucket"];
            let found = chart_spec(scope, spec, "spec", &kinds, code::SOURCE_SHAPE, problems)?;
            Some(Origin::Chart(found))
        }
        _ => None,
    }
}

/// The host and path of `oci://HOST/REPOSITORY`.
pub fn oci(url: &str) -> Option<Repository> {
    let (host, path) = url.strip_prefix("oci://")?.trim_end_matches('/').split_once('/')?;
    Repository::new(host, path).ok()
}

fn url<'d>(scope: &Scope<'_>, object: Node<'d>, problems: &mut Vec<Problem>) -> Option<&'d str> {
    let url = object.str_at(&["spec", "url"]).filter(|url| !url.is_empty());
    if url.is_none() {
        problems.push(shape(scope, object, "url", "expected a URL"));
    }
    url
}

/// A problem with a field of `spec`, which may be missing.
fn shape(scope: &Scope<'_>, object: Node<'_>, field: &str, wanted: &str) -> Problem {
    let node = object.at(&["spec", field]).or_else(|| object.get("spec")).unwrap_or(object);
    let found = match object.str_at(&["spec", field]) {
        Some(_) => format!("`spec.{field}` is not usable; {wanted}"),
        None => format!("`spec.{field}` is missing or no string; {wanted}"),
    };
    let hint = "write where the charts are: `https://charts.example`, or `oci://HOST/REPOSITORY` with the \
                version in `spec.ref`";
    scope.error(code::SOURCE_SHAPE, node, &format!("spec.{field}"), found).hint(hint)
}

fn oci_version(
    scope: &Scope<'_>,
    object: Node<'_>,
    of_charts: &mut Vec<Problem>,
    problems: &mut Vec<Problem>,
) -> OciVersion {
    let field = |name: &str, problems: &mut Vec<Problem>| {
        let node = object.at(&["spec", "ref", name]).filter(|node| !node.is_null())?;
        let path = format!("spec.ref.{name}");
        let text = text(scope, node, &path, code::SOURCE_SHAPE, problems);
        text.filter(|text| !text.is_empty()).map(|text| (text, node, path))
    };
    let floating = |node: Node<'_>, path: &str, what: &str| {
        let message = format!("the chart comes from {what}, which can change at any time");
        let hint = "write `spec.ref.digest`, or `spec.ref.tag` with one version";
        scope.warning(code::SOURCE_VERSION, node, path, message).hint(hint)
    };
    if let Some((digest, node, path)) = field("digest", problems) {
        if digest.parse::<Digest>().is_err() && !digest.contains("${") {
            let message = format!("`{}` is no digest; expected `sha256:…`", brief(&digest));
            let problem = scope.error(code::SOURCE_SHAPE, node, &path, message);
            problems.push(problem.hint("copy the whole digest, or write `tag` in its place"));
        }
        return OciVersion::Digest(digest);
    }
    if let Some((range, node, path)) = field("semver", problems) {
        if written(&range) != Written::Filled {
            of_charts.push(floating(node, &path, &format!("the range `{}`", brief(&range))));
        }
        return OciVersion::Range(range);
    }
    match field("tag", problems) {
        Some((tag, node, path)) => {
            if &*tag == "latest" {
                of_charts.push(floating(node, &path, "the tag `latest`"));
            }
            OciVersion::Tag(tag)
        }
        None => {
            let node = object.get("spec").and_then(|spec| spec.get("url")).unwrap_or(object);
            of_charts.push(floating(
                node,
                "spec",
                "the tag `latest`, since `spec.ref` is not written",
            ));
            OciVersion::Latest
        }
    }
}

/// Reads `chart`, `version` and `sourceRef` of the node at `path`.
pub fn chart_spec(
    scope: &Scope<'_>,
    spec: Node<'_>,
    path: &str,
    kinds: &[&str],
    fault: super::problem::Code,
    problems: &mut Vec<Problem>,
) -> Option<ChartSpec> {
    let chart = spec.str_at(&["chart"]).filter(|chart| !chart.is_empty());
    if chart.is_none() {
        let node = spec.get("chart").unwrap_or(spec);
        let message = format!("`{path}.chart` is missing or no string; expected the chart's name");
        let problem = scope.error(fault, node, &format!("{path}.chart"), message);
        problems.push(problem.hint("write the chart's name as a text: `chart: podinfo`"));
    }
    let source = match spec.get("sourceRef") {
        Some(node) => object_ref(scope, node, &format!("{path}.sourceRef"), kinds, fault, problems),
        None => {
            let message = format!("`{path}.sourceRef` is missing; expected `kind` and `name`");
            let hint = "write `sourceRef: {kind: HelmRepository, name: NAME}`";
            problems.push(scope.error(fault, spec, path, message).hint(hint));
            None
        }
    };
    let from_helm = source.as_ref().is_none_or(|source| &*source.kind == "HelmRepository");
    let version = chart_version(scope, spec, path, from_helm, problems);
    Some(ChartSpec { chart: chart?.into(), version, source: source? })
}

/// Reads `kind`, `name` and `namespace` of the node at `path`.
pub fn object_ref(
    scope: &Scope<'_>,
    node: Node<'_>,
    path: &str,
    kinds: &[&str],
    fault: super::problem::Code,
    problems: &mut Vec<Problem>,
) -> Option<ObjectRef> {
    let mut wrong = |key: &str, wanted: &str| {
        let at = node.get(key).unwrap_or(node);
        let message = format!("`{path}.{key}` is missing or wrong; expected {wanted}");
        let problem = scope.error(fault, at, &format!("{path}.{key}"), message);
        problems.push(problem.hint(format!("write `{key}:` with {wanted}")));
    };
    let kind = node.str_at(&["kind"]).filter(|kind| kinds.contains(kind));
    let name = node.str_at(&["name"]).filter(|name| !name.is_empty());
    if kind.is_none() {
        wrong("kind", &format!("one of `{}`", kinds.join("`, `")));
    }
    if name.is_none() {
        wrong("name", "the name of an object");
    }
    let namespace = node.str_at(&["namespace"]).filter(|namespace| !namespace.is_empty());
    Some(ObjectRef { kind: kind?.into(), name: name?.into(), namespace: namespace.map(Into::into) })
}

/// Reads and judges `version`. Only charts out of a Helm repository have their
/// version selected; those out of Git or a bucket are what the source holds.
fn chart_version(
    scope: &Scope<'_>,
    spec: Node<'_>,
    path: &str,
    from_helm: bool,
    problems: &mut Vec<Problem>,
) -> Option<Box<str>> {
    let path = format!("{path}.version");
    let hint = "write the one version that was tested, such as `version: 1.4.0`";
    let Some(node) = spec.get("version").filter(|node| !node.is_null()) else {
        if from_helm {
            let message = format!("`{path}` is not written; the newest chart is taken each time");
            let at = spec.get("chart").unwrap_or(spec);
            problems.push(scope.warning(code::HELMRELEASE_VERSION, at, &path, message).hint(hint));
        }
        return None;
    };
    let version = text(scope, node, &path, code::HELMRELEASE_VERSION_SYNTAX, problems)?;
    match written(&version) {
        Written::Exact | Written::Filled => {}
        _ if !from_helm => {}
        Written::Range => {
            let message =
                format!("`{}` is a range; the newest match is taken each time", brief(&version));
            problems
                .push(scope.warning(code::HELMRELEASE_VERSION, node, &path, message).hint(hint));
        }
        Written::Neither => {
            let message = format!("`{}` is neither a version nor a range", brief(&version));
            let problem = scope.error(code::HELMRELEASE_VERSION_SYNTAX, node, &path, message);
            problems.push(problem.hint(hint));
        }
    }
    Some(version)
}

/// The text of a field that must be a string; says what else it is read as.
fn text(
    scope: &Scope<'_>,
    node: Node<'_>,
    path: &str,
    fault: super::problem::Code,
    problems: &mut Vec<Problem>,
) -> Option<Box<str>> {
    if let Some(text) = node.as_str() {
        return Some(text.into());
    }
    let written = brief(node.scalar().unwrap_or_default());
    let found = match node.kind() {
        Kind::Int | Kind::Float => {
            let value = super::yaml::scalar::value(&written).unwrap_or_default();
            format!("`{written}` is read as the number {value}; expected a string")
        }
        Kind::Bool(value) => {
            format!("`{written}` is read as the boolean {value}; expected a string")
        }
        kind => format!("`{path}` is {}; expected a string", kind.name()),
    };
    let problem = scope.error(fault, node, path, found);
    problems.push(match node.scalar() {
        Some(_) => problem.hint(format!("put it in quotes: `\"{written}\"`")),
        None => problem.hint("write a text there"),
    });
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_ranges() {
        for exact in ["1.4.0", "v1.4.0", "1.4.0-rc.1", "1.4.0+build.5"] {
            assert_eq!(written(exact), Written::Exact, "{exact}");
        }
        for range in [
            "",
            "*",
            "1",
            "1.4",
            "1.x",
            "1.4.x",
            "v1",
            ">=1.0",
            ">= 1.0, < 2",
            "^1.2.3",
            "~1.2",
            "=1.4.0",
            "1.0 - 2.0",
            "1.x || 3.x",
            ">1.0 <2.0",
            "!=1.5.0",
            ">=1.0.0-0",
            "~> 2",
        ] {
            assert_eq!(written(range), Written::Range, "{range}");
        }
        for neither in
            ["latest", "1.2.3.4", "x.y", ">=", ">> 1", "1..2", "a1", "1.4.0 stable", "||"]
        {
            assert_eq!(written(neither), Written::Neither, "{neither}");
        }
        assert_eq!(written("${VERSION}"), Written::Filled);
    }

    #[test]
    fn oci_urls() {
        assert!(oci("oci://ghcr.io/stefanprodan/charts/podinfo").is_some());
        for bad in ["https://x/y", "oci://ghcr.io", "oci://ghcr.io/a:1", "oci://ghcr.io/A"] {
            assert!(oci(bad).is_none(), "{bad}");
        }
    }
}
