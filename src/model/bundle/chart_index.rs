//! The `index.yaml` of an HTTP Helm repository, and which of its versions a
//! range picks.
//!
//! Follows Helm's `pkg/repo` and source-controller's `ChartRepository`: a
//! version that is written exactly as asked for wins, else the highest semantic
//! version in the range, else, among equals, the one created last. An index is
//! large (64 MiB is Flux's limit and ours), so only the charts asked for are
//! kept; the rest is read past, never stored. Unknown fields are ignored.
//! Nothing here fetches anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use semver::Version;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use url::Url;

use crate::model::{digest::Digest, text::brief};

use super::constraint::{Constraint, ConstraintError, version};

/// The largest index that is read, in bytes: Flux's `helm.MaxIndexSize`.
pub const MAX_INDEX: u64 = 64 << 20;

/// The versions of the charts that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartIndex {
    charts: BTreeMap<String, Vec<Entry>>,
}

/// One version of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The version as the index writes it.
    pub version: String,
    /// The digest of the archive. `None` when the index has none or one that is
    /// no SHA-256: then the archive must be hashed.
    pub digest: Option<Digest>,
    /// Where the archive is; relative ones are relative to the repository.
    pub urls: Vec<String>,
    /// When it was made, which decides between equal versions.
    pub created: Option<Timestamp>,
}

impl ChartIndex {
    /// Reads an index and keeps the versions of the charts in `wanted`.
    ///
    /// # Errors
    /// [`IndexError`] when it is no YAML or JSON, has no `apiVersion`, or breaks
    /// a limit (256 levels of nesting, aliases that multiply).
    pub fn parse(bytes: &[u8], wanted: &BTreeSet<String>) -> Result<Self, IndexError> {
        let limit = usize::try_from(MAX_INDEX).unwrap_or(usize::MAX);
        if bytes.len() > limit {
            return Err(IndexError::TooLarge);
        }
        let malformed = |detail: String| IndexError::Malformed { detail: brief(&detail) };
        let root = Root { wanted };
        let is_json = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
        let (api_version, charts) = if is_json {
            let mut json = serde_json::Deserializer::from_slice(bytes);
            let read = root.deserialize(&mut json).and_then(|read| json.end().map(|()| read));
            read.map_err(|e| malformed(e.to_string()))?
        } else {
            serde_saphyr::with_deserializer_from_slice_with_options(bytes, options(limit), |yaml| {
                root.deserialize(yaml)
            })
            .map_err(|e| malformed(e.to_string()))?
        };
        match api_version {
            true => Ok(Self { charts }),
            false => Err(IndexError::NoApiVersion),
        }
    }

    /// Picks the version of `chart` that Flux would install for `range`; `None`
    /// and the empty text mean any version that is no pre-release.
    ///
    /// # Errors
    /// [`PickError`]; the chart must have been among those asked for.
    pub fn pick(&self, chart: &str, range: Option<&str>) -> Result<&Entry, PickError> {
        let entries = self.charts.get(chart).filter(|entries| !entries.is_empty());
        let entries = entries.ok_or_else(|| PickError::NoChart { chart: chart.to_owned() })?;
        let range = range.unwrap_or_default();
        if let Some(exact) =
            entries.iter().find(|entry| !range.is_empty() && entry.version == range)
        {
            return Ok(exact);
        }
        let constraint = match range {
            "" => Constraint::any(),
            range => Constraint::parse(range)?,
        };
        let candidates = entries.iter().filter_map(|entry| {
            version(&entry.version).filter(|v| constraint.matches(v)).map(|v| (v, entry))
        });
        candidates.reduce(better).map(|(_, entry)| entry).ok_or_else(|| PickError::NoVersion {
            chart: chart.to_owned(),
            range: if range.is_empty() { "*" } else { range }.to_owned(),
        })
    }
}

/// The later of two candidates: by precedence, then by time, then by build
/// metadata so that the choice never depends on the order of the index alone.
fn better<'a>(a: (Version, &'a Entry), b: (Version, &'a Entry)) -> (Version, &'a Entry) {
    let order = b.0.cmp_precedence(&a.0);
    match order.then_with(|| b.1.created.cmp(&a.1.created)).then_with(|| b.0.cmp(&a.0)) {
        std::cmp::Ordering::Greater => b,
        _ => a,
    }
}

