//! Which CI system this is, and what it says about the run.
//!
//! Read from the variables that each system documents ([`VARIABLES`]); the
//! environment itself is `edge::ci`'s. What is said here decides the builder
//! id and the invocation id of a provenance. The commit is never taken from
//! here: it is HEAD's, whatever a variable says.

use std::collections::BTreeMap;

use url::Url;

use super::repository;
use crate::model::uris;

/// Every variable that is read.
pub const VARIABLES: &[&str] = &[
    "ACT",
    "BRANCH_NAME",
    "BUILDKITE",
    "BUILDKITE_BRANCH",
    "BUILDKITE_BUILD_URL",
    "BUILDKITE_COMMIT",
    "BUILDKITE_JOB_ID",
    "BUILDKITE_PULL_REQUEST",
    "BUILDKITE_REPO",
    "BUILDKITE_TAG",
    "BUILD_BUILDID",
    "BUILD_REPOSITORY_URI",
    "BUILD_SOURCEBRANCH",
    "BUILD_SOURCEVERSION",
    "BUILD_URL",
    "CHANGE_ID",
    "CIRCLECI",
    "CIRCLE_BRANCH",
    "CIRCLE_BUILD_URL",
    "CIRCLE_REPOSITORY_URL",
    "CIRCLE_SHA1",
    "CIRCLE_TAG",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_SHA",
    "CI_COMMIT_TAG",
    "CI_JOB_URL",
    "CI_MERGE_REQUEST_REF_PATH",
    "CI_PROJECT_URL",
    "FORGEJO_ACTIONS",
    "GITEA_ACTIONS",
    "GITHUB_ACTIONS",
    "GITHUB_REF",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_RUN_ID",
    "GITHUB_SERVER_URL",
    "GITHUB_SHA",
    "GITLAB_CI",
    "GIT_BRANCH",
    "GIT_COMMIT",
    "GIT_LOCAL_BRANCH",
    "GIT_URL",
    "JENKINS_URL",
    "SYSTEM_COLLECTIONURI",
    "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI",
    "SYSTEM_TEAMPROJECT",
    "TAG_NAME",
    "TEKTON_DASHBOARD_URL",
    "TEKTON_NAMESPACE",
    "TEKTON_PIPELINE_RUN",
    "TEKTON_TASKRUN_NAME",
    "TF_BUILD",
];

/// A directory that Tekton makes in every step. Tekton sets no variables, so
/// `edge::ci` reports the directory under its path.
pub const TEKTON_DIRECTORY: &str = "/tekton/results";

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// GitHub Actions; neither Gitea nor Forgejo nor `act`, which set the same
    /// variables.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Azure Pipelines.
    Azure,
    /// Buildkite.
    Buildkite,
    /// CircleCI.
    CircleCi,
    /// Jenkins.
    Jenkins,
    /// Tekton. A task passes on what is known of the run as
    /// `TEKTON_PIPELINE_RUN`, `TEKTON_TASKRUN_NAME`, `TEKTON_NAMESPACE` and
    /// `TEKTON_DASHBOARD_URL`.
    Tekton,
    /// A machine that is none of these.
    Local,
}

impl System {
    /// The builder id in a provenance.
    pub fn builder_id(self) -> &'static str {
        match self {
            Self::GitHub => uris::BUILDER_GITHUB,
            Self::GitLab => uris::BUILDER_GITLAB,
            Self::Azure => uris::BUILDER_AZURE,
            Self::Buildkite => uris::BUILDER_BUILDKITE,
            Self::CircleCi => uris::BUILDER_CIRCLECI,
            Self::Jenkins => uris::BUILDER_JENKINS,
            Self::Tekton => uris::BUILDER_TEKTON,
            Self::Local => uris::BUILDER_LOCAL,
        }
    }
}

/// A CI run, as its variables describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ci {
    /// The system.
    pub system: System,
    /// The builder id in a provenance.
    pub builder_id: &'static str,
    /// The page of the run, the invocation id in a provenance.
    pub run_url: Option<String>,
    /// The commit that the run is for.
    pub commit: Option<String>,
    /// The ref that the run is for, in full.
    pub reference: Option<String>,
    /// The repository's URL in normal form.
    pub repository: Option<String>,
}

