//! Git, read through its command line (crates.md §5).
//!
//! A work tree may be a stranger's: its configuration must not run anything.
//! Only plumbing that reads is called, with hooks, the file system monitor and
//! every transport switched off, without a pager or an external diff, without
//! fetching what a partial clone lacks, and without the environment's `GIT_*`
//! (the user's own configuration stays, it may say which directories are
//! safe). Each command has a time limit and bounded output. Nothing is
//! decided here; what the facts mean is `model::source`'s.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
};

use crate::model::{
    source::git::{EntryKind, GitFacts, ObjectFormat, ObjectId, Remote, TreeEntry},
    text::brief,
};

/// How long one git command may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The largest answer of a command, in bytes.
const MAX_OUTPUT: u64 = 4 << 20;
/// The largest listing of a tree, in bytes.
const MAX_TREE: u64 = 128 << 20;
/// How much of git's complaint is kept, in bytes.
const MAX_COMPLAINT: u64 = 4096;
/// How many files a tree may have below the directory.
const MAX_ENTRIES: usize = 500_000;

/// What is configured away for every command.
const CONFIGURATION: [&str; 4] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "protocol.allow=never",
    // A bare repository inside a work tree would bring its own configuration.
    "safe.bareRepository=explicit",
];

/// What is set for every command.
const ENVIRONMENT: [(&str, &str); 8] = [
    // No transport at all; unlike `protocol.allow` this cannot be overruled by
    // a repository's `protocol.<name>.allow`.
    ("GIT_ALLOW_PROTOCOL", ""),
    ("GIT_NO_LAZY_FETCH", "1"),
    // The commit's own tree, not one that `refs/replace` puts in its place.
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ADVICE", "0"),
    // Messages are told apart by their English text.
    ("LC_ALL", "C"),
];

/// Variables of git that say what the user's own configuration is; every other
/// `GIT_*` is removed.
const KEPT: [&str; 6] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
];
/// What the names of more such variables start with.
const KEPT_PREFIXES: [&str; 2] = ["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"];

/// Reads what git says about a directory.
///
/// # Errors
/// [`GitError`]; that there is no repository, no commit or no git are errors
/// of their own.
pub async fn facts(dir: &Path, limit: Duration) -> Result<GitFacts, GitError> {
    let git = Git { program: "git".as_ref(), dir, limit };
    let place = git.place().await?;
    let (commit, branch, (remotes, upstreams)) =
        tokio::try_join!(git.head(place.format), git.branch(), git.remotes())?;
    let (committed, refs) = tokio::try_join!(git.committed(&commit), git.refs(&commit))?;
    let short = branch.as_deref().and_then(|branch| branch.strip_prefix("refs/heads/"));
    let upstream = upstreams.into_iter().find(|upstream| Some(upstream.branch.as_str()) == short);
    Ok(GitFacts {
        root: place.root,
        path: place.path,
        format: place.format,
        commit,
        committed,
        branch,
        refs,
        upstream: upstream.map(|upstream| upstream.remote),
        remotes,
        shallow: place.shallow,
    })
}

/// Reads the tree of the commit below the directory, in git's order.
///
/// # Errors
/// [`GitError`]; [`GitError::TooMuch`] for more than half a million files.
pub async fn tree(facts: &GitFacts, limit: Duration) -> Result<Vec<TreeEntry>, GitError> {
    let git = Git { program: "git".as_ref(), dir: &facts.root, limit };
    let mut arguments = vec!["ls-tree", "-r", "-z", "--full-tree", facts.commit.as_str()];
    let prefix = match facts.path.as_str() {
        "." => String::new(),
        path => format!("{path}/"),
    };
    if !prefix.is_empty() {
        arguments.extend(["--", &prefix]);
    }
    let mut child = git.spawn(&arguments)?;
    let reading = read_tree(&git, &mut child, facts.format, prefix.as_bytes());
    let timed_out = |_| Err(GitError::TimedOut { command: "ls-tree".into(), limit });
    tokio::time::timeout(limit, reading).await.unwrap_or_else(timed_out)
}

