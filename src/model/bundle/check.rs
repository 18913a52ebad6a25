//! Checking a bundle: each file by itself, then all of them together.
//!
//! [`read_file`] is pure and keeps only small facts, so that files can be read
//! on worker threads and forgotten; [`judge`] sees the facts of all files and
//! gives the problems, the objects and what they need, always in the same
//! order. Nothing is built, fetched or written here, and `--strict` is the
//! caller's.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    bounds::{self, Bounds, Keep, Tally},
    charts::{self, Sources},
    helm_release,
    kustomization::{self, Found, Kustomization},
    need::Need,
    object::{Object, group},
    patch::{self, Aim, Write},
    path::RelPath,
    problem::{Problem, Severity, code},
    roots,
    scope::{Hidden, Scope},
    secret, source_object,
    workload::{self, Images},
    yaml::{
        self, Fault, Node, YamlError,
        source::{Source, clip},
    },
};

/// How many problems of one file are listed.
pub(super) const MAX_PROBLEMS: usize = 100;

/// The longest name of an object, and of its kind, group and namespace.
const MAX_NAME: usize = 253;

/// Whether the file at `path` is parsed.
pub fn is_manifest(path: &RelPath) -> bool {
    let extension = path.file_name().rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("yaml" | "yml" | "json")) || kustomization::is_file_name(path)
}

/// Whether `path` is a kustomization, which may name further manifests.
pub fn is_kustomization(path: &RelPath) -> bool {
    kustomization::is_file_name(path)
}

/// The files that a kustomization names as manifests although their own names do
/// not say so: kustomize reads `resources: [secret.txt]` like any other file.
pub fn named_manifests(path: &RelPath, bytes: &[u8]) -> Vec<RelPath> {
    let facts = read_file(path, bytes, Keep::Names);
    let references = facts.kustomization().map(|found| found.references.as_slice());
    let dir = path.parent();
    let targets = references.unwrap_or_default().iter().filter(|found| found.role.is_manifest());
    let paths = targets.filter_map(|found| RelPath::resolve(dir.as_ref(), &found.target)?);
    paths.filter(|path| !is_manifest(path)).collect()
}

/// What is allowed, and what is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether Secrets may carry data in clear.
    pub allow_secrets: bool,
    /// Whether the charts and images are gathered; `--lock off` saves the memory.
    pub needs: bool,
    /// How much there may be.
    pub bounds: Bounds,
}

/// What a file says, without its text.
#[derive(Debug)]
pub struct FileFacts {
    path: Arc<RelPath>,
    /// Problems of the text, whatever the file is for.
    problems: Vec<Problem>,
    /// Problems of its objects, none of which count when it is only a patch.
    object_problems: Vec<Problem>,
    /// Secrets in clear.
    secrets: Vec<Problem>,
    /// What it would write in clear if it were a patch of a Secret.
    writes: Vec<Write>,
    /// Whether it is empty, or encrypted by SOPS as a whole.
    sealed: bool,
    /// Whether it was read as a manifest.
    parsed: bool,
    /// How bad the problems were that are not kept: those of the text, of the
    /// objects, and Secrets in clear.
    unlisted: [Option<Severity>; 3],
    tally: Tally,
    objects: Vec<Object>,
    kustomization: Option<Box<Kustomization>>,
}

impl FileFacts {
    /// Of a file that says nothing.
    fn new(path: &RelPath) -> Self {
        Self {
            path: Arc::new(path.clone()),
            problems: Vec::new(),
            object_problems: Vec::new(),
            secrets: Vec::new(),
            writes: Vec::new(),
            sealed: false,
            parsed: false,
            unlisted: [None; 3],
            tally: Tally::default(),
            objects: Vec::new(),
            kustomization: None,
        }
    }

    /// The file.
    pub fn path(&self) -> &RelPath {
        &self.path
    }

    /// The objects in it, in their order.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// How much it says.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Forgets its problems but for how bad they are.
    pub fn forget_problems(&mut self) {
        let lists = [&mut self.problems, &mut self.object_problems, &mut self.secrets];
        for (list, unlisted) in lists.into_iter().zip(&mut self.unlisted) {
            let worst = std::mem::take(list).iter().map(|problem| problem.severity).max();
            *unlisted = worst.max(*unlisted);
        }
    }

