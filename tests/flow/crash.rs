//! A publish that ends at any of its requests leaves no tag at a digest that
//! does not verify, and the next one completes it.
//!
//! Every request is tried inside this process, where the future is dropped and
//! nothing that arrives later is handled: for the registry the same as a process
//! that died. That a real process leaves nothing else behind is then shown by
//! killing the program: at a sample of them, and at every one in the long run.

use std::{
    process::{Child, Stdio},
    sync::Mutex,
};

use tokio::sync::oneshot;

use super::*;
use crate::support::registry::Act;

/// A publish makes no more requests than this.
const ENOUGH: usize = 100;

/// Publishes, and dies when request `n` arrives, or when it was handled; `false`
/// when it was done before.
async fn dies(world: &World, n: usize, handled: bool) -> bool {
    let (tell, told) = oneshot::channel();
    let (mut tell, mut count) = (Some(tell), 0);
    world.registry.before_each(move |_| {
        count += 1;
        match (count - 1).cmp(&n) {
            std::cmp::Ordering::Less => Act::Continue,
            std::cmp::Ordering::Equal => {
                let _gone = tell.take().unwrap().send(());
                if handled { Act::AbortAfter } else { Act::Abort }
            }
            std::cmp::Ordering::Greater => Act::Abort,
        }
    });
    let died = tokio::select! {
        biased;
        Ok(()) = told => true,
        done = world.publish_with(tags) => done.map(|_| false).unwrap(),
    };
    world.registry.before_each(|_| Act::Continue);
    died
}

fn tags(request: &mut Request) {
    request.tags.push(tag("production"));
}

/// Every tag that anybody follows points at something that verifies.
async fn follow_only_verified(world: &World, when: &str) {
    for (name, digest) in world.registry.tags(REPOSITORY) {
        if !name.starts_with("sha256-") {
            let verdict = world.verdict(&world.at_digest(&digest)).await;
            assert_eq!(verdict, "accepted", "{when}: `{name}` points at `{digest}`");
        }
    }
}

async fn completes(world: &World, n: usize, when: &str) {
    let outcome = world.publish_with(tags).await.unwrap_or_else(|e| panic!("{when}: {e:?}"));
    for name in ["1.4.0", "production"] {
        assert_eq!(world.tag(name), Some(outcome.digest), "{when}");
    }
    assert_eq!(world.verdict(&world.at(":1.4.0")).await, "accepted", "{when}");
    // Not each time: it takes as long as all the rest.
    if n.is_multiple_of(5) {
        assert!(world.publish_with(tags).await.unwrap().unchanged, "{when}: nothing is missing");
    }
}

/// `production` points at an older artifact that verifies.
async fn with_older(config: &Config) -> World {
    let world = World::new(config.clone());
    world.write("older");
    let older = world.publish_with(|request| request.tags = vec![tag("production")]).await.unwrap();
    assert_eq!(world.tag("production"), Some(older.digest));
    world.write("newer");
    world
}

async fn every_request(config: Config, handled: bool, older: bool) {
    for n in 0..ENOUGH {
        let world = match older {
            true => with_older(&config).await,
            false => World::new(config.clone()),
        };
        let when = format!("died at request {n}, handled: {handled}, older: {older}");
        if !dies(&world, n, handled).await {
            assert!(n > 30, "only {n} requests");
            return;
        }
        follow_only_verified(&world, &when).await;
        completes(&world, n, &when).await;
    }
    panic!("more than {ENOUGH} requests");
}

#[tokio::test]
async fn hostile_registry_a_publish_dies_before_each_request() {
    every_request(Config::default(), false, true).await;
}

#[tokio::test]
async fn hostile_registry_a_publish_dies_after_each_request() {
    every_request(Config::default(), true, false).await;
}

#[tokio::test]
async fn hostile_registry_a_publish_dies_before_each_request_without_referrers() {
    every_request(Config::old(), false, false).await;
}

#[tokio::test]
async fn hostile_registry_a_publish_dies_after_each_request_without_referrers() {
    every_request(Config::old(), true, true).await;
}

/// Runs the program, and kills it (-9) when request `n` arrives; whether it was
/// killed.
fn killed(world: &World, n: usize, handled: bool) -> bool {
    let child: Arc<Mutex<Option<Child>>> = Arc::default();
    let (mut count, victim) = (0, Arc::clone(&child));
    let mut held = child.lock().unwrap();
    world.registry.before_each(move |_| {
        count += 1;
        if count - 1 < n {
            return Act::Continue;
        }
        if count - 1 == n {
            victim.lock().unwrap().as_mut().unwrap().kill().unwrap();
        }
        if handled && count - 1 == n { Act::AbortAfter } else { Act::Abort }
    });
    let mut command = program();
    command.arg("publish").arg(world.bundle()).arg(world.at(":1.4.0").to_string());
    command.args(["--tag", "production", "--lock", "off", "--source", SOURCE]);
    command.args(["--revision", REVISION, "--key"]).arg(&world.alice.file);
    *held = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    drop(held);
    let status = loop {
        if let Some(status) = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    world.registry.before_each(|_| Act::Continue);
    assert!(status.success() || status.code().is_none(), "{status}");
    !status.success()
}

/// Kills the program at each of these requests: before and after the registry
/// handles it, in turn, the first time as `handled` says.
async fn killed_at(config: Config, requests: impl Iterator<Item = usize>, mut handled: bool) {
    for n in requests {
        let world = with_older(&config).await;
        let when = format!("killed at request {n}, handled: {handled}");
        if !killed(&world, n, handled) {
            assert!(n > 30, "only {n} requests");
            return;
        }
        follow_only_verified(&world, &when).await;
        completes(&world, n, &when).await;
        handled = !handled;
    }
    unreachable!("a publish makes fewer than {ENOUGH} requests");
}

#[tokio::test]
async fn hostile_registry_the_program_is_killed() {
    killed_at(Config::default(), (1..ENOUGH).step_by(5), true).await;
}

#[tokio::test]
async fn hostile_registry_the_program_is_killed_without_referrers() {
    killed_at(Config::old(), (3..ENOUGH).step_by(5), true).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn hostile_registry_the_program_is_killed_at_every_request() {
    killed_at(Config::default(), 0..ENOUGH, true).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn hostile_registry_the_program_is_killed_at_every_other_moment() {
    killed_at(Config::default(), 0..ENOUGH, false).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn hostile_registry_the_program_is_killed_at_every_request_without_referrers() {
    killed_at(Config::old(), 0..ENOUGH, true).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn hostile_registry_the_program_is_killed_at_every_other_moment_without_referrers() {
    killed_at(Config::old(), 0..ENOUGH, false).await;
}
