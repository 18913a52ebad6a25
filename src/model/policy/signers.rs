//! Who may make a statement: the signers that an obligation names, and how many
//! of them must have.

use jiff::Timestamp;

use super::pattern::{Glob, Pattern};
use crate::model::evidence::{
    Evidence,
    identity::{Claims, Identity, Signer, SignerId},
    key::PublicKey,
};

/// The issuer of GitHub Actions tokens on github.com.
const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";

/// One signer that an obligation names: one voice toward its threshold.
#[derive(Debug, Clone)]
pub struct SignerEntry {
    /// Who it is.
    pub who: Who,
    /// From when its statements count.
    pub valid_from: Option<Timestamp>,
    /// Until when its statements count.
    pub valid_until: Option<Timestamp>,
}

/// Who a signer is.
#[derive(Debug, Clone)]
pub enum Who {
    /// Whoever holds one of these keys; several are one signer's, old and new.
    Keys(Vec<PublicKey>),
    /// An identity that a certificate names.
    Identity {
        /// The OIDC issuer.
        issuer: Matcher,
        /// The subject alternative name.
        subject: Matcher,
    },
    /// A workflow of GitHub Actions, by the claims of the certificate.
    GitHub(GitHub),
    /// A pipeline of GitLab CI, by the claims of the certificate.
    GitLab(GitLab),
}

/// How a text is compared.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// It equals this.
    Exact(String),
    /// All of it matches this.
    Pattern(Pattern),
}

impl Matcher {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == text,
            Self::Pattern(pattern) => pattern.matches(text),
        }
    }

    /// As a sentence has it.
    pub fn words(&self) -> String {
        match self {
            Self::Exact(text) => format!("`{text}`"),
            Self::Pattern(pattern) => format!("something like `{}`", pattern.as_str()),
        }
    }
}

/// A workflow of GitHub Actions.
#[derive(Debug, Clone)]
pub struct GitHub {
    /// Such as `https://github.com`.
    pub server: String,
    /// The issuer of its tokens.
    pub issuer: String,
    /// Such as `acme/shop`.
    pub repository: String,
    /// The file below `.github/workflows`, such as `release.yml`.
    pub workflow: String,
    /// The ref that it ran for, such as `refs/heads/main`.
    pub reference: Glob,
    /// The reusable workflow that signed, with its ref, such as
    /// `acme/builders/.github/workflows/build.yml@refs/tags/v1`.
    pub builder: Option<String>,
    /// The repository's immutable identifier.
    pub repository_id: Option<String>,
    /// The events that may start it; without any, every one but
    /// `pull_request_target`, which runs with secrets for anybody's code.
    pub events: Vec<String>,
}

/// A pipeline of GitLab CI.
#[derive(Debug, Clone)]
pub struct GitLab {
    /// Such as `https://gitlab.com`; also the issuer of its tokens.
    pub server: String,
    /// Such as `acme/shop`.
    pub project: String,
    /// The ref that it ran for, such as `refs/heads/main`.
    pub reference: Glob,
    /// The file of the pipeline, `.gitlab-ci.yml` unless said otherwise.
    pub config: String,
}

impl GitHub {
    /// The issuer of a server's tokens.
    pub fn issuer_of(server: &str) -> String {
        match server {
            "https://github.com" => GITHUB_ISSUER.to_owned(),
            server => format!("{server}/_services/token"),
        }
    }

    fn is(&self, identity: &Identity) -> bool {
        let Claims { repository, reference, build_config, .. } = &identity.claims;
        let claims = &identity.claims;
        let (Some(repository), Some(reference), Some(config)) =
            (repository, reference, build_config)
        else {
            return false;
        };
        let home = format!("{}/{}", self.server, self.repository);
        let workflow = format!("{home}/.github/workflows/{}@{reference}", self.workflow);
        let optional = |wanted: &Option<String>, claim: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| claim.as_ref() == Some(wanted))
        };
        let builder = self.builder.as_ref().map(|builder| format!("{}/{builder}", self.server));
        identity.issuer == self.issuer
            && *repository == home
            && self.reference.matches(reference)
            && *config == workflow
            && optional(&builder, &claims.build_signer)
            && optional(&self.repository_id, &claims.repository_id)
            && self.allows(claims.trigger.as_deref())
    }

    fn allows(&self, event: Option<&str>) -> bool {
        match (self.events.is_empty(), event) {
            (true, event) => event != Some("pull_request_target"),
            (false, Some(event)) => self.events.iter().any(|allowed| allowed == event),
            (false, None) => false,
        }
    }
}

impl GitLab {
    fn is(&self, identity: &Identity) -> bool {
        let Claims { repository, reference, build_config, .. } = &identity.claims;
        let (Some(repository), Some(reference), Some(config)) =
            (repository, reference, build_config)
        else {
            return false;
        };
        let home = format!("{}/{}", self.server, self.project);
        identity.issuer == self.server
            && *repository == home
            && self.reference.matches(reference)
            && *config == format!("{home}//{}@{reference}", self.config)
    }
}

