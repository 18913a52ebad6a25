//! From what HelmReleases say to where their charts are fetched: the source
//! objects of the bundle looked up, and each chart and image made a [`Need`].

use std::collections::BTreeMap;

use crate::model::{
    digest::Digest,
    reference::Tag,
    text::{brief, without_credentials},
};

use super::{
    check::FileFacts,
    image,
    kustomization::GROUP as KUSTOMIZE_GROUP,
    need::{ChartVersion, Kind, Need, Target},
    object::{NamedChart, NamedImage, Object, ObjectId},
    path::RelPath,
    problem::Problem,
    source_object::{self, ChartSpec, ObjectRef, OciVersion, Origin, Written, oci, written},
};

/// The source objects of a bundle by kind and name.
#[derive(Debug)]
pub struct Sources<'f> {
    by_name: BTreeMap<(&'f str, &'f str), Vec<&'f Object>>,
}

/// What the bundle says about the target of a reference.
struct Found {
    target: Target,
    reference: String,
    pinned: bool,
}

fn unknown(reference: String, reason: impl Into<String>) -> Found {
    Found { target: Target::Unknown { reason: reason.into() }, reference, pinned: false }
}

impl<'f> Sources<'f> {
    /// The source objects among `objects`.
    pub fn of(objects: impl Iterator<Item = &'f Object>) -> Self {
        let mut by_name: BTreeMap<_, Vec<&Object>> = BTreeMap::new();
        for object in objects.filter(|object| object.group() == source_object::GROUP) {
            by_name.entry((object.kind(), object.name())).or_default().push(object);
        }
        Self { by_name }
    }

