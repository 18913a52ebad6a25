//! `sluicegate publish`.

use std::process::ExitCode;

use comfy_table::{Table, presets};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{
        error::{Error, Result},
        lock::LockOptions,
        publish::{
            self, LockMode, LockRequest, Outcome, Planned, PlannedStatement, Request, StatementLine,
        },
        seal::Signers,
    },
    model::{
        artifact::{config, manifest::Annotations, media},
        bundle::{
            lock::{Lock, LockFailure},
            mirror::Mirror,
            problem::Problem,
        },
        digest::Digest,
        reference::Tag,
        text::shown,
    },
};

use super::{
    args::{LockArg, Publish},
    context, input,
    keys::Given,
    output::Printer,
    view::{self, LockedView, ProblemView, UnresolvedView},
};

/// The JSON of `publish`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Always `sluicegate.dev/publish/v1`.
    schema: &'static str,
    /// The reference as given.
    reference: String,
    /// `oci://repository@digest`, as Flux prints it.
    url: String,
    /// The repository, `host/path`, or the layout's directory.
    repository: String,
    /// The tags that point at the digest now; on a dry run those that did before.
    tags: Vec<String>,
    /// The artifact.
    digest: Digest,
    /// The source annotation.
    source: String,
    /// The revision annotation.
    revision: String,
    /// The statements that stand for it.
    statements: Vec<StatementView>,
    /// The charts and images that were resolved.
    locked: Vec<LockedView>,
    /// The charts and images that were not.
    unresolved: Vec<UnresolvedView>,
    /// Warnings about the input.
    warnings: Vec<ProblemView>,
    /// What was uploaded.
    uploaded: UploadedView,
    /// Whether everything was there before.
    unchanged: bool,
    /// Whether nothing was written because of `--dry-run`.
    dry_run: bool,
    /// What would have been written; `null` unless it was a dry run.
    planned: Option<PlannedView>,
}

/// What a dry run would have written.
#[derive(Debug, Serialize, JsonSchema)]
struct PlannedView {
    /// Whether the artifact's manifest is among it.
    artifact: bool,
    /// The statements.
    statements: Vec<PlannedStatementView>,
    /// The tags that would move.
    tags: Vec<String>,
    /// How many blobs.
    blobs: u64,
    /// How many bytes these have.
    bytes: u64,
}

/// One statement that would be made.
#[derive(Debug, Serialize, JsonSchema)]
struct PlannedStatementView {
    /// The predicate type.
    #[serde(rename = "type")]
    predicate_type: &'static str,
    /// Who would sign it.
    signer: String,
    /// `bundle` or `legacy-sig`.
    format: &'static str,
}

/// One statement.
#[derive(Debug, Serialize, JsonSchema)]
struct StatementView {
    /// The predicate type.
    #[serde(rename = "type")]
    predicate_type: String,
    /// The manifest that holds it.
    digest: Digest,
    /// Who signed it.
    signer: String,
    /// `bundle` or `legacy-sig`.
    format: &'static str,
    /// Whether this run made it.
    made: bool,
}

/// What was uploaded.
#[derive(Debug, Serialize, JsonSchema)]
struct UploadedView {
    /// Blobs.
    blobs: u64,
    /// Manifests, tags included.
    manifests: u64,
    /// Bytes of blobs.
    bytes: u64,
}

pub(super) async fn run(args: Publish, printer: &Printer) -> Result<ExitCode> {
    args.reference.require_tag()?;
    if args.reference.digest.is_some() {
        return Err(Error::usage(
            format!("`{}` names a digest, which publishing computes", args.reference),
            "give a tag only",
        ));
    }
    let directory = args.input.path.clone();
    let reference = args.reference.to_string();
    let (keys, password) = (args.keys.key.clone(), args.keys.password);
    let given = Given::new(keys, password, args.keys.keyless.clone(), &args.registry)?;
    let (flags, named) = (args.registry.clone(), args.reference.clone());
    given.look_at()?;
    let request = Request { signers_last: given.will_ask(), ..request(args).await? };
    let registries = context::registries(&flags, &[&named], printer).await?;
    let watch = printer.watch();
    let signers = given.signers(printer);
    let told = |warnings: &[Problem]| input::warnings(warnings, &directory, printer);
    let published = publish::publish_with(&registries, request, signers, &told, &watch);
    let outcome = match published.await {
        Err(Error::Problems(problems)) => {
            return input::refused("publish", &problems, &directory, printer);
        }
        Err(Error::Lock { demand, failures, below }) => {
            let problems: Vec<Problem> = failures.iter().map(LockFailure::problem).collect();
            input::reported(&problems, &directory, printer)?;
            return Err(Error::Lock { demand, failures, below });
        }
        other => other?,
    };
    let view = view(reference, &outcome);
    input::result(&view, || text(&view, &outcome), printer)?;
    Ok(ExitCode::SUCCESS)
}

