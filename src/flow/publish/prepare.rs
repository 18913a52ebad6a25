//! Everything before the first question to the target registry: source, pack,
//! judgement, lock.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use crate::{
    edge::{git, registry::Registries},
    model::{
        bundle::{
            check::Judgement,
            lock::{self as model, Lock, LockFailure, Unresolved},
            path::RelPath,
            problem::{Problem, code},
        },
        source::{
            self, Source,
            ci::Ci,
            clean::{self, PackedFile},
            git::{GitFacts, TreeEntry},
        },
    },
};

use super::{
    super::{
        error::{Demand, Error, Result},
        lock,
        pack::{self, Input, Packed},
        progress::{Event, Watch},
        seal::Signers,
    },
    LockMode, Request, refuse_problems,
};

/// How long git may take for one answer.
const GIT: Duration = Duration::from_secs(30);

/// What was prepared.
pub struct Prepared {
    /// The layer and what is in it.
    pub packed: Packed,
    /// Where it comes from.
    pub source: Source,
    /// The CI system.
    pub ci: Ci,
    /// The lock; `None` when off.
    pub lock: Option<Lock>,
    /// Warnings about the input.
    pub warnings: Vec<Problem>,
}

/// Prepares.
///
/// # Errors
/// [`Error::Problems`] with everything that is wrong with the input; errors of
/// git and of packing; [`Error::Lock`].
pub async fn prepare(
    registries: &Registries,
    request: &mut Request,
    signers: impl Future<Output = Result<Signers>>,
    watch: &Watch,
) -> Result<Prepared> {
    let ci = Ci::recognise(&request.environment);
    let mut signers = pin!(signers);
    let origin = match request.signers_last {
        true => origin(request, &ci).await?,
        false => {
            let (origin, signers) = futures::try_join!(origin(request, &ci), signers.as_mut())?;
            request.absorb(signers);
            origin
        }
    };
    request.pack.git_hash = origin.facts.as_ref().map(|facts| facts.format);
    watch(Event::Step("packing"));
    let (packed, tree) = futures::try_join!(pack(request, watch), tree(origin.facts.as_ref()))?;
    let (mut packed, mut warnings) = judged(packed, request.strict)?;
    let source = settle(origin.source, request, &packed, &tree)?;
    if request.lock.require_pinned {
        let failures = model::require_pinned(&packed.judgement.needs);
        refuse_failures(Demand::Pinned, failures, &request.input)?;
    }
    if request.signers_last {
        let signers = signers.await?;
        request.absorb(signers);
    }
    let lock = resolve(registries, request, &packed, watch).await?;
    if let Some(lock) = &lock {
        warnings.extend(lock.unresolved.iter().map(unresolved));
        warnings = refuse_problems(warnings, request.strict)?;
    }
    packed.judgement = Judgement::default();
    Ok(Prepared { packed, source, ci, lock, warnings })
}

impl Request {
    /// Takes signers in. A certificate is asked for beside everything that
    /// follows.
    fn absorb(&mut self, signers: Signers) {
        self.signers.absorb(signers);
        if !self.dry_run {
            self.signers.start();
        }
    }
}

/// The source as far as it is known before the bytes are.
struct From {
    source: Source,
    facts: Option<GitFacts>,
}

async fn origin(request: &Request, ci: &Ci) -> Result<From> {
    if let Some((url, revision)) = &request.asserted {
        return Ok(From { source: source::asserted(url, revision)?, facts: None });
    }
    let (dir, file) = match &request.input {
        Input::Directory(dir) => (dir.as_path(), None),
        Input::File(path) => {
            let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
            (parent.unwrap_or(Path::new(".")), path.file_name())
        }
        Input::Bytes { .. } => {
            return Err(Error::usage(
                "standard input is in no git work tree",
                "say where it comes from with `--source URL --revision REVISION`",
            ));
        }
    };
    let facts = git::facts(dir, GIT).await?;
    let mut source = source::from_git(&facts, ci)?;
    if let Some(file) = file {
        let file = file.to_string_lossy();
        source.path = source.path.map(|dir| match dir.as_str() {
            "." => file.into_owned(),
            dir => format!("{dir}/{file}"),
        });
    }
    Ok(From { source, facts: Some(facts) })
}

