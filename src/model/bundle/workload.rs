//! The images that manifests name: those of plain workloads, and those in the
//! shapes that charts conventionally give their values.
//!
//! Of a workload: `image` of every entry of `containers`, `initContainers` and
//! `ephemeralContainers`.
//!
//! Of values, at any depth of mappings and sequences (extractor 1 and later):
//!
//! - the key `image` with a text is a reference. When the text has neither tag
//!   nor digest, the keys `registry`, `tag` (or `imageTag`) and `digest` beside
//!   it complete it.
//! - the key `image` with a mapping of `repository` (or `image`, as in
//!   ingress-nginx), `registry`, `tag` and `digest`. Without a repository, or
//!   with neither tag nor digest, the chart's defaults fill it in, and the
//!   image is listed as unknown.
//! - any other key that ends in `image`, in any case, with a mapping that has a
//!   `repository` and a `tag` or `digest`.
//!
//! A text with `://` is the address of a picture and no image. What
//! `global.imageRegistry` and its like do to references is the chart's affair
//! and not followed.

use crate::model::text::without_credentials;

use super::{
    bounds,
    check::MAX_PROBLEMS,
    image::{self, ImageError},
    object::NamedImage,
    problem::{Problem, code},
    scope::Scope,
    yaml::{Kind, Node, scalar},
};

/// How many images of one object are kept: more than a bundle may have.
const MAX_FOUND: usize = 20_000;

/// What was found in one object.
#[derive(Debug, Default)]
pub struct Images {
    /// The images.
    pub found: Vec<NamedImage>,
    /// What is wrong with how they are written.
    pub problems: Vec<Problem>,
}

impl Images {
    fn take(&mut self, image: NamedImage) {
        bounds::push(&mut self.found, image, MAX_FOUND);
    }

    fn problem(&mut self, problem: Problem) {
        bounds::push(&mut self.problems, problem, MAX_PROBLEMS);
    }
}

/// What is wrong with a reference, which `error` says cannot be read: it is
/// malformed, or looks pinned without being so. One that something fills in
/// later is otherwise left alone.
pub fn misread(
    scope: &Scope<'_>,
    node: Node<'_>,
    path: &str,
    reference: &str,
    error: Option<&ImageError>,
) -> Option<Problem> {
    let error = error?;
    let malformed = matches!(error, ImageError::Malformed { .. });
    let (message, hint) = match image::is_falsely_pinned(reference) {
        false if !malformed => return None,
        false => (error.to_string(), MALFORMED),
        true => (format!("{error}; it is not pinned"), UNPINNED),
    };
    Some(scope.warning(code::IMAGE_REFERENCE, node, path, message).hint(hint))
}

const MALFORMED: &str =
    "write it as the container runtime reads it, such as `registry.example/shop/web:1.4.0`";
const UNPINNED: &str = "write the digest in full: `@sha256:` and 64 hexadecimal digits";

/// The path to the pod spec of a kind of workload.
pub fn pod_spec(group: &str, kind: &str) -> Option<&'static [&'static str]> {
    match (group, kind) {
        ("", "Pod") => Some(&["spec"]),
        ("", "ReplicationController")
        | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job") => Some(&["spec", "template", "spec"]),
        ("batch", "CronJob") => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        _ => None,
    }
}

/// Collects the images of the pod spec at `path` of `object`.
pub fn of_pod(scope: &Scope<'_>, object: Node<'_>, path: &[&str], images: &mut Images) {
    let Some(spec) = object.at(path) else { return };
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let containers = spec.get(list).into_iter().flat_map(Node::items);
        for (index, container) in containers.enumerate() {
            let Some(image) = container.get("image") else { continue };
            let path = format!("{}.{list}[{index}].image", path.join("."));
            match image.as_str() {
                Some("") => {}
                Some(text) => add(scope, image, &path, text, images),
                None => not_text(scope, image, &path, images),
            }
        }
    }
}

fn not_text(scope: &Scope<'_>, image: Node<'_>, path: &str, images: &mut Images) {
    if !image.is_null() {
        let message = format!("`image` is {}; expected an image reference", image.kind().name());
        let problem = scope.warning(code::IMAGE_REFERENCE, image, path, message);
        images.problem(problem.hint(MALFORMED));
    }
}

/// Collects the images of `values`, the node at `path`.
pub fn of_values(scope: &Scope<'_>, values: Node<'_>, path: &str, images: &mut Images) {
    let mut path = path.to_owned();
    walk(scope, values, &mut path, images);
}

fn walk(scope: &Scope<'_>, node: Node<'_>, path: &mut String, images: &mut Images) {
    let length = path.len();
    for (index, item) in node.items().enumerate() {
        if matches!(item.kind(), Kind::Seq | Kind::Map { .. }) {
            path.push_str(&format!("[{index}]"));
            walk(scope, item, path, images);
            path.truncate(length);
        }
    }
    for (key, value) in node.entries() {
        let collection = matches!(value.kind(), Kind::Seq | Kind::Map { .. });
        let name = key.key();
        let suffix = name.len().checked_sub(5).and_then(|at| name.get(at..));
        let imageish = suffix.is_some_and(|end| end.eq_ignore_ascii_case("image"));
        if !collection && name != "image" {
            continue;
        }
        push_key(path, &name);
        match value.kind() {
            Kind::Map { .. }
                if imageish && of_mapping(scope, value, name == "image", path, images) =>
            {
                walk_below_image(scope, value, path, images);
            }
            _ if collection => walk(scope, value, path, images),
            Kind::Str => of_text(scope, node, value, path, images),
            _ => {}
        }
        path.truncate(length);
    }
}

