//! What a terminal shows, and how it is left: a real one, the other end of
//! which is held here.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

use super::{PASSWORD, Shop};
use crate::support::registry::{Config, Registry};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A terminal, and what was written to it so far.
struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    device: File,
}

impl Terminal {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(name)
            .unwrap();
        let keyboard = File::from(master);
        let (mut output, screen) =
            (keyboard.try_clone().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                shown.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self { keyboard, screen, device }
    }

    /// Starts a program on it; its results go elsewhere.
    fn start(&self, command: &mut Command) -> Child {
        let device = || self.device.try_clone().unwrap();
        command.stdin(device()).stderr(device()).stdout(Stdio::null()).spawn().unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, wanted: &str, times: usize) {
        let start = Instant::now();
        while self.text().matches(wanted).count() < times {
            assert!(start.elapsed() < LIMIT, "no {times} × {wanted:?} in {:?}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Whether it shows what is typed.
    fn echoes(&self) -> bool {
        tcgetattr(&self.device).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

/// Publishes to a slow registry; what stands on the terminal in the end.
fn published(variables: &[(&str, &str)], more: &[&str]) -> String {
    let shop = Shop::new();
    let latency = Duration::from_millis(300);
    let registry = Registry::start(Config { latency, ..Config::default() });
    let reference = format!("{}:1.0.0", registry.place("shop/config"));
    let publish = ["publish", "config", &reference, "--key", "a.key", "--lock", "off"];
    let terminal = Terminal::new();
    let mut command = shop.command(&[&publish[..], more].concat());
    command.env("TERM", "xterm").envs(variables.iter().copied());
    assert!(terminal.start(&mut command).wait().unwrap().success(), "{}", terminal.text());
    // What was written last may still be on its way.
    std::thread::sleep(Duration::from_millis(100));
    terminal.text()
}

#[test]
fn a_step_is_a_line_that_vanishes() {
    let text = published(&[], &[]);
    assert!(text.contains("looking at what is there"), "{text:?}");
    assert!(!text.contains('…') && !text.contains("\u{1b}[3"), "{text:?}");
    let last = text.rsplit("\u{1b}[2K").next().unwrap();
    assert!(last.trim().is_empty(), "what is left: {last:?}");
}

#[test]
fn no_color_draws_without_colour() {
    let text = published(&[("NO_COLOR", "1")], &[]);
    assert!(text.contains("looking at what is there") && !text.contains("\u{1b}[3"), "{text:?}");
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let text = published(&[("TERM", "dumb")], &[]);
    assert!(text.contains("looking at what is there …\r\n"), "{text:?}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn quiet_shows_nothing() {
    assert_eq!(published(&[], &["--quiet"]), "");
}

#[test]
fn requests_are_told_above_the_line() {
    let text = published(&[], &["--verbose"]);
    for line in text.split("\r\n").filter(|line| line.contains(" → ")) {
        let told = line.rsplit(['\r', 'K']).next().unwrap();
        assert!(
            ["GET ", "HEAD ", "PUT ", "POST "].iter().any(|verb| told.starts_with(verb)),
            "{line:?}"
        );
    }
    assert!(text.matches(" → 201 ").count() > 3, "{text:?}");
}

fn sign(shop: &Shop) -> Command {
    let mut command = shop.command(&["sign", super::ARTIFACT, "--key", "b.key"]);
    command.env_remove("COSIGN_PASSWORD").env("TERM", "xterm");
    command
}

const QUESTION: &str = "password for `b.key`: ";

#[test]
fn a_password_is_asked_for_three_times_and_never_shown() {
    let shop = Shop::published();
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&mut sign(&shop));
    for attempt in 1..=3 {
        terminal.wait_for(QUESTION, attempt);
        assert!(!terminal.echoes());
        terminal.type_in("not-the-password\n");
    }
    assert_eq!(child.wait().unwrap().code(), Some(2));
    terminal.wait_for("hint: ", 1);
    let text = terminal.text();
    assert_eq!(text.matches("does not open `b.key`; try again").count(), 2, "{text:?}");
    assert!(text.contains("error: the password does not open `b.key`"), "{text:?}");
    assert!(!text.contains("not-the"), "{text:?}");
    assert!(terminal.echoes());
}

#[test]
fn a_second_attempt_may_be_right() {
    let shop = Shop::published();
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&mut sign(&shop));
    terminal.wait_for(QUESTION, 1);
    terminal.type_in("wrong\n");
    terminal.wait_for(QUESTION, 2);
    terminal.type_in(&format!("{PASSWORD}\n"));
    assert!(child.wait().unwrap().success(), "{}", terminal.text());
    assert!(!terminal.text().contains(PASSWORD) && terminal.echoes());
}

/// A closed terminal is no empty password.
#[test]
fn an_end_of_input_is_no_password() {
    let shop = Shop::published();
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&mut sign(&shop));
    terminal.wait_for(QUESTION, 1);
    terminal.type_in("\u{4}");
    assert_eq!(child.wait().unwrap().code(), Some(2));
    terminal.wait_for("there is no password", 1);
}

/// The shell that comes back must show again what is typed.
#[test]
fn being_stopped_at_a_question_leaves_the_terminal_as_it_was() {
    let shop = Shop::published();
    for signal in ["-INT", "-TERM"] {
        for mut command in [sign(&shop), {
            let mut keygen = shop.command(&["keygen", "--output-key-prefix", "new"]);
            keygen.env_remove("COSIGN_PASSWORD");
            keygen
        }] {
            let terminal = Terminal::new();
            let mut child = terminal.start(&mut command);
            terminal.wait_for("password for ", 1);
            assert!(!terminal.echoes());
            let (pid, start) = (child.id().to_string(), Instant::now());
            assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
            assert_eq!(child.wait().unwrap().code(), Some(3));
            assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
            assert!(terminal.echoes(), "{signal}");
            terminal.wait_for("error: interrupted", 1);
        }
    }
    assert!(!shop.path("new.key").exists());
}

/// A password typed in vain is one too many.
#[test]
fn nothing_is_asked_when_something_else_is_wrong() {
    let shop = Shop::published();
    shop.write("config/bad.yaml", "kind: X\n  a: b\n");
    shop.write("full/x", "x");
    let key = ["--key", "b.key", "--lock", "off"];
    for arguments in [
        [&["publish", "config", super::ARTIFACT][..], &key].concat(),
        [&["publish", "config", "oci-layout:full:1"][..], &key].concat(),
        [&["publish", "nowhere", super::ARTIFACT][..], &key].concat(),
        [&["publish", "full", super::ARTIFACT][..], &key].concat(),
        [&["publish", "config", super::ARTIFACT, "--key", "nope"][..], &key].concat(),
        vec!["sign", super::ARTIFACT, "--key", "b.key", "--ca-file", "nope"],
        vec![
            "attest",
            super::ARTIFACT,
            "--type",
            "https://x.example/t",
            "--predicate",
            "nope",
            "--key",
            "b.key",
        ],
        vec!["keygen", "--output-key-prefix", "a"],
        vec!["keygen", "--output-key-prefix", "nowhere/a"],
    ] {
        let terminal = Terminal::new();
        let mut command = shop.command(&arguments);
        let code = terminal.start(command.env_remove("COSIGN_PASSWORD")).wait().unwrap().code();
        assert_eq!(code, Some(2), "{arguments:?}: {}", terminal.text());
        assert!(!terminal.text().contains("password for "), "{arguments:?}: {}", terminal.text());
    }
}
