//! One HTTP request and its redirects, under the rules about what may go where.
//!
//! Redirects are followed here and not by reqwest: only for GET and HEAD, five
//! at most, never from HTTPS to HTTP, and after the first one to another host
//! (scheme, host or port) the request goes on without credentials, without
//! client certificate, with no header but `Accept`, and only as far into the
//! network as the registry itself lies, or as far as the user allowed that
//! host. Bodies are never decompressed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Client, Method, Response,
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    },
};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::{
    Result,
    address::{Guard, Lookup, Reach, Seen, literal_zone, refused},
    error::Fault,
    options::{Host, Options, Trace},
    retry::{Deadline, Failure, Retry},
    sent::Sent,
    tls::Tls,
    upload::{Payload, Progress},
};
use crate::model::text::causes;

const MAX_REDIRECTS: usize = 5;
/// The statuses that are redirects.
pub(super) const REDIRECTS: &[u16] = &[301, 302, 303, 307, 308];

/// One logical request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    pub(super) route: Route,
}

impl Call {
    /// A request without body and headers.
    pub(super) fn new(method: Method, url: Url, route: &Route) -> Self {
        let (headers, payload) = (HeaderMap::new(), Payload::Nothing);
        Self { method, url, headers, payload, route: route.clone() }
    }

    /// The same with `Accept`.
    pub(super) fn accept(mut self, types: &'static str) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static(types));
        self
    }
}

/// How the host that a request is meant for is reached.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// Any URL of the host: credentials go to its scheme, host and port only.
    pub(super) home: Url,
    /// How far the host itself may lie.
    pub(super) reach: Reach,
    /// Whether the client certificate is offered.
    pub(super) identity: bool,
    /// The redirects (by status) that are followed.
    pub(super) follow: &'static [u16],
}

/// An answer whose body was not read yet.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    /// Whether somebody else than the host we meant may have given it.
    pub(super) redirected: bool,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}

/// The connections: one pool for each set of rules.
pub(super) struct Transport {
    tls: Tls,
    connect_timeout: Duration,
    pub(super) idle: Duration,
    clients: Mutex<HashMap<Kind, Client>>,
    seen: Arc<Seen>,
    lookup: Lookup,
    private_hosts: Vec<Host>,
    proxies: Arc<[String]>,
    trace: Trace,
    /// What was sent to prove who we are, to keep it out of messages.
    pub(super) sent: Sent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    reach: Reach,
    identity: bool,
    /// Past the proxies of the environment, which cannot reach this machine.
    direct: bool,
}

/// The line that is told of a request.
fn told(
    method: &Method,
    url: &Url,
    answered: &Result<Response, Failure>,
    took: Duration,
) -> String {
    let mut shown = url.clone();
    // Neither fails for HTTP; a query may hold a signature.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    let query = if url.query().is_some() { "?…" } else { "" };
    shown.set_query(None);
    let answer = match answered {
        Ok(response) => response.status().as_u16().to_string(),
        Err(_) => "no answer".to_owned(),
    };
    format!("{method} {shown}{query} → {answer} ({} ms)", took.as_millis())
}

