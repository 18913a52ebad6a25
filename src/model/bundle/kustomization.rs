//! Kustomization files (`kustomize.config.k8s.io`), as far as it takes to know
//! what they name and how they rename it.
//!
//! Not to be confused with Flux's `Kustomization` (`kustomize.toolkit.fluxcd.io`),
//! which is an object like any other. Nothing is built: patches are not
//! applied and remote resources not fetched.

use crate::model::text::without_credentials;

use super::{
    bounds,
    check::MAX_PROBLEMS,
    object::{NamedImage, group},
    patch::{self, Aim, FLUX_GROUP},
    path::RelPath,
    problem::{Problem, code},
    scope::{Hidden, Scope, Spot},
    secret,
    workload::{self, push_key},
    yaml::{Kind, Node},
};

/// The group of kustomizations.
pub const GROUP: &str = "kustomize.config.k8s.io";

/// The names under which kustomize looks for a kustomization.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// How many files and images of one kustomization are kept: more than a bundle
/// may have.
const MAX_REFERENCES: usize = 100_000;

/// Whether kustomize would read `path` as the kustomization of its directory.
pub fn is_file_name(path: &RelPath) -> bool {
    FILE_NAMES.contains(&path.file_name())
}

/// What a kustomization says.
#[derive(Debug, Default)]
pub struct Kustomization {
    /// Whether it is a Component, which is nothing by itself.
    pub component: bool,
    /// How it renames what it includes.
    pub rename: Rename,
    /// The files and directories that it names, in the order of the file.
    pub references: Vec<Reference>,
    /// The images that it puts in the place of others.
    pub images: Vec<NamedImage>,
}

/// The transformers that change the identity of objects.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rename {
    /// `namespace`.
    pub namespace: Option<Box<str>>,
    /// `namePrefix`.
    pub prefix: Box<str>,
    /// `nameSuffix`.
    pub suffix: Box<str>,
}

/// A file or directory that a kustomization names.
#[derive(Debug)]
pub struct Reference {
    /// As what.
    pub role: Role,
    /// The name as written.
    pub target: Box<str>,
    /// Where it is written.
    pub spot: Spot,
}

/// As what a kustomization names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `resources`: a file of objects, or the directory of a kustomization.
    Resource,
    /// `bases` and `components`: the directory of a kustomization.
    Root,
    /// As a patch of these objects.
    Patch(Aim),
    /// As data or configuration: it holds no objects of the bundle.
    Data,
    /// As data of a Secret.
    Secret,
    /// `generators`, `transformers`, `validators`: a file or such a directory.
    Plugin,
}

impl Role {
    /// Whether the file is read as a manifest, whatever its name.
    pub fn is_manifest(self) -> bool {
        match self {
            Role::Resource | Role::Patch(_) | Role::Plugin => true,
            Role::Root | Role::Data | Role::Secret => false,
        }
    }
}

/// What a document in a file of one of [`FILE_NAMES`], or with kustomize's
/// kind, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A kustomization.
    Kustomization,
    /// A kustomization in a file that kustomize does not look for.
    Elsewhere,
    /// Another object in a file that kustomize reads as a kustomization.
    Misplaced,
    /// Neither.
    No,
}

/// What `root`, a document of `file`, is to kustomize.
pub fn found(file: &RelPath, root: Node<'_>) -> Found {
    let named = is_file_name(file);
    let kind = root.str_at(&["kind"]);
    let of = root.str_at(&["apiVersion"]).map(group);
    let kinds = [None, Some("Kustomization"), Some("Component")];
    let own_group = of.is_none() || of == Some(GROUP);
    match (named, own_group && kinds.contains(&kind)) {
        (true, true) => Found::Kustomization,
        (true, false) => Found::Misplaced,
        (false, true) if of.is_some() && kind.is_some() => Found::Elsewhere,
        (false, _) => Found::No,
    }
}

