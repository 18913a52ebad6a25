//! in-toto statements (in-toto attestation framework, "spec/v1/statement.md").

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json;
use crate::model::digest::Digest;

/// The statement type that is written.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
/// The older statement type, which cosign still writes.
const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";
/// The most subjects that are read, as sigstore-go limits them.
const MAX_SUBJECTS: usize = 1024;
/// The longest predicate type that is read, in bytes: it is kept and shown.
const MAX_TYPE: usize = 1024;
/// The most digests of one subject that are read.
const MAX_DIGESTS: usize = 32;

/// What a signed statement says, before it is known whether it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The SHA-256 digests of the subjects; other algorithms are not kept.
    pub subjects: Vec<Digest>,
    /// What kind of claim it is.
    pub predicate_type: String,
    /// The claim; `null` when absent.
    pub predicate: Value,
    /// Everything that was signed but the predicate, for conditions.
    pub outline: Value,
}

impl Statement {
    /// Parses the payload of an envelope.
    ///
    /// # Errors
    /// [`StatementError`] naming what is missing or malformed. A statement
    /// without subjects is malformed: it would be about everything.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        let Value::Object(mut fields) = json::parse(payload)? else {
            return Err(StatementError::Shape("the payload is not a JSON object"));
        };
        match fields.get("_type").and_then(Value::as_str) {
            Some(STATEMENT_V1 | STATEMENT_V01) => {}
            _ => {
                return Err(StatementError::Shape(
                    "`_type` is not an in-toto statement v1 or v0.1",
                ));
            }
        }
        let predicate_type = match fields.get("predicateType").and_then(Value::as_str) {
            Some(text) if (1..=MAX_TYPE).contains(&text.len()) => text.to_owned(),
            _ => {
                return Err(StatementError::Shape(
                    "`predicateType` is missing, empty or longer than 1024 bytes",
                ));
            }
        };
        let subjects = subjects(fields.get("subject"))?;
        let predicate = fields.remove("predicate").unwrap_or(Value::Null);
        Ok(Self { subjects, predicate_type, predicate, outline: Value::Object(fields) })
    }

    /// Whether the statement is about `digest`.
    pub fn is_about(&self, digest: &Digest) -> bool {
        self.subjects.contains(digest)
    }
}

fn subjects(field: Option<&Value>) -> Result<Vec<Digest>, StatementError> {
    let Some(Value::Array(entries)) = field else {
        return Err(StatementError::Shape("`subject` is not a list"));
    };
    if entries.is_empty() {
        return Err(StatementError::Shape("`subject` is empty"));
    }
    if entries.len() > MAX_SUBJECTS {
        return Err(StatementError::Shape("`subject` has more than 1024 entries"));
    }
    let mut digests = Vec::new();
    for entry in entries {
        let Some(Value::Object(algorithms)) = entry.get("digest") else {
            return Err(StatementError::Shape("a subject has no `digest`"));
        };
        if algorithms.is_empty() || algorithms.len() > MAX_DIGESTS {
            return Err(StatementError::Shape("a subject has no digest or more than 32"));
        }
        if let Some(hex) = algorithms.get("sha256") {
            let hex = hex.as_str().ok_or(StatementError::Shape("a `sha256` is not a text"))?;
            digests
                .push(Digest::from_hex(hex).map_err(|_| {
                    StatementError::Shape("a `sha256` is not 64 lower-case digits")
                })?);
        }
    }
    Ok(digests)
}

/// The bytes of a statement about `subject`, ready to be signed.
///
/// `name` is the subject's name; a cosign signature has none.
pub fn write(
    subject: &Digest,
    name: Option<&str>,
    predicate_type: &str,
    predicate: &impl Serialize,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut entry = Map::new();
    if let Some(name) = name {
        entry.insert("name".into(), name.into());
    }
    entry.insert("digest".into(), json!({"sha256": subject.hex()}));
    serde_json::to_vec(&json!({
        "_type": STATEMENT_V1,
        "subject": [entry],
        "predicateType": predicate_type,
        "predicate": serde_json::to_value(predicate)?,
    }))
}

/// A payload that is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not JSON, or with duplicate keys.
    #[error("the statement is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of another shape.
    #[error("not an in-toto statement: {0}")]
    Shape(&'static str),
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let digest = Digest::of(b"x");
        let bytes =
            write(&digest, Some("shop"), "https://example.com/p", &json!({"a": 1})).unwrap();
        let statement = Statement::parse(&bytes).unwrap();
        assert!(statement.is_about(&digest));
        assert!(!statement.is_about(&Digest::of(b"y")));
        assert_eq!(statement.predicate_type, "https://example.com/p");
        assert_eq!(statement.predicate, json!({"a": 1}));
    }

    #[test]
    fn refuses_other_shapes() {
        let hex = "a".repeat(64);
        let subject = format!(r#"[{{"digest":{{"sha256":"{hex}"}}}}]"#);
        for (bad, part) in [
            ("[]".to_owned(), "not a JSON object"),
            (format!(r#"{{"_type":"x","subject":{subject},"predicateType":"p"}}"#), "`_type`"),
            (format!(r#"{{"_type":"{STATEMENT_V1}","subject":{subject}}}"#), "`predicateType`"),
            (
                format!(r#"{{"_type":"{STATEMENT_V1}","subject":null,"predicateType":"p"}}"#),
                "not a list",
            ),
            (
                format!(r#"{{"_type":"{STATEMENT_V1}","subject":[],"predicateType":"p"}}"#),
                "is empty",
            ),
            (
                format!(r#"{{"_type":"{STATEMENT_V1}","subject":[{{}}],"predicateType":"p"}}"#),
                "no `digest`",
            ),
            (
                format!(
                    r#"{{"_type":"{STATEMENT_V1}","subject":[{{"digest":{{"sha256":1}}}}],"predicateType":"p"}}"#
                ),
                "not a text",
            ),
            (
                format!(
                    r#"{{"_type":"{STATEMENT_V1}","_type":"{STATEMENT_V1}","subject":{subject},"predicateType":"p"}}"#
                ),
                "duplicate key",
            ),
        ] {
            let error = Statement::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{bad}: {error}");
        }
        let many = vec![r#"{"digest":{"sha1":"x"}}"#; 1025].join(",");
        let bad = format!(r#"{{"_type":"{STATEMENT_V1}","subject":[{many}],"predicateType":"p"}}"#);
        assert!(Statement::parse(bad.as_bytes()).is_err());
    }

    #[test]
    fn the_older_type_and_foreign_digests_are_read() {
        let bytes = format!(
            r#"{{"_type":"{STATEMENT_V01}","subject":[{{"digest":{{"sha512":"x"}}}}],"predicateType":"p"}}"#
        );
        let statement = Statement::parse(bytes.as_bytes()).unwrap();
        assert!(statement.subjects.is_empty(), "no SHA-256 subject: about nothing");
    }
}
