//! The switches.

use std::collections::BTreeMap;

use bytes::Bytes;
use sluicegate::model::digest::Digest;

use super::Route;

/// What goes wrong. All off by default; changed with
/// [`Registry::faults`](super::Registry::faults).
#[derive(Debug, Default)]
pub struct Faults {
    /// Turned away before anything else is looked at.
    pub throttles: Vec<Throttle>,
    /// What `Docker-Content-Digest` says of a manifest that is read.
    pub content_digest: ContentDigest,
    /// Bytes that are handed out instead of those of a digest.
    pub other_bytes: BTreeMap<Digest, Bytes>,
    /// Each reading of the tag moves it on to the next digest, in a circle.
    pub flipping_tags: BTreeMap<String, Vec<Digest>>,
    /// How bodies that are read on a route misbehave.
    pub bodies: Vec<(Route, BodyFault)>,
    /// The beginning of an upload is answered without `Location`.
    pub no_location: bool,
    /// Uploads are to go to this URL, such as `http://127.0.0.1:5001/v2/x/blobs/uploads/1?a=b`.
    pub location: Option<String>,
    /// An upload that was begun is not known any more, so many times.
    pub lost_uploads: usize,
    /// GET and HEAD on a route are sent elsewhere.
    pub redirect: Option<Redirect>,
    /// A manifest that is written is stored under another digest.
    pub rewrites_manifests: bool,
    /// Every request is answered with 401, whatever it carries.
    pub always_unauthorized: bool,
    /// So many entries are added to every list of referrers.
    pub invented_referrers: usize,
    /// What `Link` says.
    pub link: LinkFault,
    /// `ETag` is that of a cache before the registry, which `If-Match` never
    /// holds with.
    pub foreign_etags: bool,
    /// HEAD is not known (405).
    pub no_head: bool,
}

impl Faults {
    /// Turns away the next `times` requests on `route` with `status`.
    pub fn throttle(&mut self, route: Route, status: u16, times: usize, retry_after: Option<&str>) {
        let retry_after = retry_after.map(str::to_owned);
        self.throttles.push(Throttle { route, status, times, retry_after });
    }
}

/// Requests that are turned away.
#[derive(Debug, Clone)]
pub struct Throttle {
    /// On this route.
    pub route: Route,
    /// With this status.
    pub status: u16,
    /// So many times more.
    pub times: usize,
    /// With this `Retry-After`.
    pub retry_after: Option<String>,
}

/// What `Docker-Content-Digest` says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum ContentDigest {
    /// The truth.
    #[default]
    Right,
    /// Nothing.
    Missing,
    /// The digest of something else.
    Wrong,
    /// Something in another algorithm.
    OtherAlgorithm,
}

/// How a body misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It ends after so many bytes although more were announced.
    Truncated(usize),
    /// As [`BodyFault::Truncated`], but only the next time.
    TruncatedOnce(usize),
    /// Nothing comes after so many bytes.
    Stalled(usize),
    /// A byte every 50 ms.
    Dripping,
    /// It never ends, and no length is announced.
    Endless,
    /// This length is announced, whatever is sent.
    Announced(u64),
    /// `Content-Encoding: gzip` is announced, and so many zeros are sent packed.
    GzipBomb(usize),
}

/// Where GET and HEAD are sent.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// On this route.
    pub route: Route,
    /// With this status.
    pub status: u16,
    /// To this base, to which path and query are appended, unless it contains
    /// `?`: then to exactly this.
    pub to: String,
}

/// What `Link` says of a list with pages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum LinkFault {
    /// The truth.
    #[default]
    None,
    /// The page itself is the next.
    Circle,
    /// There is always another page, and it is empty.
    Endless,
    /// The next page is at this URL.
    Elsewhere(String),
}
