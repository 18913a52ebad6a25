//! Kubernetes objects by name.

use std::{fmt, sync::Arc};

use super::{path::RelPath, problem::Position, scope::Spot, source_object::Origin};

/// What identifies a Kubernetes object in a bundle. The API version is not
/// part of it: `v2beta2` and `v2` of one HelmRelease are the same object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty when none is written.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for ObjectId {
    /// `Kind namespace/name` or `Kind name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.is_empty() {
            true => write!(f, "{} {}", self.kind, self.name),
            false => write!(f, "{} {}/{}", self.kind, self.namespace, self.name),
        }
    }
}

/// An object of a bundle and what of it matters later.
///
/// A bundle may hold hundreds of thousands, so the names share one allocation
/// and everything rare is behind a pointer.
#[derive(Debug)]
pub struct Object {
    file: Arc<RelPath>,
    /// The line on which it starts, from 1.
    line: u32,
    /// `apiVersion`, kind, namespace and name, separated by line feeds.
    names: Box<str>,
    /// Where the name is written, and its line unless that is `  name: NAME`.
    name_at: Position,
    name_line: Option<Box<Spot>>,
    /// Where a chart comes from, for HelmReleases and sources of charts.
    pub(super) origin: Option<Box<Origin>>,
    /// Where it names its chart.
    pub(super) chart_at: Position,
    /// The images it names.
    pub(super) images: Box<[NamedImage]>,
}

/// An image as an object names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    /// Where in the object.
    pub path: Box<str>,
    /// Where in the file.
    pub at: Position,
    /// The reference, its parts joined.
    pub reference: Box<str>,
    /// Why it is not known which image is meant.
    pub unknown: Option<Box<str>>,
}

/// A chart as an object names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedChart {
    /// The chart's name, or `Kind name` of the object that `chartRef` names.
    pub name: String,
    /// The version or range as written.
    pub version: Option<String>,
}

impl Object {
    /// An object of `file` that starts on `line`. None of the names may hold a
    /// line feed; one that does is cut there.
    pub(super) fn new(file: &Arc<RelPath>, line: u32, names: [&str; 4], name_spot: Spot) -> Self {
        let first_line = |name: &str| name.split('\n').next().unwrap_or_default().to_owned();
        let names = names.map(first_line).join("\n");
        let name_at = name_spot.start();
        let mut object = Self {
            file: Arc::clone(file),
            line,
            names: names.into(),
            name_at,
            name_line: None,
            origin: None,
            chart_at: Position::default(),
            images: Box::default(),
        };
        if name_spot.line() != object.usual_name_line() {
            object.name_line = Some(Box::new(name_spot));
        }
        object
    }

    fn part(&self, index: usize) -> &str {
        self.names.split('\n').nth(index).unwrap_or_default()
    }

    /// The file it is in.
    pub fn file(&self) -> &RelPath {
        &self.file
    }

    /// The line on which it starts, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The API version as written, group and version.
    pub fn api_version(&self) -> &str {
        self.part(0)
    }

    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        group(self.api_version())
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        self.part(1)
    }

    /// The namespace; empty when none is written.
    pub fn namespace(&self) -> &str {
        self.part(2)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.part(3)
    }

    /// What identifies it.
    pub fn id(&self) -> ObjectId {
        ObjectId {
            group: self.group().to_owned(),
            kind: self.kind().to_owned(),
            namespace: self.namespace().to_owned(),
            name: self.name().to_owned(),
        }
    }

    /// The chart that a HelmRelease or HelmChart names.
    pub fn chart(&self) -> Option<NamedChart> {
        self.origin.as_ref().and_then(|origin| origin.named())
    }

    /// The images it names, each with where.
    pub fn images(&self) -> &[NamedImage] {
        &self.images
    }

    /// How many charts and images it names.
    pub(super) fn needs(&self) -> usize {
        self.images.len() + usize::from(self.chart().is_some())
    }

    /// Forgets the charts and images it names, but for what the problems of
    /// other objects depend on.
    pub(super) fn forget_needs(&mut self) {
        self.images = Box::default();
        if let Some(Origin::Chart(_) | Origin::HelmRepository { .. }) = self.origin.as_deref() {
            self.origin = None;
        }
    }

    fn usual_name_line(&self) -> String {
        let indentation = (self.name_at.column as usize).saturating_sub("name: ".len() + 1);
        format!("{}name: {}", " ".repeat(indentation.min(200)), self.name())
    }

    /// Where its name is written.
    pub(super) fn name_spot(&self) -> Spot {
        match &self.name_line {
            Some(spot) => Spot::clone(spot),
            None => {
                let length = u32::try_from(self.name().chars().count()).unwrap_or(u32::MAX);
                let end = self.name_at.column.saturating_add(length);
                Spot::new(self.name_at, end, &self.usual_name_line(), "metadata.name")
            }
        }
    }
}

/// The group of an `apiVersion`: what is before the `/`.
pub fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
