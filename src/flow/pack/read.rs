//! Reading every file once: one thread reads, one writes the layer, the others
//! parse the manifests.
//!
//! ```text
//! reader ──(in order)──▶ layer: tar, gzip, hash
//!    └──────(any order)─▶ parsers: facts of each manifest
//! ```
//!
//! The bytes are shared, not copied, and counted against one [`Budget`]: the
//! reader waits when the others fall behind.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Cursor, Read},
    num::NonZero,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use crate::{
    edge::files,
    model::{
        bundle::{
            bounds::{self, Tally},
            check::{self, FileFacts},
            pack::LayerWriter,
            path::RelPath,
            problem::Problem,
            select::{self, Chosen},
        },
        source::git::{BlobHasher, ObjectId},
    },
};

use super::{
    super::progress::Progress,
    Input, Layer, OnBytes, Options, PackError, PackedFile,
    budget::{Budget, Held},
};

/// How many bytes are in memory at once.
const IN_FLIGHT: u64 = 24 << 20;
/// How many pieces wait for the layer, and how many files for a parser.
const QUEUE: usize = 256;
/// In what pieces a file that is not parsed is read.
const PIECE: u64 = 256 << 10;
/// How much more than its bytes a file takes while it is parsed.
const PARSED_SHARE: u64 = 4;
/// How large a file that is no manifest may be to be looked into for whether it
/// is encrypted: twice what a Secret can hold.
const MAX_SEALED: u64 = 2 << 20;
/// How many parsers there are at most.
const MAX_PARSERS: usize = 8;

/// What came of reading all files.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) layer: Option<Layer>,
    pub(super) files: Vec<PackedFile>,
    pub(super) facts: Vec<FileFacts>,
    pub(super) problems: Vec<Problem>,
}

/// What the writer of the layer is told, in order.
enum Piece {
    /// A file begins.
    File { path: RelPath, executable: bool, size: u64 },
    /// The next bytes of the file.
    Data(Arc<Held>),
    /// All files were read as they should be. Without this there is no layer.
    End,
}

/// A file to parse, with its place among those that are.
struct Job {
    order: usize,
    path: RelPath,
    /// Whether it is read as a manifest.
    parsed: bool,
    bytes: Arc<Held>,
}

/// The files that kustomizations name as manifests although their names do not
/// say so. For these the kustomizations are read once more, before all; what
/// cannot be read then will not be read either when it is packed, and told.
pub(super) fn named_manifests(
    input: &Input,
    chosen: &[Chosen],
    options: &Options,
) -> BTreeSet<RelPath> {
    let mut named = BTreeSet::new();
    let other = |chosen: &&Chosen| !check::is_manifest(&chosen.path);
    let Some(_) = chosen.iter().find(other) else { return named };
    let small = |chosen: &&Chosen| {
        check::is_kustomization(&chosen.path) && chosen.file.size <= options.max_file
    };
    for Chosen { path, file } in chosen.iter().filter(small) {
        let mut bytes = Vec::new();
        let read = Content::open(input, path, file).ok();
        let read = read.map(|content| content.take(file.size).read_to_end(&mut bytes));
        if let Some(Ok(_)) = read {
            named.extend(check::named_manifests(path, &bytes));
        }
        // So many that the judgement ends with their number.
        if named.len() > options.check.bounds.references {
            break;
        }
    }
    named
}

/// Reads all files, in the order of the layer; those that are `named` are
/// manifests whatever they are called.
pub(super) fn read_all(
    input: &Input,
    chosen: Vec<Chosen>,
    named: &BTreeSet<RelPath>,
    options: &Options,
    progress: Option<OnBytes<'_>>,
) -> Result<Outcome, PackError> {
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let parsers: Vec<_> = (0..parsers())
            .map(|_| Arc::clone(&queue))
            .map(|queue| scope.spawn(|| parse(queue, &tally, &options.check)))
            .collect();
        // Only parsers hold the queue now: with the last of them it is gone.
        drop(queue);
        let (layer, writer) = match options.layer {
            true => {
                let (sender, receiver) = mpsc::sync_channel(QUEUE);
                (Some(sender), Some(scope.spawn(move || write(&receiver))))
            }
            false => (None, None),
        };
        let budget = Budget::new(IN_FLIGHT);
        let total = chosen.iter().map(|chosen| chosen.file.size).sum();
        let read = Progress { done: 0, total };
        let reader =
            Reader { input, named, options, progress, budget, jobs, layer, read, manifests: 0 };
        let outcome = reader.run(chosen);
        let mut facts = Vec::new();
        for parser in parsers {
            facts.extend(join(parser.join()));
        }
        let layer = writer.map(|writer| join(writer.join())).transpose()?.flatten();
        facts.sort_unstable_by_key(|(order, _)| *order);
        let facts = facts.into_iter().map(|(_, facts)| facts).collect();
        Ok(Outcome { layer, facts, ..outcome? })
    })
}