impl Transport {
    /// Reads and checks the TLS files; no network.
    pub(super) fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            tls: Tls::read(options)?,
            connect_timeout: options.connect_timeout,
            idle: options.idle_timeout,
            clients: Mutex::default(),
            seen: Arc::default(),
            lookup: options.lookup.clone(),
            private_hosts: options.private_hosts.clone(),
            proxies: proxies_of_environment(),
            trace: options.trace.clone(),
            sent: Sent::default(),
        })
    }

    /// Sends a request and follows its redirects.
    pub(super) async fn send(
        &self,
        call: &Call,
        authorization: Option<&HeaderValue>,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        let mut url = call.url.clone();
        let mut abroad = !same_origin(&url, &call.route.home);
        let mut hops = 0;
        loop {
            let credentials = authorization.filter(|_| !abroad);
            let started = Instant::now();
            let answered = self.exchange(call, &url, credentials, abroad, deadline).await;
            let line = || told(&call.method, &url, &answered, started.elapsed());
            self.trace.tell(|| self.sent.redact(&line()));
            let response = answered?;
            let follows = matches!(call.method, Method::GET | Method::HEAD)
                && call.route.follow.contains(&response.status().as_u16());
            let target = if follows { redirect_target(&url, &response)? } else { None };
            let Some(target) = target else {
                return Ok(Answer { response, redirected: abroad || hops > 0 });
            };
            hops += 1;
            if hops > MAX_REDIRECTS {
                let why = format!("more than {MAX_REDIRECTS} redirects");
                return Err(Fault::Refused(why).into());
            }
            abroad |= !same_origin(&target, &call.route.home);
            url = target;
        }
    }

    /// Sends one request to one URL.
    async fn exchange(
        &self,
        call: &Call,
        url: &Url,
        authorization: Option<&HeaderValue>,
        abroad: bool,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        check_url(url, &call.route.home)?;
        let client = self.client(self.kind(call, url, abroad)?)?;
        let progress = Progress::default();
        let mut request = client.request(call.method.clone(), url.clone());
        request = request.headers(headers_for(call, abroad));
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((length, body)) = call.payload.body(&progress).await? {
            request = request.header(CONTENT_LENGTH, length).body(body);
        } else if call.method == Method::POST || call.method == Method::PUT {
            request = request.header(CONTENT_LENGTH, 0);
        }
        let request = request.build().map_err(|error| self.failure(&error))?;
        let sent = client.execute(request);
        tokio::pin!(sent);
        loop {
            let quiet_until = progress.last().checked_add(self.idle).unwrap_or(deadline.at());
            tokio::select! {
                answer = &mut sent => return answer.map_err(|error| match progress.take_fault() {
                    Some(fault) => fault.into(),
                    None => self.failure(&error),
                }),
                () = sleep_until(quiet_until.min(deadline.at())) => {
                    let quiet = progress.last().elapsed() >= self.idle;
                    if quiet || Instant::now() >= deadline.at() {
                        return Err(deadline.missed(self.idle));
                    }
                }
            }
        }
    }

    fn kind(&self, call: &Call, url: &Url, abroad: bool) -> Result<Kind, Fault> {
        let route = &call.route;
        let allowed = || self.private_hosts.iter().any(|host| host.is_of(url));
        let reach = match abroad {
            false => route.reach,
            true if allowed() => Reach::Named,
            true => route.reach.min(Reach::beyond(self.seen.zone(&route.home))),
        };
        reach.check(url)?;
        let is_proxy = url.host_str().is_some_and(|host| self.proxies.iter().any(|p| p == host));
        if is_proxy && reach != Reach::Named {
            return Err(Fault::Refused(format!("`{}` is a proxy", url.host_str().unwrap_or(""))));
        }
        let direct = literal_zone(url) == Some(super::address::Zone::Loopback);
        Ok(Kind { reach, identity: route.identity && !abroad, direct })
    }

    fn client(&self, kind: Kind) -> Result<Client, Fault> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let client = self.build(kind)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }

    fn build(&self, kind: Kind) -> Result<Client, Fault> {
        let builder = || {
            let guard = Guard {
                reach: kind.reach,
                proxies: Arc::clone(&self.proxies),
                seen: Arc::clone(&self.seen),
                lookup: self.lookup.clone(),
            };
            let mut builder = Client::builder()
                .user_agent(concat!("sluicegate/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(self.connect_timeout)
                .pool_idle_timeout(Duration::from_secs(60))
                .dns_resolver(guard);
            if kind.direct {
                builder = builder.no_proxy();
            }
            match &self.tls.identity {
                Some(identity) if kind.identity => builder.identity(identity.clone()),
                _ => builder,
            }
        };
        // A machine without any certificates can still speak to a registry
        // without TLS; one with TLS then fails for lack of a known issuer.
        builder()
            .tls_certs_merge(self.tls.roots.iter().cloned())
            .build()
            .or_else(|_| builder().tls_certs_only(self.tls.roots.iter().cloned()).build())
            .map_err(|error| Fault::Network(chain(&error)))
    }

    /// What a transport error means.
    pub(super) fn failure(&self, error: &reqwest::Error) -> Failure {
        if let Some(fault) = refused(error) {
            return fault.into();
        }
        if error.is_timeout() {
            let fault = Fault::TimedOut(self.connect_timeout);
            return Failure { fault, retry: Retry::Soon };
        }
        let text = chain(error);
        // A certificate does not become valid by asking again.
        let lasting = error.is_builder() || text.contains("certificate");
        let retry = if lasting { Retry::Never } else { Retry::Soon };
        Failure { fault: Fault::Network(text), retry }
    }
}

/// Causes that only say how deep in which library it happened.
const LAYERS: [&str; 3] = ["tcp connect error", "dns error", "error resolving DNS"];

/// The causes of a transport error, without its URL, whose query may hold a
/// signature, and without what only says which library failed.
fn chain(error: &reqwest::Error) -> String {
    let mut said = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        let layer = text.starts_with("client error (") || LAYERS.contains(&text.as_str());
        if !layer && !said.contains(&text) {
            said.push(text);
        }
    }
    if said.is_empty() { "the connection failed".into() } else { said.join(": ") }
}

