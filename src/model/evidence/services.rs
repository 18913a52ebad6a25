//! Which services sign: Sigstore's signing configuration
//! (`signing_config.json`, v0.2; protobuf-specs `SigningConfig`).
//!
//! Selection as the client specification has it: of the services that are valid
//! now and speak a version that is known, one per operator, the highest version
//! first; `ANY` takes one of these, `ALL` every one, `EXACT` as many as it says.

use jiff::Timestamp;
use sigstore_trust_root::{
    SIGSTORE_PRODUCTION_SIGNING_CONFIG, SIGSTORE_STAGING_SIGNING_CONFIG, ServiceConfiguration,
    ServiceEndpoint, ServiceSelector, SigningConfig,
};
use url::{Host, Url};

use crate::model::text::brief;

/// The services that sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// The certificate authority (Fulcio).
    pub authority: Url,
    /// The transparency logs (Rekor), each gets an entry.
    pub logs: Vec<Log>,
    /// The timestamp authorities, each gives a timestamp.
    pub timestamps: Vec<Url>,
}

/// A transparency log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Where it is.
    pub url: Url,
    /// What it speaks.
    pub version: LogVersion,
}

/// What a transparency log speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogVersion {
    /// Rekor v1: says itself when an entry came in.
    V1,
    /// Rekor v2, tiles: says no time, so a timestamp is needed.
    V2,
}

impl Services {
    /// Reads a configuration and selects what to use at `now`.
    ///
    /// # Errors
    /// [`ServicesError`].
    pub fn choose(bytes: &[u8], now: Timestamp) -> Result<Self, ServicesError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ServicesError::Shape("it is not UTF-8".into()))?;
        let config = SigningConfig::from_json(text)
            .map_err(|error| ServicesError::Shape(error.to_string()))?;
        let authorities = eligible(&config.ca_urls, &[1], now);
        let authority = authorities.first().ok_or(ServicesError::None("certificate authority"))?;
        let logs =
            selected(&config.rekor_tlog_urls, &[1, 2], &config.rekor_tlog_config, now, "log")?;
        let stamps =
            selected(&config.tsa_urls, &[1], &config.tsa_config, now, "timestamp authority")?;
        let services = Self {
            authority: secret_keeping(&authority.url)?,
            logs: logs.into_iter().map(log).collect::<Result<_, _>>()?,
            timestamps: stamps.into_iter().map(|e| url(&e.url)).collect::<Result<_, _>>()?,
        };
        let timed = services.logs.iter().any(|log| log.version == LogVersion::V1);
        match timed || !services.timestamps.is_empty() {
            true => Ok(services),
            false => Err(ServicesError::NoTime),
        }
    }

    /// Those of Sigstore's public good instance.
    ///
    /// # Errors
    /// Only when all that this program knows of are no longer valid.
    pub fn public_good(now: Timestamp) -> Result<Self, ServicesError> {
        Self::choose(SIGSTORE_PRODUCTION_SIGNING_CONFIG.as_bytes(), now)
    }

    /// Those of Sigstore's staging instance.
    ///
    /// # Errors
    /// As [`Services::public_good`].
    pub fn staging(now: Timestamp) -> Result<Self, ServicesError> {
        Self::choose(SIGSTORE_STAGING_SIGNING_CONFIG.as_bytes(), now)
    }
}

/// A URL that a user gave for a timestamp authority.
///
/// # Errors
/// [`ServicesError::Url`].
pub fn url(text: &str) -> Result<Url, ServicesError> {
    let bad = |why: &str| ServicesError::Url { url: brief(text), why: why.into() };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad("it is neither HTTP nor HTTPS"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it carries credentials"));
    }
    Ok(url)
}

/// Whether a URL leads to this machine by its own name.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A URL that an identity token may go to.
fn secret_keeping(text: &str) -> Result<Url, ServicesError> {
    let found = url(text)?;
    match found.scheme() == "https" || is_loopback(&found) {
        true => Ok(found),
        false => Err(ServicesError::Url {
            url: brief(text),
            why: "the identity token would travel in clear; expected HTTPS".into(),
        }),
    }
}

fn log(endpoint: &ServiceEndpoint) -> Result<Log, ServicesError> {
    let version = if endpoint.major_api_version == 1 { LogVersion::V1 } else { LogVersion::V2 };
    Ok(Log { url: url(&endpoint.url)?, version })
}

/// One per operator, the highest version first.
fn eligible<'a>(
    endpoints: &'a [ServiceEndpoint],
    versions: &[u32],
    now: Timestamp,
) -> Vec<&'a ServiceEndpoint> {
    let mut found: Vec<_> = endpoints
        .iter()
        .filter(|e| e.valid_for.contains(now) && versions.contains(&e.major_api_version))
        .collect();
    found.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.major_api_version));
    let mut operators: Vec<&Option<String>> = Vec::new();
    found.retain(|endpoint| {
        let new = !operators.contains(&&endpoint.operator);
        operators.push(&endpoint.operator);
        new
    });
    found
}

