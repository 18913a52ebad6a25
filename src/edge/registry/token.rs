//! Asks a token realm for a bearer token, when the realm may be asked at all.

use std::time::Duration;

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderValue},
};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{
    address::{Reach, Zone, is_literal, literal_zone},
    answer::Problem,
    auth::{TokenAnswer, basic},
    body,
    docker_config::Credential,
    error::Fault,
    options::Options,
    retry::{Deadline, Failure},
    transport::{Call, Route, Transport, origin, same_origin},
    upload::Payload,
};
use crate::{edge::secret::Secret, model::text::brief};

/// The largest answer of a token service that is read.
const MAX_ANSWER: u64 = 256 * 1024;
const CLIENT: &str = "sluicegate";

/// What is asked of a token service.
pub(super) struct Request<'a> {
    /// The registry that named the realm.
    pub(super) home: &'a Url,
    /// How far into the network the registry may lie.
    pub(super) reach: Reach,
    pub(super) realm: &'a Url,
    pub(super) service: Option<&'a str>,
    pub(super) scope: String,
    pub(super) credential: Option<&'a Credential>,
    /// Where the credential was found.
    pub(super) origin: &'a str,
}

/// A token and how long to use it.
pub(super) async fn fetch(
    request: &Request<'_>,
    options: &Options,
    transport: &Transport,
    deadline: Deadline,
) -> Result<(Secret, Duration), Failure> {
    let route = route(request.home, request.reach, request.realm, &options.token_realms)?;
    let (call, authorization) = call(request, &route)?;
    let named = format!("the token realm `{}`", shown(request.realm));
    let answer = match transport.send(&call, authorization.as_ref(), deadline).await {
        Ok(answer) => answer,
        Err(failure) => return Err(name_realm(failure, &named, request.realm)),
    };
    if !answer.response.status().is_success() {
        let problem = Problem::of(answer, transport, deadline).await;
        return Err(refused(problem, &named, request));
    }
    let bytes = body::whole(answer.response, MAX_ANSWER, transport, deadline)
        .await
        .map_err(|failure| name_realm(failure, &named, request.realm))?;
    let bytes = Zeroizing::new(bytes.to_vec());
    let answer: TokenAnswer = serde_json::from_slice(&bytes)
        .map_err(|_| Fault::Malformed(format!("{named} answered with no JSON of a token")))?;
    let lifetime = answer.lifetime();
    let token = answer.token.or(answer.access_token).filter(|token| !token.expose().is_empty());
    match token {
        Some(token) => {
            transport.sent.note_token(&token);
            Ok((token, lifetime))
        }
        None => Err(Fault::Malformed(format!("{named} answered without a token")).into()),
    }
}

/// Whether and how a realm may be asked. One on the registry's own host lies as
/// deep as the registry may, and no deeper: the name may lead elsewhere now.
fn route(home: &Url, reach: Reach, realm: &Url, allowed: &[String]) -> Result<Route, Fault> {
    let named = is_named(realm, allowed);
    let near = same_host(home, realm);
    let hint = |what: &str| {
        let host = realm.host_str().unwrap_or("");
        Fault::Refused(format!(
            "the registry names the token realm `{}`, {what}; credentials go there only when \
             the realm's host `{host}` is named as one to be trusted",
            shown(realm)
        ))
    };
    match realm.scheme() {
        "https" => {}
        "http" if home.scheme() == "http" && (near || named) => {}
        "http" => return Err(hint("which is not HTTPS")),
        _ => return Err(hint("which is neither HTTP nor HTTPS")),
    }
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err(Fault::Refused("the registry names a token realm with credentials".into()));
    }
    if !near && !named {
        if is_literal(realm) {
            return Err(hint("an address literal on another host"));
        }
        if literal_zone(realm).is_some() {
            return Err(hint("a name of this machine"));
        }
    }
    Ok(Route {
        home: realm.clone(),
        reach: match (named, near) {
            (true, _) => Reach::Named,
            (false, true) => reach,
            (false, false) => Reach::Public,
        },
        identity: same_origin(home, realm),
        follow: &[],
    })
}

/// Whether realm and registry are one host; two names of this machine are.
fn same_host(home: &Url, realm: &Url) -> bool {
    let loopback = |url| literal_zone(url) == Some(Zone::Loopback);
    home.host_str() == realm.host_str() || (loopback(home) && loopback(realm))
}

fn is_named(realm: &Url, allowed: &[String]) -> bool {
    let host = realm.host_str().unwrap_or("");
    let port = realm.port_or_known_default();
    allowed.iter().any(|entry| {
        entry.eq_ignore_ascii_case(host)
            || port.is_some_and(|port| entry.eq_ignore_ascii_case(&format!("{host}:{port}")))
    })
}

fn call(request: &Request<'_>, route: &Route) -> Result<(Call, Option<HeaderValue>), Fault> {
    if let Some(Credential::Identity(token)) = request.credential {
        return Ok((refresh(request, token, route), None));
    }
    let mut url = request.realm.clone();
    let mut authorization = None;
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = request.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", &request.scope);
        query.append_pair("client_id", CLIENT);
        if let Some(Credential::Password { username, password }) = request.credential {
            query.append_pair("account", username);
            authorization = Some(basic(username, password.expose())?);
        }
    }
    Ok((Call::new(Method::GET, url, route), authorization))
}

