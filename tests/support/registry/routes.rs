//! The distribution API.

use std::{collections::BTreeMap, convert::Infallible, io::Write as _, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State as Extract},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use sluicegate::model::{artifact::manifest::Descriptor, digest::Digest};

use super::{
    Act, BodyFault, ContentDigest, Incoming, LinkFault, Referrers, Route, Shared, auth,
    connection::Peer, state::State,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A request, taken apart.
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    route: Route,
    name: String,
    last: String,
    parameters: BTreeMap<String, String>,
    body: Bytes,
}

pub(super) async fn handle(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers =
        parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let index = shared.log.begin(parts.method.as_str(), &path, headers);
    tokio::time::sleep(shared.config.latency).await;

    let act = {
        let incoming = Incoming { index, method: parts.method.to_string(), path: path.clone() };
        let mut hook = shared.hook.lock().unwrap();
        hook.as_mut().map_or(Act::Continue, |hook| hook(&incoming))
    };
    if act == Act::Hold {
        shared.held.notified().await;
    }
    let response = match act {
        Act::Abort => {
            peer.cut();
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        Act::Fail(status) => problem(status, "INJECTED", "a fault of the test"),
        Act::Continue | Act::AbortAfter | Act::Hold => {
            let body = axum::body::to_bytes(body, 1 << 30).await.unwrap_or_default();
            let (route, name, last) = Route::of(&path);
            let mut parameters = parse(parts.uri.query().unwrap_or(""));
            if route == Route::Token {
                parameters.extend(parse(&String::from_utf8_lossy(&body)));
            }
            let asked = Asked {
                route,
                name: name.to_owned(),
                last: last.to_owned(),
                parameters,
                body,
                method: parts.method,
                headers: parts.headers,
                path: path.clone(),
            };
            answer(&shared, &asked)
        }
    };
    shared.log.finish(index, response.status().as_u16());
    if act == Act::AbortAfter {
        peer.cut();
    }
    response
}

fn parse(query: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn problem(status: u16, code: &str, message: &str) -> Response {
    let body = json!({"errors": [{"code": code, "message": message}]}).to_string();
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn answer(shared: &Shared, asked: &Asked) -> Response {
    let mut guard = shared.state();
    let state = &mut *guard;
    if let Some(turned_away) = throttle(state, asked.route) {
        return turned_away;
    }
    let auth = &shared.config.auth;
    if asked.route == Route::Token {
        return auth::token(auth, state, &asked.headers, &asked.parameters);
    }
    if state.faults.always_unauthorized {
        return auth::unauthorized(r#"Basic realm="test""#);
    }
    let host = asked.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if let Err(refusal) = auth::admit(auth, state, host, &asked.name, &asked.method, &asked.headers)
    {
        return *refusal;
    }
    let reads = matches!(asked.method, Method::GET | Method::HEAD);
    if state.faults.no_head && asked.method == Method::HEAD {
        return problem(405, "UNSUPPORTED", "no HEAD here");
    }
    if let Some(redirect) =
        state.faults.redirect.as_ref().filter(|to| reads && to.route == asked.route)
    {
        let exact = redirect.to.contains('?');
        let to = if exact { redirect.to.clone() } else { format!("{}{}", redirect.to, asked.path) };
        let status = StatusCode::from_u16(redirect.status).unwrap();
        return (status, [(header::LOCATION, to)]).into_response();
    }
    match (asked.route, asked.method.as_str()) {
        (Route::Manifest, "GET" | "HEAD") => read_manifest(shared, state, asked),
        (Route::Manifest, "PUT") => write_manifest(shared, state, asked),
        (Route::Blob, "GET" | "HEAD") => read_blob(state, asked),
        (Route::Upload, "POST") => begin_upload(state, asked),
        (Route::Upload, "PUT") => end_upload(state, asked),
        (Route::Referrers, "GET") => referrers(shared, state, asked),
        (Route::Tags, "GET") => tags(state, asked),
        (Route::Other, "GET") => {
            let bytes = state.repository("").blobs.values().next().cloned().unwrap_or_default();
            content(state, Route::Other, "text/plain", bytes)
        }
        _ => problem(404, "NOT_FOUND", "no such route"),
    }
}

fn throttle(state: &mut State, route: Route) -> Option<Response> {
    let throttle = state
        .faults
        .throttles
        .iter_mut()
        .find(|throttle| throttle.route == route && throttle.times > 0)?;
    throttle.times -= 1;
    let mut response = problem(throttle.status, "TOOMANYREQUESTS", "come back later");
    if let Some(after) = &throttle.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, after.parse().unwrap());
    }
    Some(response)
}

fn find(state: &mut State, name: &str, last: &str) -> Option<Digest> {
    if let Ok(digest) = last.parse() {
        return Some(digest);
    }
    if let Some(digests) = state.faults.flipping_tags.get_mut(last) {
        digests.rotate_left(1);
        return digests.last().copied();
    }
    state.repository(name).tags.get(last).copied()
}

fn read_manifest(shared: &Shared, state: &mut State, asked: &Asked) -> Response {
    let found = find(state, &asked.name, &asked.last).and_then(|digest| {
        Some((digest, state.repository(&asked.name).manifests.get(&digest)?.clone()))
    });
    let Some((digest, (media_type, bytes))) = found else {
        return problem(404, "MANIFEST_UNKNOWN", "manifest unknown");
    };
    let bytes = state.faults.other_bytes.get(&digest).cloned().unwrap_or(bytes);
    let said = match state.faults.content_digest {
        ContentDigest::Right => Some(digest.to_string()),
        ContentDigest::Missing => None,
        ContentDigest::Wrong => Some(Digest::of(b"something else").to_string()),
        ContentDigest::OtherAlgorithm => Some(format!("sha512:{}", "0".repeat(128))),
    };
    let foreign = state.faults.foreign_etags;
    let mut response = content(state, Route::Manifest, &media_type, bytes);
    let headers = response.headers_mut();
    if let Some(said) = said {
        headers.insert("docker-content-digest", said.parse().unwrap());
    }
    if shared.config.conditional {
        let cache = if foreign { "cache-" } else { "" };
        headers.insert(header::ETAG, format!("\"{cache}{digest}\"").parse().unwrap());
    }
    response
}

fn write_manifest(shared: &Shared, state: &mut State, asked: &Asked) -> Response {
    let config = &shared.config;
    let Ok(manifest) = serde_json::from_slice::<Value>(&asked.body) else {
        return problem(400, "MANIFEST_INVALID", "not JSON");
    };
    let digest = Digest::of(&asked.body);
    let tag = match asked.last.parse::<Digest>() {
        Ok(wanted) if wanted != digest => return problem(400, "DIGEST_INVALID", "other bytes"),
        Ok(_) => None,
        Err(_) => Some(asked.last.as_str()),
    };
    let rewrites = state.faults.rewrites_manifests;
    let stored = state.repository(&asked.name);
    let current = match tag {
        Some(tag) => stored.tags.get(tag).copied(),
        None => stored.manifests.contains_key(&digest).then_some(digest),
    };
    if config.conditional && !precondition(&asked.headers, current) {
        return problem(412, "PRECONDITION_FAILED", "somebody was faster");
    }
    if config.immutable_tags && tag.is_some() && current.is_some_and(|current| current != digest) {
        return problem(409, "TAG_IMMUTABLE", "the tag is immutable");
    }
    if let Some(missing) = stored.missing(&manifest) {
        return problem(400, "MANIFEST_BLOB_UNKNOWN", &format!("unknown: {missing}"));
    }
    let media_type = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    stored.put_manifest(tag, media_type.unwrap_or(""), asked.body.clone());
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    let said = if rewrites { Digest::of(b"rewritten") } else { digest };
    headers.insert("docker-content-digest", said.to_string().parse().unwrap());
    let subject = manifest.get("subject").and_then(|subject| subject.get("digest")?.as_str());
    if let Some(subject) = subject.filter(|_| config.oci_subject) {
        headers.insert("oci-subject", subject.parse().unwrap());
    }
    response
}

fn precondition(headers: &HeaderMap, current: Option<Digest>) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let etag = current.map(|digest| format!("\"{digest}\""));
    let absent = text(header::IF_NONE_MATCH).is_none_or(|_| current.is_none());
    let same = text(header::IF_MATCH).is_none_or(|wanted| etag.as_deref() == Some(wanted));
    absent && same
}

fn read_blob(state: &mut State, asked: &Asked) -> Response {
    let digest = asked.last.parse::<Digest>().ok();
    let found = digest.and_then(|digest| {
        Some((digest, state.repository(&asked.name).blobs.get(&digest)?.clone()))
    });
    let Some((digest, bytes)) = found else {
        return problem(404, "BLOB_UNKNOWN", "blob unknown to registry");
    };
    let bytes = state.faults.other_bytes.get(&digest).cloned().unwrap_or(bytes);
    let from: Option<usize> = asked.headers.get(header::RANGE).and_then(|value| {
        value.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    });
    match from {
        Some(from) if from <= bytes.len() => {
            let range = format!("bytes {from}-{}/{}", bytes.len().saturating_sub(1), bytes.len());
            let mut response =
                content(state, Route::Blob, "application/octet-stream", bytes.slice(from..));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response.headers_mut().insert(header::CONTENT_RANGE, range.parse().unwrap());
            response
        }
        _ => content(state, Route::Blob, "application/octet-stream", bytes),
    }
}

fn begin_upload(state: &mut State, asked: &Asked) -> Response {
    state.counter += 1;
    let mut response = StatusCode::ACCEPTED.into_response();
    if !state.faults.no_location {
        let own = format!("/v2/{}/blobs/uploads/{}?_state=a%2Fb", asked.name, state.counter);
        let location = state.faults.location.clone().unwrap_or(own);
        response.headers_mut().insert(header::LOCATION, location.parse().unwrap());
    }
    response
}

fn end_upload(state: &mut State, asked: &Asked) -> Response {
    if state.faults.lost_uploads > 0 {
        state.faults.lost_uploads -= 1;
        return problem(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
    }
    let digest = Digest::of(&asked.body);
    if asked.parameters.get("digest") != Some(&digest.to_string()) {
        return problem(400, "DIGEST_INVALID", "other bytes");
    }
    state.repository(&asked.name).put_blob(asked.body.clone());
    let digest = digest.to_string();
    (StatusCode::CREATED, [("docker-content-digest", digest)]).into_response()
}

fn referrers(shared: &Shared, state: &mut State, asked: &Asked) -> Response {
    let Ok(subject) = asked.last.parse::<Digest>() else {
        return problem(400, "DIGEST_INVALID", "no digest");
    };
    let size = match shared.config.referrers {
        Referrers::Listed => usize::MAX,
        Referrers::Paged(size) => size,
        Referrers::Absent(status) => return problem(status, "NOT_FOUND", "no referrers here"),
        Referrers::Html => return page_for_people(),
        Referrers::SeeOther => {
            return (StatusCode::SEE_OTHER, [(header::LOCATION, "/for-people")]).into_response();
        }
    };
    let real = state.repository(&asked.name).referrers(&subject);
    let all = real.len() + state.faults.invented_referrers;
    let entry = |n: usize| {
        let invented =
            || Descriptor::of("application/vnd.oci.image.manifest.v1+json", &n.to_be_bytes());
        serde_json::to_value(real.get(n).cloned().unwrap_or_else(invented)).unwrap()
    };
    let (page, link) = page_of(state, asked, all, entry, size);
    let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": page});
    let mut response = content(state, Route::Referrers, INDEX, body.to_string().into());
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link.parse().unwrap());
    }
    response
}

