//! HTTP with the signing services: every request has a time limit, every body a
//! bound, and no redirect is followed, so that what is sent goes to the host
//! that was named and nowhere else.
//!
//! Proxies are those of the environment; this machine itself is reached without.

use std::{fs, io::Read, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Method, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use url::Url;
use zeroize::Zeroizing;

use super::error::{KeylessError, Result, Service, origin};
use crate::{
    edge::secret::Secret,
    model::{evidence::services::is_loopback, text::brief},
};

/// The content type of JSON.
pub(super) const JSON: &str = "application/json";
/// The content type of a timestamp request.
pub(super) const TIMESTAMP_QUERY: &str = "application/timestamp-query";

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// The largest file of certificates that is read, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// The pauses before another attempt; as many attempts as there are, and one.
pub(super) const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// How services are reached.
#[derive(Clone)]
pub struct Http {
    /// By the proxies of the environment.
    named: Client,
    /// To this machine itself.
    direct: Client,
    deadline: Duration,
}

struct Request<'a> {
    service: Service,
    method: Method,
    url: &'a Url,
    content_type: Option<&'static str>,
    authorization: Option<HeaderValue>,
    body: Bytes,
}

impl Http {
    /// Clients that trust the certificates of `ca_file` as well; `deadline` is
    /// how long one request may take, with its attempts.
    ///
    /// # Errors
    /// [`KeylessError::Setup`].
    pub fn new(ca_file: Option<&Path>, deadline: Duration) -> Result<Self> {
        let setup = |error: &dyn std::error::Error| KeylessError::Setup(error.to_string());
        let roots = match ca_file {
            Some(file) => {
                let unusable = |why: &str| {
                    KeylessError::Setup(format!("the certificates of `{}`: {why}", file.display()))
                };
                let mut text = Vec::new();
                let read = fs::File::open(file)
                    .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut text));
                read.map_err(|error| unusable(&error.to_string()))?;
                if text.len() as u64 > MAX_FILE {
                    return Err(unusable("the file is larger than 4 MiB"));
                }
                let found = reqwest::Certificate::from_pem_bundle(&text);
                let found = found.map_err(|_| unusable("expected PEM"))?;
                if found.is_empty() {
                    return Err(unusable("expected a PEM section `CERTIFICATE`"));
                }
                found
            }
            None => Vec::new(),
        };
        let client = |direct: bool| {
            let builder = || {
                let builder = Client::builder()
                    .user_agent(concat!("sluicegate/", env!("CARGO_PKG_VERSION")))
                    .redirect(reqwest::redirect::Policy::none())
                    .retry(reqwest::retry::never())
                    .referer(false)
                    .connect_timeout(CONNECT);
                if direct { builder.no_proxy() } else { builder }
            };
            // As for registries: a machine without certificates can still speak
            // to services without TLS.
            builder()
                .tls_certs_merge(roots.iter().cloned())
                .build()
                .or_else(|_| builder().tls_certs_only(roots.iter().cloned()).build())
                .map_err(|error| setup(&error))
        };
        Ok(Self { named: client(false)?, direct: client(true)?, deadline })
    }

    /// Sends a body; what is answered with success.
    ///
    /// # Errors
    /// [`KeylessError::Down`], [`KeylessError::Refused`],
    /// [`KeylessError::Answer`].
    pub(super) async fn post(
        &self,
        service: Service,
        url: &Url,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Bytes> {
        let content_type = Some(content_type);
        let method = Method::POST;
        let authorization = None;
        self.send(Request { service, method, url, content_type, authorization, body }).await
    }

    /// Asks with a bearer token.
    ///
    /// # Errors
    /// As [`Http::post`].
    pub(super) async fn get(&self, service: Service, url: &Url, bearer: &Secret) -> Result<Bytes> {
        let bearer = Zeroizing::new(format!("Bearer {}", bearer.expose()));
        let mut value = HeaderValue::from_str(&bearer)
            .map_err(|_| KeylessError::Setup("the token for the token service is odd".into()))?;
        value.set_sensitive(true);
        let (method, body) = (Method::GET, Bytes::new());
        let authorization = Some(value);
        self.send(Request { service, method, url, content_type: None, authorization, body }).await
    }

    /// How long one request may take.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Asks again where that is harmless. A log takes each entry only once, and
    /// may have taken it although its answer got lost: whoever asks it again
    /// needs another one.
    async fn send(&self, request: Request<'_>) -> Result<Bytes> {
        let pauses = if request.service == Service::Log { &[][..] } else { &PAUSES[..] };
        let attempts = async {
            let mut pauses = pauses.iter();
            loop {
                match (self.attempt(&request).await, pauses.next()) {
                    (Err(KeylessError::Down { .. }), Some(pause)) => {
                        tokio::time::sleep(*pause).await;
                    }
                    (result, _) => return result,
                }
            }
        };
        tokio::time::timeout(self.deadline, attempts).await.unwrap_or_else(|_| {
            let why = format!("nothing came within {} s", self.deadline.as_secs_f32());
            Err(KeylessError::Down { service: request.service, url: origin(request.url), why })
        })
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Bytes> {
        let Request { service, url, .. } = *request;
        let client = if is_loopback(url) { &self.direct } else { &self.named };
        let mut builder = client.request(request.method.clone(), url.clone());
        builder = builder.header(ACCEPT, "*/*");
        if let Some(content_type) = request.content_type {
            builder = builder.header(CONTENT_TYPE, content_type).body(request.body.clone());
        }
        if let Some(authorization) = &request.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        let down = |why: String| KeylessError::Down { service, url: origin(url), why: brief(&why) };
        let response = builder.send().await.map_err(|error| down(chain(&error)))?;
        let status = response.status();
        let body = body(response).await;
        match status.as_u16() {
            200..=299 => match body {
                Ok(Some(body)) => Ok(body),
                Ok(None) => Err(KeylessError::answer(service, url, "it is larger than 1 MiB")),
                Err(error) => Err(down(chain(&error))),
            },
            // 499 is Rekor's when a request that went with this one was given up.
            408 | 429 | 499.. => Err(down(format!("status {status}"))),
            _ => {
                let said = body.ok().flatten().unwrap_or_default();
                let why = format!("status {status}{}", words(&said));
                Err(KeylessError::Refused { service, url: origin(url), why: brief(&why) })
            }
        }
    }
}

/// A body whole; `None` when it is larger than is read.
async fn body(mut response: Response) -> Result<Option<Bytes>, reqwest::Error> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

/// What a service says about a refusal, where it says so in the usual form.
fn words(body: &[u8]) -> String {
    let message = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("message")?.as_str().map(str::to_owned));
    message.map(|message| format!(": {message}")).unwrap_or_default()
}

/// The causes of a transport error, without its URL.
fn chain(error: &reqwest::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if !text.starts_with("client error (") && !causes.contains(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    if causes.is_empty() { "the connection failed".into() } else { causes.join(": ") }
}