/// The refresh-token grant, with which an `identitytoken` is exchanged.
fn refresh(request: &Request<'_>, token: &Secret, route: &Route) -> Call {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token")
        .append_pair("client_id", CLIENT)
        .append_pair("scope", &request.scope)
        .append_pair("refresh_token", token.expose());
    if let Some(service) = request.service {
        form.append_pair("service", service);
    }
    let form = bytes::Bytes::from_owner(Zeroizing::new(form.finish().into_bytes()));
    let mut call = Call::new(Method::POST, request.realm.clone(), route);
    call.payload = Payload::Bytes(form);
    call.headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    call
}

/// A realm for messages: without its query.
fn shown(realm: &Url) -> String {
    format!("{}{}", origin(realm), brief(realm.path()))
}

fn refused(problem: Problem, named: &str, request: &Request<'_>) -> Failure {
    let (status, said) = (problem.status, problem.detail());
    let mut failure = problem.into_failure();
    let detail = format!("{named} answered {status}: {said} (used {})", request.origin);
    failure.fault = match status {
        400 | 401 => Fault::Unauthorized { detail },
        403 => Fault::Forbidden { detail },
        429 => Fault::Throttled,
        _ => Fault::Status { status, detail },
    };
    failure
}

fn name_realm(mut failure: Failure, named: &str, realm: &Url) -> Failure {
    failure.fault = match failure.fault {
        Fault::Network(why) => Fault::Network(format!("{named}: {why}")),
        why @ (Fault::Refused(_) | Fault::OutOfReach { .. }) => {
            let why = why.to_string();
            let why = why.strip_prefix("refused: ").unwrap_or(&why);
            let host = realm.host_str().unwrap_or("");
            let hint = format!("name `{host}` as a token realm to be trusted if that is right");
            Fault::Refused(format!("{named}: {why}; {hint}"))
        }
        other => other,
    };
    failure
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn judge(home: &str, realm: &str, allowed: &[&str]) -> Result<Route, Fault> {
        let allowed: Vec<String> = allowed.iter().map(|host| (*host).to_owned()).collect();
        route(&home.parse().unwrap(), Reach::Named, &realm.parse().unwrap(), &allowed)
    }

    #[test]
    fn ggcr_2293_a_realm_lies_no_deeper_than_its_registry_may() {
        let home = "https://r.example".parse().unwrap();
        let realm = "https://r.example:8443/token".parse().unwrap();
        let reach =
            |allowed: &[String]| route(&home, Reach::Public, &realm, allowed).unwrap().reach;
        assert_eq!(reach(&[]), Reach::Public);
        assert_eq!(reach(&["r.example".to_owned()]), Reach::Named);
    }

    #[test]
    fn ratify_cve_2025_27403_realms_that_may_be_asked() {
        for (home, realm, allowed, reach) in [
            ("https://r.example", "https://auth.example/token", &[][..], Reach::Public),
            ("https://r.example", "https://r.example/token", &[], Reach::Named),
            ("https://r.example", "https://r.example:8443/token", &[], Reach::Named),
            ("https://10.0.0.1", "https://10.0.0.1/token", &[], Reach::Named),
            ("https://r.example", "https://10.0.0.1/token", &["10.0.0.1"], Reach::Named),
            ("https://r.example", "https://Auth.corp/token", &["auth.corp:443"], Reach::Named),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", &[], Reach::Named),
            ("http://127.0.0.1:5000", "http://localhost:5001/token", &[], Reach::Named),
            ("http://r.example", "http://auth.corp/token", &["auth.corp"], Reach::Named),
        ] {
            let route = judge(home, realm, allowed).unwrap_or_else(|e| panic!("{realm}: {e}"));
            assert_eq!(route.reach, reach, "{home} {realm}");
        }
    }

    #[test]
    fn ratify_cve_2025_27403_realms_that_may_not() {
        for (home, realm, allowed) in [
            ("https://r.example", "http://r.example/token", &[][..]),
            ("https://r.example", "http://auth.corp/token", &["auth.corp"]),
            ("http://r.example", "http://auth.example/token", &[]),
            ("https://r.example", "https://10.0.0.1/token", &[]),
            ("https://r.example", "https://8.8.8.8/token", &[]),
            ("https://r.example", "https://[::1]/token", &[]),
            ("https://r.example", "https://127.0.0.1/token", &["127.0.0.1:8443"]),
            ("https://r.example", "https://2130706433/token", &[]),
            ("https://r.example", "https://localhost/token", &[]),
            ("https://r.example", "ftp://r.example/token", &[]),
            ("https://r.example", "https://u:p@r.example/token", &[]),
        ] {
            let fault = judge(home, realm, allowed).expect_err(realm);
            assert!(matches!(fault, Fault::Refused(_)), "{realm}: {fault}");
        }
    }

    #[test]
    fn the_client_certificate_goes_to_a_realm_at_home_only() {
        assert!(judge("https://r.example", "https://r.example/token", &[]).unwrap().identity);
        for realm in ["https://auth.example/token", "https://r.example:8443/token"] {
            assert!(!judge("https://r.example", realm, &[]).unwrap().identity, "{realm}");
        }
    }
}