fn tags(state: &mut State, asked: &Asked) -> Response {
    let stored = state.repository(&asked.name);
    if stored.manifests.is_empty() {
        return problem(404, "NAME_UNKNOWN", "no such repository");
    }
    let all: Vec<Value> = stored.tags.keys().map(|tag| json!(tag)).collect();
    let size = asked.parameters.get("n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    // As registries do, never more than they like.
    let (page, link) = page_of(state, asked, all.len(), |n| all[n].clone(), size.min(50));
    let body = json!({"name": asked.name, "tags": page}).to_string();
    let mut response = content(state, Route::Tags, "application/json", body.into());
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link.parse().unwrap());
    }
    response
}

/// One page of a list of `all` entries, and what `Link` says.
fn page_of(
    state: &State,
    asked: &Asked,
    all: usize,
    entry: impl Fn(usize) -> Value,
    size: usize,
) -> (Vec<Value>, Option<String>) {
    let path = asked.path.split('?').next().unwrap_or("");
    let number = |name: &str| asked.parameters.get(name).and_then(|n| n.parse::<usize>().ok());
    let from = number("from").unwrap_or(0);
    let next = |from: usize| Some(format!("<{path}?n={size}&from={from}>; rel=\"next\""));
    match &state.faults.link {
        LinkFault::None => {}
        LinkFault::Circle => return ((0..all).map(entry).collect(), next(0)),
        LinkFault::Endless => return (Vec::new(), next(from + 1)),
        LinkFault::Elsewhere(url) => {
            return ((0..all).map(entry).collect(), Some(format!("<{url}>; rel=\"next\"")));
        }
    }
    let end = from.saturating_add(size).min(all);
    ((from..end).map(entry).collect(), if end < all { next(end) } else { None })
}

