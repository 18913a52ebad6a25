//! Patches: whether one writes data in clear into a Secret.
//!
//! A patch is a part of an object (strategic merge) or a list of operations
//! (JSON patch, RFC 6902), written in place or in a file of its own. What it
//! changes is said by its own kind and by the `target` beside it, as kustomize
//! reads them. Nothing is applied here.

use std::ops::Range;

use super::{
    bounds, check, helm_release,
    object::group,
    problem::{Problem, code},
    scope::Scope,
    secret,
    yaml::{self, Kind, Node},
};

/// The group of Flux's own Kustomizations.
pub const FLUX_GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// The fields that list patches.
const FIELDS: [&str; 3] = ["patches", "patchesStrategicMerge", "patchesJson6902"];

/// What a patch changes, as far as its `target` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Secrets.
    Secrets,
    /// The target names no kind, or a pattern that may match Secrets.
    Unsaid,
    /// Other kinds only.
    Others,
    /// There is no target: the patch itself says what it changes.
    Own,
}

impl Aim {
    /// The aim of an entry of `patches` or `patchesJson6902`. The kind of a
    /// target is a regular expression that must match all of it.
    pub fn of(entry: Node<'_>) -> Self {
        let Some(target) = entry.get("target").filter(|target| target.is_map()) else {
            return Aim::Own;
        };
        match target.str_at(&["kind"]) {
            Some("Secret") => Aim::Secrets,
            Some(kind) if !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Aim::Others
            }
            _ => Aim::Unsaid,
        }
    }

    /// What to do about data in clear.
    pub fn hint(self) -> String {
        match self {
            Aim::Unsaid => format!(
                "if it patches no Secret, write the `kind` in its target; otherwise {}",
                secret::HINT
            ),
            _ => secret::HINT.to_owned(),
        }
    }
}

/// What a file would write if it were used as a patch of a Secret.
#[derive(Debug)]
pub struct Write {
    /// Whether it is a list of operations.
    operations: bool,
    /// The finding, still without a hint.
    problem: Problem,
}

impl Write {
    /// The problem when a patch with this aim is read from the file.
    pub fn problem(&self, aim: Aim) -> Option<Problem> {
        let counts = match aim {
            Aim::Secrets | Aim::Unsaid => true,
            Aim::Own => self.operations,
            Aim::Others => false,
        };
        counts.then(|| self.problem.clone().hint(aim.hint()))
    }
}

/// What `root`, a document of a file, would write as a patch. Documents of
/// Secrets are judged wherever they are, and ConfigMaps are what they say.
pub fn write(scope: &Scope<'_>, root: Node<'_>) -> Option<Write> {
    let operations = root.kind() == Kind::Seq;
    if !may_write(root) {
        return None;
    }
    let (node, path) = find(root, Aim::Unsaid)?;
    let problem = scope.error(code::SECRET_CLEAR, node, &path, message(&path));
    Some(Write { operations, problem })
}

/// Whether a document that is no Secret may write data as a patch of one, so
/// that its values must not be shown.
pub fn may_write(root: Node<'_>) -> bool {
    match root.kind() {
        Kind::Seq => root.items().any(|item| item.get("path").is_some()),
        _ => {
            let kind = root.str_at(&["kind"]);
            (root.get("data").is_some() || root.get("stringData").is_some())
                && !matches!(kind, None | Some("Secret" | "ConfigMap"))
        }
    }
}

fn message(path: &str) -> String {
    format!("a patch writes `{path}` in clear into a Secret")
}

/// The first value in clear that a patch writes into a Secret, and where.
fn find(root: Node<'_>, aim: Aim) -> Option<(Node<'_>, String)> {
    if root.kind() == Kind::Seq {
        return match aim {
            Aim::Others => None,
            _ => root.items().find_map(operation),
        };
    }
    let concerned = match (root.str_at(&["kind"]), aim) {
        (Some("Secret"), _) => group(root.str_at(&["apiVersion"]).unwrap_or_default()).is_empty(),
        (_, Aim::Secrets) => true,
        (kind, Aim::Unsaid) => kind != Some("ConfigMap"),
        _ => false,
    };
    if concerned { fields(root) } else { None }
}

