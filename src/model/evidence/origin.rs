//! Whether a certificate is for the run that this is.
//!
//! A provenance names the CI system that its variables tell of; the certificate
//! says what the CI system itself vouched for. They must be the same run, else
//! somebody signs with one identity what claims to come from another.

use super::identity::{Claims, Identity};
use crate::model::source::{
    ci::{Ci, System},
    repository,
};

/// How a certificate and the CI system's variables contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// They say different things.
    #[error("the certificate is for the {what} `{certified}`, and this run's {what} is `{here}`")]
    Differs {
        /// What they differ in.
        what: &'static str,
        /// What the certificate says.
        certified: String,
        /// What the variables say.
        here: String,
    },
    /// One of them says nothing where both must.
    #[error("{who} says nothing about the {what} of this run")]
    Silent {
        /// Who.
        who: &'static str,
        /// About what.
        what: &'static str,
    },
}

/// Compares repository, ref, commit and run URL.
///
/// Nothing is compared where no CI system was recognised. Fulcio vouches for all
/// four on GitHub and GitLab, and there each must be named by both; on Buildkite
/// and CircleCI for some, and there at least one; other systems have no issuer
/// there, and only what a certificate does say must agree.
///
/// # Errors
/// The first contradiction.
pub fn compare(ci: &Ci, identity: &Identity) -> Result<(), Mismatch> {
    if ci.system == System::Local {
        return Ok(());
    }
    let Claims { repository: home, reference, commit, run, .. } = &identity.claims;
    let normal = |url: &String| repository::normal(url).unwrap_or_else(|_| url.clone());
    let pairs = [
        ("repository", home.as_ref().map(normal), &ci.repository),
        ("ref", reference.clone(), &ci.reference),
        ("commit", commit.clone(), &ci.commit),
        ("run", run.clone(), &ci.run_url),
    ];
    let all = matches!(ci.system, System::GitHub | System::GitLab);
    let some = all || matches!(ci.system, System::Buildkite | System::CircleCi);
    if some && pairs.iter().all(|(_, certified, _)| certified.is_none()) {
        return Err(Mismatch::Silent { who: "the certificate", what: "repository and commit" });
    }
    for (what, certified, here) in pairs {
        match (certified, here) {
            (Some(certified), Some(here)) if certified != *here => {
                return Err(Mismatch::Differs { what, certified, here: here.clone() });
            }
            (None, Some(_)) if all => {
                return Err(Mismatch::Silent { who: "the certificate", what });
            }
            (Some(_), None) if all => {
                return Err(Mismatch::Silent { who: "the environment", what });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    const RUN: &str = "https://github.com/acme/shop/actions/runs/7/attempts/1";

    fn ci(system: System) -> Ci {
        Ci {
            system,
            repository: Some("https://github.com/acme/shop".into()),
            reference: Some("refs/heads/main".into()),
            commit: Some("a".repeat(40)),
            run_url: Some(RUN.into()),
            ..Ci::local()
        }
    }

    fn identity() -> Identity {
        Identity {
            issuer: "https://i".into(),
            subject: "s".into(),
            claims: Claims {
                repository: Some("https://github.com/acme/shop".into()),
                reference: Some("refs/heads/main".into()),
                commit: Some("a".repeat(40)),
                run: Some(RUN.into()),
                ..Claims::default()
            },
        }
    }

    #[test]
    fn the_same_run_agrees() {
        for system in [System::GitHub, System::GitLab, System::Buildkite, System::Jenkins] {
            assert_eq!(compare(&ci(system), &identity()), Ok(()));
        }
    }

    #[test]
    fn each_of_the_four_must_be_the_same() {
        type Field = fn(&mut Claims) -> &mut Option<String>;
        let change: [(&str, Field); 4] = [
            ("repository", |c| &mut c.repository),
            ("ref", |c| &mut c.reference),
            ("commit", |c| &mut c.commit),
            ("run", |c| &mut c.run),
        ];
        for (what, field) in change {
            let mut other = identity();
            *field(&mut other.claims) = Some("other".into());
            for system in [System::GitHub, System::Buildkite, System::Jenkins] {
                let found = compare(&ci(system), &other).unwrap_err();
                assert!(
                    matches!(&found, Mismatch::Differs { what: w, .. } if *w == what),
                    "{found}"
                );
            }
            let mut silent = identity();
            *field(&mut silent.claims) = None;
            let found = compare(&ci(System::GitHub), &silent).unwrap_err().to_string();
            assert!(found.contains("the certificate says nothing") && found.contains(what));
            assert_eq!(compare(&ci(System::Buildkite), &silent), Ok(()));
        }
        let mut here = ci(System::GitLab);
        here.commit = None;
        let found = compare(&here, &identity()).unwrap_err().to_string();
        assert!(found.contains("the environment says nothing"), "{found}");
    }

    #[test]
    fn a_person_cannot_sign_what_claims_to_be_a_run() {
        let person = Identity { claims: Claims::default(), ..identity() };
        for system in [System::GitHub, System::GitLab, System::Buildkite, System::CircleCi] {
            assert!(compare(&ci(system), &person).is_err(), "{system:?}");
        }
        for system in [System::Jenkins, System::Tekton, System::Azure, System::Local] {
            assert_eq!(compare(&ci(system), &person), Ok(()));
        }
        assert_eq!(compare(&Ci::local(), &identity()), Ok(()), "nothing to compare with");
    }
}
