//! Who may import whom: one package, so the compiler does not keep the rings
//! apart; this test does.
//!
//! It reads every file of `src/` with `syn` and judges each `use` and each path
//! in code (also inside macros) that starts with `crate`, `self` or `super`
//! against the rules of the map in `src/lib.rs`. Documentation may link
//! anywhere. The checker is itself tested, on snippets that are wrong.

use std::{
    fs,
    path::{Path, PathBuf},
};

use syn::{
    ItemMod, ItemUse, Macro, Signature, UseTree, Visibility,
    buffer::{Cursor, TokenBuffer},
    visit::{self, Visit},
};

/// The rings, inner ones first.
const RINGS: [&str; 6] = ["model", "api", "edge", "flow", "cli", "controller"];

/// The modules of `model` in the order of the data flow: each imports only
/// those before it.
const MODEL: [&str; 12] = [
    "text",
    "digest",
    "reference",
    "uris",
    "source",
    "bundle",
    "artifact",
    "statement",
    "evidence",
    "policy",
    "promotion",
    "record",
];

/// The edges that the other edges may use.
const SHARED_EDGES: [&str; 3] = ["clock", "scratch", "secret"];

/// The modules of a door that make edges, for the flows to use.
const CONTEXT: [&str; 2] = ["context", "keys"];

/// The rings that know no world outside.
const PURE: [&str; 2] = ["model", "api"];

/// What reaches outside the process; none of it belongs into [`PURE`].
const OUTSIDE: [&str; 12] = [
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "clap",
    "console",
    "futures",
    "indicatif",
    "reqwest",
    "rustls",
    "tempfile",
    "tokio",
];