    /// Keeps the first problems of each list.
    fn limit(&mut self) {
        for problems in [&mut self.problems, &mut self.object_problems, &mut self.secrets] {
            limit(problems, &self.path);
        }
        self.writes.truncate(MAX_PROBLEMS);
    }

    /// Whether it has nothing in clear: it is empty, or encrypted by SOPS.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Whether it was read as a manifest.
    pub(super) fn is_parsed(&self) -> bool {
        self.parsed
    }

    /// Whether it holds objects or a kustomization.
    pub fn is_recognised(&self) -> bool {
        self.tally.objects > 0 || self.kustomization.is_some()
    }

    /// Whether there is nothing in it that could be an object, and nothing wrong
    /// that would say why.
    pub(super) fn says_nothing(&self) -> bool {
        let silent = self.problems.is_empty() && self.object_problems.is_empty();
        self.tally.objects == 0 && silent && self.unlisted == [None; 3]
    }

    /// What it writes in clear as a patch with this aim.
    pub(super) fn as_patch(&self, aim: Aim) -> Vec<Problem> {
        self.writes.iter().filter_map(|write| write.problem(aim)).collect()
    }

    /// What it says as a kustomization.
    pub(super) fn kustomization(&self) -> Option<&Kustomization> {
        self.kustomization.as_deref()
    }
}

/// Reads a file that is no manifest; nothing comes of most.
pub fn read_other(path: &RelPath, bytes: &[u8]) -> Option<FileFacts> {
    let sealed = secret::is_sealed_file(bytes);
    sealed.then(|| FileFacts { sealed, ..FileFacts::new(path) })
}

/// Reads one manifest, of whose objects `keep` is kept.
pub fn read_file(path: &RelPath, bytes: &[u8], keep: Keep) -> FileFacts {
    let mut facts = FileFacts { parsed: true, ..FileFacts::new(path) };
    match yaml::text(bytes) {
        Ok(text) => read_text(text, keep, &mut facts),
        Err(error) => {
            let valid =
                bytes.get(..error.at.start).and_then(|valid| std::str::from_utf8(valid).ok());
            let source = Source::new(valid.unwrap_or_default());
            facts.problems.push(unreadable(&source, &facts.path, &error));
        }
    }
    facts.limit();
    facts.tally.problems = facts.problems.len() + facts.object_problems.len() + facts.secrets.len();
    facts
}

fn read_text(text: &str, keep: Keep, facts: &mut FileFacts) {
    let source = Source::new(text);
    facts.sealed = true;
    for document in yaml::documents(text) {
        match document {
            Ok(document) => {
                facts.sealed &= secret::is_sealed(document.root());
                read_document(&source, &document, keep, facts);
            }
            Err(error) => {
                facts.sealed = false;
                facts.problems.push(unreadable(&source, &facts.path, &error));
            }
        }
        // A hostile file must not make millions of problems first.
        facts.limit();
        if facts.problems.len() > MAX_PROBLEMS {
            break;
        }
    }
    facts.objects.shrink_to_fit();
}

/// Keeps the first problems of a file, and says so.
fn limit(problems: &mut Vec<Problem>, path: &RelPath) {
    let Some(rest) = problems.get(MAX_PROBLEMS..).filter(|rest| !rest.is_empty()) else { return };
    let severity = rest.iter().map(|problem| problem.severity).max().unwrap_or(Severity::Warning);
    let message = format!("the file has more than {MAX_PROBLEMS} problems like these");
    problems.truncate(MAX_PROBLEMS);
    problems.push(Problem {
        severity,
        ..Problem::error(code::PROBLEM_LIMIT, message)
            .in_file(path)
            .hint("mend those first, then look again")
    });
}

