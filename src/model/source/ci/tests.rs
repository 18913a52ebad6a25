//! Each system's variables, with the values that its documentation shows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;

const SHA: &str = "ffac537e6cbbf934b08745a378932722df287a53";

fn recognise(variables: &[(&str, &str)]) -> Ci {
    for (name, _) in variables {
        assert!(VARIABLES.contains(name) || *name == TEKTON_DIRECTORY, "{name} is not read");
    }
    let map = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Ci::recognise(&map)
}

fn expected(system: System, run: &str, reference: &str, repository: &str) -> Ci {
    Ci {
        run_url: Some(run.into()),
        commit: Some(SHA.into()),
        reference: Some(reference.into()),
        repository: Some(repository.into()),
        ..Ci::of(system)
    }
}

#[test]
fn github_actions() {
    let run = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_RUN_ID", "1658821493"),
        ("GITHUB_RUN_ATTEMPT", "3"),
        ("GITHUB_SHA", SHA),
        ("GITHUB_REF", "refs/pull/7/merge"),
    ];
    let page = "https://github.com/acme/shop/actions/runs/1658821493/attempts/3";
    let wanted =
        expected(System::GitHub, page, "refs/pull/7/merge", "https://github.com/acme/shop");
    assert_eq!(recognise(&run), wanted);
    assert_eq!(wanted.builder_id, uris::BUILDER_GITHUB);
    // What imitates it is not it: a laptop is never a CI builder.
    for imitation in ["ACT", "GITEA_ACTIONS", "FORGEJO_ACTIONS"] {
        let mut run = run.to_vec();
        run.push((imitation, "true"));
        assert_eq!(recognise(&run), Ci::local(), "{imitation}");
    }
}

#[test]
fn gitlab_ci() {
    let run = [
        ("GITLAB_CI", "true"),
        ("CI_JOB_URL", "https://gitlab.example/acme/shop/-/jobs/50"),
        ("CI_COMMIT_SHA", SHA),
        ("CI_PROJECT_URL", "https://gitlab.example/acme/shop"),
    ];
    for (name, value, reference) in [
        ("CI_COMMIT_BRANCH", "main", "refs/heads/main"),
        ("CI_COMMIT_TAG", "v1.0.0", "refs/tags/v1.0.0"),
        ("CI_MERGE_REQUEST_REF_PATH", "refs/merge-requests/1/head", "refs/merge-requests/1/head"),
    ] {
        let mut run = run.to_vec();
        run.push((name, value));
        let page = "https://gitlab.example/acme/shop/-/jobs/50";
        let home = "https://gitlab.example/acme/shop";
        assert_eq!(recognise(&run), expected(System::GitLab, page, reference, home));
    }
}

#[test]
fn azure_pipelines() {
    let run = [
        ("TF_BUILD", "True"),
        ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/fabrikamfiber/"),
        ("SYSTEM_TEAMPROJECT", "My Project"),
        ("BUILD_BUILDID", "42"),
        ("BUILD_SOURCEVERSION", SHA),
        ("BUILD_SOURCEBRANCH", "refs/heads/main"),
        ("BUILD_REPOSITORY_URI", "https://org@dev.azure.com/fabrikamfiber/p/_git/shop"),
    ];
    let page = "https://dev.azure.com/fabrikamfiber/My%20Project/_build/results?buildId=42";
    let home = "https://dev.azure.com/fabrikamfiber/p/_git/shop";
    assert_eq!(recognise(&run), expected(System::Azure, page, "refs/heads/main", home));
}

