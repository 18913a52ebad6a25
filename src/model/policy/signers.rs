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

    fn exact(text: &str) -> Matcher {
        Matcher::Exact(text.into())
    }

    fn pattern(text: &str) -> Matcher {
        Matcher::Pattern(Pattern::parse(text).unwrap())
    }

    /// An identity as GitHub's certificates have it.
    fn github() -> Identity {
        let workflow = "https://github.com/acme/shop/.github/workflows/release.yml@refs/heads/main";
        Identity {
            issuer: GITHUB_ISSUER.into(),
            subject: workflow.into(),
            claims: Claims {
                build_signer: Some(workflow.into()),
                repository: Some("https://github.com/acme/shop".into()),
                reference: Some("refs/heads/main".into()),
                repository_id: Some("1234".into()),
                build_config: Some(workflow.into()),
                trigger: Some("push".into()),
                ..Claims::default()
            },
        }
    }

    fn github_entry() -> GitHub {
        GitHub {
            server: "https://github.com".into(),
            issuer: GITHUB_ISSUER.into(),
            repository: "acme/shop".into(),
            workflow: "release.yml".into(),
            reference: Glob::parse("refs/heads/main").unwrap(),
            builder: Some("acme/shop/.github/workflows/release.yml@refs/heads/main".into()),
            repository_id: Some("1234".into()),
            events: vec!["push".into()],
        }
    }

    fn is(who: &Who, identity: &Identity) -> bool {
        who.is(&Signer::Identity(Box::new(identity.clone())))
    }

    /// A change of one field of an identity.
    type Mutation = (&'static str, fn(&mut Identity));

    /// Kyverno CVE-2025-29778: patterns were read and not applied. Each field
    /// that an entry names is changed alone, and the entry is no longer met.
    #[test]
    fn kyverno_cve_2025_29778_each_identity_field_counts() {
        let identity = [
            Who::Identity { issuer: exact(GITHUB_ISSUER), subject: exact(&github().subject) },
            Who::Identity {
                issuer: pattern(r"https://token\.actions\.githubusercontent\.com"),
                subject: pattern(r"https://github\.com/acme/.+@refs/heads/main"),
            },
            Who::Identity {
                issuer: exact(GITHUB_ISSUER),
                subject: pattern(r"https://github\.com/acme/.+@refs/heads/main"),
            },
            Who::Identity {
                issuer: pattern(r"https://token\.actions\..+"),
                subject: exact(&github().subject),
            },
        ];
        let own: [Mutation; 4] = [
            ("another issuer", |i| i.issuer = "https://evil.example".into()),
            ("the issuer in front of more", |i| i.issuer.insert_str(0, "https://evil.example/?")),
            ("another subject", |i| i.subject = "https://github.com/evil/x@refs/heads/main".into()),
            ("a subject with more behind", |i| i.subject.push_str(".evil")),
        ];
        for who in &identity {
            assert!(is(who, &github()), "{who:?}");
            for (what, change) in own {
                let mut changed = github();
                change(&mut changed);
                assert!(!is(who, &changed), "{what}: {who:?}");
            }
        }
        let claims: [Mutation; 13] = [
            ("issuer", |i| i.issuer = "https://evil.example".into()),
            ("repository", |i| i.claims.repository = Some("https://github.com/evil/shop".into())),
            ("no repository", |i| i.claims.repository = None),
            ("ref", |i| i.claims.reference = Some("refs/heads/main2".into())),
            ("no ref", |i| i.claims.reference = None),
            ("workflow", |i| {
                i.claims.build_config = i.claims.build_config.take().map(|w| w.replace("rel", "x"));
            }),
            ("no workflow", |i| i.claims.build_config = None),
            ("builder", |i| i.claims.build_signer = Some("https://github.com/evil".into())),
            ("no builder", |i| i.claims.build_signer = None),
            ("repository id", |i| i.claims.repository_id = Some("12345".into())),
            ("no repository id", |i| i.claims.repository_id = None),
            ("event", |i| i.claims.trigger = Some("pull_request_target".into())),
            ("no event", |i| i.claims.trigger = None),
        ];
        let who = Who::GitHub(github_entry());
        assert!(is(&who, &github()));
        for (what, change) in claims {
            let mut changed = github();
            change(&mut changed);
            assert!(!is(&who, &changed), "{what}");
        }
    }

    /// And the other way round: each field of the entry has an effect.
    #[test]
    fn kyverno_16815_each_field_of_a_ci_entry_has_an_effect() {
        let changes: [fn(&mut GitHub); 8] = [
            |g| g.server = "https://github.example".into(),
            |g| g.issuer = "https://evil.example".into(),
            |g| g.repository = "acme/other".into(),
            |g| g.workflow = "other.yml".into(),
            |g| g.reference = Glob::parse("refs/tags/*").unwrap(),
            |g| g.builder = Some("acme/other/.github/workflows/x.yml@refs/heads/main".into()),
            |g| g.repository_id = Some("1".into()),
            |g| g.events = vec!["release".into()],
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut entry = github_entry();
            change(&mut entry);
            assert!(!is(&Who::GitHub(entry), &github()), "change {at}");
        }
        let mut any = GitHub { builder: None, repository_id: None, ..github_entry() };
        any.events.clear();
        assert!(is(&Who::GitHub(any.clone()), &github()));
        let mut target = github();
        target.claims.trigger = Some("pull_request_target".into());
        assert!(!is(&Who::GitHub(any.clone()), &target), "runs anybody's code");
        any.events.push("pull_request_target".into());
        assert!(is(&Who::GitHub(any), &target), "unless listed");
    }

    #[test]
    fn a_gitlab_pipeline_is_known_by_its_claims() {
        let config = "https://gitlab.com/acme/shop//.gitlab-ci.yml@refs/heads/main";
        let identity = Identity {
            issuer: "https://gitlab.com".into(),
            subject: config.into(),
            claims: Claims {
                repository: Some("https://gitlab.com/acme/shop".into()),
                reference: Some("refs/heads/main".into()),
                build_config: Some(config.into()),
                ..Claims::default()
            },
        };
        let entry = GitLab {
            server: "https://gitlab.com".into(),
            project: "acme/shop".into(),
            reference: Glob::parse("refs/heads/*").unwrap(),
            config: ".gitlab-ci.yml".into(),
        };
        assert!(is(&Who::GitLab(entry.clone()), &identity));
        let changes: [fn(&mut GitLab); 4] = [
            |g| g.server = "https://gitlab.example".into(),
            |g| g.project = "acme/other".into(),
            |g| g.reference = Glob::parse("refs/tags/*").unwrap(),
            |g| g.config = "ci/other.yml".into(),
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut changed = entry.clone();
            change(&mut changed);
            assert!(!is(&Who::GitLab(changed), &identity), "change {at}");
        }
    }
}
