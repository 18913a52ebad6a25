//! Writing a first policy: strict, and with comments that say what to look at
//! before it is used.

use serde::Serialize;

use crate::model::{
    evidence::{
        identity::{Identity, Signer},
        key::PublicKey,
    },
    policy::rule::provenance::{Facts, LockDemand},
    text::is_hidden,
};

use super::{API_VERSION, KIND};

/// What was found about an artifact, and verified.
#[derive(Debug, Clone)]
pub struct Draft {
    /// A name for the policy.
    pub name: String,
    /// The reference that was looked at.
    pub from: String,
    /// Its digest.
    pub digest: String,
    /// The keys that were given.
    pub keys: Vec<PublicKey>,
    /// Who signed it.
    pub signatures: Vec<Signer>,
    /// How it was built; several when builders disagree.
    pub provenance: Vec<Built>,
    /// What else was said.
    pub others: Vec<Stated>,
}

/// A provenance.
#[derive(Debug, Clone)]
pub struct Built {
    /// Who signed it.
    pub signers: Vec<Signer>,
    /// The builder's id.
    pub builder: String,
    /// The build type.
    pub build_type: String,
    /// Where it comes from, when that can be told.
    pub facts: Option<Facts>,
    /// The strictest demand on its lock that holds.
    pub lock: Option<LockDemand>,
    /// Whether the tag that was asked for is among those it moved.
    pub tag: bool,
}

/// Another statement.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The word or the predicate type.
    pub statement: String,
    /// Who signed it.
    pub signers: Vec<Signer>,
}

impl Built {
    /// Whether it says the same, whoever signed it.
    pub fn same_as(&self, other: &Self) -> bool {
        let said = |built: &Self| {
            (built.builder.clone(), built.build_type.clone(), built.facts.clone(), built.tag)
        };
        said(self) == said(other) && self.lock == other.lock
    }
}

/// The text of a first policy.
pub fn write(draft: &Draft) -> String {
    let mut page = Page::default();
    page.line(0, &format!("# Written by `sluicegate policy init` from {}", plain(&draft.from)));
    page.line(0, &format!("# as it was at {}.", draft.digest));
    page.line(0, "# It demands what that artifact carries. Look at each line marked REVIEW; then");
    page.line(0, "# `sluicegate policy check` says in words what the policy demands.");
    page.field(0, "apiVersion", API_VERSION);
    page.field(0, "kind", KIND);
    page.line(0, "metadata:");
    page.field(2, "name", &draft.name);
    page.line(0, "spec:");
    page.line(2, "require:");
    if !draft.signatures.is_empty() {
        page.head("signed", "signature");
        page.signers(draft, &draft.signatures);
    }
    if let Some(built) = draft.provenance.first() {
        page.head("built", "provenance");
        page.signers(draft, &built.signers);
        page.built(built);
        if draft.provenance.len() > 1 {
            page.line(6, "# REVIEW other provenance says something else; this is the first");
        }
    }
    for (at, stated) in draft.others.iter().enumerate() {
        let name = match stated.statement.as_str() {
            "test-result" => "tested".to_owned(),
            _ => format!("stated-{}", at + 1),
        };
        page.head(&name, &stated.statement);
        page.signers(draft, &stated.signers);
        match stated.statement.as_str() {
            "test-result" => {
                page.line(6, "# REVIEW name the configurations that must have been tested:");
                page.line(6, "# configurations: [e2e]");
            }
            _ => {
                page.line(6, "# REVIEW say what it must state; without it anything will do:");
                page.line(
                    6,
                    "# where: [{expression: \"has(predicate.x)\", message: what it means}]",
                );
            }
        }
    }
    page.0
}