#[test]
fn buildkite_and_circleci() {
    let buildkite = [
        ("BUILDKITE", "true"),
        ("BUILDKITE_BUILD_URL", "https://buildkite.com/acme-inc/my-project/builds/1514"),
        ("BUILDKITE_JOB_ID", "e44f9784"),
        ("BUILDKITE_COMMIT", SHA),
        ("BUILDKITE_BRANCH", "main"),
        ("BUILDKITE_PULL_REQUEST", "false"),
        ("BUILDKITE_REPO", "git@github.com:acme/shop.git"),
    ];
    let page = "https://buildkite.com/acme-inc/my-project/builds/1514#e44f9784";
    let home = "https://github.com/acme/shop";
    assert_eq!(recognise(&buildkite), expected(System::Buildkite, page, "refs/heads/main", home));
    let mut changed = buildkite;
    changed[3].1 = "HEAD";
    changed[5].1 = "123";
    let run = recognise(&changed);
    assert_eq!((run.commit, run.reference), (None, None));

    let circleci = [
        ("CIRCLECI", "true"),
        ("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/shop/1"),
        ("CIRCLE_SHA1", SHA),
        ("CIRCLE_TAG", "v1"),
        ("CIRCLE_REPOSITORY_URL", "git@github.com:acme/shop.git"),
    ];
    let page = "https://circleci.com/gh/acme/shop/1";
    assert_eq!(recognise(&circleci), expected(System::CircleCi, page, "refs/tags/v1", home));
}

#[test]
fn jenkins() {
    let run = [
        ("JENKINS_URL", "https://ci.example/"),
        ("BUILD_URL", "https://user:s3cret@ci.example/job/shop/7/"),
        ("GIT_COMMIT", SHA),
        ("GIT_URL", "https://user:s3cret@github.com/acme/shop.git"),
    ];
    let cases = [
        (&[("GIT_BRANCH", "origin/main")][..], Some("refs/heads/main")),
        (&[("GIT_BRANCH", "origin/main"), ("GIT_LOCAL_BRANCH", "m")], Some("refs/heads/m")),
        (&[("BRANCH_NAME", "feature/x")], Some("refs/heads/feature/x")),
        (&[("BRANCH_NAME", "v1"), ("TAG_NAME", "v1")], Some("refs/tags/v1")),
        (&[("BRANCH_NAME", "PR-12"), ("CHANGE_ID", "12")], None),
        (&[("BRANCH_NAME", "a..b")], None),
    ];
    for (more, reference) in cases {
        let variables: Vec<_> = run.iter().chain(more).copied().collect();
        let run = recognise(&variables);
        assert_eq!(run.reference.as_deref(), reference, "{more:?}");
        assert_eq!(run.run_url.as_deref(), Some("https://ci.example/job/shop/7/"));
        assert_eq!(run.repository.as_deref(), Some("https://github.com/acme/shop"));
        assert_eq!(run.system, System::Jenkins);
    }
}

#[test]
fn tekton() {
    assert_eq!(recognise(&[(TEKTON_DIRECTORY, "")]), Ci::of(System::Tekton));
    let run = [
        ("TEKTON_PIPELINE_RUN", "publish-x7k2p"),
        ("TEKTON_NAMESPACE", "ci"),
        ("TEKTON_DASHBOARD_URL", "https://tekton.example/"),
    ];
    let page = "https://tekton.example/#/namespaces/ci/pipelineruns/publish-x7k2p";
    assert_eq!(recognise(&run).run_url.as_deref(), Some(page));
    assert_eq!(recognise(&run[..2]).run_url, None);
}

#[test]
fn anything_else_is_local() {
    for variables in [
        &[][..],
        &[("GITHUB_ACTIONS", "false"), ("GITHUB_SHA", SHA)],
        &[("GITLAB_CI", "")],
        &[("BUILD_URL", "https://ci.example/"), ("GIT_COMMIT", SHA)],
    ] {
        assert_eq!(recognise(variables), Ci::local());
    }
    assert_eq!(Ci::local().builder_id, uris::BUILDER_LOCAL);
}

#[test]
fn hostile_values_are_dropped() {
    let run = recognise(&[
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "javascript:alert(1)//"),
        ("GITHUB_REPOSITORY", "a\nb"),
        ("GITHUB_RUN_ID", "1"),
        ("GITHUB_SHA", "--upload-pack=x"),
        ("GITHUB_REF", "refs/heads/a b"),
    ]);
    assert_eq!(run, Ci::of(System::GitHub));
}
