//! A token service as distribution wants it ("Token Authentication
//! Specification"): JWTs, signed by a key whose certificate the registry trusts.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256},
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode, header},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::web::Web;

/// What tokens are for.
pub const SERVICE: &str = "registry of the test";
/// Who issues them.
pub const ISSUER: &str = "issuer of the test";

/// What tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Es256,
    Rs256,
}

enum Key {
    Es256(EcdsaKeyPair),
    Rs256(rsa::KeyPair),
}

/// A request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the token was to allow.
    pub scope: String,
    /// Who asked, when they said so.
    pub user: Option<String>,
}

struct Shared {
    key: Key,
    /// The certificate, as the header of a token has it.
    certificate: String,
    login: (String, String),
    asked: Mutex<Vec<Asked>>,
    /// When tokens expire, in seconds from when they are given out.
    lifetime: Mutex<i64>,
}

/// A running token service. Anybody may pull below `public/`; the user may pull
/// everything, and push everything but what is below `readonly/`.
pub struct Tokens(Web, Arc<Shared>);

impl Tokens {
    /// Starts one that knows a user; `dir` gets its certificate, `token.pem`.
    pub fn start(algorithm: Algorithm, login: (&str, &str), dir: &Path) -> Self {
        let (kind, option) = match algorithm {
            Algorithm::Es256 => ("ec", "ec_paramgen_curve:P-256"),
            Algorithm::Rs256 => ("rsa", "rsa_keygen_bits:2048"),
        };
        let made = Command::new("openssl")
            .current_dir(dir)
            .args(["req", "-x509", "-newkey", kind, "-pkeyopt", option, "-nodes"])
            .args(["-subj", "/CN=tokens", "-keyout", "token.key", "-out", "token.pem"])
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let der = |name| pem::parse(fs::read(dir.join(name)).unwrap()).unwrap().into_contents();
        let key = match algorithm {
            Algorithm::Es256 => {
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                Key::Es256(EcdsaKeyPair::from_pkcs8(algorithm, &der("token.key")).unwrap())
            }
            Algorithm::Rs256 => Key::Rs256(rsa::KeyPair::from_pkcs8(&der("token.key")).unwrap()),
        };
        let shared = Arc::new(Shared {
            key,
            certificate: STANDARD.encode(der("token.pem")),
            login: (login.0.to_owned(), login.1.to_owned()),
            asked: Mutex::default(),
            lifetime: Mutex::new(300),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Self(Web::start(router), shared)
    }

    /// The realm that a registry has to name.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.0.host())
    }

    /// Every request since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.1.asked.lock().unwrap())
    }

    /// When tokens expire from now on, in seconds from when they are given
    /// out; whoever asks is always told 300. Distribution forgives a minute.
    pub fn lifetime(&self, seconds: i64) {
        *self.1.lifetime.lock().unwrap() = seconds;
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let parameters: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let parameter = |name: &str| {
        parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    };
    let (user, password) = &shared.login;
    let given = request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
    let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let known = given.is_some_and(|given| given == basic);
    let asked = Asked {
        scope: parameter("scope").to_owned(),
        user: given.map(|_| if known { user.clone() } else { "somebody".to_owned() }),
    };
    shared.asked.lock().unwrap().push(asked);
    if given.is_some() && !known {
        return say(401, json!({"errors": [{"code": "UNAUTHORIZED", "message": "who is that?"}]}));
    }
    if parameter("service") != SERVICE {
        return say(400, json!({"details": "no such service"}));
    }
    let token = shared.token(known.then_some(user.as_str()), parameter("scope"));
    say(200, json!({"token": token, "expires_in": 300}))
}

impl Shared {
    fn token(&self, user: Option<&str>, scope: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let expires = now.saturating_add_signed(*self.lifetime.lock().unwrap());
        let algorithm = match self.key {
            Key::Es256(_) => "ES256",
            Key::Rs256(_) => "RS256",
        };
        let head = json!({"alg": algorithm, "typ": "JWT", "x5c": [self.certificate]});
        let claims = json!({
            "iss": ISSUER, "sub": user.unwrap_or_default(), "aud": SERVICE, "exp": expires,
            "nbf": now - 7200, "iat": now - 7200, "jti": format!("{now}"),
            "access": access(user, scope),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Es256(key) => key.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What is granted of `repository:NAME:ACTION,ACTION`.
fn access(user: Option<&str>, scope: &str) -> Value {
    let Some((name, actions)) =
        scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':'))
    else {
        return json!([]);
    };
    let may = |action: &&str| match *action {
        "pull" => user.is_some() || name.starts_with("public/"),
        "push" => user.is_some() && !name.starts_with("readonly/"),
        _ => false,
    };
    let granted: Vec<&str> = actions.split(',').filter(may).collect();
    json!([{"type": "repository", "name": name, "actions": granted}])
}

fn say(status: u16, body: Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
