//! How obligations stand, as `verify` shows them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{
    digest::Digest,
    evidence::root::{EMBEDDED_AT, Origin, TrustRoot},
    policy::{Made, MetBy, Policy, Ruling},
    text::shown,
};

/// The policy that was judged by.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PolicyView {
    /// Its name.
    name: Option<String>,
    /// The SHA-256 of its file.
    digest: Digest,
}

/// Who vouched for identities and times.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RootView {
    /// The SHA-256 of the trust root's file.
    digest: Digest,
    /// `given`, or `embedded` in this program.
    origin: &'static str,
    /// When an embedded one was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<&'static str>,
}

/// How one obligation stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ObligationView {
    /// Its name, below the names of those that it is part of: `scanned/sbom`.
    name: String,
    /// The kind of statement, or `any` or `all`.
    kind: String,
    /// Whether it is met.
    met: bool,
    /// By what, one entry a signer that counted.
    by: Vec<MetView>,
    /// Why not, when it is not.
    shortfalls: Vec<ShortfallView>,
    /// Those that it is made of.
    parts: Vec<ObligationView>,
}

/// A statement by which an obligation is met.
#[derive(Debug, Serialize, JsonSchema)]
struct MetView {
    /// Who signed it.
    signer: String,
    /// The manifest that holds it.
    statement: Digest,
    /// When it was made (RFC 3339), when anybody says so.
    made: Option<String>,
    /// Who says so: `verified` by a log or a timestamp authority, or `claimed` by
    /// the signer.
    #[serde(rename = "madeBy")]
    made_by: Option<&'static str>,
}

/// Why an obligation is not met.
#[derive(Debug, Serialize, JsonSchema)]
struct ShortfallView {
    /// A stable name.
    code: &'static str,
    /// What was found.
    found: String,
    /// What was wanted.
    wanted: String,
    /// What to do.
    hint: &'static str,
}

impl PolicyView {
    /// The view of a policy whose file has this digest.
    pub fn new(policy: &Policy, digest: Digest) -> Self {
        Self { name: policy.name.clone(), digest }
    }

    /// Name and digest in a line.
    pub fn line(&self) -> String {
        let name = self.name.as_deref().unwrap_or("(without a name)");
        format!("{}  {}", shown(name), self.digest)
    }
}

impl RootView {
    /// The view of a trust root.
    pub fn new(root: &TrustRoot) -> Self {
        let (origin, date) = match root.origin() {
            Origin::Given => ("given", None),
            Origin::Embedded => ("embedded", Some(EMBEDDED_AT)),
        };
        Self { digest: *root.digest(), origin, date }
    }

    /// Digest, origin and date in a line.
    pub fn line(&self) -> String {
        let date = self.date.map(|date| format!(", taken on {date}")).unwrap_or_default();
        format!("{}  {}{date}", self.digest, self.origin)
    }
}

impl ObligationView {
    /// The view of a ruling.
    pub fn new(ruling: &Ruling) -> Self {
        let shortfall = |found: &crate::model::policy::rule::Shortfall| ShortfallView {
            code: found.code,
            found: found.found.clone(),
            wanted: found.wanted.clone(),
            hint: found.hint,
        };
        Self {
            name: ruling.name.clone(),
            kind: ruling.kind.clone(),
            met: ruling.met,
            by: ruling.by.iter().map(MetView::new).collect(),
            shortfalls: ruling.shortfalls.iter().map(shortfall).collect(),
            parts: ruling.parts.iter().map(Self::new).collect(),
        }
    }
}

impl MetView {
    fn new(met: &MetBy) -> Self {
        let made_by = met.made.map(|made| match made {
            Made::Verified(_) => "verified",
            Made::Claimed(_) => "claimed",
        });
        Self {
            signer: met.signer.to_string(),
            statement: met.statement,
            made: met.made.map(|made| made.time().to_string()),
            made_by,
        }
    }
}

/// The obligations as a table: met by whom, when, and in which statement; or
/// what is missing.
pub fn table(obligations: &[ObligationView]) -> String {
    let mut text = String::new();
    if !obligations.is_empty() {
        text.push_str("\nobligations\n");
    }
    let mut rows = Vec::new();
    collect(obligations, 0, &mut rows);
    let width = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let (names, kinds) = (width(|row| row.name.len()), width(|row| row.view.kind.len()));
    for Row { name, view } in &rows {
        let state = if view.met { "met" } else { "MISSING" };
        let kind = shown(&view.kind);
        text.push_str(format!("  {state:<8} {name:<names$}  {kind:<kinds$}").trim_end());
        text.push('\n');
        for met in &view.by {
            let made = match (&met.made, met.made_by) {
                (Some(made), Some(by)) => format!("{made} ({by})"),
                _ => "at a time that nobody tells".to_owned(),
            };
            let signer = shown(&met.signer);
            text.push_str(&format!(
                "           by {signer}\n           {made}, in {}\n",
                met.statement
            ));
        }
        for missing in &view.shortfalls {
            text.push_str(&format!("           {}: {}\n", missing.code, shown(&missing.found)));
        }
    }
    text
}

/// A line of the table.
struct Row<'a> {
    name: String,
    view: &'a ObligationView,
}

fn collect<'a>(obligations: &'a [ObligationView], depth: usize, rows: &mut Vec<Row<'a>>) {
    for view in obligations {
        let last = view.name.rsplit('/').next().unwrap_or_default();
        rows.push(Row { name: format!("{}{}", "  ".repeat(depth), shown(last)), view });
        collect(&view.parts, depth + 1, rows);
    }
}