/// What was typed, as a request. Its signers come later: a wrong flag should not
/// cost a password.
async fn request(args: Publish) -> Result<Request> {
    let mut tags: Vec<Tag> = Vec::new();
    for tag in args.reference.tag.iter().chain(&args.tag) {
        if tag.is_reserved() {
            return Err(Error::usage(
                format!("the tag `{tag}` is reserved for statements about a digest"),
                "choose another name",
            ));
        }
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    let annotations = annotations(&args.annotation)?;
    let lock = LockRequest {
        mode: match args.lock {
            LockArg::Resolve => LockMode::Resolve,
            LockArg::Require => LockMode::Require,
            LockArg::Off => LockMode::Off,
        },
        require_pinned: args.require_pinned,
        options: LockOptions {
            mirrors: args
                .mirror
                .iter()
                .map(|text| text.parse::<Mirror>())
                .collect::<Result<_, _>>()
                .map_err(|error| Error::usage(error.to_string(), "write `HOST=HOST[/PREFIX]`"))?,
            ..LockOptions::default()
        },
    };
    let (input, mut pack) = input::input(&args.input).await?;
    pack.check.needs = lock.require_pinned || lock.mode != LockMode::Off;
    Ok(Request {
        input,
        pack,
        place: args.reference.place,
        tags,
        signers: Signers::default(),
        annotations,
        asserted: args.source.zip(args.revision),
        allow_dirty: args.allow_dirty,
        epoch: context::epoch(),
        environment: context::environment(),
        strict: args.input.strict,
        lock,
        legacy: !args.no_legacy_signature,
        keep_tag: args.keep_tag,
        force_tag: args.force_tag,
        dry_run: args.dry_run,
        signers_last: false,
    })
}

/// `key=value`, where the value may contain `=`.
fn annotations(texts: &[String]) -> Result<Annotations> {
    let mut annotations = Annotations::new();
    for text in texts {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Error::usage(
                format!("the annotation `{text}` has no key or no `=`"),
                "write `--annotation key=value`",
            ));
        };
        if config::DERIVED.contains(&key) {
            return Err(Error::usage(
                format!("the annotation `{key}` is derived from the source"),
                "leave it out; outside git, give `--source` and `--revision`",
            ));
        }
        if annotations.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Error::usage(
                format!("the annotation `{key}` is given twice"),
                "give each key once",
            ));
        }
    }
    Ok(annotations)
}

fn view(reference: String, outcome: &Outcome) -> View {
    let annotation = |key: &str| outcome.annotations.get(key).cloned().unwrap_or_default();
    let place = outcome.place.to_string();
    let repository = place.split_once("://").or(place.split_once(':')).map_or("", |(_, rest)| rest);
    let empty = Lock::default();
    let lock = outcome.lock.as_ref().unwrap_or(&empty);
    View {
        schema: "sluicegate.dev/publish/v1",
        reference,
        url: format!("{}@{}", outcome.place, outcome.digest),
        repository: repository.to_owned(),
        tags: outcome.tags.iter().map(Tag::to_string).collect(),
        digest: outcome.digest,
        source: annotation(media::SOURCE),
        revision: annotation(media::REVISION),
        statements: outcome.statements.iter().map(statement).collect(),
        locked: lock.locked.iter().map(LockedView::new).collect(),
        unresolved: lock.unresolved.iter().map(UnresolvedView::new).collect(),
        warnings: outcome.warnings.iter().map(ProblemView::new).collect(),
        uploaded: UploadedView {
            blobs: outcome.uploaded.blobs,
            manifests: outcome.uploaded.manifests,
            bytes: outcome.uploaded.bytes,
        },
        unchanged: outcome.unchanged,
        dry_run: outcome.planned.is_some(),
        planned: outcome.planned.as_ref().map(planned),
    }
}