async fn read_tree(
    git: &Git<'_>,
    child: &mut Child,
    format: ObjectFormat,
    prefix: &[u8],
) -> Result<Vec<TreeEntry>, GitError> {
    let command = "ls-tree";
    let stdout = child.stdout.take();
    let complaint = complaint(child.stderr.take());
    let entries = async {
        let mut entries = Vec::new();
        let Some(stdout) = stdout else { return Ok(entries) };
        let mut lines = BufReader::new(stdout.take(MAX_TREE));
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.read_until(0, &mut line).await.map_err(|e| git.io(command, e))? == 0 {
                return Ok(entries);
            }
            if line.pop() != Some(0) || entries.len() == MAX_ENTRIES {
                return Err(GitError::TooMuch { command: command.into() });
            }
            entries.extend(entry(&line, format, prefix)?);
        }
    };
    let (entries, complaint) = tokio::try_join!(entries, async { Ok(complaint.await) })?;
    let status = child.wait().await.map_err(|error| git.io(command, error))?;
    match status.success() {
        true => Ok(entries),
        false => Err(git.refused(command, &complaint)),
    }
}

/// An entry as `ls-tree -z` prints it, `MODE TYPE ID<tab>PATH`; `None` when it
/// is not below the directory.
fn entry(line: &[u8], format: ObjectFormat, prefix: &[u8]) -> Result<Option<TreeEntry>, GitError> {
    let odd = || GitError::Malformed { command: "ls-tree".into() };
    let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(odd)?;
    let (head, path) = line.split_at_checked(tab).ok_or_else(odd)?;
    let Some(path) = path.get(1..).and_then(|path| path.strip_prefix(prefix)) else {
        return Ok(None);
    };
    let mut fields = std::str::from_utf8(head).map_err(|_| odd())?.split(' ');
    let kind = fields.next().and_then(EntryKind::of_mode).ok_or_else(odd)?;
    let id = fields.nth(1).and_then(|id| ObjectId::from_hex(format, id)).ok_or_else(odd)?;
    Ok(Some(TreeEntry { path: String::from_utf8_lossy(path).into_owned(), kind, id }))
}

/// How git is called for one directory.
struct Git<'a> {
    program: &'a OsStr,
    dir: &'a Path,
    limit: Duration,
}

/// Where the directory is in its repository.
struct Place {
    format: ObjectFormat,
    shallow: bool,
    path: String,
    root: PathBuf,
}

/// `branch.NAME.remote`.
struct Upstream {
    branch: String,
    remote: String,
}

/// What a command answered.
struct Answer {
    status: ExitStatus,
    stdout: Vec<u8>,
    complaint: String,
}