impl Ci {
    /// A machine that is no known CI system.
    pub fn local() -> Self {
        Self::of(System::Local)
    }

    /// Recognises the system by its variables; the first of several, in the
    /// order of [`System`].
    pub fn recognise(variables: &BTreeMap<String, String>) -> Self {
        let env = Variables(variables);
        let imitated = ["GITEA_ACTIONS", "FORGEJO_ACTIONS", "ACT"].iter().any(|v| env.is_true(v));
        if env.is_true("GITHUB_ACTIONS") && !imitated {
            github(&env)
        } else if env.is_true("GITLAB_CI") {
            gitlab(&env)
        } else if env.is_true("TF_BUILD") {
            azure(&env)
        } else if env.is_true("BUILDKITE") {
            buildkite(&env)
        } else if env.is_true("CIRCLECI") {
            circleci(&env)
        } else if env.text("JENKINS_URL").is_some() {
            jenkins(&env)
        } else if tekton_variables(&env) {
            tekton(&env)
        } else {
            Self::local()
        }
    }

    fn of(system: System) -> Self {
        Self {
            system,
            builder_id: system.builder_id(),
            run_url: None,
            commit: None,
            reference: None,
            repository: None,
        }
    }
}

/// `GITHUB_REF` is in full; on a pull request it is `refs/pull/7/merge`, and
/// the commit is that merge.
fn github(env: &Variables<'_>) -> Ci {
    let server = env.text("GITHUB_SERVER_URL").unwrap_or("https://github.com");
    let home = env.text("GITHUB_REPOSITORY").map(|path| format!("{server}/{path}"));
    let run = home.as_ref().zip(env.text("GITHUB_RUN_ID")).map(|(home, id)| {
        let attempt = env.text("GITHUB_RUN_ATTEMPT").unwrap_or("1");
        format!("{home}/actions/runs/{id}/attempts/{attempt}")
    });
    Ci {
        run_url: run.as_deref().and_then(repository::page),
        commit: env.commit("GITHUB_SHA"),
        reference: env.text("GITHUB_REF").and_then(full),
        repository: home.as_deref().and_then(|home| repository::normal(home).ok()),
        ..Ci::of(System::GitHub)
    }
}

/// On a merge request the branch is unset.
fn gitlab(env: &Variables<'_>) -> Ci {
    let branch = || env.text("CI_COMMIT_BRANCH").and_then(branch);
    let request = || env.text("CI_MERGE_REQUEST_REF_PATH").and_then(full);
    Ci {
        run_url: env.page("CI_JOB_URL"),
        commit: env.commit("CI_COMMIT_SHA"),
        reference: env.text("CI_COMMIT_TAG").and_then(tag).or_else(branch).or_else(request),
        repository: env.repository("CI_PROJECT_URL"),
        ..Ci::of(System::GitLab)
    }
}

/// `BUILD_SOURCEBRANCH` is in full.
fn azure(env: &Variables<'_>) -> Ci {
    let collection =
        env.text("SYSTEM_COLLECTIONURI").or_else(|| env.text("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"));
    let run = || {
        let mut url = Url::parse(&repository::page(collection?)?).ok()?;
        let project = env.text("SYSTEM_TEAMPROJECT")?;
        url.path_segments_mut().ok()?.pop_if_empty().extend([project, "_build", "results"]);
        url.query_pairs_mut().append_pair("buildId", env.text("BUILD_BUILDID")?);
        Some(url.into())
    };
    Ci {
        run_url: run(),
        commit: env.commit("BUILD_SOURCEVERSION"),
        reference: env.text("BUILD_SOURCEBRANCH").and_then(full),
        repository: env.repository("BUILD_REPOSITORY_URI"),
        ..Ci::of(System::Azure)
    }
}