async fn pack(request: &Request, watch: &Watch) -> Result<Packed> {
    pack::beside(request.input.clone(), request.pack.clone(), watch).await
}

async fn tree(facts: Option<&GitFacts>) -> Result<Vec<TreeEntry>> {
    match facts {
        Some(facts) => Ok(git::tree(facts, GIT).await?),
        None => Ok(Vec::new()),
    }
}

/// Takes the problems out of the judgement, or stops.
fn judged(mut packed: Packed, strict: bool) -> Result<(Packed, Vec<Problem>)> {
    let problems = std::mem::take(&mut packed.judgement.problems);
    Ok((packed, refuse_problems(problems, strict)?))
}

/// Compares what was packed with the commit.
fn settle(
    source: Source,
    request: &Request,
    packed: &Packed,
    tree: &[TreeEntry],
) -> Result<Source> {
    if request.asserted.is_some() {
        return Ok(source);
    }
    let files: Vec<PackedFile> = packed
        .files
        .iter()
        .map(|file| {
            let blob =
                file.git_blob.ok_or_else(|| Error::Internal("a file was not hashed".into()))?;
            Ok(PackedFile { path: file.path.to_string(), executable: file.executable, blob })
        })
        .collect::<Result<_>>()?;
    let would_pack = |entry: &TreeEntry| match (&request.input, RelPath::new(&entry.path)) {
        (Input::Directory(_), Ok(path)) => {
            let parts: Vec<&[u8]> = path.components().map(str::as_bytes).collect();
            !packed.rules.ignores(&parts, false)
        }
        // A path that no bundle can have would have been refused.
        (Input::Directory(_), Err(_)) => true,
        (Input::File(_) | Input::Bytes { .. }, _) => false,
    };
    let differences = clean::cleanliness(&files, tree, would_pack);
    match (differences.is_empty(), request.allow_dirty) {
        (true, _) => Ok(source),
        (false, true) => Ok(source.into_dirty()),
        (false, false) => {
            source.require_clean(&differences)?;
            Ok(source)
        }
    }
}

async fn resolve(
    registries: &Registries,
    request: &Request,
    packed: &Packed,
    watch: &Watch,
) -> Result<Option<Lock>> {
    if request.lock.mode == LockMode::Off {
        return Ok(None);
    }
    watch(Event::Step("resolving charts and images"));
    let needs = &packed.judgement.needs;
    let told = |progress| watch(Event::Items(progress));
    let mut lock = lock::resolve(needs, registries, &request.lock.options, told).await;
    lock.required = request.lock.mode == LockMode::Require;
    if lock.required {
        refuse_failures(Demand::Resolved, lock.require(), &request.input)?;
    }
    Ok(Some(lock))
}

/// Files are named below the input as it was typed, like those of problems.
fn refuse_failures(demand: Demand, failures: Vec<LockFailure>, input: &Input) -> Result<()> {
    let below = match input {
        Input::Directory(dir) => dir.clone(),
        Input::File(path) => path.parent().map(Path::to_owned).unwrap_or_default(),
        Input::Bytes { .. } => PathBuf::new(),
    };
    match failures.is_empty() {
        true => Ok(()),
        false => Err(Error::Lock { demand, failures, below }),
    }
}

/// What is not resolved is a warning at the file that names it.
fn unresolved(entry: &Unresolved) -> Problem {
    let Unresolved { need, reason, .. } = entry;
    let problem = Problem::warning(
        code::LOCK_UNRESOLVED,
        format!("`{}` at `{}` is not resolved: {reason}", need.reference, need.path),
    )
    .in_file(&need.file)
    .about(&need.object)
    .hint("`--lock require` makes this an error, `--lock off` resolves nothing");
    match need.place() {
        Some(place) => problem.at(place),
        None => problem,
    }
}