impl Git<'_> {
    async fn place(&self) -> Result<Place, GitError> {
        let command = "rev-parse";
        let answer = self
            .run(&[
                command,
                "--is-shallow-repository",
                "--show-object-format",
                "--show-prefix",
                "--show-toplevel",
            ])
            .await?;
        if !answer.status.success() {
            return Err(self.refused(command, &answer.complaint));
        }
        let text = String::from_utf8(answer.stdout).map_err(|_| GitError::Name)?;
        let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(&text).split('\n').collect();
        // A line break in a directory's name makes more lines.
        let [shallow, format, prefix, root] = lines[..] else { return Err(GitError::Name) };
        let path = match prefix.trim_end_matches('/') {
            "" => ".",
            path => path,
        };
        Ok(Place {
            format: ObjectFormat::named(format)
                .ok_or(GitError::Malformed { command: command.into() })?,
            shallow: shallow == "true",
            path: path.to_owned(),
            root: root.into(),
        })
    }

    async fn head(&self, format: ObjectFormat) -> Result<String, GitError> {
        let command = "rev-parse";
        let answer = self.run(&[command, "--quiet", "--verify", "HEAD"]).await?;
        if answer.status.code() == Some(1) && answer.complaint.is_empty() {
            return Err(GitError::NoCommit);
        }
        let text = self.text(command, answer)?;
        let id = ObjectId::from_hex(format, text.trim_end());
        id.map(|id| id.to_string()).ok_or(GitError::Malformed { command: command.into() })
    }

    async fn branch(&self) -> Result<Option<String>, GitError> {
        let command = "symbolic-ref";
        let answer = self.run(&[command, "--quiet", "HEAD"]).await?;
        // With --quiet, 1 says that HEAD is detached.
        if answer.status.code() == Some(1) {
            return Ok(None);
        }
        let text = self.text(command, answer)?;
        Ok(Some(text.trim_end().to_owned()))
    }

    async fn remotes(&self) -> Result<(Vec<Remote>, Vec<Upstream>), GitError> {
        let command = "config";
        let pattern = r"^(remote\..*\.url|branch\..*\.remote)$";
        let answer = self.run(&[command, "--null", "--get-regexp", pattern]).await?;
        // 1 says that nothing matches.
        if answer.status.code() == Some(1) {
            return Ok((Vec::new(), Vec::new()));
        }
        let text = self.text(command, answer)?;
        let (mut remotes, mut upstreams) = (Vec::<Remote>::new(), Vec::new());
        for (key, value) in text.split('\0').filter_map(|entry| entry.split_once('\n')) {
            let between = |start, end| key.strip_prefix(start)?.strip_suffix(end);
            if let Some(name) = between("remote.", ".url") {
                // Git fetches from the first of several URLs.
                if !remotes.iter().any(|remote| remote.name == name) {
                    remotes.push(Remote { name: name.to_owned(), url: value.to_owned() });
                }
            } else if let Some(branch) = between("branch.", ".remote") {
                // Of several values the last one counts.
                let (branch, remote) = (branch.to_owned(), value.to_owned());
                upstreams.insert(0, Upstream { branch, remote });
            }
        }
        Ok((remotes, upstreams))
    }

    async fn committed(&self, commit: &str) -> Result<Option<Timestamp>, GitError> {
        let command = "cat-file";
        let answer = self.run(&[command, "commit", commit]).await?;
        if !answer.status.success() {
            return Err(self.refused(command, &answer.complaint));
        }
        // A message need not be UTF-8; the header's time is.
        let text = String::from_utf8_lossy(&answer.stdout);
        let committer = text
            .split('\n')
            .take_while(|line| !line.is_empty())
            .find_map(|line| line.strip_prefix("committer "));
        let seconds = committer.and_then(|line| line.rsplit(' ').nth(1)?.parse().ok());
        Ok(seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()))
    }

    async fn refs(&self, commit: &str) -> Result<Vec<String>, GitError> {
        let command = "for-each-ref";
        let at = format!("--points-at={commit}");
        let answer = self.run(&[command, "--format=%(refname)", &at]).await?;
        let text = self.text(command, answer)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The output of a command that succeeded.
    fn text(&self, command: &str, answer: Answer) -> Result<String, GitError> {
        match answer.status.success() {
            true => String::from_utf8(answer.stdout)
                .map_err(|_| GitError::Malformed { command: command.into() }),
            false => Err(self.refused(command, &answer.complaint)),
        }
    }

    /// Runs a command to its end, or kills it.
    async fn run(&self, arguments: &[&str]) -> Result<Answer, GitError> {
        let command = arguments.first().copied().unwrap_or_default();
        let mut child = self.spawn(arguments)?;
        let stdout = child.stdout.take();
        let complaint = complaint(child.stderr.take());
        let answer = async {
            let output = async {
                let mut output = Vec::new();
                if let Some(stdout) = stdout {
                    let read = stdout.take(MAX_OUTPUT + 1).read_to_end(&mut output).await;
                    read.map_err(|error| self.io(command, error))?;
                }
                match output.len() as u64 > MAX_OUTPUT {
                    true => Err(GitError::TooMuch { command: command.into() }),
                    false => Ok(output),
                }
            };
            let (stdout, complaint) = tokio::try_join!(output, async { Ok(complaint.await) })?;
            let status = child.wait().await.map_err(|error| self.io(command, error))?;
            Ok(Answer { status, stdout, complaint })
        };
        tokio::time::timeout(self.limit, answer).await.unwrap_or_else(|_| {
            Err(GitError::TimedOut { command: command.into(), limit: self.limit })
        })
    }

    /// Starts a command; it is killed when it is dropped.
    fn spawn(&self, arguments: &[&str]) -> Result<Child, GitError> {
        let mut command = Command::new(self.program);
        // Not the child's working directory: a `PATH` with `.` in it would
        // then find a `git` there.
        command.arg("-C").arg(self.dir).arg("--no-pager");
        for setting in CONFIGURATION {
            command.args(["-c", setting]);
        }
        for name in env::vars_os().map(|(name, _)| name).filter(|name| is_removed(name)) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(ENVIRONMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => GitError::Missing,
                _ => self.io(arguments.first().copied().unwrap_or_default(), error),
            })
    }

    fn io(&self, command: &str, source: io::Error) -> GitError {
        GitError::Io { command: command.into(), source }
    }

    /// What git's complaint means.
    fn refused(&self, command: &str, complaint: &str) -> GitError {
        let says = |part| complaint.contains(part);
        let dir = self.dir.to_path_buf();
        if says("dubious ownership") || says("unsafe repository") {
            GitError::Ownership { dir }
        } else if says("cannot use bare repository") || says("must be run in a work tree") {
            GitError::NoWorkTree { dir }
        } else if says("not a git repository") {
            GitError::NoRepository { dir }
        } else {
            GitError::Refused { command: command.into(), complaint: plain(complaint) }
        }
    }
}

