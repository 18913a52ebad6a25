//! Comparing two bundles, each an artifact or a directory.
//!
//! A directory is packed as publishing would pack it, so that both sides are
//! layers and what is ignored is the same. Nothing is verified: this shows, and
//! whoever wants to trust what is shown verifies. The objects of both sides are
//! held in memory, at most [`MAX_TEXT`] bytes of YAML a side.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::NamedTempFile;

use crate::{
    edge::registry::Registries,
    model::{
        bundle::{
            bounds::{Bounds, Keep},
            canonical::{self, Canonical},
            charts::Sources,
            check::{self, FileFacts},
            diff::{self, Diff, File, Named, Object, Side},
            object,
            path::RelPath,
            problem::Severity,
        },
        reference::Reference,
    },
};

use super::{
    content,
    error::{Error, Result},
    pack::{self, Options},
    progress::{Event, Watch},
    verify,
};

/// How much YAML of the objects of one side is held, in bytes.
pub const MAX_TEXT: usize = 256 << 20;

/// How a directory is judged before it is compared: nothing is published, so
/// that a Secret in clear harms nobody.
const JUDGED: check::Options =
    check::Options { allow_secrets: true, needs: false, bounds: Bounds::NONE };

/// One of the two bundles.
#[derive(Debug, Clone)]
pub enum Input {
    /// An artifact.
    Artifact(Reference),
    /// A directory, or a single file.
    Directory(PathBuf),
}

/// Why two bundles cannot be compared.
#[derive(Debug)]
pub struct Failure {
    /// The directory it is about, where it is about one.
    pub directory: Option<PathBuf>,
    /// What is wrong.
    pub error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { directory: None, error }
    }
}

/// Compares two bundles, and tells `watch` how far it is. Directories are packed
/// with `options`, as far as those are not for publishing only.
///
/// # Errors
/// [`Error::Problems`] for a directory that cannot be published; what keeps an
/// artifact from being read. What is wrong with `from` is told first.
pub async fn diff(
    registries: &Registries,
    from: &Input,
    to: &Input,
    options: &Options,
    watch: &Watch,
) -> Result<Diff, Failure> {
    watch(Event::Step("reading"));
    let (from, to) = futures::join!(side(registries, from, options), side(registries, to, options));
    let (from, to) = (from?, to?);
    watch(Event::Step("comparing"));
    let compared = tokio::task::spawn_blocking(move || diff::diff(&from, &to)).await;
    Ok(compared.map_err(|error| Error::Internal(error.to_string()))?)
}

async fn side(registries: &Registries, input: &Input, options: &Options) -> Result<Side, Failure> {
    let fetched = async {
        match input {
            Input::Artifact(reference) => {
                content::fetch(&verify::resolve(registries, reference).await?).await
            }
            Input::Directory(path) => packed(path, options).await,
        }
    };
    let directory = match input {
        Input::Directory(path) => Some(path.clone()),
        Input::Artifact(_) => None,
    };
    let layer = fetched.await.map_err(|error| Failure { directory, error })?;
    let side = tokio::task::spawn_blocking(move || read(layer.path())).await;
    Ok(side.map_err(|error| Error::Internal(error.to_string()))??)
}

/// The layer that publishing the directory would push.
async fn packed(path: &Path, options: &Options) -> Result<NamedTempFile> {
    let options = Options { check: JUDGED, ..options.clone() };
    // Two sides at once have no one number of bytes to show.
    let unwatched: Watch = Arc::new(|_| {});
    let packed = pack::beside(pack::Input::at(path)?, options, &unwatched).await?;
    let problems = packed.judgement.problems.into_iter();
    let errors: Vec<_> = problems.filter(|problem| problem.severity == Severity::Error).collect();
    match packed.layer {
        Some(layer) if errors.is_empty() => Ok(layer.file),
        _ => Err(Error::Problems(errors)),
    }
}

/// What of a layer is compared. Blocks.
fn read(layer: &Path) -> Result<Side> {
    let mut gathered = Gathered::default();
    let mut full = Ok(());
    content::visit(layer, content::manifests(layer)?, |file| {
        if full.is_ok() {
            full = gathered.add(&file);
        }
    })?;
    full?;
    Ok(gathered.finish())
}

/// What was read of a layer so far.
#[derive(Default)]
struct Gathered {
    facts: Vec<FileFacts>,
    paths: BTreeSet<RelPath>,
    objects: BTreeMap<RelPath, VecDeque<(Canonical, String)>>,
    /// Every file, and whether it is to be compared by its bytes.
    files: Vec<(File, bool)>,
    text: usize,
}

impl Gathered {
    fn add(&mut self, file: &content::File<'_>) -> Result<()> {
        self.paths.insert(file.path.clone());
        let contents = file.bytes.map(canonical::read);
        let by_bytes = contents.as_ref().is_none_or(|contents| contents.other);
        self.files.push((File { path: file.path.clone(), digest: file.digest }, by_bytes));
        self.facts.extend(file.bytes.map(|bytes| check::read_file(file.path, bytes, Keep::All)));
        let mut objects = VecDeque::new();
        for mut canonical in contents.into_iter().flat_map(|contents| contents.objects) {
            let yaml = serde_saphyr::to_string(&canonical.value)
                .map_err(|error| Error::Internal(error.to_string()))?;
            canonical.value = serde_json::Value::Null;
            self.text = self.text.saturating_add(yaml.len());
            objects.push_back((canonical, yaml));
        }
        self.objects.insert(file.path.clone(), objects);
        match self.text <= MAX_TEXT {
            true => Ok(()),
            false => Err(Error::usage(
                format!("the objects of one side have more than {MAX_TEXT} bytes of YAML"),
                "compare the files that `sluicegate pull` extracts",
            )),
        }
    }

    /// Which documents are objects, and not patches of others, is what the
    /// check of all files together says.
    fn finish(mut self) -> Side {
        let judged = check::judge(self.facts, &self.paths.iter().collect(), &JUDGED);
        let sources = Sources::of(judged.objects.iter());
        let mut side = Side::default();
        for found in &judged.objects {
            let left = self.objects.entry(found.file().clone()).or_default();
            let same = |(canonical, _): &(Canonical, String)| {
                canonical.id == found.id() && canonical.api_version == found.api_version()
            };
            let canonical = left.iter().position(same).and_then(|at| left.remove(at));
            side.objects.extend(canonical.map(|(_, yaml)| compared(found, &sources, yaml)));
        }
        // What is left in a file is no object of the cluster: a patch, or a
        // kustomization.
        let left = |path: &RelPath| self.objects.get(path).is_some_and(|left| !left.is_empty());
        let files = self.files.into_iter();
        let files = files.filter(|(file, by_bytes)| *by_bytes || left(&file.path));
        side.files = files.map(|(file, _)| file).collect();
        side
    }
}

fn compared(found: &object::Object, sources: &Sources<'_>, yaml: String) -> Object {
    let charts = sources.named(found).into_iter().map(|chart| Named {
        name: chart.name,
        reference: chart.version.unwrap_or_else(|| "(any version)".to_owned()),
    });
    let images = found.images().iter().map(|image| Named {
        name: image.path.to_string(),
        reference: image.reference.to_string(),
    });
    Object {
        id: found.id(),
        api_version: found.api_version().to_owned(),
        yaml,
        charts: charts.collect(),
        images: images.collect(),
    }
}