/// The problem of a text that is no YAML. There is no tree, so the lines of
/// what may be a Secret are masked.
fn unreadable(source: &Source<'_>, path: &RelPath, error: &YamlError) -> Problem {
    let text = source.text();
    let suspected = secret::is_suspected(text);
    let place = source.place(error.at.clone(), "", 0..text.len(), |_, line| match suspected {
        true => secret::masked(line),
        false => clip(line),
    });
    let code = match &error.fault {
        Fault::Encoding => code::YAML_ENCODING,
        Fault::Syntax(_) => code::YAML_SYNTAX,
        Fault::DuplicateKey { .. } => code::YAML_DUPLICATE_KEY,
        Fault::TooLarge | Fault::Depth | Fault::Nodes | Fault::Aliases => code::YAML_LIMIT,
        _ => code::YAML_VALUE,
    };
    let problem = Problem::error(code, error.to_string()).in_file(path).at(place);
    match (&error.fault, text.contains("{{")) {
        (Fault::DuplicateKey { .. }, _) => problem.hint("keep one of them; Kubernetes takes the last"),
        (_, true) => problem.hint(
            "Helm templates are no YAML; leave the chart out with `.sourceignore` and publish it by itself",
        ),
        (fault, _) => problem.hint(match fault {
            Fault::Encoding => "save the file as UTF-8",
            Fault::Syntax(_) => {
                "mend it here or just above; what is no manifest may be left out with `.sourceignore`"
            }
            Fault::TooLarge | Fault::Depth | Fault::Nodes | Fault::Aliases => {
                "split the document, or write out what its aliases repeat"
            }
            _ => "write a plain value, in quotes where it is meant as text",
        }),
    }
}

fn read_document(
    source: &Source<'_>,
    document: &yaml::Document<'_>,
    keep: Keep,
    facts: &mut FileFacts,
) {
    let root = document.root();
    let found = kustomization::found(&facts.path, root);
    let hidden = match found {
        Found::Kustomization => kustomization::hidden(root),
        _ => hidden(root),
    };
    let path = Arc::clone(&facts.path);
    let scope = Scope::new(&path, source, document, hidden);
    facts.writes.extend(patch::write(&scope, root));
    if !root.is_map() {
        return;
    }
    match found {
        Found::Kustomization => {
            let mut read = kustomization::read(&scope, root);
            facts.problems.append(&mut read.problems);
            facts.secrets.append(&mut read.secrets);
            facts.tally.references += read.kustomization.references.len();
            facts.tally.needs += read.kustomization.images.len();
            if keep > Keep::Counts {
                facts.kustomization = Some(Box::new(read.kustomization));
            }
            return;
        }
        Found::Elsewhere => {
            facts.object_problems.push(kustomization::misnamed(&scope, root, found));
            return;
        }
        Found::Misplaced if is_object(root) => {
            facts.object_problems.push(kustomization::misnamed(&scope, root, found));
        }
        Found::Misplaced | Found::No => {}
    }
    read_object(&scope, root, "", keep, facts);
}

/// What of a document that is no kustomization must not be shown.
fn hidden(root: Node<'_>) -> Hidden {
    if has_generator(root) || (root.kind() == yaml::Kind::Seq && patch::may_write(root)) {
        Hidden::Lines(vec![root.range()])
    } else if secret::is_in(root) || patch::may_write(root) {
        Hidden::Values
    } else {
        match patch::hidden_in_objects(root) {
            lines if lines.is_empty() => Hidden::Nothing,
            lines => Hidden::Lines(lines),
        }
    }
}

/// Whether a document is, or lists, a generator of Secrets.
fn has_generator(node: Node<'_>) -> bool {
    node.str_at(&["kind"]) == Some("SecretGenerator")
        || node.get("items").into_iter().flat_map(Node::items).any(has_generator)
}

/// Whether a document is a Kubernetes object at all.
fn is_object(node: Node<'_>) -> bool {
    let text = |key: &str| node.str_at(&[key]).is_some_and(|text| !text.is_empty());
    text("apiVersion") && text("kind")
}

/// Whether a document is a list, in whose place its items are applied.
///
/// kustomize takes the items out of whatever has `items` and a kind that ends in
/// `List`, also with a name (`inlineAnyEmbeddedLists`); then Flux does the same
/// with objects of any kind that have a sequence of `items`
/// (`Unstructured.IsList`).
pub(super) fn is_list(node: Node<'_>) -> bool {
    let items = node.get("items");
    if node.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List")) {
        return items.is_some() || (is_object(node) && node.at(&["metadata", "name"]).is_none());
    }
    is_object(node) && items.into_iter().flat_map(Node::items).any(Node::is_map)
}