/// The first entry of `data` or `stringData` in clear.
fn fields(object: Node<'_>) -> Option<(Node<'_>, String)> {
    ["data", "stringData"].into_iter().find_map(|field| {
        let mut entries = object.get(field).into_iter().flat_map(Node::entries);
        let (key, _) = entries.find(|(_, value)| secret::is_clear(*value))?;
        Some((key, format!("{field}.{}", secret::shown_name(&key.key()))))
    })
}

/// What an operation writes in clear. `test` writes nothing, but says the value
/// as well.
fn operation(item: Node<'_>) -> Option<(Node<'_>, String)> {
    let value = item.get("value")?;
    let mut parts = item.str_at(&["path"])?.split('/').skip(1);
    let Some(field) = parts.next() else { return fields(value) };
    if !matches!(field, "data" | "stringData") {
        return None;
    }
    let key = parts.next().map(|key| key.replace("~1", "/").replace("~0", "~"));
    let clear = match key {
        Some(_) => secret::is_clear(value),
        None => value.entries().any(|(_, value)| secret::is_clear(value)),
    };
    let key = key.map(|key| format!(".{}", secret::shown_name(&key))).unwrap_or_default();
    clear.then(|| (value, format!("{field}{key}")))
}

/// Judges a patch that is written in place: as a text, or as YAML.
pub fn in_place(scope: &Scope<'_>, node: Node<'_>, path: &str, aim: Aim) -> Option<Problem> {
    let written = match node.as_str() {
        Some(text) => {
            let mut documents = yaml::documents(text).filter_map(Result::ok);
            documents.find_map(|document| find(document.root(), aim).map(|(_, written)| written))
        }
        None => find(node, aim).map(|(_, written)| written),
    }?;
    Some(scope.error(code::SECRET_CLEAR, node, path, message(&written)).hint(aim.hint()))
}

