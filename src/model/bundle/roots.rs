//! How the kustomizations of a bundle include each other, and which objects
//! are applied together.
//!
//! An object twice in what one root includes is refused by kustomize ("may not
//! add resource with an already registered id"), and of files that no
//! kustomization governs Flux makes one root itself. Names are compared as the
//! root renames them, since two overlays of one base are no duplicates.

use std::{
    borrow::Cow,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::{
    bounds,
    check::{FileFacts, is_manifest},
    kustomization::{FILE_NAMES, Kustomization, Reference, Rename, Role, is_file_name, is_remote},
    object::Object,
    path::RelPath,
    problem::{Problem, Severity, code},
    secret,
};

/// How many objects, counted once per way they are included, are compared.
const MAX_INCLUDED: usize = 1_000_000;
/// How many problems of a kind are kept: as many as are listed in the end, and
/// one more.
const MAX_PROBLEMS: usize = 5_000;

/// What the kustomizations of a bundle name.
#[derive(Debug, Default)]
pub struct Roots {
    /// By index of the file: what it includes, in order.
    includes: BTreeMap<usize, Vec<Include>>,
    /// Files that are named as something else than objects, and not as such.
    not_objects: BTreeSet<usize>,
    /// Files that some kustomization names as objects.
    resources: BTreeSet<usize>,
    /// Directories with a kustomization; `None` is the root of the bundle.
    dirs: BTreeMap<Option<RelPath>, Vec<usize>>,
    /// What is wrong with the references.
    pub problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// Data in clear that is put into Secrets, which may be allowed.
    pub secrets: Vec<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Include {
    File(usize),
    Kustomization(usize),
}

/// Resolves every reference of every kustomization of `files`, which are in the
/// order of their paths.
pub fn resolve(files: &[FileFacts], all_paths: &BTreeSet<&RelPath>) -> Roots {
    let mut roots = Roots::default();
    for (index, facts) in files.iter().enumerate() {
        if facts.kustomization().is_some() {
            roots.dirs.entry(facts.path().parent()).or_default().push(index);
        }
    }
    roots.report_several(files);
    let mut named = Vec::new();
    for (index, facts) in files.iter().enumerate() {
        let Some(kustomization) = facts.kustomization() else { continue };
        let mut includes = Vec::new();
        for reference in &kustomization.references {
            match roots.target(files, all_paths, facts, reference) {
                Ok(Some(Target::Kustomization(target))) => {
                    includes.push((Include::Kustomization(target), reference));
                }
                Ok(Some(Target::File(file))) if reference.role == Role::Resource => {
                    roots.resources.insert(file);
                    includes.push((Include::File(file), reference));
                }
                Ok(target) => {
                    let file = match target {
                        Some(Target::File(file)) => Some(file),
                        _ => None,
                    };
                    named.extend(file);
                    let named = file.and_then(|file| files.get(file));
                    for problem in in_clear(facts, reference, named) {
                        bounds::push(&mut roots.secrets, problem, MAX_PROBLEMS);
                    }
                }
                Err(problem) => {
                    let problem = problem.in_file(facts.path()).at(reference.spot.place());
                    roots.problem(problem);
                }
            }
        }
        roots.includes.insert(index, includes.iter().map(|(include, _)| *include).collect());
    }
    roots.not_objects = named.into_iter().filter(|file| !roots.resources.contains(file)).collect();
    roots.cut_cycles(files);
    let mut warnings = std::mem::take(&mut roots.warnings);
    roots.problems.append(&mut warnings);
    roots
}

enum Target {
    File(usize),
    Kustomization(usize),
}

impl Roots {
    /// Whether the objects of the file at `index` are none of the bundle's: it
    /// is only a patch, or data.
    pub fn is_not_objects(&self, index: usize) -> bool {
        self.not_objects.contains(&index)
    }

    /// Takes a problem in. Warnings have a list of their own until there is no
    /// more to come: too many must not keep an error out.
    fn problem(&mut self, problem: Problem) {
        let list = match problem.severity {
            Severity::Warning => &mut self.warnings,
            Severity::Error => &mut self.problems,
        };
        bounds::push(list, problem, MAX_PROBLEMS);
    }

    fn report_several(&mut self, files: &[FileFacts]) {
        for indices in self.dirs.values() {
            let Some((first, rest)) = indices.split_first() else { continue };
            let Some(first) = files.get(*first) else { continue };
            for facts in rest.iter().filter_map(|index| files.get(*index)) {
                let message =
                    format!("the directory has another kustomization, `{}`", first.path());
                let problem = Problem::error(code::KUSTOMIZATION_SEVERAL, message);
                let problem = problem.in_file(facts.path()).hint("keep one of them");
                bounds::push(&mut self.problems, problem, MAX_PROBLEMS);
            }
        }
    }

    /// What a reference names; nothing for what holds no facts.
    fn target(
        &self,
        files: &[FileFacts],
        all_paths: &BTreeSet<&RelPath>,
        facts: &FileFacts,
        reference: &Reference,
    ) -> Result<Option<Target>, Box<Problem>> {
        let target = &*reference.target;
        let shown = shown(reference);
        if is_remote(target) {
            let message = format!("`{shown}` is remote: neither packed, nor locked, nor checked");
            let hint = "copy it into the bundle, so that what was published is what is applied";
            let problem = Problem::warning(code::KUSTOMIZATION_REMOTE, message).hint(hint);
            return Err(Box::new(problem));
        }
        let outside = || {
            let message = format!("`{shown}` is outside the bundle");
            let hint = "publish the directory that holds both, or copy it into the bundle";
            Box::new(Problem::error(code::KUSTOMIZATION_OUTSIDE, message).hint(hint))
        };
        if target.starts_with("file://") {
            return Err(outside());
        }
        let dir = facts.path().parent();
        let path = RelPath::resolve(dir.as_ref(), target).ok_or_else(outside)?;
        if let Some(path) = path.as_ref().filter(|path| all_paths.contains(path)) {
            return file_target(files, path, reference, &shown);
        }
        self.directory_target(all_paths, path, reference, &shown)
    }

    fn directory_target(
        &self,
        all_paths: &BTreeSet<&RelPath>,
        path: Option<RelPath>,
        reference: &Reference,
        shown: &str,
    ) -> Result<Option<Target>, Box<Problem>> {
        let file_wanted = matches!(reference.role, Role::Patch(_) | Role::Data | Role::Secret);
        if let Some(kustomization) = self.dirs.get(&path).and_then(|found| found.first())
            && !file_wanted
        {
            return Ok(Some(Target::Kustomization(*kustomization)));
        }
        let missing = |message: String| Problem::error(code::KUSTOMIZATION_MISSING, message);
        if !is_directory(all_paths, path.as_ref()) {
            let hint = "check the spelling, and whether `.sourceignore` leaves it out";
            return Err(Box::new(missing(format!("`{shown}` is not in the bundle")).hint(hint)));
        }
        if file_wanted {
            let message = format!("`{shown}` is a directory; expected a file");
            return Err(Box::new(missing(message).hint("name a file in it")));
        }
        // One that could not be read is there all the same.
        let unread = FILE_NAMES.iter().any(|name| {
            let within = path.as_ref().map_or((*name).to_owned(), |dir| format!("{dir}/{name}"));
            RelPath::new(&within).is_ok_and(|path| all_paths.contains(&&path))
        });
        match unread {
            true => Ok(None),
            false => {
                let message = format!("the directory `{shown}` has no `kustomization.yaml`");
                let hint = "write one there, or name the files of the directory one by one";
                Err(Box::new(missing(message).hint(hint)))
            }
        }
    }

    /// Reports each inclusion that closes a circle and forgets it. Iterative: a
    /// chain may be as long as the bundle has files.
    fn cut_cycles(&mut self, files: &[FileFacts]) {
        let mut done = BTreeSet::new();
        let mut problems = Vec::new();
        let starts: Vec<usize> = self.includes.keys().copied().collect();
        for start in starts {
            let mut on_path = BTreeSet::from([start]);
            let mut stack = vec![(start, 0)];
            while let Some((at, next)) = stack.pop() {
                let Some(include) = self.includes.get(&at).and_then(|list| list.get(next)).copied()
                else {
                    on_path.remove(&at);
                    done.insert(at);
                    continue;
                };
                match include {
                    Include::Kustomization(target) if on_path.contains(&target) => {
                        if let Some(problem) = cycle(files, at, target) {
                            bounds::push(&mut problems, problem, MAX_PROBLEMS);
                        }
                        if let Some(list) = self.includes.get_mut(&at) {
                            list.remove(next);
                        }
                        stack.push((at, next));
                    }
                    Include::Kustomization(target) if !done.contains(&target) => {
                        stack.push((at, next + 1));
                        on_path.insert(target);
                        stack.push((target, 0));
                    }
                    _ => stack.push((at, next + 1)),
                }
            }
        }
        self.problems.append(&mut problems);
    }

    /// Reports objects that are applied together and have the same identity.
    pub fn duplicates(&mut self, files: &[FileFacts]) -> Vec<Problem> {
        let mut budget = MAX_INCLUDED;
        let mut reported = BTreeSet::new();
        let mut problems = Vec::new();
        let none = vec![Effective::default()];
        let loose = self.loose(files);
        report(files, &loose, &none, None, &mut reported, &mut problems);
        let included: BTreeSet<usize> = self
            .includes
            .values()
            .flatten()
            .filter_map(|include| match include {
                Include::Kustomization(target) => Some(*target),
                Include::File(_) => None,
            })
            .collect();
        for &root in self.includes.keys() {
            let Some(kustomization) = files.get(root).and_then(FileFacts::kustomization) else {
                continue;
            };
            if included.contains(&root) || kustomization.component {
                continue;
            }
            match self.closure(files, root, &mut budget) {
                Some((placed, names)) => {
                    report(files, &placed, &names, Some(root), &mut reported, &mut problems);
                }
                None => {
                    let message =
                        "the kustomizations include too many objects to look for duplicates";
                    let path = files.get(root).map(FileFacts::path);
                    let hint = "publish them in parts, each as an artifact of its own";
                    let problem = Problem::warning(code::KUSTOMIZATION_LIMIT, message).hint(hint);
                    problems.extend(path.map(|path| problem.in_file(path)));
                    break;
                }
            }
        }
        problems
    }

    /// The objects of the files in no directory below a kustomization, and
    /// that none names.
    fn loose(&self, files: &[FileFacts]) -> Vec<Placed> {
        let governed = |path: &RelPath| {
            let mut dir = path.parent();
            loop {
                if self.dirs.contains_key(&dir) {
                    return true;
                }
                match dir {
                    Some(inner) => dir = inner.parent(),
                    None => return false,
                }
            }
        };
        let mut placed = Vec::new();
        for (index, facts) in files.iter().enumerate() {
            let named = self.resources.contains(&index) || self.not_objects.contains(&index);
            if !named && !governed(facts.path()) {
                place(facts, index, 0, &mut placed);
            }
        }
        placed
    }

    /// Every object that `root` includes, with the names it gets there; `None`
    /// when there are more than `budget`.
    fn closure(
        &self,
        files: &[FileFacts],
        root: usize,
        budget: &mut usize,
    ) -> Option<(Vec<Placed>, Vec<Effective>)> {
        let mut names = vec![Effective::default()];
        let mut placed = Vec::new();
        let mut stack = vec![(root, 0)];
        while let Some((at, outer)) = stack.pop() {
            let Some(kustomization) = files.get(at).and_then(FileFacts::kustomization) else {
                continue;
            };
            let includes = self.includes.get(&at).map(Vec::as_slice).unwrap_or_default();
            let rename = self.with_components(files, kustomization, includes);
            let effective = names.get(outer)?.around(&rename);
            let inner = match names.last() {
                Some(last) if *last == effective => names.len() - 1,
                _ => {
                    names.push(effective);
                    names.len() - 1
                }
            };
            for include in includes.iter().rev() {
                match include {
                    Include::File(file) => {
                        let facts = files.get(*file)?;
                        *budget = budget.checked_sub(facts.objects().len().max(1))?;
                        place(facts, *file, inner, &mut placed);
                    }
                    Include::Kustomization(target) => {
                        *budget = budget.checked_sub(1)?;
                        stack.push((*target, inner));
                    }
                }
            }
        }
        Some((placed, names))
    }

    /// A component renames all that its kustomization has gathered.
    fn with_components(
        &self,
        files: &[FileFacts],
        kustomization: &Kustomization,
        includes: &[Include],
    ) -> Rename {
        let mut rename = match kustomization.component {
            // What it does is already done by the kustomization it is part of.
            true => Rename::default(),
            false => kustomization.rename.clone(),
        };
        for include in includes {
            let Include::Kustomization(target) = include else { continue };
            let part = files.get(*target).and_then(FileFacts::kustomization);
            if let Some(part) = part.filter(|part| part.component) {
                rename = Rename {
                    namespace: rename.namespace.or_else(|| part.rename.namespace.clone()),
                    prefix: format!("{}{}", rename.prefix, part.rename.prefix).into(),
                    suffix: format!("{}{}", part.rename.suffix, rename.suffix).into(),
                };
            }
        }
        rename
    }
}

fn file_target(
    files: &[FileFacts],
    path: &RelPath,
    reference: &Reference,
    shown: &str,
) -> Result<Option<Target>, Box<Problem>> {
    let names_a_directory = matches!(reference.role, Role::Root);
    let is_kustomization = matches!(reference.role, Role::Resource) && is_file_name(path);
    if names_a_directory || is_kustomization {
        let message = format!("`{shown}` is a file; expected the directory of a kustomization");
        let problem = Problem::error(code::KUSTOMIZATION_MISSING, message);
        return Err(Box::new(problem.hint("name the directory that it is in")));
    }
    let found = files.binary_search_by(|facts| facts.path().cmp(path)).ok();
    if reference.role.is_manifest() {
        let facts = found.and_then(|index| files.get(index));
        unjudged(path, reference.role, facts, shown)?;
    }
    Ok(found.map(Target::File))
}

/// kustomize reads whatever file is named, so each must have been judged; one
/// whose name does not say that it is a manifest must also hold what it is named
/// as.
fn unjudged(
    path: &RelPath,
    role: Role,
    facts: Option<&FileFacts>,
    shown: &str,
) -> Result<(), Box<Problem>> {
    let problem = |message: String, hint: &str| {
        Err(Box::new(Problem::error(code::KUSTOMIZATION_SHAPE, message).hint(hint)))
    };
    match facts.filter(|facts| facts.is_parsed()) {
        // One that could not be read has a problem of its own.
        None if is_manifest(path) => Ok(()),
        None => problem(
            format!("`{shown}` was not read as a manifest, but kustomize would"),
            "name it `.yaml`, or take it out of the kustomization",
        ),
        Some(facts)
            if role == Role::Resource
                && !is_manifest(path)
                && !facts.is_sealed()
                && facts.says_nothing() =>
        {
            problem(
                format!("`{shown}` is named as a resource, but holds no Kubernetes object"),
                "take it out of the kustomization, or name it under `configMapGenerator`",
            )
        }
        Some(_) => Ok(()),
    }
}

/// The data in clear that `reference`, written in `facts`, puts into Secrets out
/// of the file `named`, of which nothing is known unless it is parsed or sealed.
fn in_clear(facts: &FileFacts, reference: &Reference, named: Option<&FileFacts>) -> Vec<Problem> {
    match reference.role {
        Role::Patch(aim) => named.map(|named| named.as_patch(aim)).unwrap_or_default(),
        Role::Secret if !named.is_some_and(FileFacts::is_sealed) => {
            let message =
                format!("secretGenerator puts `{}` into a Secret in clear", shown(reference));
            let problem = Problem::error(code::SECRET_CLEAR, message).hint(secret::HINT);
            vec![problem.in_file(facts.path()).at(reference.spot.place())]
        }
        _ => Vec::new(),
    }
}

/// The target as it may be shown.
fn shown(reference: &Reference) -> String {
    reference.target.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Whether some file is below `path`.
fn is_directory(all_paths: &BTreeSet<&RelPath>, path: Option<&RelPath>) -> bool {
    let Some(dir) = path else { return !all_paths.is_empty() };
    let mut after = all_paths.range::<RelPath, _>((Bound::Excluded(dir), Bound::Unbounded));
    after.next().is_some_and(|path| {
        path.as_str().strip_prefix(dir.as_str()).is_some_and(|rest| rest.starts_with('/'))
    })
}

fn cycle(files: &[FileFacts], from: usize, to: usize) -> Option<Problem> {
    let (from, to) = (files.get(from)?, files.get(to)?);
    let message = match from.path() == to.path() {
        true => format!("`{}` includes itself", from.path()),
        false => format!("`{}` includes `{}`, which includes it", from.path(), to.path()),
    };
    let target_dir = to.path().parent();
    let names = |reference: &&Reference| {
        RelPath::resolve(from.path().parent().as_ref(), &reference.target)
            == Some(target_dir.clone())
    };
    let spot = from.kustomization()?.references.iter().find(names).map(|found| found.spot.place());
    let problem = Problem::error(code::KUSTOMIZATION_CYCLE, message).in_file(from.path());
    let problem = problem.hint("take it out of one of them; what both need goes into a third");
    Some(match spot {
        Some(place) => problem.at(place),
        None => problem,
    })
}

/// An object in what a root includes.
#[derive(Debug, Clone, Copy)]
struct Placed {
    file: u32,
    object: u32,
    /// Index of its [`Effective`] names.
    names: u32,
}

fn place(facts: &FileFacts, file: usize, names: usize, placed: &mut Vec<Placed>) {
    let narrow = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let objects = 0..narrow(facts.objects().len());
    placed.extend(objects.map(|object| Placed {
        file: narrow(file),
        object,
        names: narrow(names),
    }));
}

/// The renames of all kustomizations around an object, put together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Effective {
    namespace: Option<Box<str>>,
    prefix: String,
    suffix: String,
}

impl Effective {
    /// These names around those of `inner`: the outermost namespace wins.
    fn around(&self, inner: &Rename) -> Effective {
        Effective {
            namespace: self.namespace.clone().or_else(|| inner.namespace.clone()),
            prefix: format!("{}{}", self.prefix, inner.prefix),
            suffix: format!("{}{}", inner.suffix, self.suffix),
        }
    }

    fn name<'o>(&self, object: &'o Object) -> Cow<'o, str> {
        // kustomize renames none of these (PrefixTransformer).
        let fixed = matches!(
            (object.group(), object.kind()),
            ("apiextensions.k8s.io", "CustomResourceDefinition")
                | ("apiregistration.k8s.io", "APIService")
                | ("", "Namespace")
        );
        match fixed || (self.prefix.is_empty() && self.suffix.is_empty()) {
            true => object.name().into(),
            false => format!("{}{}{}", self.prefix, object.name(), self.suffix).into(),
        }
    }

    /// The namespace; none and `default` are the same to kustomize.
    fn namespace<'a>(&'a self, object: &'a Object) -> &'a str {
        match self.namespace.as_deref().unwrap_or(object.namespace()) {
            "" => "default",
            namespace => namespace,
        }
    }
}

