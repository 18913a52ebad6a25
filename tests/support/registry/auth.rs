//! Who gets in.

use std::collections::BTreeMap;

use axum::{
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::state::State;

/// Who gets in.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// Everybody.
    #[default]
    Open,
    /// Whoever knows the user name and the password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// Whoever has a token of the token service (`/token`, here as well).
    Bearer(Bearer),
}

impl Auth {
    /// Basic authentication.
    pub fn basic(username: &str, password: &str) -> Self {
        Self::Basic { username: username.into(), password: password.into() }
    }
}

/// A registry with tokens.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// What the token service wants; `None` gives anybody a token to pull with.
    pub login: Option<(String, String)>,
    /// The refresh token that the service takes (`identitytoken`).
    pub refresh_token: Option<String>,
    /// The realm that challenges name; `None` is `/token` here.
    pub realm: Option<String>,
    /// How long a token is said to last, in seconds.
    pub expires_in: u64,
    /// The challenge's scope names the repository with this before it.
    pub scope_prefix: String,
    /// What the token service answers instead of a token.
    pub fail_with: Option<u16>,
}

impl Default for Bearer {
    fn default() -> Self {
        Self {
            login: None,
            refresh_token: None,
            realm: None,
            expires_in: 300,
            scope_prefix: String::new(),
            fail_with: None,
        }
    }
}

impl Bearer {
    /// A token service that wants a user name and a password.
    pub fn with_login(username: &str, password: &str) -> Self {
        Self { login: Some((username.into(), password.into())), ..Self::default() }
    }
}

/// Whether a request may go on; the 401 when not.
pub(super) fn admit(
    auth: &Auth,
    state: &State,
    host: &str,
    name: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Box<Response>> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let action = if matches!(*method, Method::GET | Method::HEAD) { "pull" } else { "push" };
    let challenge = match auth {
        Auth::Open => return Ok(()),
        Auth::Basic { username, password } => {
            if given == Some(basic(username, password).as_str()) {
                return Ok(());
            }
            r#"Basic realm="test""#.to_owned()
        }
        Auth::Bearer(bearer) => {
            let name = format!("{}{name}", bearer.scope_prefix);
            let token = given.and_then(|given| given.strip_prefix("Bearer "));
            if let Some((scope, actions)) = token.and_then(|token| state.tokens.get(token))
                && *scope == name
                && actions.iter().any(|allowed| allowed == action)
            {
                return Ok(());
            }
            let realm = match &bearer.realm {
                Some(realm) => realm.clone(),
                None => format!("http://{host}/token"),
            };
            let actions = if action == "pull" { "pull" } else { "pull,push" };
            format!(
                r#"Bearer realm="{realm}",service="test, service",scope="repository:{name}:{actions}""#
            )
        }
    };
    Err(Box::new(unauthorized(&challenge)))
}

/// A 401 with a challenge.
pub(super) fn unauthorized(challenge: &str) -> Response {
    let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    let headers = [(header::WWW_AUTHENTICATE, challenge.to_owned())];
    (StatusCode::UNAUTHORIZED, headers, body).into_response()
}

/// The token service.
pub(super) fn token(
    auth: &Auth,
    state: &mut State,
    headers: &HeaderMap,
    parameters: &BTreeMap<String, String>,
) -> Response {
    let Auth::Bearer(bearer) = auth else { return StatusCode::NOT_FOUND.into_response() };
    if let Some(status) = bearer.fail_with {
        let status = StatusCode::from_u16(status).unwrap();
        // As a hostile service would: it repeats what it was sent.
        return (status, format!("no token for {headers:?} {parameters:?}")).into_response();
    }
    let parameter = |name: &str| parameters.get(name).map(String::as_str);
    if parameter("service") != Some("test, service") {
        return (StatusCode::BAD_REQUEST, "no such service").into_response();
    }
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let refreshed = parameter("grant_type") == Some("refresh_token")
        && bearer.refresh_token.is_some()
        && parameter("refresh_token") == bearer.refresh_token.as_deref();
    let known = match &bearer.login {
        Some((username, password)) => given == Some(basic(username, password).as_str()),
        None => bearer.refresh_token.is_none(),
    };
    if !known && !refreshed {
        return (StatusCode::UNAUTHORIZED, "wrong credentials").into_response();
    }
    let scope = parameter("scope").unwrap_or("");
    let mut parts = scope.splitn(3, ':');
    let (kind, name, actions) = (parts.next(), parts.next(), parts.next());
    if kind != Some("repository") {
        return (StatusCode::BAD_REQUEST, "no scope").into_response();
    }
    state.counter += 1;
    let token = format!("token-{}", state.counter);
    let actions = actions.unwrap_or("").split(',').map(str::to_owned).collect();
    state.tokens.insert(token.clone(), (name.unwrap_or("").to_owned(), actions));
    let key = if refreshed { "access_token" } else { "token" };
    let body = serde_json::json!({key: token, "expires_in": bearer.expires_in});
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}
