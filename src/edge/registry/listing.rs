//! Lists that come in pages: referrers and tags ("Listing Referrers" and
//! "Listing Tags" of the OCI distribution specification).
//!
//! `Link` is followed on the same origin only, never in a circle, and no
//! further than there is a limit for.

use std::collections::HashSet;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, LINK},
};
use serde::Deserialize;
use url::Url;

use super::{
    Referrers, Result,
    answer::Problem,
    error::Fault,
    http::Http,
    retry::Deadline,
    transport::{Call, same_origin},
};
use crate::model::{
    artifact::{manifest, media},
    digest::Digest,
};

/// How many pages are read of one list.
const MAX_PAGES: usize = 500;

/// The referrers of `digest`.
pub(super) async fn referrers(
    http: &Http,
    digest: &Digest,
    limit: usize,
) -> Result<Referrers, Fault> {
    let first = http.call(Method::GET, &format!("referrers/{digest}"))?;
    let mut first = first.accept(media::OCI_INDEX);
    // GHCR, without the API, sends whoever asks to a page for people (303).
    first.route.follow = &[301, 302, 307, 308];
    let mut pages = Pages::new(http, first);
    let mut descriptors = Vec::new();
    let mut room = http.options().limits.in_flight;
    while let Some(page) = pages.next().await? {
        match page {
            Page::Read(headers, bytes) if is_index(&headers) => {
                room = room.saturating_sub(bytes.len() as u64);
                let read = manifest::entries(&bytes);
                descriptors.extend(read.map_err(|_| {
                    Fault::Malformed("the list of referrers is no OCI index".into())
                })?);
            }
            Page::Read(..) if pages.is_first() => return Ok(Referrers::Unsupported),
            Page::Refused(problem)
                if pages.is_first() && matches!(problem.status, 303 | 400 | 404 | 405 | 406) =>
            {
                return Ok(Referrers::Unsupported);
            }
            Page::Refused(problem) => return Err(problem.into_failure().fault),
            Page::Read(..) => {
                return Err(Fault::Malformed("a later page of the list is no OCI index".into()));
            }
        }
        // Few entries can be long ones.
        if descriptors.len() > limit || (room == 0 && pages.next.is_some()) {
            descriptors.truncate(limit);
            return Ok(Referrers::Listed { descriptors, truncated: true });
        }
    }
    Ok(Referrers::Listed { descriptors, truncated: pages.cut_short })
}

/// The tags of the repository.
pub(super) async fn tags(http: &Http, limit: usize) -> Result<Vec<String>, Fault> {
    #[derive(Deserialize)]
    struct Tags {
        #[serde(default)]
        tags: Option<Vec<String>>,
    }
    let first = http.call(Method::GET, "tags/list?n=1000")?.accept("application/json");
    let mut pages = Pages::new(http, first);
    let mut tags = Vec::new();
    while let Some(page) = pages.next().await? {
        let bytes = match page {
            Page::Read(_, bytes) => bytes,
            Page::Refused(problem) => return Err(problem.into_failure().fault),
        };
        let page: Tags = serde_json::from_slice(&bytes)
            .map_err(|_| Fault::Malformed("the list of tags is not JSON with `tags`".into()))?;
        // A tag may end up in a lock: none repeats what was sent.
        let sent = &http.transport().sent;
        tags.extend(page.tags.into_iter().flatten().filter(|tag| !sent.is_in(tag)));
        if tags.len() > limit {
            return Err(Fault::TooLarge { limit: limit as u64 });
        }
    }
    if pages.cut_short {
        return Err(Fault::Malformed("the pages of the list of tags do not end".into()));
    }
    Ok(tags)
}

enum Page {
    Read(HeaderMap, Bytes),
    Refused(Problem),
}

/// The pages of a list, one after the other.
struct Pages<'a> {
    http: &'a Http,
    deadline: Deadline,
    next: Option<Call>,
    seen: HashSet<Url>,
    /// Whether pages were left out because they ran in a circle or did not end.
    cut_short: bool,
}

impl<'a> Pages<'a> {
    fn new(http: &'a Http, first: Call) -> Self {
        let deadline = http.deadline();
        Self { http, deadline, next: Some(first), seen: HashSet::new(), cut_short: false }
    }

    fn is_first(&self) -> bool {
        self.seen.len() == 1
    }

    async fn next(&mut self) -> Result<Option<Page>, Fault> {
        let Some(mut call) = self.next.take() else { return Ok(None) };
        if self.seen.len() >= MAX_PAGES || !self.seen.insert(call.url.clone()) {
            self.cut_short = true;
            return Ok(None);
        }
        let limit = self.http.options().limits.manifest;
        match self.http.fetch(&call, limit, self.deadline).await? {
            Err(problem) => Ok(Some(Page::Refused(problem))),
            Ok((headers, bytes)) => {
                if let Some(url) = next_page(&headers, &call.url)? {
                    call.url = url;
                    self.next = Some(call);
                }
                Ok(Some(Page::Read(headers, bytes)))
            }
        }
    }
}

fn is_index(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = media_type.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case(media::OCI_INDEX)
}

/// The next page that a `Link` header names (RFC 8288, `rel="next"`).
fn next_page(headers: &HeaderMap, here: &Url) -> Result<Option<Url>, Fault> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = values.flat_map(links).find_map(|(target, next)| next.then_some(target))
    else {
        return Ok(None);
    };
    let url = here.join(target);
    let mut url = url.map_err(|_| Fault::Malformed("the next page is at no URL".into()))?;
    url.set_fragment(None);
    if !same_origin(&url, here) {
        return Err(Fault::Refused("the next page of the list is on another host".into()));
    }
    Ok(Some(url))
}

/// The targets of a header, and whether each is the next page.
fn links(header: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((target, after)) = after.split_once('>') else { break };
        let parameters = after.split_once('<').map_or(after, |(parameters, _)| parameters);
        let is_next = parameters.split([';', ',']).any(|parameter| {
            parameter.split_once('=').is_some_and(|(key, value)| {
                let value = value.trim().trim_matches('"');
                key.trim().eq_ignore_ascii_case("rel")
                    && value.split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
            })
        });
        found.push((target, is_next));
        rest = after;
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn next(link: &str) -> Result<Option<String>, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, link.parse().unwrap());
        let here = "https://r.example/v2/a/referrers/sha256:x".parse().unwrap();
        next_page(&headers, &here).map(|url| url.map(String::from))
    }

    #[test]
    fn the_next_page_is_where_link_says() {
        for (link, wanted) in [
            (r#"</v2/a/x?last=b&n=2>; rel="next""#, Some("https://r.example/v2/a/x?last=b&n=2")),
            (r#"<?page=2>;REL=next"#, Some("https://r.example/v2/a/referrers/sha256:x?page=2")),
            (r#"</p>; rel="prev", </n>; rel="next""#, Some("https://r.example/n")),
            (r#"</n>; title="a"; rel="last next""#, Some("https://r.example/n")),
            (r#"</p>; rel="prev""#, None),
            ("<unclosed", None),
            ("", None),
        ] {
            assert_eq!(next(link).unwrap().as_deref(), wanted, "{link}");
        }
    }

    #[test]
    fn oras_ghsa_h3wm_jjqf_8jm2_pages_stay_on_the_same_origin() {
        for link in [
            r#"<https://evil.example/x>; rel="next""#,
            r#"<//evil.example/x>; rel="next""#,
            r#"<http://r.example/x>; rel="next""#,
            r#"<https://r.example:8443/x>; rel="next""#,
        ] {
            assert!(matches!(next(link), Err(Fault::Refused(_))), "{link}");
        }
    }
}