/// Finds what matters whatever the file is for: data in clear, also in a
/// document without `apiVersion`, as a patch of a Secret can be; and the
/// generators of kustomize.
fn read_anywhere(scope: &Scope<'_>, node: Node<'_>, path: &str, facts: &mut FileFacts) {
    let group = node.str_at(&["apiVersion"]).map(group).unwrap_or_default();
    let named = is_object(node) || node.at(&["metadata", "name"]).is_some();
    match (group, node.str_at(&["kind"])) {
        ("", Some("Secret")) if named => {
            facts.secrets.extend(secret::check(scope, node, path.trim_end_matches('.')));
        }
        (patch::FLUX_GROUP | helm_release::GROUP, Some(_)) => {
            facts.secrets.extend(patch::in_object(scope, node, path));
        }
        ("", Some("SecretGenerator")) => {
            facts.secrets.append(&mut kustomization::secret_generator(scope, node));
        }
        ("", Some("HelmChartInflationGenerator")) => {
            facts.problems.push(kustomization::inflated(scope, node, path.trim_end_matches('.')));
        }
        _ => {}
    }
}

/// Whether a document without `apiVersion` or `kind` was meant as an object: it
/// has the other, and `metadata` with a name or a `spec`. Values files, charts'
/// `Chart.yaml` and JSON that happens to have a `kind` are left alone.
fn is_incomplete(node: Node<'_>) -> bool {
    let written = |key: &str| node.get(key).is_some_and(|node| !node.is_null());
    let shaped =
        node.at(&["metadata", "name"]).is_some() || node.get("spec").is_some_and(Node::is_map);
    (written("apiVersion") || written("kind")) && shaped
}

fn read_object(scope: &Scope<'_>, node: Node<'_>, path: &str, keep: Keep, facts: &mut FileFacts) {
    read_anywhere(scope, node, path, facts);
    let api_version = node.str_at(&["apiVersion"]).unwrap_or_default();
    let kind = node.str_at(&["kind"]).unwrap_or_default();
    if kind.starts_with("ENC[") {
        return;
    }
    if is_list(node) {
        let items = node.get("items").into_iter().flat_map(Node::items);
        for (index, item) in items.enumerate() {
            read_object(scope, item, &format!("{path}items[{index}]."), keep, facts);
            facts.limit();
        }
        return;
    }
    if !is_object(node) {
        if is_incomplete(node) {
            facts.object_problems.push(incomplete(scope, node, path));
        }
        return;
    }
    let mut problems = Vec::new();
    let object = match identify(scope, node, path, [api_version, kind], &mut problems) {
        Some(object) => object,
        None => {
            let object = nameless(scope, node, [api_version, kind]);
            read_kind(scope, node, object, &mut problems);
            return facts.object_problems.append(&mut problems);
        }
    };
    let mut object = read_kind(scope, node, object, &mut problems);
    if !problems.is_empty() {
        let id = object.id();
        facts.object_problems.extend(problems.into_iter().map(|problem| problem.about(&id)));
    }
    facts.tally.objects += 1;
    facts.tally.needs += object.needs();
    if keep < Keep::All {
        object.forget_needs();
    }
    if keep > Keep::Counts {
        facts.objects.push(object);
    }
}

fn incomplete(scope: &Scope<'_>, node: Node<'_>, path: &str) -> Problem {
    let text = |key: &str| node.str_at(&[key]).is_some_and(|text| !text.is_empty());
    let missing = if text("apiVersion") { "kind" } else { "apiVersion" };
    let at =
        node.get(missing).or_else(|| node.entries().next().map(|(key, _)| key)).unwrap_or(node);
    let message = match node.get(missing) {
        Some(found) => format!("`{missing}` is {}; expected a string", found.kind().name()),
        None => format!("the object has no `{missing}`"),
    };
    let hint = "write both `apiVersion` and `kind`, as Kubernetes wants them";
    scope.error(code::OBJECT_INCOMPLETE, at, &format!("{path}{missing}"), message).hint(hint)
}

