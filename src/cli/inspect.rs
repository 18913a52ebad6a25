//! `sluicegate inspect`.

use std::{collections::HashMap, process::ExitCode};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{
        content::Inside,
        error::Result,
        inspect::{self, Inspection, Known},
        progress::Event,
    },
    model::{
        artifact::manifest::{Annotations, Descriptor},
        bundle::{
            need::{Kind, Need},
            object::{Object, ObjectId},
            path::RelPath,
        },
        digest::Digest,
        reference::Reference,
        text::{brief, shown},
    },
};

use super::{args::Inspect, context, demands, keys, output::Printer, verify::EvidenceView, view};

/// The JSON of `inspect`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Always `sluicegate.dev/inspect/v1`.
    schema: &'static str,
    /// The reference as given.
    reference: String,
    /// The artifact.
    digest: Digest,
    /// The media type of its manifest.
    media_type: String,
    /// The size of its manifest and layers in bytes.
    size: u64,
    /// The manifest's annotations.
    annotations: Annotations,
    /// The layers.
    layers: Vec<LayerView>,
    /// The Kubernetes objects inside; `null` when they could not be read.
    objects: Option<Vec<ObjectView>>,
    /// Why the objects could not be read.
    objects_error: Option<String>,
    /// Every statement; verified only against the keys that were given.
    statements: Vec<EvidenceView>,
    /// Referrers that hold no statement.
    attachments: Vec<AttachmentView>,
    /// What could not be read.
    gaps: Vec<String>,
}

/// One layer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LayerView {
    /// Its media type.
    media_type: String,
    /// Its digest.
    digest: Digest,
    /// Its size in bytes.
    size: u64,
}

/// One Kubernetes object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectView {
    /// Its `apiVersion`.
    api_version: String,
    /// Its kind.
    kind: String,
    /// Its namespace; empty when none is written.
    namespace: String,
    /// Its name.
    name: String,
    /// The file it is in.
    file: String,
    /// The charts that it names, with their versions.
    charts: Vec<String>,
    /// The images that it names.
    images: Vec<String>,
}

/// A referrer that holds no statement.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AttachmentView {
    /// What the listing says it is; nothing authenticates it.
    artifact_type: Option<String>,
    /// Its manifest.
    digest: Digest,
}

pub(super) async fn run(args: Inspect, printer: &Printer) -> Result<ExitCode> {
    let known = match &args.policy {
        Some(path) => {
            let root = args.trusted_root.as_deref();
            let demanded = demands::by_file(path, &args.secret, root, printer)?;
            Known::Policy(Box::new(demanded.policy))
        }
        None => Known::Keys(keys::public(&args.key)?),
    };
    let registries = context::registries(&args.registry, &[&args.reference], printer).await?;
    printer.glance()(Event::Step("reading"));
    let found = inspect::inspect(&registries, &args.reference, known).await?;
    let view = view(&args.reference, &found);
    printer.result(&view, || text(&view)).map_err(super::stdout)?;
    Ok(ExitCode::SUCCESS)
}

fn view(reference: &Reference, found: &Inspection) -> View {
    let content = &found.artifact.content;
    let annotations = content.annotations.clone();
    let manifest = &found.artifact.manifest.descriptor;
    let objects = found.inside.as_ref().ok().map(objects);
    View {
        schema: "sluicegate.dev/inspect/v1",
        reference: reference.to_string(),
        digest: manifest.digest,
        media_type: manifest.media_type.clone(),
        size: manifest.size
            + content.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size)),
        layers: content.layers.iter().map(layer).collect(),
        objects,
        objects_error: found.inside.as_ref().err().cloned(),
        statements: found
            .gathered
            .exhibits
            .iter()
            .map(|exhibit| EvidenceView::new(exhibit, &annotations))
            .collect(),
        attachments: found.gathered.attachments.iter().map(attachment).collect(),
        gaps: found.gathered.gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.why)).collect(),
        annotations,
    }
}

fn layer(layer: &Descriptor) -> LayerView {
    LayerView { media_type: layer.media_type.clone(), digest: layer.digest, size: layer.size }
}

/// Each object with what it names.
fn objects(inside: &Inside) -> Vec<ObjectView> {
    let mut named: HashMap<(&RelPath, &ObjectId), Vec<&Need>> = HashMap::new();
    for need in &inside.needs {
        named.entry((&need.file, &need.object)).or_default().push(need);
    }
    let of = |object: &Object| {
        let id = object.id();
        let needs = named.get(&(object.file(), &id)).map(Vec::as_slice).unwrap_or_default();
        self::object(object, needs)
    };
    inside.objects.iter().map(of).collect()
}