impl Entry {
    /// The URL of the archive: the first one listed, as Flux takes it, resolved
    /// against the repository's URL as Helm does (its query is carried over,
    /// because presigned repositories need it).
    ///
    /// # Errors
    /// One sentence saying what is wrong with the URL.
    pub fn url(&self, repository: &Url) -> Result<Url, UrlError> {
        let text = self.urls.first().ok_or(UrlError::None)?;
        let invalid = || UrlError::Invalid { text: brief(text) };
        if let Ok(absolute) = Url::parse(text) {
            return Ok(absolute);
        }
        let mut base = repository.clone();
        base.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().push("");
        let mut resolved = base.join(text).map_err(|_| invalid())?;
        if resolved.query().is_none() {
            resolved.set_query(repository.query());
        }
        Ok(resolved)
    }
}

/// The URL of a repository's index.
pub fn index_url(repository: &Url) -> Option<Url> {
    let mut url = repository.clone();
    url.path_segments_mut().ok()?.pop_if_empty().push("index.yaml");
    Some(url)
}

/// Why an index cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// More bytes than [`MAX_INDEX`].
    #[error("the index is larger than 64 MiB")]
    TooLarge,
    /// No YAML, or not of the form of an index.
    #[error("the index cannot be read: {detail}")]
    Malformed {
        /// What the parser said.
        detail: String,
    },
    /// Without `apiVersion` it is something else, such as an error page.
    #[error("the index has no `apiVersion`; expected the `index.yaml` of a Helm repository")]
    NoApiVersion,
}

/// Why no version was picked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// The repository has no such chart.
    #[error("the repository has no chart `{chart}`")]
    NoChart {
        /// The chart's name.
        chart: String,
    },
    /// No version is in the range.
    #[error("no version of chart `{chart}` matches `{range}`")]
    NoVersion {
        /// The chart's name.
        chart: String,
        /// The range.
        range: String,
    },
    /// The range is none.
    #[error(transparent)]
    Range(#[from] ConstraintError),
}

/// Why an entry has no usable URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// `urls` is empty.
    #[error("the index gives no URL for it")]
    None,
    /// Not a URL.
    #[error("the index gives `{text}`, which is no URL")]
    Invalid {
        /// The text of the index.
        text: String,
    },
}

/// Limits for the largest index: about one node for every four bytes.
fn options(limit: usize) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: limit / 2,
            max_nodes: limit / 4,
            max_total_scalar_bytes: limit,
            max_depth: 256,
            max_documents: 1,
        },
        // `appVersion: 12e4567` is a name, not an overflow.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

/// The document: whether it has an `apiVersion`, and the charts wanted.
struct Root<'a> {
    wanted: &'a BTreeSet<String>,
}

type Read = (bool, BTreeMap<String, Vec<Entry>>);

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the index of a Helm repository")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut read = Read::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "apiVersion" => {
                    let text = map.next_value::<Option<String>>()?;
                    read.0 = text.is_some_and(|text| !text.is_empty());
                }
                "entries" => read.1 = map.next_value_seed(Entries { wanted: self.wanted })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(read)
    }
}

/// `entries`: name of the chart to versions, of which most are read past.
struct Entries<'a> {
    wanted: &'a BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = BTreeMap<String, Vec<Entry>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = BTreeMap<String, Vec<Entry>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the entries of the index by chart")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut charts = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.wanted.contains(&name) {
                let versions: Option<Vec<Option<RawEntry>>> = map.next_value()?;
                let entries = versions.into_iter().flatten().flatten();
                charts.insert(name, entries.filter_map(RawEntry::read).collect());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(charts)
    }
}

/// A version as written.
#[derive(Deserialize)]
struct RawEntry {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    urls: Option<Vec<String>>,
    #[serde(default)]
    created: Option<String>,
}

impl RawEntry {
    /// Helm drops versions without a name or a version.
    fn read(self) -> Option<Entry> {
        self.name.filter(|name| !name.is_empty())?;
        let version = self.version.filter(|version| !version.is_empty())?;
        let digest = self.digest.and_then(|text| {
            let hex = text.strip_prefix("sha256:").unwrap_or(&text).to_ascii_lowercase();
            Digest::from_hex(&hex).ok()
        });
        let created = self.created.and_then(|text| text.parse().ok());
        Some(Entry { version, digest, urls: self.urls.unwrap_or_default(), created })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