#[test]
fn imports_follow_the_rings() {
    let files = sources();
    let found: Vec<String> = files.iter().flat_map(|(path, text)| judge(path, text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    let modules = files.iter().filter(|(path, _)| path.starts_with("model")).count();
    assert!(modules > 10, "only {modules} files of `model` were read: is this the source tree?");
}

/// But tests, which are about the file that names them.
#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(path, text)| !path.ends_with("tests.rs") && !text.starts_with("//! "))
        .map(|(path, _)| format!("src/{}: the first line is no `//!` header", path.display()))
        .collect();
    assert!(silent.is_empty(), "\n{}\n", silent.join("\n"));
}

#[test]
fn model_and_api_deny_io() {
    for ring in PURE {
        let module = fs::read_to_string(root().join(format!("src/{ring}/mod.rs"))).expect("read");
        assert!(
            module.contains("#![deny(clippy::disallowed_methods, clippy::disallowed_types)]"),
            "src/{ring}/mod.rs no longer denies what .clippy.toml lists"
        );
    }
    let listed = fs::read_to_string(root().join(".clippy.toml")).expect("read");
    for path in ["std::fs::read", "std::env::var", "std::time::SystemTime", "tokio::fs::read"] {
        assert!(listed.contains(&format!("\"{path}\"")), ".clippy.toml does not list `{path}`");
    }
}

/// Snippets, the file each is in, and a part of what must be said about it.
#[test]
fn the_checker_finds_what_is_wrong() {
    let wrong = [
        ("model/digest.rs", "use crate::model::policy::Verdict;", "comes later"),
        ("model/digest.rs", "use super::policy::Verdict;", "comes later"),
        ("model/bundle/need.rs", "use super::super::artifact::media;", "comes later"),
        ("model/bundle/need.rs", "fn f() { crate::model::artifact::media::f(); }", "comes later"),
        ("model/bundle/mod.rs", "use super::{digest::Digest, statement as s};", "comes later"),
        ("model/bundle.rs", "mod tests { use super::super::policy::X; }", "comes later"),
        ("model/source.rs", "use crate::edge::git;", "`model` imports only `model`"),
        ("model/source.rs", "fn f(x: crate::edge::git::Git) {}", "`model` imports only `model`"),
        ("model/source.rs", "impl crate::flow::T for X {}", "`model` imports only `model`"),
        ("model/source.rs", "fn f() { assert!(crate::cli::x()); }", "`model` imports only `model`"),
        (
            "model/source.rs",
            "fn f() { vec![Some(crate::cli::X)]; }",
            "`model` imports only `model`",
        ),
        ("model/source.rs", "use crate::model::surprise::X;", "has no place in the order"),
        ("model/source.rs", "use crate::model;", "names a whole ring"),
        ("model/source.rs", "use crate::model::{self, digest};", "names a whole ring"),
        ("model/source.rs", "use crate::*;", "names a whole ring"),
        ("model/source.rs", "use crate as all;", "names a whole ring"),
        ("model/source.rs", "use super::*;", "names a whole ring"),
        ("model/source.rs", "use crate::Digest;", "is in no ring"),
        ("model/source.rs", "async fn f() {}", "is async"),
        ("model/source.rs", "trait T { async fn f(&self); }", "is async"),
        ("model/source.rs", "fn f() { async { 1 }; }", "is async"),
        ("model/source.rs", "use std::fs::File;", "reaches outside"),
        ("model/source.rs", "use std::{fmt, env};", "reaches outside"),
        ("model/source.rs", "fn f() { ::std::process::exit(1); }", "reaches outside"),
        ("model/source.rs", "use tokio::sync::Mutex;", "reaches outside"),
        ("model/uris.rs", "use crate::model::source::Source;", "comes later"),
        ("edge/git.rs", "use crate::edge::files::X;", "edges do not know each other"),
        ("edge/registry/http.rs", "use super::super::git::X;", "edges do not know each other"),
        ("edge/git.rs", "use crate::flow::publish;", "`edge` imports only"),
        ("flow/publish.rs", "use crate::cli::output;", "`flow` imports only"),
        ("flow/publish/mod.rs", "pub use crate::edge::git::Git;", "passes on"),
        ("api/gate.rs", "use crate::edge::git::Git;", "`api` imports only"),
        ("api/gate.rs", "use crate::flow::verify;", "`api` imports only"),
        ("api/gate.rs", "use std::fs::File;", "reaches outside"),
        ("api/gate.rs", "async fn f() {}", "is async"),
        ("model/source.rs", "use crate::api::gate::Gate;", "`model` imports only"),
        ("cli/publish.rs", "use crate::edge::git::Git;", "only `cli::context`"),
        ("cli/publish.rs", "use crate::controller::x::Y;", "`cli` imports only"),
        ("lib.rs", "pub use model::digest::Digest;", "declares modules"),
        ("lib.rs", "use crate::edge::git::Git;", "declares modules"),
        ("main.rs", "use sluicegate::flow::publish;", "`main` imports only"),
    ];
    for (file, source, part) in wrong {
        let said = judge(Path::new(file), source);
        assert!(said.iter().any(|line| line.contains(part)), "{file}: {source}\n{said:?}");
    }
}

/// Snippets that the rules allow.
#[test]
fn the_checker_lets_what_is_right_pass() {
    let right = [
        ("model/policy/mod.rs", "use crate::model::{digest::Digest, uris::BUILD_TYPE};"),
        ("model/digest.rs", "mod tests { use super::*; }"),
        ("model/source.rs", "use crate::model::uris; use std::{fmt, io::Read};"),
        ("model/source.rs", "/// See [`crate::edge::git`].\nfn f() -> Vec<Self> { Self::new() }"),
        ("model/bundle/need.rs", "use super::{object::ObjectId, path::RelPath};"),
        ("model/bundle/mod.rs", "pub(crate) fn f() {} pub(in crate::model) fn g() {}"),
        ("edge/git.rs", "use crate::edge::{clock, secret::Secret}; use crate::model::source::X;"),
        ("edge/registry/http.rs", "use super::{auth::X, error::Y}; use crate::edge::registry::Z;"),
        ("edge/registry/mod.rs", "pub use error::Fault; use self::http::Http;"),
        ("flow/verify.rs", "use crate::{edge::registry::Store, flow::discover, model::digest::D};"),
        ("cli/context.rs", "use crate::edge::registry::Store;"),
        ("api/gate.rs", "use crate::model::policy::Policy; use super::trust_policy::code;"),
        ("edge/git.rs", "use crate::api::gate::Gate;"),
        ("cli/verify.rs", "use crate::{cli::output, flow::verify, model::digest::Digest};"),
        ("main.rs", "use sluicegate::cli; fn main() { cli::run(); }"),
        ("lib.rs", "pub mod model;"),
    ];
    for (file, source) in right {
        let said = judge(Path::new(file), source);
        assert!(said.is_empty(), "{file}: {source}\n{said:?}");
    }
}

/// What is wrong with one file; `path` is below `src/`.
fn judge(path: &Path, text: &str) -> Vec<String> {
    let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = Reader { module: module_of(path), imports: Vec::new(), found: Vec::new() };
    reader.visit_file(&file);
    let imports = std::mem::take(&mut reader.imports);
    reader.found.extend(imports.iter().filter_map(Import::fault));
    reader.found.iter().map(|fault| format!("src/{}: {fault}", path.display())).collect()
}

/// One path that code names, resolved against the module it stands in.
struct Import {
    /// The module that names it, without `crate`.
    from: Vec<String>,
    /// What it names, without `crate`; a foreign crate is the first component.
    to: Vec<String>,
    /// Where it comes from.
    kind: Kind,
}

/// How a path was written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// In a `use`.
    Use,
    /// In a `use` with a visibility: passed on to others.
    PubUse,
    /// In code.
    Code,
    /// Of another crate.
    Foreign,
}

