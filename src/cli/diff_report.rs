//! The result of `diff`, as people and programs read it.
//!
//! Chart and image changes stand on top, because they are what most releases
//! are about; then removals, additions and changes. Text of an artifact is
//! never sent to the terminal as it is: control characters are made visible.

use std::fmt::Write as _;

use annotate_snippets::normalize_untrusted_str;
use console::Style;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::bundle::diff::{Changed, Diff, FromTo, Hunks, Whole};

/// What `diff -o json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sluicegate diff")]
pub struct View {
    /// Always `sluicegate.dev/diff/v1`.
    #[schemars(extend("const" = "sluicegate.dev/diff/v1"))]
    pub schema: &'static str,
    /// The first side as given on the command line.
    pub from: String,
    /// The second side as given on the command line.
    pub to: String,
    /// Whether the two differ.
    pub changes: bool,
    /// Charts that differ.
    pub charts: Vec<FromToView>,
    /// Images that differ.
    pub images: Vec<FromToView>,
    /// Objects that are gone.
    pub removed: Vec<ObjectView>,
    /// Objects that are new.
    pub added: Vec<ObjectView>,
    /// Objects that differ.
    pub changed: Vec<ChangedView>,
    /// Files without Kubernetes objects that differ.
    pub files: FilesView,
}

/// A Kubernetes object by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// The `apiVersion`: on the second side, where it is on both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty when none is written.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// An object that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedView {
    /// The object.
    pub object: ObjectView,
    /// The `apiVersion` before, when it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version_from: Option<String>,
    /// The `apiVersion` after, when it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version_to: Option<String>,
    /// The unified diff of the YAML; absent for a Secret and for texts too long
    /// to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Why there is no `diff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted: Option<String>,
}

/// A chart or image, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FromToView {
    /// The object that names it.
    pub object: ObjectView,
    /// Where in the object, or the chart's name.
    pub name: String,
    /// The reference before; null when it is new.
    pub from: Option<String>,
    /// The reference after; null when it is gone.
    pub to: Option<String>,
}

/// Files without Kubernetes objects that differ, by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesView {
    /// Gone.
    pub removed: Vec<String>,
    /// New.
    pub added: Vec<String>,
    /// With other bytes.
    pub changed: Vec<String>,
}

/// The view of `diff` between `from` and `to`.
pub fn view(diff: &Diff, from: &str, to: &str) -> View {
    let paths = |list: &[_]| list.iter().map(ToString::to_string).collect();
    View {
        schema: "sluicegate.dev/diff/v1",
        from: from.to_owned(),
        to: to.to_owned(),
        changes: !diff.is_empty(),
        charts: diff.charts.iter().map(from_to_view).collect(),
        images: diff.images.iter().map(from_to_view).collect(),
        removed: diff.removed.iter().map(whole_view).collect(),
        added: diff.added.iter().map(whole_view).collect(),
        changed: diff.changed.iter().map(changed_view).collect(),
        files: FilesView {
            removed: paths(&diff.files.removed),
            added: paths(&diff.files.added),
            changed: paths(&diff.files.changed),
        },
    }
}

