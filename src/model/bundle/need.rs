//! What the manifests of a bundle name: charts and container images.
//!
//! Extraction is versioned ([`EXTRACTOR`]), because a policy that demands a
//! complete lock compares it with what the manifests name by the same rules.

use crate::model::digest::Digest;

use super::{
    object::ObjectId,
    path::RelPath,
    problem::{Place, Position},
};

/// The version of the extraction rules, recorded in the provenance. Grows when
/// the rules find more or other references in the same manifests.
///
/// 2 looks into every list that kustomize or Flux expands, whatever its kind and
/// name, and into files that kustomizations name whatever their extension; and
/// an image is pinned only by a digest that can be read.
pub const EXTRACTOR: u32 = 2;

/// One chart or image that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Whether it is a chart or an image.
    pub kind: Kind,
    /// The file that names it.
    pub file: RelPath,
    /// The object that names it.
    pub object: ObjectId,
    /// Where in the object, such as `spec.chart.spec` or
    /// `spec.values.image`.
    pub path: String,
    /// Where in the file; line 0 when that is not known.
    pub at: Position,
    /// The reference as written, with its parts joined:
    /// `ghcr.io/stefanprodan/podinfo:6.5.0`, `podinfo 6.5.0 (https://…)`.
    pub reference: String,
    /// Whether the manifest itself carries the digest.
    pub pinned: bool,
    /// What to ask for.
    pub target: Target,
}

impl Need {
    /// Where it stands. The lines are not at hand any more: what is kept of each
    /// of ten thousand needs must be little.
    pub fn place(&self) -> Option<Place> {
        (self.at.line > 0).then(|| Place {
            start: self.at,
            end: self.at,
            path: self.path.clone(),
            lines: Vec::new(),
            first_line: self.at.line,
        })
    }
}

/// What a [`Need`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Helm chart.
    Chart,
    /// A container image.
    Image,
}

impl Kind {
    /// The word for it, as the provenance spells it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Chart => "chart",
            Kind::Image => "image",
        }
    }
}

/// What to ask for to resolve a [`Need`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A container image, the reference in its long form (`docker.io/library/…`).
    Image {
        /// Host of the registry, such as `docker.io`.
        host: String,
        /// The repository path.
        path: String,
        /// The tag; `latest` when neither tag nor digest is written.
        tag: Option<String>,
        /// The digest when written.
        digest: Option<Digest>,
    },
    /// A chart in an OCI registry.
    OciChart {
        /// Host of the registry.
        host: String,
        /// The repository path including the chart's name.
        path: String,
        /// Which version.
        version: ChartVersion,
    },
    /// A chart in an HTTP Helm repository.
    HttpChart {
        /// The repository's URL as it is asked: without credentials, with its
        /// query, which is never shown or recorded.
        repository: String,
        /// The chart's name.
        chart: String,
        /// The version or range as written; `None` means any.
        version: Option<String>,
    },
    /// The manifests do not say enough to resolve it.
    Unknown {
        /// Why not; one sentence.
        reason: String,
    },
}

/// How a chart in an OCI registry is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartVersion {
    /// A digest.
    Digest(Digest),
    /// A tag, or an exact version (whose `+` a tag spells `_`).
    Tag(String),
    /// A semver range over the tags; `*` for any.
    Range(String),
}
