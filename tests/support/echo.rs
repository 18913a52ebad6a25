//! A hostile registry that repeats the credentials it was sent, wherever an
//! answer has room for them.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::web::Web;

/// The token that its token service gives out.
pub const TOKEN: &str = "issued.token-of.the-echo_0123456789";

/// Where it repeats them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In the body of an error with this status, as plain text.
    Text(u16),
    /// The same in the JSON of registries.
    Json(u16),
    /// In the body of the token service's error.
    Token(u16),
    /// In the path and query of a realm that is asked.
    Realm,
    /// In the name of a realm's host.
    RealmHost,
    /// In a realm that nobody may ask.
    BadRealm,
    /// In the path and query that a redirect leads to.
    Redirect,
    /// In the host that a redirect leads to.
    RedirectHost,
    /// In a redirect that nobody may follow.
    BadRedirect,
    /// In the next page of a list, here and elsewhere.
    Link,
    /// In where an upload goes.
    Location,
    /// In what a success says of itself.
    Headers,
}

/// Every way.
pub const WAYS: [Way; 18] = [
    Way::Text(400),
    Way::Text(401),
    Way::Text(403),
    Way::Text(409),
    Way::Text(412),
    Way::Text(503),
    Way::Json(400),
    Way::Json(401),
    Way::Token(401),
    Way::Realm,
    Way::RealmHost,
    Way::BadRealm,
    Way::Redirect,
    Way::RedirectHost,
    Way::BadRedirect,
    Way::Link,
    Way::Location,
    Way::Headers,
];

struct Shared {
    way: Way,
    bearer: bool,
    /// Everything that it was sent.
    known: Mutex<Vec<String>>,
}

/// A running echo.
pub struct Echo(Web, Arc<Shared>);

impl Echo {
    /// One that wants a user name and a password, or a token for them.
    pub fn start(way: Way, bearer: bool) -> Self {
        let shared = Arc::new(Shared { way, bearer, known: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Self(Web::start(router), shared)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.0.host()
    }

    /// Whether any credential came here: without, nothing is shown by a test.
    pub fn was_told(&self) -> bool {
        !self.1.known.lock().unwrap().is_empty()
    }
}

/// What is known, in the encodings that servers use.
fn forms(known: &[String]) -> Vec<String> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let all = |text: &String| {
        let encoded: String = encode(text);
        let base64 = STANDARD.encode(text);
        [text.clone(), encoded.replace('+', "%20"), encoded, encode(&base64), base64]
    };
    known.iter().flat_map(all).collect()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let host = parts.headers[header::HOST].to_str().unwrap().to_owned();
    let mut known = shared.known.lock().unwrap();
    learn(&mut known, &parts.headers, &body);
    let forms = forms(&known);
    let all = forms.join(" ");
    // Without blanks, for a URL.
    let inline = forms.iter().filter(|form| !form.contains([' ', '"'])).cloned();
    let inline = inline.collect::<Vec<_>>().join("/");
    let plain =
        known.iter().find(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    let name = plain.map_or("nobody", String::as_str);
    let is_token = path.starts_with("/token") || path.contains("/realm");
    if is_token {
        return match shared.way {
            Way::Token(status) => said(status, all),
            Way::Realm if path.contains("/realm") => said(403, all),
            _ => said(200, format!(r#"{{"token":"{TOKEN}"}}"#)),
        };
    }
    let sent = parts.headers.contains_key(header::AUTHORIZATION);
    if !sent {
        let challenge = match shared.bearer {
            true => format!(r#"Bearer realm="http://{host}/token",service="echo""#),
            false => r#"Basic realm="echo""#.to_owned(),
        };
        return with(401, header::WWW_AUTHENTICATE, &challenge, "who are you?");
    }
    let realm = |url: String| {
        with(401, header::WWW_AUTHENTICATE, &format!(r#"Bearer realm="{url}",service="{all}""#), "")
    };
    let to = |url: String| with(307, header::LOCATION, &url, "");
    match shared.way {
        Way::Text(status) => said(status, all),
        Way::Json(status) => {
            let errors = forms.iter().map(|form| serde_json::json!({"code": form, "message": all}));
            said(status, serde_json::json!({"errors": errors.collect::<Vec<_>>()}).to_string())
        }
        Way::Token(_) => with(401, header::WWW_AUTHENTICATE, r#"Basic realm="echo""#, "again"),
        Way::Realm => realm(format!("http://{host}/{inline}/realm?x={inline}")),
        Way::RealmHost => realm(format!("https://{name}.example/{inline}?x={inline}")),
        Way::BadRealm => realm(format!("ftp://{name}.example/{inline}")),
        Way::Redirect => to(format!("http://127.0.0.1:1/{inline}?x={inline}")),
        Way::RedirectHost => to(format!("http://{name}.example/{inline}?x={inline}")),
        Way::BadRedirect => to(format!("ftp://{name}.example/{inline}?x={inline}")),
        Way::Link => {
            let link = match path.contains("tags") {
                true => format!("<http://{name}.example/{inline}>; rel=\"next\""),
                false => format!("</{inline}/next>; rel=\"next\""),
            };
            let list = format!(r#"{{"manifests":[],"tags":["1.0.0-{name}"]}}"#);
            let mut answer = with(200, header::LINK, &link, &list);
            let media_type = "application/vnd.oci.image.index.v1+json";
            answer.headers_mut().insert(header::CONTENT_TYPE, media_type.parse().unwrap());
            answer
        }
        Way::Location => with(202, header::LOCATION, &format!("/{inline}/up?x={inline}"), ""),
        Way::Headers => {
            let mut answer = with(200, header::ETAG, &format!("\"{name}\""), "{}");
            for name in ["content-type", "docker-content-digest", "oci-subject"] {
                answer.headers_mut().insert(name, inline.parse().unwrap());
            }
            answer
        }
    }
}

/// Takes note of every credential of a request, decoded.
fn learn(known: &mut Vec<String>, headers: &HeaderMap, body: &[u8]) {
    let mut add = |text: &str| {
        if !text.is_empty() && !known.iter().any(|other| other == text) {
            known.push(text.to_owned());
        }
    };
    if let Some((kind, value)) =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '))
    {
        add(value);
        if kind == "Basic" {
            let both = String::from_utf8(STANDARD.decode(value).unwrap()).unwrap();
            add(&both);
            add(both.split_once(':').unwrap().1);
        }
    }
    for (name, value) in url::form_urlencoded::parse(body) {
        if name == "refresh_token" {
            add(&value);
        }
    }
}

fn said(status: u16, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn with(status: u16, name: header::HeaderName, value: &str, body: &str) -> Response<Body> {
    let mut response = said(status, body.to_owned());
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}