/// A text that grows by lines.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        self.0.push_str(&" ".repeat(indent));
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn field(&mut self, indent: usize, name: &str, value: &str) {
        self.line(indent, &format!("{name}: {}", scalar(value)));
    }

    fn head(&mut self, name: &str, statement: &str) {
        self.line(4, &format!("- name: {name}"));
        self.field(6, "statement", statement);
    }

    /// Any one of the signers suffices, as written.
    fn signers(&mut self, draft: &Draft, signers: &[Signer]) {
        self.line(6, "# REVIEW who may sign it; one of them suffices (`threshold` demands more)");
        self.line(6, "signers:");
        for signer in signers {
            match signer {
                Signer::Key(fingerprint) => {
                    self.line(8, &format!("# {fingerprint}"));
                    self.line(8, "- key:");
                    self.line(12, "pem: |");
                    let key = draft.keys.iter().find(|key| key.fingerprint() == *fingerprint);
                    for line in key.map(PublicKey::to_pem).unwrap_or_default().lines() {
                        self.line(14, line);
                    }
                }
                Signer::Identity(identity) => self.identity(identity),
            }
        }
    }

    fn identity(&mut self, identity: &Identity) {
        if let Some(github) = GithubClaims::of(identity) {
            self.line(8, "- githubActions:");
            self.field(12, "repository", &github.repository);
            self.field(12, "workflow", &github.workflow);
            self.field(12, "ref", &github.reference);
            if let Some(id) = &github.id {
                self.line(12, &format!("repositoryId: \"{id}\""));
            }
            return;
        }
        self.line(8, "- identity:");
        self.field(12, "issuer", &identity.issuer);
        self.field(12, "subject", &identity.subject);
    }

    fn built(&mut self, built: &Built) {
        self.field(6, "builder", &built.builder);
        self.field(6, "buildType", &built.build_type);
        match &built.facts {
            Some(facts) => self.source(facts),
            None => self
                .line(6, "# REVIEW where its build type says what it was built from is not known"),
        }
        match built.lock {
            Some(LockDemand::Pinned) => self.field(6, "lock", "pinned"),
            Some(_) => {
                self.line(6, "# REVIEW `pinned` would also bind what runs: pin the digests first");
                self.field(6, "lock", "required");
            }
            None => self.line(
                6,
                "# REVIEW not every chart and image is locked; publish with `--lock require`",
            ),
        }
        match built.tag {
            true => self.field(6, "tag", "match"),
            false => {
                self.line(
                    6,
                    "# REVIEW the tag was not moved by this publish, or none was asked for;",
                );
                self.line(
                    6,
                    "# without the next line whoever can push can move a tag to an old build:",
                );
                self.line(6, "# tag: match");
            }
        }
    }

    fn source(&mut self, facts: &Facts) {
        self.line(6, "source:");
        self.field(8, "repository", &facts.repository);
        if let Some(reference) = &facts.reference {
            self.line(8, "# REVIEW other refs that may be released, such as refs/tags/v*");
            self.line(8, "refs:");
            self.line(10, &format!("- {}", scalar(reference)));
        }
        if let Some(path) = &facts.path {
            self.field(8, "path", path);
        }
        for (holds, field, why) in [
            (
                facts.asserted,
                "allowAsserted",
                "flags said where it comes from; nobody read it from git",
            ),
            (facts.dirty, "allowDirty", "the files differed from the commit"),
        ] {
            if holds {
                self.line(8, &format!("# REVIEW {why}; better publish anew and leave this out"));
                self.line(8, &format!("{field}: true"));
            }
        }
    }
}

/// What the claims of GitHub's certificate say, where the whole is what GitHub
/// writes.
struct GithubClaims {
    repository: String,
    workflow: String,
    reference: String,
    id: Option<String>,
}

impl GithubClaims {
    fn of(identity: &Identity) -> Option<Self> {
        let claims = &identity.claims;
        if identity.issuer != "https://token.actions.githubusercontent.com" {
            return None;
        }
        let home = claims.repository.as_ref()?;
        let repository = home.strip_prefix("https://github.com/")?;
        let reference = claims.reference.as_ref()?;
        let config = claims.build_config.as_ref()?;
        let file = config.strip_prefix(&format!("{home}/.github/workflows/"))?;
        let workflow = file.strip_suffix(&format!("@{reference}"))?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (claims.trigger.as_deref() != Some("pull_request_target")).then(|| Self {
            repository: repository.to_owned(),
            workflow: workflow.to_owned(),
            reference: reference.clone(),
            id: claims.repository_id.clone().filter(|id| plain(id)),
        })
    }
}

/// A text as a YAML scalar: plain where that is safe, else in quotes as JSON
/// writes them.
fn scalar(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "/._-@".contains(c);
    let simple = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| safe(c) || c == ':')
        && !text.ends_with(':')
        && !matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no")
        && !matches!(text.to_ascii_lowercase().as_str(), "on" | "off" | "y" | "n");
    if simple {
        return text.to_owned();
    }
    let mut quoted = String::new();
    let mut writer = Vec::new();
    if text.serialize(&mut serde_json::Serializer::new(&mut writer)).is_ok() {
        for c in String::from_utf8_lossy(&writer).chars() {
            match is_hidden(c) {
                true => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
                false => quoted.push(c),
            }
        }
    }
    quoted
}

/// A text for a comment: on one line.
fn plain(text: &str) -> String {
    crate::model::text::shown(text)
}