fn object_view(id: &crate::model::bundle::object::ObjectId) -> ObjectView {
    ObjectView {
        api_version: None,
        group: id.group.clone(),
        kind: id.kind.clone(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    }
}

fn whole_view(whole: &Whole) -> ObjectView {
    ObjectView { api_version: Some(whole.api_version.clone()), ..object_view(&whole.id) }
}

fn from_to_view(change: &FromTo) -> FromToView {
    FromToView {
        object: object_view(&change.object),
        name: change.name.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
    }
}

fn changed_view(changed: &Changed) -> ChangedView {
    let (from, to) = changed.api.clone().unzip();
    let diff = match &changed.hunks {
        Hunks::Unified(text) => Some(text.clone()),
        Hunks::Withheld | Hunks::TooLong { .. } => None,
    };
    ChangedView {
        object: object_view(&changed.id),
        api_version_from: from,
        api_version_to: to,
        diff,
        omitted: omitted(&changed.hunks),
    }
}

/// Why a text is not shown.
fn omitted(hunks: &Hunks) -> Option<String> {
    match hunks {
        Hunks::Unified(_) => None,
        Hunks::Withheld => Some("the contents of a Secret are not shown".into()),
        Hunks::TooLong { from, to } => {
            Some(format!("too long to compare: {from} lines became {to}"))
        }
    }
}

/// The styles of the text; all plain without colours.
struct Styles {
    title: Style,
    removed: Style,
    added: Style,
    changed: Style,
    hunk: Style,
}

impl Styles {
    fn new(colours: bool) -> Self {
        let style = || Style::new().force_styling(colours);
        Self {
            title: style().bold(),
            removed: style().red(),
            added: style().green(),
            changed: style().yellow(),
            hunk: style().cyan(),
        }
    }
}

/// The differences as text.
pub fn text(diff: &Diff, from: &str, to: &str, colours: bool) -> String {
    let styles = Styles::new(colours);
    let mut out = String::new();
    line(&mut out, &styles.removed, "", &format!("--- {from}"));
    line(&mut out, &styles.added, "", &format!("+++ {to}"));
    if diff.is_empty() {
        out.push_str("\nno differences\n");
        return out;
    }
    from_to(&mut out, &styles, "charts", &diff.charts);
    from_to(&mut out, &styles, "images", &diff.images);
    let whole = |list: &[Whole]| list.iter().map(|whole| whole.id.to_string()).collect::<Vec<_>>();
    list(&mut out, &styles, (&styles.removed, '-'), "removed", &whole(&diff.removed));
    list(&mut out, &styles, (&styles.added, '+'), "added", &whole(&diff.added));
    title(&mut out, &styles, "changed", diff.changed.len());
    for changed in &diff.changed {
        object(&mut out, &styles, changed);
    }
    let paths = |list: &[_]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let files = &diff.files;
    list(&mut out, &styles, (&styles.removed, '-'), "files removed", &paths(&files.removed));
    list(&mut out, &styles, (&styles.added, '+'), "files added", &paths(&files.added));
    list(&mut out, &styles, (&styles.changed, '~'), "files changed", &paths(&files.changed));
    let _ = writeln!(out, "\n{}", summary(diff));
    out
}

/// One line, such as `1 removed, 2 added, 1 changed; 1 chart, 2 images`.
pub fn summary(diff: &Diff) -> String {
    let count = |count: usize, what: &str| format!("{count} {what}");
    let plural = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {one}s")),
    };
    let objects = [
        count(diff.removed.len(), "removed"),
        count(diff.added.len(), "added"),
        count(diff.changed.len(), "changed"),
    ];
    let files = &diff.files;
    let others = [
        plural(diff.charts.len(), "chart"),
        plural(diff.images.len(), "image"),
        plural(files.removed.len() + files.added.len() + files.changed.len(), "other file"),
    ];
    let others = others.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let separator = if others.is_empty() { "" } else { "; " };
    format!("{}{separator}{others}", objects.join(", "))
}

/// A line of untrusted text in `style`.
fn line(out: &mut String, style: &Style, indent: &str, text: &str) {
    let text = normalize_untrusted_str(text);
    let _ = writeln!(out, "{indent}{}", style.apply_to(text));
}

fn title(out: &mut String, styles: &Styles, name: &str, count: usize) {
    if count > 0 {
        let _ = writeln!(out, "\n{}", styles.title.apply_to(format!("{name} ({count})")));
    }
}

fn list(
    out: &mut String,
    styles: &Styles,
    (style, sign): (&Style, char),
    name: &str,
    items: &[String],
) {
    title(out, styles, name, items.len());
    for item in items {
        line(out, style, "  ", &format!("{sign} {item}"));
    }
}

fn from_to(out: &mut String, styles: &Styles, name: &str, changes: &[FromTo]) {
    title(out, styles, name, changes.len());
    for change in changes {
        let (style, text) = match (&change.from, &change.to) {
            (Some(from), Some(to)) => (&styles.changed, format!("~ {} → {}", from, to)),
            (Some(from), None) => (&styles.removed, format!("- {from}")),
            (None, Some(to)) => (&styles.added, format!("+ {to}")),
            (None, None) => continue,
        };
        let (sign, text) = text.split_at(1);
        let named = format!("{sign} {}  {} {text}", change.object, change.name);
        line(out, style, "  ", &named);
    }
}

