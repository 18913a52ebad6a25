//! What an answer that is no success means.
//!
//! Error bodies come from anybody: at most 8 KiB are read, control characters
//! are dropped, what was sent as a credential is taken out should the peer
//! repeat it, and what is shown is cut.

use bytes::BytesMut;
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    error::Fault,
    retry::{Deadline, Failure, retry_of},
    transport::{Answer, Transport},
};
use crate::model::{reference::Tag, text};

const MAX_BODY: usize = 8 * 1024;
const MAX_SHOWN: usize = 300;

/// An answer that is no success, read.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    /// What the peer said, cleaned but not cut.
    text: String,
    failure: Failure,
}

impl Problem {
    /// Reads the body of an answer; one that cannot be read says nothing.
    pub(super) async fn of(answer: Answer, transport: &Transport, deadline: Deadline) -> Self {
        let status = answer.status();
        let retry = retry_of(status, answer.response.headers(), Timestamp::now());
        let reason = answer.response.status().canonical_reason().unwrap_or("no reason given");
        let body = start_of_body(answer, transport, deadline).await;
        let mut text = clean(&message(&body));
        if text.is_empty() || text.starts_with('<') {
            text = reason.to_owned();
        }
        text = transport.sent.said(&text);
        let fault = fault(status, &text::cut(&text, MAX_SHOWN));
        Self { status, text, failure: Failure { fault, retry } }
    }

    /// The fault, and whether trying again may help.
    pub(super) fn into_failure(self) -> Failure {
        self.failure
    }

    /// What the peer said, for a message.
    pub(super) fn detail(&self) -> String {
        text::cut(&self.text, MAX_SHOWN)
    }

    /// The fault when the write of a manifest under `tag` was refused because
    /// tags may not move. Every registry says it in its own way.
    pub(super) fn immutable(&self, tag: &Tag) -> Option<Fault> {
        let text = self.text.to_ascii_lowercase();
        let known = matches!(self.status, 400 | 403 | 405 | 409 | 412 | 422)
            && IMMUTABLE.iter().any(|sign| text.contains(sign));
        known.then(|| Fault::ImmutableTag { tag: tag.to_string(), detail: self.detail() })
    }
}

/// What the refusals of immutable tags contain, in lower case.
const IMMUTABLE: [&str; 12] = [
    // ECR, Quay, Harbor, Docker Hub, Google, GitLab.
    "immutab",
    "imagetagalreadyexists",
    "cannot be overwritten",
    "cannot be overwrited",
    "cannot overwrite",
    "tag already exists",
    "tag_already_exists",
    "cannot update tag",
    // ACR's locks.
    "operation is disallowed",
    // Nexus, Artifactory.
    "does not allow updating",
    "permissions to overwrite",
    "block pushing existing",
];

fn fault(status: u16, detail: &str) -> Fault {
    let detail = detail.to_owned();
    match status {
        401 => Fault::Unauthorized { detail },
        403 => Fault::Forbidden { detail },
        404 => Fault::NotFound,
        429 => Fault::Throttled,
        _ => Fault::Status { status, detail },
    }
}

async fn start_of_body(mut answer: Answer, transport: &Transport, deadline: Deadline) -> Vec<u8> {
    let mut body = BytesMut::new();
    while body.len() < MAX_BODY {
        match deadline.limit(transport.idle, answer.response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            _ => break,
        }
    }
    body.truncate(MAX_BODY);
    body.to_vec()
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// The errors of a registry's JSON ("Error Codes" of the distribution
/// specification), or the text as it is.
fn message(body: &[u8]) -> String {
    match serde_json::from_slice::<Errors>(body) {
        Ok(found) => {
            let lines = found.errors.into_iter().map(|error| {
                let parts = [error.code, error.message];
                parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
            });
            lines.collect::<Vec<_>>().join("; ")
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

fn clean(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    spaced.filter(|c| !text::is_hidden(*c)).collect::<String>().trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::edge::registry::retry::Retry;

    fn problem(status: u16, body: &str) -> Problem {
        let text = clean(&message(body.as_bytes()));
        let failure =
            Failure { fault: fault(status, &text::cut(&text, MAX_SHOWN)), retry: Retry::Never };
        Problem { status, text, failure }
    }

    #[test]
    fn immutable_tags_as_registries_say_it() {
        let tag = "1.4.0".parse().unwrap();
        for (status, body) in [
            (
                400,
                r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag '1.4.0' already exists in the 'shop' repository and cannot be overwritten because the tag is immutable."}]}"#,
            ),
            (400, r#"{"__type":"ImageTagAlreadyExistsException"}"#),
            (
                405,
                r#"{"errors":[{"code":"UNSUPPORTED","message":"The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/"}]}"#,
            ),
            (
                412,
                r#"{"errors":[{"code":"PRECONDITION","message":"Failed to process request due to 'shop:1.4.0' configured as immutable."}]}"#,
            ),
            (409, r#"{"errors":[{"code":"TAG_IMMUTABLE","message":"tag is immutable"}]}"#),
            (403, r#"{"errors":[{"code":"DENIED","message":"Tag immutability is enabled"}]}"#),
            (
                400,
                r#"{"errors":[{"code":"UNKNOWN","message":"Repository does not allow updating assets: docker"}]}"#,
            ),
        ] {
            let found = problem(status, body).immutable(&tag);
            assert!(
                matches!(found, Some(Fault::ImmutableTag { tag, .. }) if tag == "1.4.0"),
                "{body}"
            );
        }
        for (status, body) in [
            (412, ""),
            (
                403,
                r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#,
            ),
            (404, "immutable"),
            (503, "immutable"),
        ] {
            assert!(problem(status, body).immutable(&tag).is_none(), "{body}");
        }
    }

    #[test]
    fn what_is_shown_is_clean_and_short() {
        let text = clean(&message("\u{1b}[31mred\u{7}\nline\u{202e}".as_bytes()));
        assert_eq!(text, "[31mred line");
        assert_eq!(text::cut(&"ä".repeat(1000), MAX_SHOWN).chars().count(), MAX_SHOWN + 1);
        let json = br#"{"errors":[{"code":"A","message":"b"},{"message":"c"},{}]}"#;
        assert_eq!(message(json), "A: b; c; ");
    }
}