/// A panic of another thread is one of this thread.
fn join<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn parsers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_PARSERS)
}

/// Parses manifests until there are no more.
fn parse(
    queue: Arc<Mutex<Receiver<Job>>>,
    tally: &Mutex<Tally>,
    options: &check::Options,
) -> Vec<(usize, FileFacts)> {
    let tally = || tally.lock().unwrap_or_else(PoisonError::into_inner);
    // With the next job comes the tally of nothing but jobs before it.
    let next = || {
        let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.recv().ok().map(|job| (job, *tally()))
    };
    let mut facts = Vec::new();
    while let Some((Job { order, path, parsed, bytes }, so_far)) = next() {
        let read = match parsed {
            true => Some(check::read_file(&path, &bytes, so_far.keep(options))),
            false => check::read_other(&path, &bytes),
        };
        drop(bytes);
        if let Some(mut read) = read {
            tally().add(&read);
            if !so_far.keeps_problems(options) {
                read.forget_problems();
            }
            facts.push((order, read));
        }
    }
    facts
}

/// Writes the layer; `None` when the reader gave up.
fn write(pieces: &Receiver<Piece>) -> Result<Option<Layer>, PackError> {
    let file = files::temporary().map_err(PackError::Temporary)?;
    let mut writer = LayerWriter::new(file)?;
    while let Ok(piece) = pieces.recv() {
        match piece {
            Piece::File { path, executable, size } => writer.file(&path, executable, size)?,
            Piece::Data(bytes) => writer.data(&bytes)?,
            Piece::End => {
                let (written, file) = writer.finish()?;
                let layer = Layer {
                    file,
                    digest: written.digest,
                    size: written.size,
                    diff_id: written.diff_id,
                };
                return Ok(Some(layer));
            }
        }
    }
    Ok(None)
}

/// Reads files and hands out their bytes.
struct Reader<'a> {
    input: &'a Input,
    /// Manifests by no other name than that in a kustomization.
    named: &'a BTreeSet<RelPath>,
    options: &'a Options,
    progress: Option<OnBytes<'a>>,
    budget: Arc<Budget>,
    jobs: SyncSender<Job>,
    /// `None` when there is no layer to write, or not any more.
    layer: Option<SyncSender<Piece>>,
    /// How many bytes were read.
    read: Progress,
    /// How many files were handed out to be parsed.
    manifests: usize,
}

/// Why a file was not read to its end.
enum Fault {
    /// The file itself: others may still be read.
    Unreadable(io::Error),
    /// It is not the file any more that was found.
    Changed,
    /// Nobody wants to go on.
    Stopped,
}