    /// The object that `reference`, written in an object of `namespace`, names.
    ///
    /// A namespace that a kustomization fills in is not written, so an object
    /// without one is taken when none matches exactly. Several that say the
    /// same are one.
    fn find(&self, reference: &ObjectRef, namespace: &str) -> Result<&'f Object, String> {
        let wanted = reference.namespace.as_deref().unwrap_or(namespace);
        let all = self.by_name.get(&(&*reference.kind, &*reference.name)).map(Vec::as_slice);
        let all = all.unwrap_or_default();
        let exact = all.iter().copied().filter(|object| object.namespace() == wanted);
        let mut matching: Vec<&Object> = exact.collect();
        if matching.is_empty() {
            let open = |object: &&&Object| wanted.is_empty() || object.namespace().is_empty();
            matching = all.iter().filter(open).copied().collect();
        }
        let name = format!("{} `{}`", reference.kind, brief(&reference.name));
        let Some((first, rest)) = matching.split_first() else {
            return Err(format!("the {name} is not in the bundle"));
        };
        let agrees = |object: &&Object| match (&first.origin, &object.origin) {
            (Some(a), Some(b)) => a.agrees(b),
            _ => false,
        };
        match rest.iter().all(agrees) {
            true => Ok(first),
            false => Err(format!("the bundle has more than one {name}, and they differ")),
        }
    }

    /// The problems of a source that matter because `object` takes a chart
    /// from it.
    pub fn problems_for(&self, object: &Object) -> Vec<Problem> {
        let Some(Origin::Reference(reference)) = object.origin.as_deref() else {
            return Vec::new();
        };
        match self.find(reference, object.namespace()).map(|found| (found, found.origin.as_deref()))
        {
            Ok((found, Some(Origin::OciRepository { problems, .. }))) => {
                problems.iter().map(|problem| problem.clone().about(&found.id())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The chart that `object` needs.
    pub fn chart(&self, object: &Object) -> Option<Need> {
        let (path, found) = match object.origin.as_deref()? {
            Origin::Chart(spec) => {
                let release = object.kind() == "HelmRelease";
                let path = if release { "spec.chart.spec" } else { "spec" };
                (path, self.out_of(spec, object.namespace()))
            }
            Origin::Reference(reference) => {
                ("spec.chartRef", self.referenced(reference, object.namespace()))
            }
            Origin::HelmRepository { .. } | Origin::OciRepository { .. } => return None,
        };
        Some(Need {
            kind: Kind::Chart,
            file: object.file().clone(),
            object: object.id(),
            path: path.to_owned(),
            at: object.chart_at,
            reference: found.reference,
            pinned: found.pinned,
            target: found.target,
        })
    }

    /// The chart that `object` names, as people compare it: through `chartRef` the
    /// chart and the version that the source object selects.
    pub fn named(&self, object: &Object) -> Option<NamedChart> {
        let Some(Origin::Reference(reference)) = object.origin.as_deref() else {
            return object.chart();
        };
        match self.find(reference, object.namespace()) {
            Ok(found) => match found.origin.as_deref() {
                Some(Origin::OciRepository { url, version, .. }) => Some(NamedChart {
                    name: public(url),
                    version: Some(match version {
                        OciVersion::Digest(digest) => digest.to_string(),
                        OciVersion::Tag(tag) => tag.to_string(),
                        OciVersion::Range(range) => range.to_string(),
                        OciVersion::Latest => Tag::latest().to_string(),
                    }),
                }),
                _ => found.chart().or_else(|| object.chart()),
            },
            Err(_) => object.chart(),
        }
    }

    fn referenced(&self, reference: &ObjectRef, namespace: &str) -> Found {
        let name = format!("{} {}", reference.kind, reference.name);
        if &*reference.kind == "ExternalArtifact" {
            return unknown(name, "the chart of an ExternalArtifact is made in the cluster");
        }
        let object = match self.find(reference, namespace) {
            Ok(object) => object,
            Err(reason) => return unknown(name, reason),
        };
        match object.origin.as_deref() {
            Some(Origin::OciRepository { url, version, .. }) => from_oci_repository(url, version),
            Some(Origin::Chart(spec)) => self.out_of(spec, object.namespace()),
            _ => unknown(name, "the object it names cannot be read"),
        }
    }

    /// A chart out of a source that is named by kind and name.
    fn out_of(&self, spec: &ChartSpec, namespace: &str) -> Found {
        let version = spec.version.as_deref();
        let name = match version {
            Some(version) => format!("{} {version}", spec.chart),
            None => spec.chart.to_string(),
        };
        let source = &spec.source;
        let from = format!("{name} ({} {})", source.kind, source.name);
        if &*source.kind != "HelmRepository" {
            return unknown(from, format!("the chart is a directory of a {}", source.kind));
        }
        let url = match self.find(source, namespace).map(|found| found.origin.as_deref()) {
            Ok(Some(Origin::HelmRepository { url })) => &**url,
            Ok(_) => return unknown(from, "the HelmRepository it names cannot be read"),
            Err(reason) => return unknown(from, reason),
        };
        let reference = format!("{name} ({})", public(url));
        if url.contains("${")
            || spec.chart.contains("${")
            || version.is_some_and(|v| v.contains("${"))
        {
            return unknown(reference, FILLED);
        }
        let target = match url.starts_with("oci://") {
            true => oci_chart(url, &spec.chart, version),
            false => http_chart(url, &spec.chart, version),
        };
        Found { target, reference, pinned: false }
    }
}

const FILLED: &str = "a part of it is filled in by Flux (`${…}`) when it is applied";

fn oci_chart(url: &str, chart: &str, version: Option<&str>) -> Target {
    let full = format!("{}/{chart}", url.trim_end_matches('/'));
    match oci(&full) {
        Some(repository) => Target::OciChart {
            host: repository.host().to_owned(),
            path: repository.path().to_owned(),
            version: chart_version(version.unwrap_or("*")),
        },
        None => Target::Unknown { reason: format!("`{}` is no repository", brief(&public(&full))) },
    }
}

fn http_chart(url: &str, chart: &str, version: Option<&str>) -> Target {
    match url::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Target::HttpChart {
            repository: without_credentials(url),
            chart: chart.to_owned(),
            version: version.map(str::to_owned),
        },
        _ => Target::Unknown { reason: "the URL of the HelmRepository cannot be read".to_owned() },
    }
}

fn chart_version(version: &str) -> ChartVersion {
    match written(version) {
        Written::Exact => ChartVersion::Tag(version.trim().to_owned()),
        _ if version.trim().is_empty() => ChartVersion::Range("*".to_owned()),
        _ => ChartVersion::Range(version.trim().to_owned()),
    }
}

/// A URL as it may be shown and recorded: without credentials, and without query
/// and fragment, in which presigned URLs carry their signature.
fn public(text: &str) -> String {
    let text = without_credentials(text);
    let end = text.find(['?', '#']).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_owned()
}

fn from_oci_repository(url: &str, version: &OciVersion) -> Found {
    let shown = public(url);
    let shown = match version {
        OciVersion::Digest(digest) => format!("{shown}@{digest}"),
        OciVersion::Tag(tag) => format!("{shown}:{tag}"),
        OciVersion::Range(range) => format!("{shown} {range}"),
        OciVersion::Latest => format!("{shown}:latest"),
    };
    if url.contains("${") || shown.contains("${") {
        return unknown(shown, FILLED);
    }
    let Some(repository) = oci(url) else {
        return unknown(shown, "the URL of the OCIRepository cannot be read");
    };
    let (version, pinned) = match version {
        OciVersion::Digest(digest) => match digest.parse::<Digest>() {
            Ok(digest) => (ChartVersion::Digest(digest), true),
            Err(_) => return unknown(shown, "its digest cannot be read"),
        },
        OciVersion::Range(range) => (ChartVersion::Range(range.to_string()), false),
        OciVersion::Tag(tag) => match tag.parse::<Tag>() {
            Ok(tag) => (ChartVersion::Tag(tag.to_string()), false),
            Err(_) => return unknown(shown, "its tag cannot be read"),
        },
        OciVersion::Latest => (ChartVersion::Tag(Tag::latest().to_string()), false),
    };
    let (host, path) = (repository.host().to_owned(), repository.path().to_owned());
    Found { target: Target::OciChart { host, path, version }, reference: shown, pinned }
}

/// The images that an object names.
pub fn images(object: &Object) -> impl Iterator<Item = Need> {
    object.images().iter().map(|image| need(object.file(), object.id(), image))
}

/// The images that a kustomization puts in the place of others.
pub fn kustomization_images(facts: &FileFacts) -> impl Iterator<Item = Need> {
    let images = facts.kustomization().map(|found| found.images.as_slice()).unwrap_or_default();
    images.iter().map(|image| {
        let dir = facts.path().parent().map_or(".".to_owned(), |dir| dir.to_string());
        let object = ObjectId {
            group: KUSTOMIZE_GROUP.to_owned(),
            kind: "Kustomization".to_owned(),
            namespace: String::new(),
            name: dir,
        };
        need(facts.path(), object, image)
    })
}

fn need(file: &RelPath, object: ObjectId, image: &NamedImage) -> Need {
    let target = match (&image.unknown, image::parse(&image.reference)) {
        (Some(reason), _) => Target::Unknown { reason: reason.to_string() },
        (None, Ok(target)) => target,
        (None, Err(error)) => Target::Unknown { reason: error.to_string() },
    };
    Need {
        kind: Kind::Image,
        file: file.clone(),
        object,
        path: image.path.to_string(),
        at: image.at,
        reference: image.reference.to_string(),
        pinned: image::is_pinned(&image.reference),
        target,
    }
}
