//! How much is kept of what the files of a bundle say.
//!
//! Files are read by several threads and forgotten, but objects, references and
//! problems stay until all of them are judged together. A bundle may hold as
//! many as its bytes allow, so each has a bound: beyond it they are counted and
//! no longer kept, and the judgement is an error that names the count. What is
//! reported does not depend on which thread was faster: a [`Tally`] only grows,
//! and whatever passed a bound passes it in the end.

use super::{
    check::{FileFacts, Options},
    problem::{Problem, Severity, code},
    select::BUNDLE_TOO_LARGE,
};

/// How many of each there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Kubernetes objects.
    pub objects: usize,
    /// Files and directories that kustomizations name.
    pub references: usize,
    /// Charts and images, when they are gathered for the lock.
    pub needs: usize,
    /// Problems that are listed.
    pub problems: usize,
}

impl Bounds {
    /// No bounds, for what is read to be shown.
    pub const NONE: Self = Self {
        objects: usize::MAX,
        references: usize::MAX,
        needs: usize::MAX,
        problems: usize::MAX,
    };
}

impl Default for Bounds {
    /// What fits into the memory that a publish may take, whatever the names
    /// are; see `docs/check.md`.
    fn default() -> Self {
        Self { objects: 100_000, references: 100_000, needs: 10_000, problems: 5_000 }
    }
}

/// What is kept of a file's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// How many there are.
    Counts,
    /// Their names, and what problems between them need.
    Names,
    /// Also the charts and images they name.
    All,
}

/// How much there is so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Kubernetes objects.
    pub objects: usize,
    /// What kustomizations name.
    pub references: usize,
    /// Charts and images.
    pub needs: usize,
    /// Problems.
    pub problems: usize,
}

impl Tally {
    /// Counts what a file says.
    pub fn add(&mut self, facts: &FileFacts) {
        let Tally { objects, references, needs, problems } = facts.tally();
        self.objects = self.objects.saturating_add(objects);
        self.references = self.references.saturating_add(references);
        self.needs = self.needs.saturating_add(needs);
        self.problems = self.problems.saturating_add(problems);
    }

    /// What is to be kept of the next file.
    pub fn keep(&self, options: &Options) -> Keep {
        if self.is_over(&options.bounds) {
            Keep::Counts
        } else if options.needs && self.needs <= options.bounds.needs {
            Keep::All
        } else {
            Keep::Names
        }
    }

    /// Whether the problems of the next file are to be kept.
    pub fn keeps_problems(&self, options: &Options) -> bool {
        self.problems <= options.bounds.problems
    }

    /// Whether there is too much to be judged together.
    pub fn is_over(&self, bounds: &Bounds) -> bool {
        self.objects > bounds.objects || self.references > bounds.references
    }

    /// What is too much.
    pub fn problems(&self, options: &Options) -> Vec<Problem> {
        let bounds = &options.bounds;
        let objects = "publish it in parts, each as an artifact of its own";
        let needs = "publish it in parts, or without them by `--lock off`";
        [
            (self.objects, bounds.objects, "the bundle has", "Kubernetes objects", objects),
            (self.references, bounds.references, "the kustomizations name", "files", objects),
            (
                if options.needs { self.needs } else { 0 },
                bounds.needs,
                "the manifests name",
                "charts and images to lock",
                needs,
            ),
        ]
        .into_iter()
        .filter(|(count, limit, ..)| count > limit)
        .map(|(count, limit, subject, what, hint)| {
            let message = format!("{subject} {count} {what}; expected at most {limit}");
            Problem::error(BUNDLE_TOO_LARGE, message).hint(hint)
        })
        .collect()
    }
}

/// Adds an item unless there are more than enough: of a single document nobody
/// wants to hear, or keep, millions.
pub fn push<T>(list: &mut Vec<T>, item: T, limit: usize) {
    if list.len() <= limit {
        list.push(item);
    }
}

/// Keeps as many problems as are listed, errors first, and says so. `unlisted`
/// is how bad those are that were not even kept.
pub fn list(problems: Vec<Problem>, unlisted: Option<Severity>, bounds: &Bounds) -> Vec<Problem> {
    let limit = bounds.problems;
    if problems.len() <= limit && unlisted.is_none() {
        return problems;
    }
    let is_error = |problem: &Problem| problem.severity == Severity::Error;
    let warnings = limit.saturating_sub(problems.iter().filter(|p| is_error(p)).count());
    let (mut seen, mut errors) = (0, 0);
    let mut worst = unlisted;
    let mut listed = problems;
    listed.retain(|problem| {
        let (count, limit) = match is_error(problem) {
            true => (&mut errors, limit),
            false => (&mut seen, warnings),
        };
        *count += 1;
        let kept = *count <= limit;
        if !kept {
            worst = worst.max(Some(problem.severity));
        }
        kept
    });
    if let Some(severity) = worst {
        let message = format!("there are more problems than the {limit} that are listed");
        let problem = Problem::error(code::PROBLEM_LIMIT, message);
        listed.push(Problem { severity, ..problem.hint("mend those first, then look again") });
    }
    listed
}
