//! A real registry that takes the tokens of a token service, and what it takes
//! to get one.

use sluicegate::{
    edge::{
        registry::{Login, Options, Registries},
        secret::Secret,
    },
    model::reference::Reference,
};

use super::*;
use crate::support::tokens::{Algorithm, Asked, Tokens};

const PUSH: &str = "repository:shop/config:pull,push";
const PULL: &str = "repository:shop/config:pull";

impl World {
    fn tokens(&self) -> &Tokens {
        self.registry.tokens.as_ref().expect("a token service")
    }

    /// The program under test, logged in by flags.
    fn logged_in(&self, arguments: &[&str], password: &str) -> Run {
        let login = ["--registry-username", LOGIN.0, "--registry-password-stdin"];
        Run::of(self.ours_command(&[arguments, &login].concat()), Some(password))
    }
}

fn asked(scope: &str, user: Option<&str>) -> Asked {
    Asked { scope: scope.into(), user: user.map(str::to_owned) }
}

fn publishing(reference: &str) -> [&str; 7] {
    ["publish", "work/shop", reference, "--key", "ci.key", "--lock", "off"]
}

fn world(algorithm: Algorithm) -> World {
    let world = World::new(Kind::Distribution, Access::Tokens(algorithm));
    world.shop();
    world.keygen("ci");
    world
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_token_for_each_access_and_no_more() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let world = world(algorithm);
        let place = world.oci("shop/config:1.4.0");
        world.logged_in(&publishing(&place), LOGIN.1).ok();
        let mut scopes: Vec<_> = world.tokens().asked();
        scopes.sort_by(|a, b| a.scope.cmp(&b.scope));
        assert_eq!(scopes, [asked(PULL, Some(LOGIN.0)), asked(PUSH, Some(LOGIN.0))]);
        world.logged_in(&["verify", &place, "--key", "ci.pub"], LOGIN.1).ok();
        assert_eq!(world.tokens().asked(), [asked(PULL, Some(LOGIN.0))]);
        // As `docker login` would have left it.
        world.crane(&["auth", "login", world.host(), "-u", LOGIN.0, "-p", LOGIN.1]).ok();
        world.ours(&["verify", &place, "--key", "ci.pub"]).ok();
        assert_eq!(world.tokens().asked(), [asked(PULL, Some(LOGIN.0))]);
        let again = world.ours(&[&publishing(&place)[..], &["-o", "json"]].concat()).json();
        assert_eq!(again["unchanged"], true);
        assert_eq!(world.tokens().asked(), [asked(PULL, Some(LOGIN.0))], "nothing to push");
    }
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn anybody_may_pull_what_is_public() {
    let world = world(Algorithm::Es256);
    let place = world.oci("public/config:1.4.0");
    world.logged_in(&publishing(&place), LOGIN.1).ok();
    world.tokens().asked();
    world.ours(&["verify", &place, "--key", "ci.pub"]).ok();
    assert_eq!(world.tokens().asked(), [asked("repository:public/config:pull", None)]);
    world.ours(&["pull", &place, "out", "--key", "ci.pub"]).ok();
    assert_eq!(files(&world.path("out")), packed_shop(&world));
    world.tokens().asked();

    // To push, nobody is somebody.
    world.change_shop("Welcome back");
    let other = world.oci("public/config:1.5.0");
    let refused = world.ours(&publishing(&other)).ends(3);
    refused.says("(401)").says("no credentials");
    let last = world.tokens().asked().pop();
    assert_eq!(last, Some(asked("repository:public/config:pull,push", None)));
    world.logged_in(&["verify", &other, "--key", "ci.pub"], LOGIN.1).ends(3).says("not found");
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_scope_that_is_refused_says_who_asked() {
    let world = world(Algorithm::Es256);
    // Nobody, at something private.
    let private = world.oci("shop/config:1.4.0");
    let nobody = world.ours(&["verify", &private, "--key", "ci.pub"]).ends(3);
    nobody.says("(401)").says("no credentials: none for");
    // Somebody, where they may only read.
    let readonly = world.oci("readonly/config:1.4.0");
    let refused = world.logged_in(&publishing(&readonly), LOGIN.1).ends(3);
    refused.says("(401)").says("the user name and password given for").hides(LOGIN.1);
    assert!(world.tokens().asked().len() <= 6);
    // Somebody with another password: the service is named.
    let wrong = world.logged_in(&publishing(&private), "wrong-secret").ends(3);
    let realm = format!("the token realm `{}` answered 401", world.tokens().realm());
    wrong.says(&realm).says("who is that?").hides("wrong-secret");
    world.logged_in(&["verify", &private, "--key", "ci.pub"], LOGIN.1).ends(3).says("not found");
}

/// The registry says when a token has expired, whatever its service said.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_token_that_has_expired_is_replaced() {
    let world = world(Algorithm::Es256);
    let place = world.oci("shop/config:1.4.0");
    world.logged_in(&publishing(&place), LOGIN.1).ok();
    world.tokens().asked();
    let reference: Reference = place.parse().unwrap();
    let login = Login {
        host: world.host().to_owned(),
        username: LOGIN.0.to_owned(),
        password: Secret::new(LOGIN.1),
    };
    let registries = Registries::new(Options { login: Some(login), ..Options::default() }).unwrap();
    let store = registries.open(&reference.place).unwrap();
    let tag = reference.tag.unwrap();
    let resolve = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(store.resolve(&tag)).map(|found| found.is_some())
    };
    // It is good for ten seconds: those left of the minute that is forgiven.
    world.tokens().lifetime(-50);
    assert!(resolve().unwrap() && resolve().unwrap());
    assert_eq!(world.tokens().asked(), [asked(PULL, Some(LOGIN.0))]);
    std::thread::sleep(Duration::from_secs(12));
    assert!(resolve().unwrap());
    assert_eq!(world.tokens().asked(), [asked(PULL, Some(LOGIN.0))]);

    // A service whose clock is wrong: an answer, and no circle.
    world.tokens().lifetime(-3600);
    let verify = ["verify", &place, "--key", "ci.pub"];
    world.logged_in(&verify, LOGIN.1).ends(3).says("(401)").hides(LOGIN.1);
    assert!(world.tokens().asked().len() <= 2);
}