/// The object with its names; nothing without a name.
fn identify(
    scope: &Scope<'_>,
    node: Node<'_>,
    path: &str,
    [api_version, kind]: [&str; 2],
    problems: &mut Vec<Problem>,
) -> Option<Object> {
    let name = node.at(&["metadata", "name"]);
    let field = format!("{path}metadata.name");
    let Some((name_node, name)) =
        name.and_then(|found| Some((found, found.as_str().filter(|name| !name.is_empty())?)))
    else {
        let at = name.or(node.get("metadata").filter(|meta| meta.is_map())).or(node.get("kind"));
        let generated = node.at(&["metadata", "generateName"]).is_some();
        let message = match name.map(Node::kind) {
            Some(found) if found != yaml::Kind::Str => {
                format!("the name of the {} is {}; expected a string", clip(kind), found.name())
            }
            _ if generated => {
                format!(
                    "the {} has only `generateName`, which Flux cannot apply; expected `name`",
                    clip(kind)
                )
            }
            _ => format!("the {} has no name", clip(kind)),
        };
        let problem = scope.error(code::OBJECT_NAME, at.unwrap_or(node), &field, message);
        problems.push(problem.hint(match name {
            Some(written) => quote(written).unwrap_or_else(|| NAME.to_owned()),
            None => NAME.to_owned(),
        }));
        return None;
    };
    let namespace = node.at(&["metadata", "namespace"]).filter(|found| !found.is_null());
    if let Some(wrong) = namespace.filter(|found| found.as_str().is_none()) {
        let field = format!("{path}metadata.namespace");
        let message = format!("the namespace is {}; expected a string", wrong.kind().name());
        let problem = scope.error(code::OBJECT_NAME, wrong, &field, message);
        let hint = "write the name of a namespace, or leave it out";
        problems.push(problem.hint(quote(wrong).unwrap_or_else(|| hint.to_owned())));
    }
    let namespace = namespace.and_then(Node::as_str).unwrap_or_default();
    let spot = scope.spot(name_node, &field);
    let names = [api_version, kind, namespace, name];
    if let Some(long) = names.into_iter().find(|name| name.len() > MAX_NAME) {
        let message = format!(
            "a name of the {} has {} bytes; Kubernetes takes at most {MAX_NAME}",
            clip(kind),
            long.len()
        );
        let problem = scope.error(code::OBJECT_NAME, name_node, &field, message);
        problems.push(problem.hint("shorten it"));
        return None;
    }
    Some(Object::new(scope.file(), scope.line(node), names, spot))
}

/// What to do about an object without a name.
const NAME: &str = "write `metadata.name`, by which the cluster knows the object";

/// What to do about a scalar that is no string but was meant as one.
fn quote(node: Node<'_>) -> Option<String> {
    let written = node.scalar().filter(|_| !node.is_null() && node.as_str().is_none())?;
    Some(format!("quote it: `\"{}\"`", clip(written)))
}

/// An object that has no name of its own: what else is wrong with it is wanted
/// all the same.
fn nameless(scope: &Scope<'_>, node: Node<'_>, [api_version, kind]: [&str; 2]) -> Object {
    let short = |name: &str| name.chars().take(MAX_NAME).collect::<String>();
    let (api_version, kind) = (short(api_version), short(kind));
    let names = [api_version.as_str(), &kind, "", ""];
    Object::new(scope.file(), scope.line(node), names, scope.spot(node, ""))
}

/// Reads what matters of the kinds that are known.
fn read_kind(
    scope: &Scope<'_>,
    node: Node<'_>,
    mut object: Object,
    problems: &mut Vec<Problem>,
) -> Object {
    let mut images = Images::default();
    match (object.group(), object.kind()) {
        (helm_release::GROUP, "HelmRelease") => {
            let mut checked = helm_release::check(scope, node);
            problems.append(&mut checked.problems);
            object.origin = checked.origin.map(Box::new);
            let chart = ["chart", "chartRef"].into_iter().find_map(|key| node.at(&["spec", key]));
            let named = chart.map(|chart| chart.at(&["spec", "chart"]).unwrap_or(chart));
            object.chart_at = named.map(|node| scope.position(node)).unwrap_or_default();
            images = checked.images;
        }
        (source_object::GROUP, kind) => {
            let origin = source_object::read(scope, kind, node, problems);
            object.origin = origin.map(Box::new);
            let chart = node.at(&["spec", "chart"]);
            object.chart_at = chart.map(|node| scope.position(node)).unwrap_or_default();
        }
        (group, kind) => {
            if let Some(spec) = workload::pod_spec(group, kind) {
                workload::of_pod(scope, node, spec, &mut images);
            }
        }
    }
    problems.append(&mut images.problems);
    object.images = images.found.into();
    object
}