impl Import {
    /// Why the import is wrong, if it is.
    fn fault(&self) -> Option<String> {
        let to = self.to.join("::");
        let from = self.from.first().map_or("lib", String::as_str);
        if self.kind == Kind::Foreign {
            let named = |entry: &&str| to == *entry || to.starts_with(&format!("{entry}::"));
            let outside = PURE.contains(&from) && OUTSIDE.iter().any(named);
            return outside.then(|| format!("`{to}` reaches outside; it belongs into an edge"));
        }
        let used = matches!(self.kind, Kind::Use | Kind::PubUse);
        let ring = match self.to.first().map(String::as_str) {
            None if used => return Some("`use` names a whole ring; name a module of it".into()),
            None => return None,
            Some(ring) if RINGS.contains(&ring) => ring,
            Some(_) => return Some(format!("`{to}` is in no ring: {}", RINGS.join(", "))),
        };
        if from == "lib" {
            return Some(format!("`{to}`: lib.rs declares modules and imports nothing"));
        }
        if used && self.to.len() == 1 && from != "main" {
            return Some(format!("`use crate::{to}` names a whole ring; name a module of it"));
        }
        if self.kind == Kind::PubUse && ring != from {
            return Some(format!("`pub use crate::{to}` passes on what belongs to another ring"));
        }
        self.fault_between(from, ring, &to)
    }

    /// Why a module of the ring `from` may not name `to` of `ring`.
    fn fault_between(&self, from: &str, ring: &str, to: &str) -> Option<String> {
        let allowed: &[&str] = match from {
            "model" => &["model"],
            "api" => &["model", "api"],
            "edge" => &["model", "api", "edge"],
            "flow" => &["model", "api", "edge", "flow"],
            "cli" => &["model", "api", "edge", "flow", "cli"],
            "controller" => &["model", "api", "edge", "flow", "controller"],
            "main" => &["cli", "controller"],
            other => return Some(format!("`{other}` is in no ring: {}", RINGS.join(", "))),
        };
        if !allowed.contains(&ring) {
            return Some(format!("`{to}`: `{from}` imports only `{}`", allowed.join("`, `")));
        }
        match (from, ring) {
            ("model", _) => self.fault_in_model(to),
            ("edge", "edge") => self.fault_between_edges(to),
            ("cli" | "controller", "edge") => {
                let context = |module: &String| CONTEXT.contains(&module.as_str());
                (!self.from.get(1).is_some_and(context))
                    .then(|| format!("`{to}`: only `{from}::{}` makes edges", CONTEXT.join("`, `")))
            }
            _ => None,
        }
    }

    fn fault_in_model(&self, to: &str) -> Option<String> {
        let (from, target) = (self.from.get(1)?, self.to.get(1)?);
        let rank = |name: &String| MODEL.iter().position(|module| module == name);
        match (rank(from), rank(target)) {
            (Some(from), Some(target)) if target <= from => None,
            (Some(_), Some(_)) => {
                Some(format!("`{to}` comes later than `{from}`: {}", MODEL.join(" < ")))
            }
            (None, _) => {
                Some(format!("`model::{from}` has no place in the order of tests/layers.rs"))
            }
            (_, None) => Some(format!("`{to}` has no place in the order of tests/layers.rs")),
        }
    }

