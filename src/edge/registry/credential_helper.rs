//! Runs docker credential helpers (`docker-credential-NAME get`).
//!
//! Only ever for a name in a file that the user's own environment points at,
//! never for one that came over the network. Time and output are bounded, and
//! nothing that a helper prints is repeated.

use std::{path::Path, process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};
use zeroize::Zeroizing;

use super::{
    docker_config::{Found, password_or_token},
    error::Fault,
};
use crate::edge::secret::Secret;

const TIME_LIMIT: Duration = Duration::from_secs(30);
const MAX_OUTPUT: u64 = 64 * 1024;
/// What a helper prints when it has nothing for a server.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Asks the helper `name`, which `file` names, for the credentials of `server`.
pub(super) async fn get(file: &Path, name: &str, server: &str) -> Result<Option<Found>, Fault> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(Fault::Malformed(format!(
            "`{}` names a credential helper that is no name; expected letters, digits, `_` and `-`",
            file.display()
        )));
    }
    let program = format!("docker-credential-{name}");
    let fault = |what: String| {
        Fault::Malformed(format!(
            "the credential helper `{program}` of `{}` {what}",
            file.display()
        ))
    };
    let child = start(&program).map_err(|error| fault(format!("did not start: {error}")))?;
    let (output, succeeded) = tokio::time::timeout(TIME_LIMIT, ask(child, server))
        .await
        .map_err(|_| fault(format!("did not answer within {TIME_LIMIT:?}")))?
        .map_err(|error| fault(format!("failed: {error}")))?;
    if !succeeded {
        if String::from_utf8_lossy(&output).contains(NOT_FOUND) {
            return Ok(None);
        }
        return Err(fault(format!("failed for `{server}`")));
    }
    let answer: Answer = serde_json::from_slice(&output)
        .map_err(|_| fault("did not print JSON with `Username` and `Secret`".into()))?;
    if answer.secret.expose().is_empty() {
        return Ok(None);
    }
    let credential = password_or_token(answer.username, answer.secret);
    Ok(Some(Found { credential, origin: format!("the credential helper `{program}`") }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Secret,
}

fn start(program: &str) -> std::io::Result<Child> {
    Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

async fn ask(mut child: Child, server: &str) -> std::io::Result<(Zeroizing<Vec<u8>>, bool)> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that reads nothing closes the pipe; its answer decides.
        let _closed = stdin.write_all(server.as_bytes()).await;
    }
    let mut output = Zeroizing::new(Vec::new());
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_OUTPUT).read_to_end(&mut output).await?;
    }
    Ok((output, child.wait().await?.success()))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Runs a script in place of a helper.
    async fn answer(script: &str) -> (String, bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let child = loop {
            match start(path.to_str().unwrap()) {
                // Another test forked while the script was open for writing.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                child => break child.unwrap(),
            }
        };
        let (output, succeeded) = ask(child, "r.example").await.unwrap();
        (String::from_utf8_lossy(&output).into_owned(), succeeded)
    }

    #[tokio::test]
    async fn the_server_goes_in_and_the_answer_comes_out() {
        assert_eq!(answer("cat; echo \" $1\"").await, ("r.example get\n".into(), true));
        assert_eq!(answer("exit 1").await, (String::new(), false));
    }

    #[tokio::test]
    async fn output_is_bounded() {
        let (output, _) = answer("head -c 1000000 /dev/zero").await;
        assert_eq!(output.len() as u64, MAX_OUTPUT);
    }
}