/// What a bundle is found to be.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What is wrong, by file and position.
    pub problems: Vec<Problem>,
    /// The objects, by file and position.
    pub objects: Vec<Object>,
    /// The charts and images, by file and position.
    pub needs: Vec<Need>,
}

/// The warning that a bundle says nothing to a cluster.
pub fn nothing() -> Problem {
    let message = "nothing was recognised: no file holds a Kubernetes object or a kustomization";
    Problem::warning(code::NO_OBJECT, message)
        .hint("name the directory of the manifests; objects have `apiVersion`, `kind` and a name")
}

/// Judges the files of a bundle together. `all_paths` names every file that is
/// packed, parsed or not.
pub fn judge(
    mut files: Vec<FileFacts>,
    all_paths: &BTreeSet<&RelPath>,
    options: &Options,
) -> Judgement {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let tally = tallied(&mut files, options);
    let mut problems = tally.problems(options);
    if tally.is_over(&options.bounds) {
        // Not everything was kept, so nothing can be said of all together.
        problems.extend(files.into_iter().flat_map(|facts| facts.problems));
        let problems = bounds::list(problems, None, &options.bounds);
        return Judgement { problems, ..Judgement::default() };
    }
    let mut roots = roots::resolve(&files, all_paths);
    problems.append(&mut roots.problems);
    if !options.allow_secrets {
        problems.append(&mut roots.secrets);
    }
    let unlisted = own_problems(&mut files, &roots, options, &mut problems);
    problems.append(&mut roots.duplicates(&files));
    let wanted = options.needs && tally.needs <= options.bounds.needs;
    let needs = gather(&files, wanted, &mut problems);
    sort(&mut problems);
    let problems = bounds::list(problems, unlisted, &options.bounds);
    let objects = files.into_iter().flat_map(|facts| facts.objects).collect();
    Judgement { problems, objects, needs }
}

/// How much the files say. Problems that some thread kept and others would not
/// have are forgotten.
fn tallied(files: &mut [FileFacts], options: &Options) -> Tally {
    let mut tally = Tally::default();
    for facts in files {
        if !tally.keeps_problems(options) {
            facts.forget_problems();
        }
        tally.add(facts);
    }
    tally
}

/// Takes the problems of each file that count, and the objects out of files that
/// hold none of the bundle's; how bad those problems are that were not kept.
fn own_problems(
    files: &mut [FileFacts],
    roots: &roots::Roots,
    options: &Options,
    problems: &mut Vec<Problem>,
) -> Option<Severity> {
    let mut unlisted = None;
    for (index, facts) in files.iter_mut().enumerate() {
        let [of_text, of_objects, of_secrets] = facts.unlisted;
        problems.append(&mut facts.problems);
        unlisted = unlisted.max(of_text);
        if !options.allow_secrets {
            problems.append(&mut facts.secrets);
            unlisted = unlisted.max(of_secrets);
        }
        if roots.is_not_objects(index) {
            facts.objects = Vec::new();
        } else {
            problems.append(&mut facts.object_problems);
            unlisted = unlisted.max(of_objects);
        }
    }
    unlisted
}

/// The charts and images of all files, and what is wrong with the sources that
/// charts come from.
fn gather(files: &[FileFacts], wanted: bool, problems: &mut Vec<Problem>) -> Vec<Need> {
    let sources = Sources::of(files.iter().flat_map(FileFacts::objects));
    let mut needs = Vec::new();
    for facts in files {
        for object in facts.objects() {
            problems.append(&mut sources.problems_for(object));
            if wanted {
                needs.extend(sources.chart(object));
                needs.extend(charts::images(object));
            }
        }
        if wanted {
            needs.extend(charts::kustomization_images(facts));
        }
    }
    needs
}

/// By file, position and rule; the same finding by two ways is one.
fn sort(problems: &mut Vec<Problem>) {
    let start = |problem: &Problem| problem.place.as_ref().map(|place| place.start);
    problems.sort_by(|a, b| {
        (&a.file, start(a), a.code, &a.message).cmp(&(&b.file, start(b), b.code, &b.message))
    });
    problems.dedup();
}

#[cfg(test)]
mod tests;