fn object(object: &Object, needs: &[&Need]) -> ObjectView {
    let references = |kind| {
        needs.iter().filter(|need| need.kind == kind).map(|need| need.reference.clone()).collect()
    };
    ObjectView {
        api_version: object.api_version().to_owned(),
        kind: object.kind().to_owned(),
        namespace: object.namespace().to_owned(),
        name: object.name().to_owned(),
        file: object.file().to_string(),
        charts: references(Kind::Chart),
        images: references(Kind::Image),
    }
}

fn attachment(descriptor: &Descriptor) -> AttachmentView {
    AttachmentView { artifact_type: descriptor.artifact_type.clone(), digest: descriptor.digest }
}

/// A branch of the tree that is drawn: a title, more lines of it, and leaves,
/// each of one line or more.
struct Branch {
    title: String,
    leaves: Vec<Vec<String>>,
}

fn text(view: &View) -> String {
    let mut branches = vec![Branch {
        title: format!("manifest  {}", view.media_type),
        leaves: lines(view.annotations.iter().map(|(key, value)| format!("{key}: {value}"))),
    }];
    branches.extend(view.layers.iter().map(|layer| Branch {
        title: format!("layer  {}  {}", layer.media_type, view::size(layer.size)),
        leaves: lines([layer.digest.to_string()]),
    }));
    branches.push(object_branch(view));
    branches.push(Branch {
        title: format!("statements  {}", view.statements.len()),
        leaves: view.statements.iter().map(EvidenceView::lines).collect(),
    });
    if !view.attachments.is_empty() {
        let leaf = |attachment: &AttachmentView| {
            let kind = attachment.artifact_type.as_deref();
            let kind = kind.map_or("(no type)".into(), |kind| format!("`{}`", brief(kind)));
            vec![kind, attachment.digest.to_string()]
        };
        branches.push(Branch {
            title: format!("attachments  {}", view.attachments.len()),
            leaves: view.attachments.iter().map(leaf).collect(),
        });
    }
    if !view.gaps.is_empty() {
        branches.push(Branch { title: "unread".into(), leaves: lines(view.gaps.clone()) });
    }
    draw(&format!("{}\n{}", view.reference, view.digest), &branches)
}

/// Leaves of one line each.
fn lines(lines: impl IntoIterator<Item = String>) -> Vec<Vec<String>> {
    lines.into_iter().map(|line| vec![line]).collect()
}

fn object_branch(view: &View) -> Branch {
    match &view.objects {
        None => Branch {
            title: "objects  unknown".into(),
            leaves: lines(view.objects_error.iter().cloned()),
        },
        Some(objects) => Branch {
            title: format!("objects  {}", objects.len()),
            leaves: objects.iter().map(object_lines).collect(),
        },
    }
}

fn object_lines(object: &ObjectView) -> Vec<String> {
    let name = match object.namespace.is_empty() {
        true => object.name.clone(),
        false => format!("{}/{}", object.namespace, object.name),
    };
    let charts = object.charts.iter().map(|chart| format!("chart  {chart}"));
    let images = object.images.iter().map(|image| format!("image  {image}"));
    let head = format!("{}  {name}  ({})", object.kind, object.file);
    [head].into_iter().chain(charts).chain(images).collect()
}

/// The tree. Nearly everything in it was written by somebody else, so each line
/// is made safe to show.
fn draw(root: &str, branches: &[Branch]) -> String {
    let mut text = format!("{root}\n");
    for (i, branch) in branches.iter().enumerate() {
        let (tee, bar) = joints(i + 1 == branches.len());
        text.push_str(&format!("{tee}{}\n", shown(&branch.title)));
        for (j, leaf) in branch.leaves.iter().enumerate() {
            let (tee, rest) = joints(j + 1 == branch.leaves.len());
            for (k, line) in leaf.iter().enumerate() {
                let joint = if k == 0 { tee } else { rest };
                text.push_str(&format!("{bar}{joint}{}\n", shown(line)));
            }
        }
    }
    text
}

/// What stands before the first line of a branch, and before the others.
fn joints(last: bool) -> (&'static str, &'static str) {
    if last { ("└── ", "    ") } else { ("├── ", "│   ") }
}