/// The lists of patches in an object of Flux: a Kustomization's own, and those
/// of a HelmRelease's post-renderers, each with its path.
fn lists(object: Node<'_>) -> Vec<(String, Node<'_>)> {
    let of = object.str_at(&["apiVersion"]).map(group);
    let parents = match (of, object.str_at(&["kind"])) {
        (Some(FLUX_GROUP), Some("Kustomization")) => {
            object.get("spec").map(|spec| ("spec".to_owned(), spec)).into_iter().collect()
        }
        (Some(helm_release::GROUP), Some("HelmRelease")) => {
            let renderers = object.at(&["spec", "postRenderers"]).into_iter().flat_map(Node::items);
            renderers
                .enumerate()
                .filter_map(|(index, renderer)| {
                    let path = format!("spec.postRenderers[{index}].kustomize");
                    Some((path, renderer.get("kustomize")?))
                })
                .collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    let lists = parents.iter().flat_map(|(path, parent)| {
        let of_field = move |field| Some((format!("{path}.{field}"), parent.get(field)?));
        FIELDS.into_iter().filter_map(of_field)
    });
    lists.collect()
}

/// What the patches inside an object of Flux write in clear.
pub fn in_object(scope: &Scope<'_>, object: Node<'_>, path: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (list_path, list) in lists(object) {
        for (index, entry) in list.items().enumerate() {
            let path = format!("{path}{list_path}[{index}]");
            let found = match entry.get("patch") {
                Some(patch) => in_place(scope, patch, &format!("{path}.patch"), Aim::of(entry)),
                None => in_place(scope, entry, &path, Aim::Own),
            };
            if let Some(problem) = found {
                bounds::push(&mut problems, problem, check::MAX_PROBLEMS);
            }
        }
    }
    problems
}

/// The lists of patches of a kustomization whose lines must not be shown.
pub fn hidden(kustomization: Node<'_>) -> Vec<Range<usize>> {
    let lists = FIELDS.into_iter().filter_map(|field| kustomization.get(field));
    lists.filter(|list| list.items().any(mentions_secret)).map(Node::range).collect()
}

/// The same of the objects of Flux in a document.
pub fn hidden_in_objects(root: Node<'_>) -> Vec<Range<usize>> {
    if check::is_list(root) {
        let items = root.get("items").into_iter().flat_map(Node::items);
        return items.flat_map(hidden_in_objects).collect();
    }
    let lists = lists(root).into_iter().map(|(_, list)| list);
    lists.filter(|list| list.items().any(mentions_secret)).map(Node::range).collect()
}

fn mentions_secret(entry: Node<'_>) -> bool {
    let patch = entry.get("patch").unwrap_or(entry);
    match patch.as_str() {
        Some(text) => text.contains("Secret") || secret::has_data(text),
        None => {
            patch.kind() == Kind::Seq
                || patch.get("data").is_some()
                || patch.get("stringData").is_some()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn found(text: &str, aim: Aim) -> Option<String> {
        let document = yaml::documents(text).next().unwrap().unwrap();
        find(document.root(), aim).map(|(_, path)| path)
    }

    #[test]
    fn aims() {
        for (text, aim) in [
            ("{path: a.yaml}", Aim::Own),
            ("{target: {kind: Secret, name: db}}", Aim::Secrets),
            ("{target: {kind: Deployment}}", Aim::Others),
            ("{target: {kind: SecretStore}}", Aim::Others),
            ("{target: {name: db}}", Aim::Unsaid),
            ("{target: {kind: ''}}", Aim::Unsaid),
            ("{target: {kind: 'Secret|ConfigMap'}}", Aim::Unsaid),
            ("{target: {kind: .*}}", Aim::Unsaid),
        ] {
            let document = yaml::documents(text).next().unwrap().unwrap();
            assert_eq!(Aim::of(document.root()), aim, "{text}");
        }
    }

    #[test]
    fn operations_on_secrets() {
        for (text, path) in [
            ("[{op: add, path: /stringData/a, value: x}]", Some("stringData.a")),
            ("[{op: replace, path: /data/a~1b, value: eA==}]", Some("data.a/b")),
            ("[{op: add, path: /data, value: {a: eA==}}]", Some("data")),
            ("[{op: replace, path: '', value: {data: {a: eA==}}}]", Some("data.a")),
            ("[{op: test, path: /data/a, value: eA==}]", Some("data.a")),
            ("[{op: add, path: /data/a, value: 5}]", Some("data.a")),
            ("[{op: remove, path: /data/a}]", None),
            ("[{op: add, path: /data/a, value: ''}]", None),
            ("[{op: add, path: /data/a, value: 'ENC[x]'}]", None),
            ("[{op: add, path: /data/a, value: '${A}'}]", None),
            ("[{op: add, path: /data, value: {}}]", None),
            ("[{op: add, path: /metadata/labels/a, value: x}]", None),
            ("[{op: add, path: /spec/data/a, value: x}]", None),
            ("[a, 5, {path: 5, value: x}]", None),
        ] {
            for aim in [Aim::Secrets, Aim::Unsaid, Aim::Own] {
                assert_eq!(found(text, aim).as_deref(), path, "{text} {aim:?}");
            }
            assert_eq!(found(text, Aim::Others), None, "{text}");
        }
    }

    #[test]
    fn merges_into_secrets() {
        use Aim::{Others, Own, Secrets, Unsaid};
        for (text, aims) in [
            ("{kind: Secret, stringData: {a: x}}", &[Secrets, Unsaid, Others, Own][..]),
            ("{kind: any, data: {a: eA==}}", &[Secrets, Unsaid]),
            ("{data: {a: eA==}}", &[Secrets, Unsaid]),
            ("{kind: ConfigMap, data: {a: x}}", &[Secrets]),
            ("{kind: Secret, apiVersion: example.com/v1, data: {a: x}}", &[]),
            ("{kind: Secret, data: {a: null, b: 'ENC[x]'}}", &[]),
            ("{kind: Secret, metadata: {labels: {a: x}}}", &[]),
        ] {
            for aim in [Secrets, Unsaid, Others, Own] {
                assert_eq!(found(text, aim).is_some(), aims.contains(&aim), "{text} {aim:?}");
            }
        }
    }
}
