//! The program in a directory of its own, with nothing of the user's around it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The password of every encrypted test key.
pub const PASSWORD: &str = "correct-horse-8271";

/// A directory in which the program and git run.
pub struct Folder {
    dir: TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code().expect("an exit code"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }
}

/// Runs a command that reads `stdin`.
pub fn piped(mut command: Command, stdin: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    Run::of(child.wait_with_output().unwrap())
}

impl Folder {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The same surroundings everywhere.
    pub fn set<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("COSIGN_PASSWORD", PASSWORD)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
            .envs([("GIT_COMMITTER_NAME", "c"), ("GIT_COMMITTER_EMAIL", "c@example.com")])
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .stdin(Stdio::null())
    }

    /// Makes the directory a git repository, from nowhere but `origin`.
    pub fn init(&self, origin: &str) {
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["remote", "add", "origin", origin]);
    }

    /// Commits `config`.
    pub fn commit(&self) {
        self.git(&["add", "config"]);
        self.git(&["commit", "--quiet", "--message=m"]);
    }

    pub fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.args(arguments);
        assert!(self.set(&mut command).status().unwrap().success(), "git {arguments:?}");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        self.set(command.args(arguments));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    pub fn run_with(&self, arguments: &[&str], stdin: &str) -> Run {
        piped(self.command(arguments), stdin)
    }
}

/// The project's own directory.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Judges output by the schema of `name`.
#[track_caller]
pub fn keeps_to(name: &str, value: &Value) {
    let path = root().join(format!("schemas/{name}.schema.json"));
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let faults: Vec<String> = validator.iter_errors(value).map(|e| e.to_string()).collect();
    assert!(faults.is_empty(), "{name}: {faults:?}\n{value:#}");
    assert_eq!(value["schema"], format!("sluicegate.dev/{name}/v1"));
    for key in value.as_object().unwrap().keys() {
        assert!(schema["properties"].get(key).is_some(), "{name}: `{key}` is not in the schema");
    }
}
