//! Ctrl-C.

use std::{
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use super::Shop;
use crate::support::registry::{Config, Registry};

/// Stopped in the middle, nothing is moved, one line is said, and the program
/// ends at once.
#[test]
fn ctrl_c_ends_a_publish_before_the_tag() {
    let shop = Shop::new();
    let slow = Config { latency: Duration::from_millis(800), ..Config::default() };
    let registry = Registry::start(slow);
    let reference = format!("{}:1.0.0", registry.place("shop/config"));
    let mut child = shop
        .command(&["publish", "config", &reference, "--key", "a.key", "--lock", "off", "--quiet"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    while registry.log().count() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it asked anything");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let output = receiver.recv_timeout(Duration::from_secs(60)).expect("it ends");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: interrupted\n");
    assert_eq!(registry.tag("shop/config", "1.0.0"), None);
}