/// The commit may be the word `HEAD`. On a pull request the branch is the one
/// it comes from, which can be another repository's.
fn buildkite(env: &Variables<'_>) -> Ci {
    let job = env.text("BUILDKITE_JOB_ID").map(|id| format!("#{id}")).unwrap_or_default();
    let run = env.text("BUILDKITE_BUILD_URL").map(|build| format!("{build}{job}"));
    let request = env.text("BUILDKITE_PULL_REQUEST").is_some_and(|number| number != "false");
    let branch = || env.text("BUILDKITE_BRANCH").filter(|_| !request).and_then(branch);
    Ci {
        run_url: run.as_deref().and_then(repository::page),
        commit: env.commit("BUILDKITE_COMMIT"),
        reference: env.text("BUILDKITE_TAG").and_then(tag).or_else(branch),
        repository: env.repository("BUILDKITE_REPO"),
        ..Ci::of(System::Buildkite)
    }
}

/// Branch and tag exclude each other.
fn circleci(env: &Variables<'_>) -> Ci {
    let branch = || env.text("CIRCLE_BRANCH").and_then(branch);
    Ci {
        run_url: env.page("CIRCLE_BUILD_URL"),
        commit: env.commit("CIRCLE_SHA1"),
        reference: env.text("CIRCLE_TAG").and_then(tag).or_else(branch),
        repository: env.repository("CIRCLE_REPOSITORY_URL"),
        ..Ci::of(System::CircleCi)
    }
}

/// Multibranch jobs set `BRANCH_NAME` to the branch, the tag or the name of the
/// change request; the git plugin sets `GIT_BRANCH` to `origin/main`.
fn jenkins(env: &Variables<'_>) -> Ci {
    let change = env.text("CHANGE_ID").is_some();
    let short = env
        .text("BRANCH_NAME")
        .or_else(|| env.text("GIT_LOCAL_BRANCH"))
        .or_else(|| env.text("GIT_BRANCH").map(|name| name.strip_prefix("origin/").unwrap_or(name)))
        .filter(|_| !change);
    Ci {
        run_url: env.page("BUILD_URL"),
        commit: env.commit("GIT_COMMIT"),
        reference: env.text("TAG_NAME").and_then(tag).or_else(|| short.and_then(branch)),
        repository: env.repository("GIT_URL"),
        ..Ci::of(System::Jenkins)
    }
}

fn tekton_variables(env: &Variables<'_>) -> bool {
    [TEKTON_DIRECTORY, "TEKTON_PIPELINE_RUN", "TEKTON_TASKRUN_NAME"]
        .iter()
        .any(|name| env.0.contains_key(*name))
}

/// Tekton knows neither commit nor ref; they are parameters of a pipeline.
fn tekton(env: &Variables<'_>) -> Ci {
    let run = || {
        let dashboard = repository::page(env.text("TEKTON_DASHBOARD_URL")?)?;
        let (kind, name) = env
            .text("TEKTON_PIPELINE_RUN")
            .map(|name| ("pipelineruns", name))
            .or_else(|| Some(("taskruns", env.text("TEKTON_TASKRUN_NAME")?)))?;
        let namespace = env.text("TEKTON_NAMESPACE")?;
        let dashboard = dashboard.trim_end_matches('/');
        repository::page(&format!("{dashboard}/#/namespaces/{namespace}/{kind}/{name}"))
    };
    Ci { run_url: run(), ..Ci::of(System::Tekton) }
}

/// The variables, with empty ones as if unset.
struct Variables<'a>(&'a BTreeMap<String, String>);

impl Variables<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    fn commit(&self, name: &str) -> Option<String> {
        let text = self.text(name)?.to_ascii_lowercase();
        let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        (hex && matches!(text.len(), 40 | 64)).then_some(text)
    }

    fn page(&self, name: &str) -> Option<String> {
        repository::page(self.text(name)?)
    }

    fn repository(&self, name: &str) -> Option<String> {
        repository::normal(self.text(name)?).ok()
    }
}

fn branch(short: &str) -> Option<String> {
    full(&format!("refs/heads/{short}"))
}

fn tag(short: &str) -> Option<String> {
    full(&format!("refs/tags/{short}"))
}

/// A full ref, if git would allow the name (git-check-ref-format).
pub(super) fn full(text: &str) -> Option<String> {
    let odd = |c: char| {
        c.is_control() || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let valid = text.len() <= 1024
        && text.starts_with("refs/")
        && !text.contains(odd)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && text.split('/').all(part);
    valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