/// Below a mapping that is an image, its own `image` is its repository.
fn walk_below_image(scope: &Scope<'_>, node: Node<'_>, path: &mut String, images: &mut Images) {
    let length = path.len();
    for (key, value) in node.entries() {
        if matches!(value.kind(), Kind::Seq | Kind::Map { .. }) {
            push_key(path, &key.key());
            walk(scope, value, path, images);
            path.truncate(length);
        }
    }
}

/// Appends a key to a path; one that would blur it is quoted.
pub(super) fn push_key(path: &mut String, key: &str) {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(plain) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        path.push_str(&format!("[{key:?}]"));
    }
}

/// The parts of an image as values write them.
#[derive(Default)]
struct Parts {
    registry: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

impl Parts {
    fn join(&self) -> String {
        let mut text = String::new();
        if let Some(registry) = &self.registry {
            text.push_str(registry.trim_end_matches('/'));
            text.push('/');
        }
        text.push_str(self.repository.as_deref().unwrap_or_default());
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest);
        }
        text
    }

    fn is_versioned(&self) -> bool {
        let own = self.repository.as_deref().is_some_and(is_versioned);
        self.tag.is_some() || self.digest.is_some() || own
    }
}

/// Whether a reference has a tag or digest of its own.
fn is_versioned(text: &str) -> bool {
    text.contains('@') || text.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

/// The text of a key, when it is one and not empty.
fn part(node: Node<'_>, key: &str) -> Option<String> {
    node.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A tag, which people also write as numbers.
fn tag(
    scope: &Scope<'_>,
    node: Node<'_>,
    keys: &[&str],
    path: &str,
    images: &mut Images,
) -> Option<String> {
    let (key, value) = keys.iter().find_map(|key| Some((*key, node.get(key)?)))?;
    let written = value.scalar()?;
    let seen = match value.kind() {
        Kind::Str => return Some(written.to_owned()).filter(|text| !text.is_empty()),
        Kind::Int | Kind::Float => scalar::as_helm_prints(written)?,
        Kind::Bool(value) => value.to_string(),
        _ => return None,
    };
    let path = format!("{path}.{key}");
    let message = format!("the tag `{written}` is {}; Helm sees `{seen}`", value.kind().name());
    let problem = scope.warning(code::IMAGE_TAG_TYPE, value, &path, message);
    images.problem(problem.hint(format!("put it in quotes: `{key}: \"{written}\"`")));
    Some(seen)
}

/// Takes a mapping as an image; whether it is one.
fn of_mapping(
    scope: &Scope<'_>,
    node: Node<'_>,
    exact: bool,
    path: &str,
    images: &mut Images,
) -> bool {
    let repository = part(node, "repository").or_else(|| part(node, "image").filter(|_| exact));
    let versioned = node.get("tag").is_some() || node.get("digest").is_some();
    if !exact && (repository.is_none() || !versioned) {
        return false;
    }
    let parts = Parts {
        registry: part(node, "registry"),
        repository,
        tag: tag(scope, node, &["tag"], path, images),
        digest: part(node, "digest"),
    };
    match (&parts.repository, parts.is_versioned()) {
        (Some(_), true) => add(scope, node, path, &parts.join(), images),
        (Some(_), false) => {
            unknown(scope, node, path, &parts, "the tag is the chart's default", images);
        }
        (None, true) => {
            unknown(scope, node, path, &parts, "the repository is the chart's default", images);
        }
        (None, false) => return false,
    }
    true
}

fn unknown(
    scope: &Scope<'_>,
    node: Node<'_>,
    path: &str,
    parts: &Parts,
    reason: &str,
    images: &mut Images,
) {
    images.take(NamedImage {
        path: path.into(),
        at: scope.position(node),
        reference: without_credentials(&parts.join()).into(),
        unknown: Some(format!("{reason}, which the manifests do not say").into()),
    });
}

/// Takes the text of a key `image` of `node`.
fn of_text(scope: &Scope<'_>, node: Node<'_>, image: Node<'_>, path: &str, images: &mut Images) {
    let text = image.as_str().unwrap_or_default();
    if text.is_empty() || text.contains("://") {
        return;
    }
    if is_versioned(text) {
        return add(scope, image, path, text, images);
    }
    let parent = path.strip_suffix(".image").unwrap_or_default();
    let parts = Parts {
        registry: part(node, "registry"),
        repository: Some(text.to_owned()),
        tag: tag(scope, node, &["tag", "imageTag"], parent, images),
        digest: part(node, "digest"),
    };
    add(scope, image, path, &parts.join(), images);
}

fn add(scope: &Scope<'_>, node: Node<'_>, path: &str, reference: &str, images: &mut Images) {
    let error = image::parse(reference).err();
    if let Some(problem) = misread(scope, node, path, reference, error.as_ref()) {
        images.problem(problem);
    }
    images.take(NamedImage {
        path: path.into(),
        at: scope.position(node),
        // Kubernetes knows no image with credentials, so the error stands.
        reference: without_credentials(reference).into(),
        unknown: error.map(|error| error.to_string().into()),
    });
}