fn planned(planned: &Planned) -> PlannedView {
    let statement = |statement: &PlannedStatement| PlannedStatementView {
        predicate_type: statement.predicate_type,
        signer: statement.signer.to_string(),
        format: view::format(statement.format),
    };
    PlannedView {
        artifact: planned.artifact,
        statements: planned.statements.iter().map(statement).collect(),
        tags: planned.tags.iter().map(Tag::to_string).collect(),
        blobs: planned.blobs,
        bytes: planned.bytes,
    }
}

fn statement(line: &StatementLine) -> StatementView {
    StatementView {
        predicate_type: line.predicate_type.clone(),
        digest: line.manifest,
        signer: line.signer.to_string(),
        format: view::format(line.format),
        made: line.made,
    }
}

fn text(view: &View, outcome: &Outcome) -> String {
    let head = match (view.unchanged, view.dry_run) {
        (true, _) => "unchanged",
        (false, true) => "would publish",
        (false, false) => "published",
    };
    let mut text = format!("{head}  {}\n", view.url);
    let mut field = |name: &str, value: &str| text.push_str(&format!("  {name:<10} {value}\n"));
    if !view.tags.is_empty() {
        field("tags", &view.tags.join(", "));
    }
    field("source", &shown(&view.source));
    field("revision", &shown(&view.revision));
    let files = view::count(outcome.files as u64, "file");
    field("content", &format!("{files} in a layer of {}", view::size(outcome.layer)));
    let line = |statement: &StatementView| {
        let state = if statement.made { "" } else { ", was there" };
        let kind = shown(&statement.predicate_type);
        (statement.signer.clone(), format!("{kind}  ({}{state})", statement.format))
    };
    signed(&mut field, "signed by", view.statements.iter().map(line));
    if let Some(planned) = view.planned.as_ref().filter(|_| !view.unchanged) {
        let line = |statement: &PlannedStatementView| {
            let PlannedStatementView { predicate_type, signer, format } = statement;
            (signer.clone(), format!("{predicate_type}  ({format})"))
        };
        signed(&mut field, "to sign by", planned.statements.iter().map(line));
        let blobs = view::count(planned.blobs, "blob");
        field("to upload", &format!("{blobs}, {}", view::size(planned.bytes)));
        field("to move", &planned.tags.join(", "));
    } else if !view.unchanged {
        let UploadedView { blobs, manifests, bytes } = view.uploaded;
        let (blobs, manifests) = (view::count(blobs, "blob"), view::count(manifests, "manifest"));
        field("uploaded", &format!("{blobs}, {manifests}, {}", view::size(bytes)));
    }
    if let Some(lock) = &outcome.lock {
        text.push_str(&lock_table(lock));
    }
    text
}

/// A field for each signer, with a line for each of his statements.
fn signed(
    field: &mut impl FnMut(&str, &str),
    name: &str,
    statements: impl Iterator<Item = (String, String)>,
) {
    let mut signers: Vec<(String, Vec<String>)> = Vec::new();
    for (signer, line) in statements {
        match signers.iter_mut().find(|(known, _)| *known == signer) {
            Some((_, lines)) => lines.push(line),
            None => signers.push((signer, vec![line])),
        }
    }
    for (signer, lines) in signers {
        field(name, &format!("{signer}\n             {}", lines.join("\n             ")));
    }
}

/// The lock as a table, what is missing last.
fn lock_table(lock: &Lock) -> String {
    if lock.locked.is_empty() && lock.unresolved.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LOCKED", "DIGEST", "PINNED", "WHERE"]);
    for locked in &lock.locked {
        let version = locked.version.as_ref().map(|v| format!(" → {v}")).unwrap_or_default();
        table.add_row([
            shown(&format!("{}{version}", locked.need.reference)),
            format!("sha256:{}…", locked.digest.short(12)),
            if locked.need.pinned { "yes" } else { "no" }.to_owned(),
            shown(&format!("{} {}", locked.need.object, locked.need.path)),
        ]);
    }
    for unresolved in &lock.unresolved {
        table.add_row([
            shown(&unresolved.need.reference),
            "unresolved".to_owned(),
            "no".to_owned(),
            shown(&format!("{}: {}", unresolved.need.object, unresolved.reason)),
        ]);
    }
    // The cells of the last column are filled up with blanks.
    table.lines().fold("\n".to_owned(), |text, line| text + line.trim_end() + "\n")
}