impl Who {
    /// Whether a signer is this one.
    pub fn is(&self, signer: &Signer) -> bool {
        match (self, signer) {
            (Self::Keys(keys), Signer::Key(found)) => {
                keys.iter().any(|key| key.fingerprint() == *found)
            }
            (Self::Identity { issuer, subject }, Signer::Identity(identity)) => {
                issuer.matches(&identity.issuer) && subject.matches(&identity.subject)
            }
            (Self::GitHub(github), Signer::Identity(identity)) => github.is(identity),
            (Self::GitLab(gitlab), Signer::Identity(identity)) => gitlab.is(identity),
            (Self::Keys(_), Signer::Identity(_))
            | (Self::Identity { .. } | Self::GitHub(_) | Self::GitLab(_), Signer::Key(_)) => false,
        }
    }

    /// As a sentence has it.
    pub fn words(&self) -> String {
        match self {
            Self::Keys(keys) => {
                let names: Vec<String> =
                    keys.iter().map(|key| format!("`{}`", key.fingerprint())).collect();
                names.join(" or ")
            }
            Self::Identity { issuer, subject } => {
                format!("{} by {}", subject.words(), issuer.words())
            }
            Self::GitHub(github) => format!(
                "the workflow `{}` of `{}/{}` for `{}`",
                github.workflow,
                github.server,
                github.repository,
                github.reference.as_str()
            ),
            Self::GitLab(gitlab) => format!(
                "the pipeline of `{}/{}` for `{}`",
                gitlab.server,
                gitlab.project,
                gitlab.reference.as_str()
            ),
        }
    }
}

impl SignerEntry {
    /// An entry without a window.
    pub fn always(who: Who) -> Self {
        Self { who, valid_from: None, valid_until: None }
    }

    /// Whether evidence was signed inside the window: at every verified time,
    /// and `now` when there is none (sigstore-go GHSA-wqqc-jjcq-vfxm).
    pub fn is_valid(&self, evidence: &Evidence, now: Timestamp) -> bool {
        let inside = |time: Timestamp| {
            self.valid_from.is_none_or(|from| time >= from)
                && self.valid_until.is_none_or(|until| time <= until)
        };
        match evidence.times() {
            [] => inside(now),
            times => times.iter().all(|time| inside(*time)),
        }
    }
}

/// How many entries can be met, each by a signer of its own: a maximum matching
/// of entries and signers. Returns for each entry which voice meets it.
///
/// `voices` are pairs of an entry and who meets it. Augmenting paths (Kuhn).
pub fn matching(entries: usize, voices: &[(usize, SignerId)]) -> Vec<Option<SignerId>> {
    let mut holders: Vec<(SignerId, usize)> = Vec::new();
    for entry in 0..entries {
        let mut visited = Vec::new();
        augment(entry, voices, &mut holders, &mut visited);
    }
    let mut met = vec![None; entries];
    for (signer, entry) in holders {
        if let Some(place) = met.get_mut(entry) {
            *place = Some(signer);
        }
    }
    met
}

fn augment(
    entry: usize,
    voices: &[(usize, SignerId)],
    holders: &mut Vec<(SignerId, usize)>,
    visited: &mut Vec<SignerId>,
) -> bool {
    for (_, signer) in voices.iter().filter(|(met, _)| *met == entry) {
        if visited.contains(signer) {
            continue;
        }
        visited.push(signer.clone());
        match holders.iter().position(|(held, _)| held == signer) {
            None => {
                holders.push((signer.clone(), entry));
                return true;
            }
            Some(place) => {
                let other = holders.get(place).map(|(_, entry)| *entry);
                if other.is_some_and(|other| augment(other, voices, holders, visited)) {
                    if let Some(holder) = holders.iter_mut().find(|(held, _)| held == signer) {
                        holder.1 = entry;
                    }
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn identity(subject: &str) -> SignerId {
        SignerId::Identity { issuer: "https://i".into(), subject: subject.into() }
    }

    fn met(entries: usize, voices: &[(usize, &str)]) -> usize {
        let voices: Vec<_> = voices.iter().map(|(e, s)| (*e, identity(s))).collect();
        let found = matching(entries, &voices);
        let mut distinct: Vec<_> = found.iter().flatten().collect();
        let count = distinct.len();
        distinct.dedup();
        assert_eq!(distinct.len(), count, "a signer counts once");
        count
    }

    /// sigstore-go #633: whoever signs twice is still one.
    #[test]
    fn sigstore_go_633_a_signer_counts_once() {
        assert_eq!(met(2, &[(0, "a"), (0, "a"), (1, "a")]), 1);
        assert_eq!(met(2, &[(0, "a"), (0, "b")]), 1, "an entry is met once");
        assert_eq!(met(2, &[(0, "a"), (1, "b")]), 2);
    }

    #[test]
    fn the_matching_is_the_largest_there_is() {
        // Taken greedily, `a` would meet entry 0 and leave entry 1 without anybody.
        assert_eq!(met(2, &[(0, "a"), (0, "b"), (1, "a")]), 2);
        assert_eq!(met(3, &[(0, "a"), (0, "b"), (1, "a"), (1, "c"), (2, "a")]), 3);
        assert_eq!(met(3, &[(0, "a"), (1, "a"), (2, "a"), (2, "b")]), 2);
        assert_eq!(met(0, &[]), 0);
    }
}
