//! Signals: Ctrl-C, the end of a CI job, a terminal that was closed. Nothing is
//! left behind, and nothing has moved.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{ARTIFACT, Shop};
use crate::support::registry::{BodyFault, Config, Registry, Route};

const SIGNALS: [&str; 3] = ["-INT", "-TERM", "-HUP"];

/// Sends a signal and waits for the end: exit code 3 and one line.
#[track_caller]
fn stopped(mut child: Child, signal: &str, limit: Duration) {
    assert!(child.try_wait().unwrap().is_none(), "{signal}: it ended by itself");
    // Its end would be an answer.
    let _held = child.stdin.take();
    let (pid, start) = (child.id().to_string(), Instant::now());
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let output = receiver.recv_timeout(Duration::from_secs(60)).expect("it ends");
    assert_eq!(output.status.code(), Some(3), "{signal}: {:?}", output.status.signal());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: interrupted\n", "{signal}");
    assert!(start.elapsed() < limit, "{signal}: it took {:?}", start.elapsed());
}

/// Starts a command that heeds signals, even where whoever runs the tests ignores
/// them and so would every child.
fn start(command: &Command) -> Child {
    let mut fresh = Command::new("env");
    fresh.arg("--default-signal=INT,TERM,HUP").arg(command.get_program()).args(command.get_args());
    fresh.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    fresh.current_dir(command.get_current_dir().unwrap());
    fresh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a name that starts with `prefix` is in `dir`.
#[track_caller]
fn appears(dir: &Path, prefix: &str) {
    let start = Instant::now();
    let there = || {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.into_iter().any(|name| name.to_string_lossy().starts_with(prefix))
    };
    while !there() {
        assert!(start.elapsed() < Duration::from_secs(60), "no `{prefix}` in {}", dir.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

/// The layer is a file in `TMPDIR` while it is packed.
#[test]
fn a_publish_that_packs_leaves_no_layer() {
    let shop = Shop::new();
    // Text that costs time: about a second.
    let mut state = 1_u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:x} ", state >> 20)
    };
    for n in 0..6 {
        let text: String = (0..500_000).map(|_| word()).collect();
        shop.write(&format!("config/{n}.txt"), &text);
    }
    shop.commit();
    let temp = shop.path("tmp");
    fs::create_dir(&temp).unwrap();
    for signal in SIGNALS {
        let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off", "-q"];
        let child = start(shop.command(&publish).env("TMPDIR", &temp));
        appears(&temp, "sluicegate-");
        stopped(child, signal, Duration::from_secs(10));
        assert_eq!(count(&temp), 0, "{signal}");
        assert!(!shop.path("registry").exists(), "{signal}");
    }
}

/// What is extracted is staged beside the target, or in it when it is there.
#[test]
fn a_pull_leaves_nothing() {
    let shop = Shop::new();
    let registry = Registry::start(Config::default());
    let reference = format!("{}:1.0.0", registry.place("shop/config"));
    let publish = ["publish", "config", &reference, "--key", "a.key", "--lock", "off"];
    shop.run(&publish).ok();
    // The layer does not come to its end.
    registry.faults(|faults| faults.bodies = vec![(Route::Blob, BodyFault::Dripping)]);
    fs::create_dir(shop.path("here")).unwrap();
    fs::create_dir_all(shop.path("beside")).unwrap();
    let pull = ["pull", &reference, "beside/out", "--unsafe-skip-verification", "-q"];
    for signal in SIGNALS {
        for (target, dir) in [("beside/out", "beside"), ("here", "here")] {
            let mut arguments = pull;
            arguments[2] = target;
            let child = start(&shop.command(&arguments));
            appears(&shop.path(dir), ".sluicegate-");
            stopped(child, signal, Duration::from_secs(5));
            assert_eq!(count(&shop.path(dir)), 0, "{signal}: {target}");
        }
    }
}

/// Who waits for a pipe hears signals as well.
#[test]
fn waiting_for_standard_input_can_be_stopped() {
    let shop = Shop::published();
    let login = ["--registry-username", "u", "--registry-password-stdin"];
    for arguments in [
        &["check", "-", "--name", "x.yaml"][..],
        &["sign", ARTIFACT, "--key", "b.key", "--key-password-stdin"],
        &["keygen", "--output-key-prefix", "new", "--key-password-stdin"],
        &["attest", ARTIFACT, "--type", "https://x.example", "--predicate", "-", "--key", "b.key"],
        &[&["inspect", "oci://127.0.0.1:1/x:1"][..], &login].concat(),
    ] {
        let child = start(shop.command(arguments).stdin(Stdio::piped()));
        std::thread::sleep(Duration::from_millis(400));
        stopped(child, "-TERM", Duration::from_secs(2));
    }
    assert!(!shop.path("new.key").exists());
}

/// `nohup` is there to survive.
#[test]
fn a_hangup_is_ignored_where_it_was_before() {
    let shop = Shop::new();
    let registry =
        Registry::start(Config { latency: Duration::from_millis(300), ..Config::default() });
    let reference = format!("{}:1.0.0", registry.place("shop/config"));
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(["publish", "config", &reference, "--key", "a.key", "--lock", "off", "-q"]);
    let child = start(shop.set(&mut command));
    while registry.log().count() == 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(registry.tag("shop/config", "1.0.0").is_some());
}

/// Stopped in the middle, nothing is moved, one line is said, and the program
/// ends at once.
#[test]
fn a_publish_ends_before_the_tag() {
    let shop = Shop::new();
    for signal in SIGNALS {
        let slow = Config { latency: Duration::from_millis(800), ..Config::default() };
        let registry = Registry::start(slow);
        let reference = format!("{}:1.0.0", registry.place("shop/config"));
        let publish = ["publish", "config", &reference, "--key", "a.key", "--lock", "off", "-q"];
        let child = start(&shop.command(&publish));
        while registry.log().count() == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        stopped(child, signal, Duration::from_secs(10));
        assert_eq!(registry.tag("shop/config", "1.0.0"), None);
    }
}
