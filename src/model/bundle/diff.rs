//! What would change in the cluster between two bundles.
//!
//! Objects are compared by what identifies them in Kubernetes, wherever their
//! files moved; files that hold no objects are compared by path and digest.
//! Removals come first everywhere, because they are what hurts. The order of
//! everything is that of names, never of files, so that equal inputs give equal
//! output. Parsing and making the text canonical is the caller's.

use std::collections::BTreeMap;

use similar::TextDiff;

use crate::model::digest::Digest;

use super::{object::ObjectId, path::RelPath};

/// Texts with more lines than this together are not compared line by line: the
/// time that takes grows with the square.
const MAX_LINES: usize = 20_000;

/// One of the two bundles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    /// The Kubernetes objects. One that appears twice (in two kustomizations)
    /// is compared as often.
    pub objects: Vec<Object>,
    /// The files that hold no objects: values files, scripts.
    pub files: Vec<File>,
}

/// A Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What identifies it.
    pub id: ObjectId,
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its canonical YAML: equal objects have equal texts.
    pub yaml: String,
    /// The charts it names.
    pub charts: Vec<Named>,
    /// The images it names.
    pub images: Vec<Named>,
}

/// A chart or an image that an object names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Where or under which name: what both sides have in common.
    pub name: String,
    /// The version or reference: what may differ.
    pub reference: String,
}

/// A file that holds no objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path.
    pub path: RelPath,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// The differences, each list in the order of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// Objects that are gone.
    pub removed: Vec<Whole>,
    /// Objects that are new.
    pub added: Vec<Whole>,
    /// Objects that differ.
    pub changed: Vec<Changed>,
    /// Charts that differ, also those of objects that came or went.
    pub charts: Vec<FromTo>,
    /// Images that differ, likewise.
    pub images: Vec<FromTo>,
    /// Files without objects that differ.
    pub files: Files,
}

/// An object that came or went.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whole {
    /// What identifies it.
    pub id: ObjectId,
    /// Its `apiVersion`.
    pub api_version: String,
}

/// An object that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What identifies it.
    pub id: ObjectId,
    /// The API versions, from and to, when they differ.
    pub api: Option<(String, String)>,
    /// How the text differs.
    pub hunks: Hunks,
}

/// How the text of an object differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hunks {
    /// As a unified diff with three lines of context, without file names.
    Unified(String),
    /// Not shown, because the object is a Secret.
    Withheld,
    /// Not compared line by line, because the texts are too long.
    TooLong {
        /// Lines before.
        from: usize,
        /// Lines after.
        to: usize,
    },
}

/// A chart or image, before and after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FromTo {
    /// The object that names it.
    pub object: ObjectId,
    /// Where or under which name.
    pub name: String,
    /// The reference before; `None` when it is new.
    pub from: Option<String>,
    /// The reference after; `None` when it is gone.
    pub to: Option<String>,
}

/// Files without objects that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// Gone.
    pub removed: Vec<RelPath>,
    /// New.
    pub added: Vec<RelPath>,
    /// With other bytes.
    pub changed: Vec<RelPath>,
}

impl Diff {
    /// Whether the two sides are the same.
    pub fn is_empty(&self) -> bool {
        // An image differs only where its object does; a chart also where an
        // object outside the bundle selects it.
        self.charts.is_empty()
            && self.removed.is_empty()
            && self.added.is_empty()
            && self.changed.is_empty()
            && self.files == Files::default()
    }
}

/// Compares two bundles.
pub fn diff(from: &Side, to: &Side) -> Diff {
    let mut diff = Diff { files: diff_files(&from.files, &to.files), ..Diff::default() };
    diff.charts = diff_charts(&from.objects, &to.objects);
    for (before, after) in pairs(&from.objects, &to.objects) {
        let Some(id) = before.or(after).map(|object| &object.id) else { continue };
        diff.images.extend(diff_named(id, images(before), images(after)));
        match (before, after) {
            (Some(before), None) => diff.removed.push(before.whole()),
            (None, Some(after)) => diff.added.push(after.whole()),
            (Some(before), Some(after)) => diff.changed.push(Changed {
                id: id.clone(),
                api: (before.api_version != after.api_version)
                    .then(|| (before.api_version.clone(), after.api_version.clone())),
                hunks: hunks(id, &before.yaml, &after.yaml),
            }),
            (None, None) => {}
        }
    }
    diff.charts.sort();
    diff.images.sort();
    diff
}

