//! One run of a program, and what a test may ask about it.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A program that ended.
pub struct Run {
    what: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    /// Runs to the end, with `input` on standard input.
    pub fn of(mut command: Command, input: Option<&str>) -> Self {
        let what = format!("{command:?}");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        if let Some(input) = input {
            let mut stdin = child.stdin.take().expect("a pipe");
            stdin.write_all(input.as_bytes()).expect("standard input is read");
        }
        Self::ended(what, child.wait_with_output().expect("an end"))
    }

    /// Runs all of them at the same time.
    pub fn together(commands: Vec<Command>) -> Vec<Self> {
        let started: Vec<_> = commands
            .into_iter()
            .map(|mut command| {
                let what = format!("{command:?}");
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                (what, command.spawn().expect("a process"))
            })
            .collect();
        let ended = |(what, child): (_, std::process::Child)| {
            Self::ended(what, child.wait_with_output().expect("an end"))
        };
        started.into_iter().map(ended).collect()
    }

    fn ended(what: String, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Self { what, code: output.status.code(), stdout, stderr }
    }

    fn show(&self) -> String {
        format!(
            "{}\nexit code {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.what, self.code, self.stdout, self.stderr
        )
    }

    /// It succeeded; what it printed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.show());
        self.stdout
    }

    /// It succeeded and printed JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let shown = self.show();
        serde_json::from_str(&self.ok()).unwrap_or_else(|error| panic!("{error}: {shown}"))
    }

    /// It ended with this code, whatever it printed.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.show());
        self
    }

    /// It said this on stderr.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "expected `{text}`: {}", self.show());
        self
    }

    /// It said this nowhere.
    #[track_caller]
    pub fn hides(self, text: &str) -> Self {
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!said, "expected no `{text}`: {}", self.show());
        self
    }

    /// What it printed, as JSON, however it ended.
    #[track_caller]
    pub fn printed(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.show()))
    }

    /// Whether it succeeded.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }
}