fn object(out: &mut String, styles: &Styles, changed: &Changed) {
    line(out, &styles.changed, "  ", &format!("~ {}", changed.id));
    if let Some((from, to)) = &changed.api {
        line(out, &styles.changed, "    ", &format!("apiVersion {from} → {to}"));
    }
    if let Some(reason) = omitted(&changed.hunks) {
        line(out, &styles.hunk, "    ", &format!("({reason})"));
    }
    let Hunks::Unified(text) = &changed.hunks else { return };
    let plain = Style::new();
    for text in text.lines() {
        let style = match text.bytes().next() {
            Some(b'-') => &styles.removed,
            Some(b'+') => &styles.added,
            Some(b'@') => &styles.hunk,
            _ => &plain,
        };
        // The bar keeps a line of YAML from being one of a CI log.
        line(out, style, "    │ ", text);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::{
        bundle::{
            diff::{File, Named, Object, Side, diff},
            object::ObjectId,
            path::RelPath,
        },
        digest::Digest,
    };

    fn object(kind: &str, name: &str, yaml: &str) -> Object {
        let helm = kind == "HelmRelease";
        Object {
            id: ObjectId {
                group: if helm { "helm.toolkit.fluxcd.io" } else { "" }.into(),
                kind: kind.into(),
                namespace: "shop".into(),
                name: name.into(),
            },
            api_version: if helm { "helm.toolkit.fluxcd.io/v2" } else { "v1" }.into(),
            yaml: yaml.into(),
            charts: Vec::new(),
            images: Vec::new(),
        }
    }

    fn named(name: &str, reference: &str) -> Named {
        Named { name: name.into(), reference: reference.into() }
    }

    fn sample() -> Diff {
        let mut web = object("HelmRelease", "web", "spec:\n  version: 6.5.0\n");
        web.charts = vec![named("podinfo", "6.5.0")];
        web.images = vec![named("spec.values.image", "ghcr.io/a:1")];
        let mut after = object("HelmRelease", "web", "spec:\n  version: 6.6.0\n");
        after.charts = vec![named("podinfo", "6.6.0")];
        after.images = vec![named("spec.values.image", "ghcr.io/a:2")];
        let mut new = object("Pod", "new", "x: 1\n");
        new.images = vec![named("spec.containers[0].image", "redis:7")];
        let secret = |text| object("Secret", "s", text);
        let file = |text: &[u8]| File {
            path: RelPath::new("values.yaml").unwrap(),
            digest: Digest::of(text),
        };
        let from = Side {
            objects: vec![web, object("ConfigMap", "old", ""), secret("1")],
            files: vec![file(b"1")],
        };
        let to = Side { objects: vec![after, new, secret("2")], files: vec![file(b"2")] };
        diff(&from, &to)
    }

    #[test]
    fn charts_and_images_stand_on_top() {
        let shown = text(&sample(), "oci://h/p:1", "oci://h/p:2", false);
        assert_eq!(
            shown,
            "\
--- oci://h/p:1
+++ oci://h/p:2

charts (1)
  ~ HelmRelease shop/web  podinfo  6.5.0 → 6.6.0

images (2)
  + Pod shop/new  spec.containers[0].image  redis:7
  ~ HelmRelease shop/web  spec.values.image  ghcr.io/a:1 → ghcr.io/a:2

removed (1)
  - ConfigMap shop/old

added (1)
  + Pod shop/new

changed (2)
  ~ Secret shop/s
    (the contents of a Secret are not shown)
  ~ HelmRelease shop/web
    │ @@ -1,2 +1,2 @@
    │  spec:
    │ -  version: 6.5.0
    │ +  version: 6.6.0

files changed (1)
  ~ values.yaml

1 removed, 1 added, 2 changed; 1 chart, 2 images, 1 other file
"
        );
    }

    #[test]
    fn equal_sides_say_so() {
        let shown = text(&Diff::default(), "a", "b", false);
        assert_eq!(shown, "--- a\n+++ b\n\nno differences\n");
        assert!(!view(&Diff::default(), "a", "b").changes);
    }

    #[test]
    fn colours_only_when_asked_for() {
        assert!(text(&sample(), "a", "b", true).contains("\u{1b}["));
        assert!(!text(&sample(), "a", "b", false).contains('\u{1b}'));
    }

    #[test]
    fn hostile_text_cannot_drive_the_terminal() {
        let side = |text: &str| Side {
            objects: vec![object("ConfigMap", "\u{1b}[2J", text)],
            files: Vec::new(),
        };
        let diff = diff(&side("a: \u{1b}]0;x\u{7}\n"), &side("a: \u{202e}\n"));
        let shown = text(&diff, "a\u{1b}", "b", false);
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    }

    #[test]
    fn the_view_matches_its_schema() {
        let schema = serde_json::to_value(schemars::schema_for!(View)).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for diff in [sample(), Diff::default()] {
            let json = serde_json::to_value(view(&diff, "a", "b")).unwrap();
            let errors: Vec<_> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
        let json = serde_json::to_value(view(&sample(), "a", "b")).unwrap();
        assert_eq!(json["schema"], "sluicegate.dev/diff/v1");
        assert_eq!(json["charts"][0]["to"], "6.6.0");
        assert_eq!(json["images"][0]["from"], serde_json::Value::Null);
        assert_eq!(json["changed"][0]["omitted"], "the contents of a Secret are not shown");
    }
}