/// What differs among the charts of all objects, also of those that are the same
/// on both sides: the chart of a `chartRef` is selected by another object.
fn diff_charts(from: &[Object], to: &[Object]) -> Vec<FromTo> {
    let with_charts = |object: &&Object| !object.charts.is_empty();
    let of = |objects: Vec<&Object>| -> Vec<Named> {
        objects.into_iter().flat_map(|object| object.charts.iter().cloned()).collect()
    };
    let (from, to) = (from.iter().filter(with_charts), to.iter().filter(with_charts));
    let groups = grouped(from, to, |object| &object.id).into_iter();
    groups.flat_map(|(id, [from, to])| diff_named(id, &of(from), &of(to))).collect()
}

fn images(object: Option<&Object>) -> &[Named] {
    object.map(|object| object.images.as_slice()).unwrap_or_default()
}

impl Object {
    fn whole(&self) -> Whole {
        Whole { id: self.id.clone(), api_version: self.api_version.clone() }
    }
}

/// Objects before and after, by identity, without those that are the same.
fn pairs<'a>(from: &'a [Object], to: &'a [Object]) -> Vec<Pair<&'a Object>> {
    let groups = grouped(from.iter(), to.iter(), |object| &object.id).into_values();
    groups
        .flat_map(|[from, to]| unmatched(from, to, |object| (&object.yaml, &object.api_version)))
        .collect()
}

/// What differs among the charts or images of one object.
fn diff_named(object: &ObjectId, from: &[Named], to: &[Named]) -> Vec<FromTo> {
    let reference = |named: Option<&Named>| named.map(|named| named.reference.clone());
    let mut changes = Vec::new();
    for (name, [from, to]) in grouped(from.iter(), to.iter(), |named| named.name.as_str()) {
        for (from, to) in unmatched(from, to, |named| &named.reference) {
            changes.push(FromTo {
                object: object.clone(),
                name: name.to_owned(),
                from: reference(from),
                to: reference(to),
            });
        }
    }
    changes
}

/// Something before and after; at least one of them is there.
type Pair<T> = (Option<T>, Option<T>);

/// Both sides by `key`.
fn grouped<'a, T, K: Ord>(
    from: impl Iterator<Item = &'a T>,
    to: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
) -> BTreeMap<K, [Vec<&'a T>; 2]> {
    let mut groups: BTreeMap<K, [Vec<&'a T>; 2]> = BTreeMap::new();
    for item in from {
        let [before, _] = groups.entry(key(item)).or_default();
        before.push(item);
    }
    for item in to {
        let [_, after] = groups.entry(key(item)).or_default();
        after.push(item);
    }
    groups
}

/// Takes out what is equal on both sides and pairs the rest, both in the order
/// of `key`: there may be many, and their order in the input means nothing.
fn unmatched<'a, T, K: Ord>(
    mut from: Vec<&'a T>,
    mut to: Vec<&'a T>,
    key: impl Fn(&'a T) -> K,
) -> Vec<Pair<&'a T>> {
    let mut spare: BTreeMap<K, usize> = BTreeMap::new();
    for item in &to {
        *spare.entry(key(item)).or_default() += 1;
    }
    let mut taken: BTreeMap<K, usize> = BTreeMap::new();
    from.retain(|item| match spare.get_mut(&key(item)).filter(|count| **count > 0) {
        Some(count) => {
            *count -= 1;
            *taken.entry(key(item)).or_default() += 1;
            false
        }
        None => true,
    });
    to.retain(|item| match taken.get_mut(&key(item)).filter(|count| **count > 0) {
        Some(count) => {
            *count -= 1;
            false
        }
        None => true,
    });
    from.sort_by_key(|item| key(item));
    to.sort_by_key(|item| key(item));
    let mut to = to.into_iter();
    let mut pairs: Vec<_> = from.into_iter().map(|item| (Some(item), to.next())).collect();
    pairs.extend(to.map(|item| (None, Some(item))));
    pairs
}