/// Abroad nothing goes along but what the content itself needs.
fn headers_for(call: &Call, abroad: bool) -> HeaderMap {
    if !abroad {
        return call.headers.clone();
    }
    let kept = [ACCEPT, CONTENT_TYPE, reqwest::header::RANGE];
    kept.into_iter()
        .filter_map(|name| call.headers.get(&name).cloned().map(|value| (name, value)))
        .collect()
}

/// Whether two URLs have scheme, host and port in common.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// The rules for a URL, wherever it came from.
fn check_url(url: &Url, home: &Url) -> Result<(), Fault> {
    let shown = origin(url);
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Fault::Refused(format!("`{shown}` is neither HTTP nor HTTPS")));
    }
    if home.scheme() == "https" && url.scheme() != "https" {
        return Err(Fault::Refused(format!("`{shown}` leads from HTTPS to HTTP")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::Refused(format!("the URL for `{shown}` carries credentials")));
    }
    Ok(())
}

/// A URL for messages: no path, no query, no credentials.
pub(super) fn origin(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Some(host), None) => format!("{}://{host}", url.scheme()),
        (None, _) => url.scheme().to_owned(),
    }
}

/// Where a redirect leads; `None` when it does not say.
fn redirect_target(url: &Url, response: &Response) -> Result<Option<Url>, Fault> {
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let target = location.to_str().ok().and_then(|location| url.join(location).ok());
    let target = target.ok_or_else(|| Fault::Malformed("a redirect to no URL".into()))?;
    // Judged from hop to hop too: HTTP to HTTPS and back is a downgrade.
    check_url(&target, url)?;
    Ok(Some(target))
}

/// The host names of the proxies that reqwest will find in the environment.
fn proxies_of_environment() -> Arc<[String]> {
    ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .filter_map(|value| {
            let url = if value.contains("://") { value } else { format!("http://{value}") };
            Some(Url::parse(&url).ok()?.host_str()?.to_owned())
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let home = url("https://registry.example/v2/");
        assert!(same_origin(&home, &url("https://REGISTRY.example:443/x")));
        for other in [
            "http://registry.example/",
            "https://registry.example:444/",
            "https://registry.example.evil/",
        ] {
            assert!(!same_origin(&home, &url(other)), "{other}");
        }
    }

    #[test]
    fn downgrades_and_credentials_in_urls_are_refused() {
        let home = url("https://registry.example/v2/");
        for bad in ["http://registry.example/", "ftp://x/", "https://u:p@x/", "data:text,x"] {
            let fault = check_url(&url(bad), &home).unwrap_err();
            assert!(!fault.to_string().contains("u:p"), "{fault}");
        }
        assert!(check_url(&url("https://cdn.example/x?sig=1"), &home).is_ok());
        assert!(check_url(&url("http://cdn.example/"), &url("http://r.example/")).is_ok());
    }

    #[test]
    fn oras_ghsa_whvf_jp7m_59f3_custom_headers_stay_home() {
        let route = Route {
            home: url("https://registry.example/"),
            reach: Reach::Named,
            identity: true,
            follow: REDIRECTS,
        };
        let mut call = Call::new(Method::GET, url("https://registry.example/v2/"), &route)
            .accept("application/json");
        for name in ["authorization", "x-custom", "if-match", "cookie"] {
            call.headers.insert(name, HeaderValue::from_static("secret"));
        }
        assert_eq!(headers_for(&call, false).len(), 5);
        let kept = headers_for(&call, true);
        assert_eq!(kept.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn oras_ghsa_5jhf_2qmf_m8c5_the_client_certificate_stays_home() {
        let transport = Transport::new(&Options::default()).unwrap();
        let route = Route {
            home: url("https://registry.example/"),
            reach: Reach::Named,
            identity: true,
            follow: REDIRECTS,
        };
        let call = Call::new(Method::GET, url("https://registry.example/v2/"), &route);
        let cdn = url("https://cdn.example/x");
        assert!(transport.kind(&call, &call.url, false).unwrap().identity);
        let abroad = transport.kind(&call, &cdn, true).unwrap();
        assert!(!abroad.identity);
        assert_eq!(abroad.reach, Reach::Public, "a public registry sends us nowhere private");
        for inside in ["https://10.0.0.1/", "https://localhost/", "https://169.254.169.254/"] {
            assert!(transport.kind(&call, &url(inside), true).is_err(), "{inside}");
        }
    }
}