/// The problem of a document that is [`Found::Elsewhere`] or
/// [`Found::Misplaced`].
pub fn misnamed(scope: &Scope<'_>, root: Node<'_>, found: Found) -> Problem {
    let at = root.get("kind").unwrap_or(root);
    let flux = root.str_at(&["apiVersion"]).map(group) == Some(FLUX_GROUP);
    let (message, hint) = match found {
        Found::Elsewhere => (
            "kustomize reads a kustomization only from a file with its name",
            "name the file `kustomization.yaml`",
        ),
        _ if flux => (
            "kustomize reads this file as its own kustomization, but it holds a Kustomization of Flux",
            "give the file another name, such as `flux-kustomization.yaml`",
        ),
        _ => (
            "kustomize reads this file as a kustomization, but it holds another object",
            "give the file another name",
        ),
    };
    scope.warning(code::KUSTOMIZATION_NAME, at, "kind", message).hint(hint)
}

/// What of a kustomization must not be shown: the literals of secretGenerator,
/// and inline patches, which may patch Secrets.
pub fn hidden(root: Node<'_>) -> Hidden {
    let literals = root.get("secretGenerator").map(Node::range);
    Hidden::Lines(literals.into_iter().chain(patch::hidden(root)).collect())
}

/// What reading a kustomization gave.
#[derive(Debug, Default)]
pub struct Read {
    /// What it says.
    pub kustomization: Kustomization,
    /// What is wrong with it by itself.
    pub problems: Vec<Problem>,
    /// Secrets in clear, which may be allowed.
    pub secrets: Vec<Problem>,
}

/// Reads a kustomization.
pub fn read(scope: &Scope<'_>, root: Node<'_>) -> Read {
    let mut read = Read::default();
    let text = |key: &str| root.str_at(&[key]).filter(|text| !text.is_empty());
    read.kustomization.component = text("kind") == Some("Component");
    read.kustomization.rename = Rename {
        namespace: text("namespace").map(Into::into),
        prefix: text("namePrefix").unwrap_or_default().into(),
        suffix: text("nameSuffix").unwrap_or_default().into(),
    };
    let mut reader = Reader { scope, read: &mut read };
    for (key, role) in [
        ("resources", Role::Resource),
        ("bases", Role::Root),
        ("components", Role::Root),
        ("crds", Role::Data),
        ("configurations", Role::Data),
        ("generators", Role::Plugin),
        ("transformers", Role::Plugin),
        ("validators", Role::Plugin),
        ("patchesStrategicMerge", Role::Patch(Aim::Own)),
    ] {
        reader.names(root, key, role);
    }
    reader.patches(root, "patches");
    reader.patches(root, "patchesJson6902");
    reader.field(root.get("openapi"), "path", Role::Data, "openapi.path");
    for (index, entry) in reader.list(root, "replacements").into_iter().enumerate() {
        reader.field(Some(entry), "path", Role::Data, &format!("replacements[{index}].path"));
    }
    reader.generators(root, "configMapGenerator");
    reader.generators(root, "secretGenerator");
    reader.images(root);
    reader.charts(root);
    read
}

/// The literals in clear of a `SecretGenerator`, the object that a kustomization
/// names under `generators`.
pub fn secret_generator(scope: &Scope<'_>, node: Node<'_>) -> Vec<Problem> {
    let mut read = Read::default();
    Reader { scope, read: &mut read }.literals(node, "");
    read.secrets
}

struct Reader<'r, 's, 'd> {
    scope: &'s Scope<'d>,
    read: &'r mut Read,
}

