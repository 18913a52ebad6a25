//! `statement: test-result`: somebody ran tests, and they passed.
//!
//! Met by an in-toto test result (`https://in-toto.io/attestation/test-result/v0.1`)
//! that says `PASSED`, lists no `failedTests`, and names every one of
//! `configurations` (by `name`, or by `uri`). `WARNED` is not passed.
//!
//! A failed result never outweighs a passed one: whoever keeps the registry
//! could withhold it. Who must not let a failed build through must not sign a
//! passed result for it.

use serde_json::Value;

use super::{Seen, Shortfall};
use crate::model::{text::brief, uris};

/// The predicate types.
pub(super) const TYPES: &[&str] = &[uris::TEST_RESULT];
/// Where it may say when it was made; the type has no field of its own for it.
pub(super) const TIMES: &[&str] = &["/timestamp", "/createdAt", "/finishedOn"];

/// What a test result must say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestResult {
    /// The configurations that must have been tested, by name or URI.
    pub configurations: Vec<String>,
}

impl TestResult {
    /// Whether a test result says so.
    pub(super) fn meets(&self, seen: Seen<'_>) -> Result<(), Shortfall> {
        let predicate = seen.predicate();
        let result = predicate.get("result").and_then(Value::as_str).unwrap_or("(none)");
        if result != "PASSED" {
            return Err(failed(format!("the result `{}`", brief(result)), "`PASSED`".into()));
        }
        match predicate.get("failedTests") {
            None | Some(Value::Null) => {}
            Some(Value::Array(tests)) if tests.is_empty() => {}
            Some(_) => {
                return Err(failed("failed tests".into(), "no `failedTests`".into()));
            }
        }
        let tested = tested(predicate);
        match self.configurations.iter().find(|wanted| !tested.contains(&wanted.as_str())) {
            None => Ok(()),
            Some(missing) => {
                let found = match tested.is_empty() {
                    true => "no configuration".to_owned(),
                    false => format!("the configurations `{}`", brief(&tested.join("`, `"))),
                };
                Err(failed(found, format!("the configuration `{missing}` among them")))
            }
        }
    }
}

/// The names and URIs of the configurations that were tested.
fn tested(predicate: &Value) -> Vec<&str> {
    let entries = predicate.get("configuration").and_then(Value::as_array);
    let named = |entry| ["name", "uri"].map(|key| Value::get(entry, key).and_then(Value::as_str));
    entries.into_iter().flatten().flat_map(named).flatten().collect()
}

fn failed(found: String, wanted: String) -> Shortfall {
    Shortfall {
        code: "test-result",
        found,
        wanted,
        hint: "look at the test run; attach a result when it has passed",
    }
}