fn selected<'a>(
    endpoints: &'a [ServiceEndpoint],
    versions: &[u32],
    config: &ServiceConfiguration,
    now: Timestamp,
    what: &'static str,
) -> Result<Vec<&'a ServiceEndpoint>, ServicesError> {
    if endpoints.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = eligible(endpoints, versions, now);
    let wanted = match (config.selector, config.count) {
        (ServiceSelector::Any, _) => 1,
        (ServiceSelector::All, _) => found.len().max(1),
        (ServiceSelector::Exact, Some(count)) if count > 0 => {
            usize::try_from(count).unwrap_or(usize::MAX)
        }
        _ => return Err(ServicesError::Selector(what)),
    };
    if found.len() < wanted {
        return Err(ServicesError::TooFew { what, wanted, found: found.len() });
    }
    found.truncate(wanted);
    Ok(found)
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServicesError {
    /// JSON of another shape.
    #[error("not a Sigstore signing configuration (`signing_config.json`, v0.2): {0}")]
    Shape(String),
    /// Something that is needed is not there.
    #[error("it names no {0} that is valid now and speaks a known version")]
    None(&'static str),
    /// A selector that says nothing.
    #[error("its selector for each {0} says neither `ANY` nor `ALL` nor `EXACT` with a count")]
    Selector(&'static str),
    /// Fewer than are wanted.
    #[error("it wants {wanted} of each {what}, by distinct operators, and has {found} valid now")]
    TooFew {
        /// Of what.
        what: &'static str,
        /// How many are wanted.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// Nobody would say when something was signed.
    #[error("neither a log nor a timestamp authority in it says when something was signed")]
    NoTime,
    /// A URL that is not used.
    #[error("`{url}` is not used: {why}")]
    Url {
        /// The URL.
        url: String,
        /// Why not.
        why: String,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-01T00:00:00Z".parse().unwrap()
    }

    fn at(url: &str, version: u32, operator: &str) -> Value {
        json!({"url": url, "majorApiVersion": version, "operator": operator,
               "validFor": {"start": "2026-01-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}})
    }

    fn config() -> Value {
        json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [at("https://ca.test", 1, "a")],
            "rekorTlogUrls": [at("https://one.test", 1, "a"), at("https://two.test", 2, "a"),
                              at("https://other.test", 1, "b"), at("https://new.test", 3, "c")],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [at("http://tsa.test/x", 1, "a")],
            "tsaConfig": {"selector": "ANY"},
        })
    }

    fn choose(config: &Value) -> Result<Services, ServicesError> {
        Services::choose(config.to_string().as_bytes(), now())
    }

    #[test]
    fn what_is_carried_can_be_used() {
        let public = Services::public_good(now()).unwrap();
        assert_eq!(public.authority.as_str(), "https://fulcio.sigstore.dev/");
        assert!(!public.logs.is_empty() && !public.timestamps.is_empty());
        assert_eq!(Services::staging(now()).unwrap().logs[0].version, LogVersion::V2);
    }

    #[test]
    fn one_log_per_operator_and_the_newest_version_that_is_known() {
        let urls = |config: &Value| -> Vec<String> {
            choose(config).unwrap().logs.iter().map(|log| log.url.to_string()).collect()
        };
        let mut config = config();
        assert_eq!(urls(&config), ["https://two.test/"]);
        config["rekorTlogConfig"] = json!({"selector": "ALL"});
        assert_eq!(urls(&config), ["https://two.test/", "https://other.test/"]);
        config["rekorTlogConfig"] = json!({"selector": "EXACT", "count": 2});
        assert_eq!(urls(&config).len(), 2);
        config["rekorTlogConfig"] = json!({"selector": "EXACT", "count": 3});
        let few = ServicesError::TooFew { what: "log", wanted: 3, found: 2 };
        assert_eq!(choose(&config), Err(few));
        for vague in
            [json!({"selector": "EXACT"}), json!({"selector": "SERVICE_SELECTOR_UNDEFINED"})]
        {
            config["rekorTlogConfig"] = vague;
            assert_eq!(choose(&config), Err(ServicesError::Selector("log")));
        }
    }

    #[test]
    fn a_configuration_that_cannot_work_is_refused() {
        let refused = |change: &dyn Fn(&mut Value), part: &str| {
            let mut config = config();
            change(&mut config);
            let error = choose(&config).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("u:p"), "{error}");
        };
        refused(&|c| c["caUrls"] = json!([]), "certificate authority");
        refused(&|c| c["caUrls"] = json!([at("https://ca.test", 2, "a")]), "certificate authority");
        refused(&|c| c["caUrls"] = json!([at("http://ca.test", 1, "a")]), "in clear");
        refused(&|c| c["caUrls"] = json!([at("file:///x", 1, "a")]), "neither HTTP nor HTTPS");
        refused(&|c| c["caUrls"] = json!([at("https://u:p@x.test", 1, "a")]), "credentials");
        refused(&|c| c["tsaUrls"] = json!([]), "says when");
        refused(&|c| c["mediaType"] = json!("x"), "signing configuration");
        let loopback = json!([at("http://127.0.0.1:5555", 1, "a")]);
        let mut config = config();
        config["caUrls"] = loopback;
        assert!(choose(&config).is_ok());
        assert!(Services::choose(b"\xff", now()).is_err());
    }
}