/// The unified diff of two texts.
fn hunks(id: &ObjectId, from: &str, to: &str) -> Hunks {
    if id.group.is_empty() && id.kind == "Secret" {
        return Hunks::Withheld;
    }
    let (lines_from, lines_to) = (from.lines().count(), to.lines().count());
    if lines_from.saturating_add(lines_to) > MAX_LINES {
        return Hunks::TooLong { from: lines_from, to: lines_to };
    }
    let text = TextDiff::from_lines(from, to);
    Hunks::Unified(text.unified_diff().context_radius(3).missing_newline_hint(false).to_string())
}

fn diff_files(from: &[File], to: &[File]) -> Files {
    let map = |files: &[File]| -> BTreeMap<RelPath, Digest> {
        files.iter().map(|file| (file.path.clone(), file.digest)).collect()
    };
    let (from, to) = (map(from), map(to));
    let only = |a: &BTreeMap<RelPath, Digest>, b: &BTreeMap<RelPath, Digest>| {
        a.keys().filter(|path| !b.contains_key(*path)).cloned().collect()
    };
    let differs =
        |(path, digest): &(&RelPath, &Digest)| to.get(*path).is_some_and(|d| d != *digest);
    Files {
        removed: only(&from, &to),
        added: only(&to, &from),
        changed: from.iter().filter(differs).map(|(path, _)| path.clone()).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn id(kind: &str, name: &str) -> ObjectId {
        let group = if kind == "HelmRelease" { "helm.toolkit.fluxcd.io" } else { "" };
        ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    fn object(kind: &str, name: &str, yaml: &str) -> Object {
        Object {
            id: id(kind, name),
            api_version: "v1".into(),
            yaml: yaml.into(),
            charts: Vec::new(),
            images: Vec::new(),
        }
    }

    fn named(name: &str, reference: &str) -> Named {
        Named { name: name.into(), reference: reference.into() }
    }

    fn objects(objects: Vec<Object>) -> Side {
        Side { objects, files: Vec::new() }
    }

    #[test]
    fn objects_are_compared_by_name_not_by_place() {
        let from = objects(vec![
            object("ConfigMap", "b", "b: 1\n"),
            object("ConfigMap", "a", "a: 1\n"),
            object("Service", "gone", ""),
        ]);
        let to = objects(vec![
            object("ConfigMap", "a", "a: 1\n"),
            object("Job", "new", ""),
            object("ConfigMap", "b", "b: 2\n"),
        ]);
        let diff = diff(&from, &to);
        assert_eq!(diff.removed, [object("Service", "gone", "").whole()]);
        assert_eq!(diff.added, [object("Job", "new", "").whole()]);
        assert_eq!(diff.changed.len(), 1);
        assert_eq!(diff.changed[0].hunks, Hunks::Unified("@@ -1 +1 @@\n-b: 1\n+b: 2\n".into()));
        assert!(!diff.is_empty());
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let all = ["a", "b", "c", "d"].map(|name| object("ConfigMap", name, "x: 1\n"));
        let mut turned = all.clone();
        turned.reverse();
        let (empty, all, turned) =
            (Side::default(), objects(all.to_vec()), objects(turned.to_vec()));
        assert_eq!(diff(&empty, &all), diff(&empty, &turned));
        assert!(diff(&all, &turned).is_empty());
    }

    #[test]
    fn charts_and_images_are_pulled_out() {
        let mut before = object("HelmRelease", "web", "v: 1\n");
        before.charts = vec![named("podinfo", "6.5.0")];
        before.images = vec![named("values.image", "a:1"), named("values.gone", "g:1")];
        let mut after = object("HelmRelease", "web", "v: 2\n");
        after.charts = vec![named("podinfo", "6.6.0")];
        after.images = vec![named("values.image", "a:2"), named("values.new", "n:1")];
        let mut removed = object("HelmRelease", "old", "v: 1\n");
        removed.charts = vec![named("redis", "1.0.0")];
        let diff = diff(&objects(vec![removed, before]), &objects(vec![after]));
        let line = |c: &FromTo| {
            let of = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".into());
            format!("{} {} {} {}", c.object.name, c.name, of(&c.from), of(&c.to))
        };
        let charts: Vec<_> = diff.charts.iter().map(line).collect();
        assert_eq!(charts, ["old redis 1.0.0 -", "web podinfo 6.5.0 6.6.0"]);
        let images: Vec<_> = diff.images.iter().map(line).collect();
        assert_eq!(
            images,
            ["web values.gone g:1 -", "web values.image a:1 a:2", "web values.new - n:1"]
        );
    }

    #[test]
    fn an_object_that_appears_twice_is_compared_twice() {
        let (one, two) = (object("ConfigMap", "a", "x: 1\n"), object("ConfigMap", "a", "x: 2\n"));
        let from = objects(vec![one.clone(), two.clone()]);
        let diff_of = |to: Vec<Object>| diff(&from, &objects(to));
        assert!(diff_of(vec![two.clone(), one.clone()]).is_empty());
        let fewer = diff_of(vec![two.clone()]);
        assert_eq!((fewer.removed.len(), fewer.changed.len()), (1, 0));
        let other = diff_of(vec![two, object("ConfigMap", "a", "x: 3\n")]);
        assert_eq!((other.removed.len(), other.changed.len()), (0, 1));
        // Thousands of the same name must not take the square of the time.
        let many =
            |text: &str| objects(vec![object("ConfigMap", "a", &format!("x: {text}\n")); 20_000]);
        assert_eq!(diff(&many("1"), &many("2")).changed.len(), 20_000);
    }

    #[test]
    fn a_changed_api_version_is_named() {
        let before =
            Object { api_version: "v2beta2".into(), ..object("HelmRelease", "a", "x: 1\n") };
        let after = Object { api_version: "v2".into(), ..before.clone() };
        let diff = diff(&objects(vec![before]), &objects(vec![after]));
        assert_eq!(diff.changed[0].api, Some(("v2beta2".into(), "v2".into())));
    }

    #[test]
    fn the_text_of_a_secret_is_withheld() {
        let from = objects(vec![object("Secret", "s", "data: {p: aHVudGVyMg==}\n")]);
        let to = objects(vec![object("Secret", "s", "data: {p: bmV3}\n")]);
        assert_eq!(diff(&from, &to).changed[0].hunks, Hunks::Withheld);
    }

    #[test]
    fn long_texts_are_counted_not_compared() {
        let from = objects(vec![object("ConfigMap", "a", &"a\n".repeat(MAX_LINES))]);
        let to = objects(vec![object("ConfigMap", "a", &"b\n".repeat(7))]);
        assert_eq!(diff(&from, &to).changed[0].hunks, Hunks::TooLong { from: MAX_LINES, to: 7 });
    }

    #[test]
    fn other_files_are_compared_by_digest() {
        let file = |path: &str, bytes: &[u8]| File {
            path: RelPath::new(path).unwrap(),
            digest: Digest::of(bytes),
        };
        let side = |files: Vec<File>| Side { objects: Vec::new(), files };
        let from = side(vec![file("z", b"1"), file("same", b"1"), file("gone", b"1")]);
        let to = side(vec![file("new", b"1"), file("same", b"1"), file("z", b"2")]);
        let files = diff(&from, &to).files;
        let texts = |list: &[RelPath]| list.iter().map(RelPath::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&files.removed), ["gone"]);
        assert_eq!(texts(&files.added), ["new"]);
        assert_eq!(texts(&files.changed), ["z"]);
        assert!(!diff(&from, &to).is_empty());
        assert!(diff(&from, &from).is_empty());
    }
}