/// Reports each object of `placed` that was there before.
fn report(
    files: &[FileFacts],
    placed: &[Placed],
    names: &[Effective],
    root: Option<usize>,
    reported: &mut BTreeSet<(u32, u32)>,
    problems: &mut Vec<Problem>,
) {
    let object =
        |placed: &Placed| files.get(placed.file as usize)?.objects().get(placed.object as usize);
    let same = |a: &Placed, b: &Placed| -> Ordering {
        let (Some(x), Some(y)) = (object(a), object(b)) else { return Ordering::Equal };
        let (Some(m), Some(n)) = (names.get(a.names as usize), names.get(b.names as usize)) else {
            return Ordering::Equal;
        };
        (x.kind(), x.group(), m.namespace(x), m.name(x)).cmp(&(
            y.kind(),
            y.group(),
            n.namespace(y),
            n.name(y),
        ))
    };
    let mut order: Vec<u32> = (0..u32::try_from(placed.len()).unwrap_or(u32::MAX)).collect();
    let at = |index: &u32| placed.get(*index as usize);
    order.sort_by(|a, b| match (at(a), at(b)) {
        (Some(a), Some(b)) => same(a, b).then((a.file, a.object).cmp(&(b.file, b.object))),
        _ => Ordering::Equal,
    });
    let mut first: Option<&Placed> = None;
    for placed in order.iter().filter_map(at) {
        match first {
            Some(first) if same(first, placed).is_eq() => {
                if let (Some(x), Some(y)) = (object(first), object(placed))
                    && reported.insert((placed.file, placed.object))
                {
                    bounds::push(problems, duplicate(files, x, y, root), MAX_PROBLEMS);
                }
            }
            _ => first = Some(placed),
        }
    }
}

fn duplicate(files: &[FileFacts], first: &Object, again: &Object, root: Option<usize>) -> Problem {
    let place = again.name_spot().place();
    let of = root.and_then(|root| files.get(root)).map(|facts| facts.path());
    let of = of.map(|path| format!(" in what `{path}` includes")).unwrap_or_default();
    let message = match std::ptr::eq(first, again) {
        true => format!("`{}` is included twice{of}", again.id()),
        false => {
            let (file, line) = (first.file(), first.line());
            format!("`{}` is defined twice{of}, first in `{file}` on line {line}", again.id())
        }
    };
    let hint = match std::ptr::eq(first, again) {
        true => "include it once",
        false => "rename or remove one of them, or put them into different kustomizations",
    };
    Problem::error(code::OBJECT_DUPLICATE, message)
        .hint(hint)
        .in_file(again.file())
        .at(place)
        .about(&again.id())
}
