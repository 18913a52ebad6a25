//! What was asked, when, and how deep.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/v2/NAME/manifests/…`.
    Manifest,
    /// `/v2/NAME/blobs/DIGEST`.
    Blob,
    /// `/v2/NAME/blobs/uploads/…`.
    Upload,
    /// `/v2/NAME/referrers/DIGEST`.
    Referrers,
    /// `/v2/NAME/tags/list`.
    Tags,
    /// The token service.
    Token,
    /// Anything else.
    Other,
}

impl Route {
    /// The route of a path, and the repository and the last part in it.
    pub fn of(path: &str) -> (Route, &str, &str) {
        let path = path.split('?').next().unwrap_or("");
        if path == "/token" {
            return (Route::Token, "", "");
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return (Route::Other, "", path) };
        for (middle, route) in [
            ("/blobs/uploads/", Route::Upload),
            ("/manifests/", Route::Manifest),
            ("/blobs/", Route::Blob),
            ("/referrers/", Route::Referrers),
            ("/tags/", Route::Tags),
        ] {
            if let Some((name, last)) = rest.rsplit_once(middle) {
                return (route, name, last);
            }
        }
        (Route::Other, "", path)
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `GET`, `PUT`, ….
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What it was about.
    pub route: Route,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The status of the answer; `None` when there was none.
    pub status: Option<u16>,
    started: Instant,
    finished: Option<Instant>,
}

impl Entry {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// All requests of a registry.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    /// How many were forgotten by [`Log::clear`].
    before: usize,
}

impl Log {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every request, in the order of arrival.
    pub fn entries(&self) -> Vec<Entry> {
        self.inner().entries.clone()
    }

    /// The requests about one thing.
    pub fn of(&self, route: Route) -> Vec<Entry> {
        self.entries().into_iter().filter(|entry| entry.route == route).collect()
    }

    /// Every request as `METHOD PATH`, for comparison.
    pub fn lines(&self) -> Vec<String> {
        self.entries().iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect()
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        self.inner().entries.len()
    }

    /// How many round trips one after the other: the longest chain of requests
    /// of which each began after the one before it was answered. Requests that
    /// were sent together count once, provided they overlap; see
    /// [`Config::latency`](super::Config::latency).
    pub fn depth(&self) -> usize {
        let entries = self.entries();
        let mut depths: Vec<usize> = Vec::with_capacity(entries.len());
        for entry in &entries {
            let before = entries
                .iter()
                .zip(&depths)
                .filter(|(other, _)| other.finished.is_some_and(|end| end <= entry.started))
                .map(|(_, depth)| *depth)
                .max();
            depths.push(before.unwrap_or(0) + 1);
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// Forgets all requests so far. Those under way are forgotten too.
    pub fn clear(&self) {
        let mut inner = self.inner();
        inner.before += inner.entries.len();
        inner.entries.clear();
    }

    /// Notes the arrival of a request; gives its index.
    pub(super) fn begin(&self, method: &str, path: &str, headers: Vec<(String, String)>) -> usize {
        let mut inner = self.inner();
        inner.entries.push(Entry {
            method: method.to_owned(),
            path: path.to_owned(),
            route: Route::of(path).0,
            headers,
            status: None,
            started: Instant::now(),
            finished: None,
        });
        inner.before + inner.entries.len() - 1
    }

    /// Notes the answer to a request.
    pub(super) fn finish(&self, index: usize, status: u16) {
        let mut inner = self.inner();
        let at = index.checked_sub(inner.before);
        if let Some(entry) = at.and_then(|at| inner.entries.get_mut(at)) {
            entry.status = Some(status);
            entry.finished = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn depth_is_the_longest_chain() {
        let log = Log::default();
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        // a ─┬─ b ── d
        //    └─ c (overlaps b and d)
        for (started, finished) in [(0, 10), (11, 20), (12, 40), (21, 30)] {
            let index = log.begin("GET", "/v2/", Vec::new());
            let mut inner = log.inner();
            inner.entries[index].started = at(started);
            inner.entries[index].finished = Some(at(finished));
        }
        assert_eq!(log.depth(), 3);
        assert_eq!(Log::default().depth(), 0);
    }
}