fn page_for_people() -> Response {
    ([(header::CONTENT_TYPE, "text/html")], "<html>Hello</html>").into_response()
}

/// An answer with content, which may misbehave.
fn content(state: &mut State, route: Route, media_type: &str, bytes: Bytes) -> Response {
    let at = state.faults.bodies.iter().position(|(on, _)| *on == route);
    let fault = at.map(|at| match state.faults.bodies[at].1 {
        BodyFault::TruncatedOnce(after) => {
            state.faults.bodies.remove(at);
            BodyFault::Truncated(after)
        }
        fault => fault,
    });
    let length = bytes.len() as u64;
    let mut gzip = false;
    let (announced, body) = match fault {
        None => (Some(length), Body::from(bytes)),
        Some(BodyFault::Truncated(after) | BodyFault::TruncatedOnce(after)) => {
            let start = stream::iter([Ok(bytes.slice(..after.min(bytes.len())))]);
            let end = stream::once(async {
                // Let the start reach the wire before the connection breaks.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::Error::other("cut"))
            });
            (Some(length), Body::from_stream(start.chain(end)))
        }
        Some(BodyFault::Stalled(after)) => {
            let start = stream::iter([Ok::<_, Infallible>(bytes.slice(..after.min(bytes.len())))]);
            (Some(length), Body::from_stream(start.chain(stream::pending())))
        }
        Some(BodyFault::Dripping) => {
            let drops = stream::unfold(bytes, async |mut left| {
                if left.is_empty() {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, Infallible>(left.split_to(1)), left))
            });
            (Some(length), Body::from_stream(drops))
        }
        Some(BodyFault::Endless) => {
            let zeros = Bytes::from(vec![b' '; 64 * 1024]);
            (None, Body::from_stream(stream::repeat(zeros).map(Ok::<_, Infallible>)))
        }
        Some(BodyFault::Announced(claimed)) => {
            let body = stream::iter([Ok::<_, Infallible>(bytes)]).chain(stream::pending());
            (Some(claimed), Body::from_stream(body))
        }
        Some(BodyFault::GzipBomb(size)) => {
            gzip = true;
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packed.write_all(&vec![0; size]).unwrap();
            (None, Body::from(packed.finish().unwrap()))
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, media_type.parse().unwrap_or(HeaderValue::from_static("")));
    if let Some(announced) = announced {
        headers.insert(header::CONTENT_LENGTH, announced.into());
    }
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