    fn fault_between_edges(&self, to: &str) -> Option<String> {
        let (from, target) = (self.from.get(1)?, self.to.get(1)?);
        let shared = SHARED_EDGES.contains(&target.as_str());
        (from != target && !shared).then(|| format!("`{to}`: edges do not know each other"))
    }
}

/// Walks one file and gathers its imports and what is wrong at once.
struct Reader {
    module: Vec<String>,
    imports: Vec<Import>,
    found: Vec<String>,
}

impl Reader {
    fn add(&mut self, path: &[String], kind: Kind) {
        let (to, kind) = match resolve(&self.module, path) {
            Some(to) => (to, kind),
            None => (path.to_vec(), Kind::Foreign),
        };
        self.imports.push(Import { from: self.module.clone(), to, kind });
    }

    fn add_tree(&mut self, before: &[String], tree: &UseTree, kind: Kind) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&with(path.ident.to_string()), &path.tree, kind),
            UseTree::Name(name) if name.ident == "self" && !before.is_empty() => {
                self.add(before, kind);
            }
            UseTree::Name(name) => self.add(&with(name.ident.to_string()), kind),
            UseTree::Rename(rename) => self.add(&with(rename.ident.to_string()), kind),
            UseTree::Glob(_) => self.add(before, kind),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_tree(before, tree, kind));
            }
        }
    }

    fn refuse_async(&mut self, what: &str) {
        if let Some(ring) = self.module.first().filter(|ring| PURE.contains(&ring.as_str())) {
            self.found.push(format!("{what} is async; `{ring}` does not wait"));
        }
    }

    /// The paths among the tokens of a macro, which `syn` does not parse.
    fn add_tokens(&mut self, mut cursor: Cursor<'_>) {
        while !cursor.eof() {
            if let Some((inside, _, _, after)) = cursor.any_group() {
                self.add_tokens(inside);
                cursor = after;
            } else if let Some((path, after)) = path_at(cursor) {
                if path.len() > 1 {
                    self.add(&path, Kind::Code);
                }
                cursor = after;
            } else {
                match cursor.token_tree() {
                    Some((_, after)) => cursor = after,
                    None => return,
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let passed_on = !matches!(item.vis, Visibility::Inherited);
        self.add_tree(&[], &item.tree, if passed_on { Kind::PubUse } else { Kind::Use });
    }

    /// `pub(in …)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if names.len() > 1 {
            self.add(&names, Kind::Code);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.add_tokens(TokenBuffer::new2(item.tokens.clone()).begin());
        visit::visit_macro(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        if signature.asyncness.is_some() {
            self.refuse_async(&format!("`fn {}`", signature.ident));
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.refuse_async("a block");
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if closure.asyncness.is_some() {
            self.refuse_async("a closure");
        }
        visit::visit_expr_closure(self, closure);
    }
}

/// The path that starts at `cursor`, and what follows it.
fn path_at(cursor: Cursor<'_>) -> Option<(Vec<String>, Cursor<'_>)> {
    let (first, mut cursor) = cursor.ident()?;
    let mut path = vec![first.to_string()];
    while let Some((name, after)) = after_colons(cursor).and_then(Cursor::ident) {
        path.push(name.to_string());
        cursor = after;
    }
    Some((path, cursor))
}

fn after_colons(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let (first, cursor) = cursor.punct()?;
    let (second, cursor) = cursor.punct()?;
    (first.as_char() == ':' && second.as_char() == ':').then_some(cursor)
}

/// Where `path` leads, seen from `module`; `None` when it starts with the name
/// of another crate or of something that the module imported or holds.
fn resolve(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut at = match first.as_str() {
        "crate" | "sluicegate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => parent(module),
        ring if module.is_empty() && RINGS.contains(&ring) => vec![ring.to_owned()],
        _ => return None,
    };
    for part in rest {
        match part.as_str() {
            "super" => at = parent(&at),
            part => at.push(part.to_owned()),
        }
    }
    Some(at)
}

fn parent(module: &[String]) -> Vec<String> {
    module.split_last().map(|(_, before)| before.to_vec()).unwrap_or_default()
}

/// The module that a file of `src/` is; empty for `lib.rs`.
fn module_of(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file with its path below `src/`.
fn sources() -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let (mut folders, mut files) = (vec![src.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("list") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("read");
                files.push((path.strip_prefix(&src).expect("below src").to_path_buf(), text));
            }
        }
    }
    files.sort();
    files
}