/// Whether a variable of the environment is kept from git.
fn is_removed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return name.as_encoded_bytes().starts_with(b"GIT_") };
    let kept = KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|start| name.starts_with(start));
    name.starts_with("GIT_") && !kept
}

/// The beginning of what git says on stderr; the rest is read and dropped, so
/// that git does not wait for a reader.
async fn complaint(stderr: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut text = Vec::new();
    if (&mut stderr).take(MAX_COMPLAINT).read_to_end(&mut text).await.is_ok() {
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A complaint for a message: one line, short, without URLs that may carry
/// credentials.
fn plain(complaint: &str) -> String {
    let word = |word: &str| match word.contains("://") || word.contains('@') {
        true => "…".to_owned(),
        false => word.to_owned(),
    };
    let words: Vec<_> = complaint.split_whitespace().map(word).collect();
    brief(&words.join(" "))
}

/// Git could not say what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git.
    #[error("the program `git` was not found")]
    Missing,
    /// The directory is in no repository.
    #[error("`{}` is not in a git repository", dir.display())]
    NoRepository {
        /// The directory.
        dir: PathBuf,
    },
    /// The repository has no work tree, or the directory is git's own.
    #[error("`{}` is not in the work tree of a git repository, but in a bare one", dir.display())]
    NoWorkTree {
        /// The directory.
        dir: PathBuf,
    },
    /// The repository is somebody else's, and git refuses to read it.
    #[error("the git repository of `{}` belongs to another user", dir.display())]
    Ownership {
        /// The directory.
        dir: PathBuf,
    },
    /// Nothing was ever committed.
    #[error("the git repository has no commit yet")]
    NoCommit,
    /// A directory of the repository has a name that cannot be recorded.
    #[error("the path of the directory is not UTF-8, or has a line break in it")]
    Name,
    /// The time limit passed.
    #[error("`git {command}` did not end within {limit:?}")]
    TimedOut {
        /// Which command of git.
        command: String,
        /// The limit.
        limit: Duration,
    },
    /// More output than allowed.
    #[error("`git {command}` prints more than is read")]
    TooMuch {
        /// Which command of git.
        command: String,
    },
    /// Output that git does not document.
    #[error("`git {command}` printed something unexpected")]
    Malformed {
        /// Which command of git.
        command: String,
    },
    /// Git refused.
    #[error("`git {command}` failed: {complaint}")]
    Refused {
        /// Which command of git.
        command: String,
        /// What it said, cut short.
        complaint: String,
    },
    /// Git could not be run.
    #[error("cannot run `git {command}`")]
    Io {
        /// Which command of git.
        command: String,
        /// Why.
        source: io::Error,
    },
}

impl GitError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Ownership { dir } => format!(
                "if you trust it, run `git config --global --add safe.directory '{}'`",
                env::current_dir().map_or_else(|_| dir.clone(), |here| here.join(dir)).display()
            ),
            Self::TimedOut { .. } => {
                "is the disk slow, or the repository on a network? Try again, or give the repository \
                 with `--source URL` and what was built with `--revision`"
                    .into()
            }
            _ => "give the repository with `--source URL` and what was built with `--revision`"
                .into(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn entries_are_taken_apart() {
        let id = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        let parse = |line: &str, prefix: &str| {
            entry(line.as_bytes(), ObjectFormat::Sha1, prefix.as_bytes()).map_err(|_| ())
        };
        let found = parse(&format!("100755 blob {id}\tdeploy/a\tb\n.sh"), "deploy/").unwrap();
        let found = found.unwrap();
        assert_eq!((found.path.as_str(), found.kind), ("a\tb\n.sh", EntryKind::Executable));
        assert_eq!(found.id.to_string(), id);
        assert_eq!(parse(&format!("100644 blob {id}\tdeploy"), "deploy/"), Ok(None));
        for bad in ["", "100644 blob", "\ta", "040000 tree x\ta", "100644 blob 12\ta"] {
            assert_eq!(parse(bad, ""), Err(()), "{bad}");
        }
    }

    #[test]
    fn complaints_show_no_credentials() {
        let text = plain("fatal: could not read\x1b from https://u:s3cret@host/x\nor u:s3cret@h");
        assert_eq!(text, "fatal: could not read\\u{1b} from … or …");
    }

    #[test]
    fn only_what_names_the_users_configuration_reaches_git() {
        for removed in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_TRACE", "GIT_CONFIG"] {
            assert!(is_removed(removed.as_ref()), "{removed}");
        }
        for kept in ["PATH", "HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_KEY_0"] {
            assert!(!is_removed(kept.as_ref()), "{kept}");
        }
    }

    #[tokio::test]
    async fn a_missing_git_is_its_own_answer() {
        let git =
            Git { program: "/nonexistent/git".as_ref(), dir: "/".as_ref(), limit: TIME_LIMIT };
        assert!(matches!(git.branch().await, Err(GitError::Missing)));
    }

    #[tokio::test]
    async fn output_is_bounded_and_time_is_limited() {
        // Called as `sh -C FILE …`, where it runs the script FILE.
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        let git = |limit| Git { program: "sh".as_ref(), dir: &script, limit };
        std::fs::write(&script, "exec sleep 1000").unwrap();
        let slow = git(Duration::from_millis(200)).branch().await;
        assert!(matches!(slow, Err(GitError::TimedOut { .. })), "{slow:?}");
        std::fs::write(&script, "exec yes").unwrap();
        let much = git(TIME_LIMIT).branch().await;
        assert!(matches!(much, Err(GitError::TooMuch { .. })), "{much:?}");
        std::fs::write(&script, "yes | head -c 1000000 >&2; exit 3").unwrap();
        let loud = git(TIME_LIMIT).branch().await;
        assert!(matches!(loud, Err(GitError::Refused { .. })), "{loud:?}");
    }
}