impl Reader<'_> {
    fn run(mut self, chosen: Vec<Chosen>) -> Result<Outcome, PackError> {
        let mut outcome = Outcome { files: Vec::with_capacity(chosen.len()), ..Outcome::default() };
        for Chosen { path, file } in chosen {
            let git_blob = match self.file(&path, &file) {
                Ok(blob) => blob,
                Err(Fault::Changed) => return Err(PackError::Changed { path }),
                Err(Fault::Stopped) => return Err(PackError::Stopped),
                Err(Fault::Unreadable(error)) => {
                    let problem = select::unreadable(&path, &error.to_string());
                    bounds::push(
                        &mut outcome.problems,
                        problem,
                        self.options.check.bounds.problems,
                    );
                    self.layer = None;
                    None
                }
            };
            let select::File { executable, size, .. } = file;
            outcome.files.push(PackedFile { path, executable, size, git_blob });
        }
        self.tell(Piece::End);
        Ok(outcome)
    }

    /// Reads one file; the id of its blob when it is wanted.
    fn file(&mut self, path: &RelPath, file: &select::File) -> Result<Option<ObjectId>, Fault> {
        let manifest = check::is_manifest(path) || self.named.contains(path);
        let parsed = manifest && file.size <= self.options.max_file;
        let hasher = self.options.git_hash.map(|hash| BlobHasher::new(hash, file.size));
        if file.size > MAX_SEALED && !parsed && self.layer.is_none() && hasher.is_none() {
            return Ok(None);
        }
        let mut content = Content::open(self.input, path, file)?;
        self.tell(Piece::File { path: path.clone(), executable: file.executable, size: file.size });
        let hasher = match parsed {
            true => self.whole(path, &mut content, file.size, true, hasher)?,
            false if file.size <= MAX_SEALED => {
                self.whole(path, &mut content, file.size, false, hasher)?
            }
            false => self.pieces(&mut content, file.size, hasher)?,
        };
        match content.read(&mut [0]).map_err(Fault::Unreadable)? {
            0 => Ok(hasher.map(BlobHasher::finish)),
            _ => Err(Fault::Changed),
        }
    }

    /// Reads a file in one piece, because that is how it is parsed, or looked into
    /// when it is not.
    fn whole(
        &mut self,
        path: &RelPath,
        content: &mut Content<'_>,
        size: u64,
        parsed: bool,
        mut hasher: Option<BlobHasher>,
    ) -> Result<Option<BlobHasher>, Fault> {
        let factor = if parsed { PARSED_SHARE } else { 1 };
        let bytes = self.piece(content, size, size.saturating_mul(factor), &mut hasher)?;
        self.tell(Piece::Data(Arc::clone(&bytes)));
        let order = self.manifests;
        self.manifests += 1;
        // Only when all parsers panicked is nobody there to take it.
        let _ = self.jobs.send(Job { order, path: path.clone(), parsed, bytes });
        Ok(hasher)
    }

    /// Reads a file that is not parsed in pieces.
    fn pieces(
        &mut self,
        content: &mut Content<'_>,
        mut size: u64,
        mut hasher: Option<BlobHasher>,
    ) -> Result<Option<BlobHasher>, Fault> {
        while size > 0 {
            let next = size.min(PIECE);
            let bytes = self.piece(content, next, next, &mut hasher)?;
            self.tell(Piece::Data(bytes));
            size -= next;
        }
        Ok(hasher)
    }

    /// Reads exactly `size` bytes.
    fn piece(
        &mut self,
        content: &mut Content<'_>,
        size: u64,
        share: u64,
        hasher: &mut Option<BlobHasher>,
    ) -> Result<Arc<Held>, Fault> {
        let share = self.budget.take(share);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        content.take(size).read_to_end(&mut bytes).map_err(Fault::Unreadable)?;
        if bytes.len() as u64 != size {
            return Err(Fault::Changed);
        }
        if let Some(hasher) = hasher {
            hasher.update(&bytes);
        }
        self.read.done += size;
        match self.progress.map(|progress| progress(self.read)) {
            Some(ControlFlow::Break(())) => Err(Fault::Stopped),
            _ => Ok(Arc::new(share.hold(bytes))),
        }
    }

    /// Tells the writer of the layer. When it is gone, joining it says why, and
    /// the rest is still read to be judged.
    fn tell(&mut self, piece: Piece) {
        let told = self.layer.as_ref().map(|layer| layer.send(piece));
        if let Some(Err(_)) = told {
            self.layer = None;
        }
    }
}

/// The bytes of one file.
enum Content<'a> {
    File(File),
    Bytes(Cursor<&'a [u8]>),
}

impl<'a> Content<'a> {
    /// Opens the file that was found; not one that took its place since.
    fn open(input: &'a Input, path: &RelPath, found: &select::File) -> Result<Self, Fault> {
        let open = |path: &Path| match files::open(path) {
            Ok((file, now)) if now == *found => Ok(Self::File(file)),
            Ok(_) => Err(Fault::Changed),
            Err(error) => Err(Fault::Unreadable(error)),
        };
        match input {
            Input::Directory(root) => open(&root.join(path.as_str())),
            Input::File(path) => open(path),
            Input::Bytes { bytes, .. } => Ok(Self::Bytes(Cursor::new(bytes))),
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Bytes(bytes) => bytes.read(buffer),
        }
    }
}