impl Reader<'_, '_, '_> {
    /// The items of a list of the kustomization.
    fn list<'n>(&mut self, root: Node<'n>, key: &str) -> Vec<Node<'n>> {
        match root.get(key) {
            Some(list) if list.kind() == Kind::Seq => list.items().collect(),
            Some(other) if !other.is_null() => {
                self.shape(other, key, "a sequence");
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn shape(&mut self, node: Node<'_>, path: &str, wanted: &str) {
        let message = format!("`{path}` is {}; expected {wanted}", node.kind().name());
        let problem = self.scope.error(code::KUSTOMIZATION_SHAPE, node, path, message);
        let problem = problem.hint(match wanted {
            "a sequence" => "write a list, each entry on a line of its own after `- `",
            "a mapping" => "write keys and values, such as `path: patch.yaml`",
            _ => "write a path relative to this file, in quotes where it looks like a number",
        });
        bounds::push(&mut self.read.problems, problem, MAX_PROBLEMS);
    }

    fn add(&mut self, node: Node<'_>, target: &str, role: Role, path: &str) {
        let spot = self.scope.spot(node, path);
        let reference = Reference { role, target: target.into(), spot };
        bounds::push(&mut self.read.kustomization.references, reference, MAX_REFERENCES);
    }

    /// A list of names, of which some may be objects written in place.
    fn names(&mut self, root: Node<'_>, key: &str, role: Role) {
        for (index, item) in self.list(root, key).into_iter().enumerate() {
            let path = format!("{key}[{index}]");
            match item.as_str() {
                Some(text) if is_inline(text) => self.in_place(item, &path, Aim::Own),
                Some(text) => self.add(item, text, role, &path),
                None => self.shape(item, &path, "a path"),
            }
        }
    }

    fn patches(&mut self, root: Node<'_>, key: &str) {
        for (index, patch) in self.list(root, key).into_iter().enumerate() {
            let path = format!("{key}[{index}]");
            if !patch.is_map() {
                self.shape(patch, &path, "a mapping");
                continue;
            }
            if let Some(node) = patch.get("path").filter(|node| !node.is_null()) {
                match node.as_str() {
                    Some(text) => {
                        let role = Role::Patch(Aim::of(patch));
                        self.add(node, text, role, &format!("{path}.path"));
                    }
                    None => self.shape(node, &format!("{path}.path"), "a path"),
                }
            }
            if let Some(node) = patch.get("patch") {
                self.in_place(node, &format!("{path}.patch"), Aim::of(patch));
            }
        }
    }

    /// A patch written in place, which may put data in clear into a Secret.
    fn in_place(&mut self, node: Node<'_>, path: &str, aim: Aim) {
        if let Some(problem) = patch::in_place(self.scope, node, path, aim) {
            self.secret(problem);
        }
    }

    fn secret(&mut self, problem: Problem) {
        bounds::push(&mut self.read.secrets, problem, MAX_PROBLEMS);
    }

    /// A field that names a file.
    fn field(&mut self, node: Option<Node<'_>>, key: &str, role: Role, path: &str) {
        let Some(value) = node.and_then(|node| node.get(key)).filter(|node| !node.is_null()) else {
            return;
        };
        match value.as_str() {
            Some(text) => self.add(value, text, role, path),
            None => self.shape(value, path, "a path"),
        }
    }

    fn generators(&mut self, root: Node<'_>, key: &str) {
        let role = if key == "secretGenerator" { Role::Secret } else { Role::Data };
        for (index, generator) in self.list(root, key).into_iter().enumerate() {
            let path = format!("{key}[{index}]");
            for list in ["files", "envs"] {
                for (index, item) in self.list_of(generator, list, &path) {
                    let path = format!("{path}.{list}[{index}]");
                    match item.as_str() {
                        // `key=path` names the key in the ConfigMap.
                        Some(text) if list == "files" => {
                            let target = text.split_once('=').map_or(text, |(_, target)| target);
                            self.add(item, target, role, &path);
                        }
                        Some(text) => self.add(item, text, role, &path),
                        None => self.shape(item, &path, "a path"),
                    }
                }
            }
            self.field(Some(generator), "env", role, &format!("{path}.env"));
            if role == Role::Secret {
                self.literals(generator, &format!("{path}."));
            }
        }
    }

    fn list_of<'n>(&mut self, node: Node<'n>, key: &str, path: &str) -> Vec<(usize, Node<'n>)> {
        match node.get(key) {
            Some(list) if list.kind() == Kind::Seq => list.items().enumerate().collect(),
            Some(other) if !other.is_null() => {
                self.shape(other, &format!("{path}.{key}"), "a sequence");
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn literals(&mut self, generator: Node<'_>, path: &str) {
        for (index, literal) in self.list_of(generator, "literals", path.trim_end_matches('.')) {
            let Some(text) = literal.scalar() else { continue };
            let (key, value) = text.split_once('=').unwrap_or(("", text));
            if secret::is_clear_text(value.trim_matches(['"', '\''])) {
                let key = secret::shown_name(key);
                let path = format!("{path}literals[{index}]");
                let message = format!("secretGenerator writes `{key}` in clear");
                let problem = self.scope.error(code::SECRET_CLEAR, literal, &path, message);
                self.secret(problem.hint(secret::HINT));
            }
        }
    }

    /// Charts that kustomize would inflate by running Helm, which Flux does not
    /// let it.
    fn charts(&mut self, root: Node<'_>) {
        for key in ["helmCharts", "helmChartInflationGenerator"] {
            for (index, chart) in self.list(root, key).into_iter().enumerate() {
                let path = format!("{key}[{index}]");
                let problem = inflated(self.scope, chart, &path);
                bounds::push(&mut self.read.problems, problem, MAX_PROBLEMS);
            }
        }
    }

    /// `images` replaces what the manifests name; what it says in full is an
    /// image that the bundle names.
    fn images(&mut self, root: Node<'_>) {
        for (index, image) in self.list(root, "images").into_iter().enumerate() {
            let text = |key: &str| image.get(key).and_then(Node::scalar).filter(|t| !t.is_empty());
            let Some(name) = text("newName").or_else(|| text("name")) else { continue };
            let mut reference = name.to_owned();
            match (text("newTag"), text("digest")) {
                (None, None) => continue,
                (tag, digest) => {
                    reference.extend(tag.map(|tag| format!(":{tag}")));
                    reference.extend(digest.map(|digest| format!("@{digest}")));
                }
            }
            let mut path = String::new();
            push_key(&mut path, "images");
            let path = format!("{path}[{index}]");
            let unknown = super::image::parse(&reference).err();
            let misread = workload::misread(self.scope, image, &path, &reference, unknown.as_ref());
            if let Some(problem) = misread {
                bounds::push(&mut self.read.problems, problem, MAX_PROBLEMS);
            }
            let image = NamedImage {
                path: path.into(),
                at: self.scope.position(image),
                reference: without_credentials(&reference).into(),
                unknown: unknown.map(|error| error.to_string().into()),
            };
            bounds::push(&mut self.read.kustomization.images, image, MAX_REFERENCES);
        }
    }
}

/// The problem of a chart that only `kustomize --enable-helm` inflates.
pub fn inflated(scope: &Scope<'_>, node: Node<'_>, path: &str) -> Problem {
    let message = "kustomize inflates this chart only with `--enable-helm`, which Flux never sets";
    scope
        .warning(code::KUSTOMIZATION_HELM, node, path, message)
        .hint("write a HelmRelease, whose chart is checked and locked, in its place")
}

/// Whether a text that could be a path is an object written in place.
fn is_inline(text: &str) -> bool {
    text.contains('\n') || text.contains(": ") || text.trim_start().starts_with('{')
}

/// Whether kustomize would fetch `target` instead of looking for a file: with a
/// scheme, `user@host:…`, or on github.com
/// (kustomize `api/internal/git/repospec.go`).
pub fn is_remote(target: &str) -> bool {
    let target = match target.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("git::") => target.get(5..).unwrap_or_default(),
        _ => target,
    };
    let lower = target.to_ascii_lowercase();
    let schemes = ["ssh://", "http://", "https://", "git://"];
    let host = lower.split(['/', ':']).next().unwrap_or_default();
    let scp = lower.split_once('@').is_some_and(|(user, rest)| {
        !user.is_empty() && !user.contains('/') && rest.contains([':', '/'])
    });
    schemes.iter().any(|scheme| lower.starts_with(scheme))
        || scp
        || ((host == "github.com" || host == "www.github.com") && lower.len() > host.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_targets() {
        for yes in [
            "https://github.com/org/repo//deploy?ref=v1",
            "https://example.com/crds.yaml",
            "github.com/org/repo/path?ref=v1",
            "GitHub.com/org/repo",
            "github.com:org/repo",
            "git@github.com:org/repo.git",
            "git::https://example.com/x",
            "ssh://git@example.com/x",
        ] {
            assert!(is_remote(yes), "{yes}");
        }
        for no in [
            "a.yaml",
            "../base",
            "gitlab.com/org/repo",
            "github.com",
            "x@y",
            "file:///a",
            "a/b@c/d",
        ] {
            assert!(!is_remote(no), "{no}");
        }
    }
}
