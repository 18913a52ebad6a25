//! Packing: a directory, a file or bytes become a layer, and a judgement of
//! the manifests in it.
//!
//! Gather: the directory is walked twice, for its patterns and for its files;
//! decide: [`mod@select`] and [`check`]; act: the layer is written to a temporary
//! file. Every file is read once; what is in memory at once is bounded, whatever
//! the size of the bundle. Nothing is written into the directory, and no layer
//! comes out when there is an error in the input.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::NamedTempFile;

use crate::{
    edge::files,
    model::{
        bundle::{
            bounds::Bounds,
            check::{self, Judgement},
            ignore::{self, Rules},
            pack::LayerError,
            path::RelPath,
            problem::{Problem, Severity},
            select::{self, Chosen, Found, Kind, Selection, Selector},
            unpack::Limits,
        },
        digest::Digest,
        source::git::{ObjectFormat, ObjectId},
    },
};

use super::{
    error::{Error, Result},
    progress::{Event, Progress, Watch},
};

mod budget;
mod read;

/// How large a file that is parsed may be, unless asked otherwise.
pub const MAX_FILE: u64 = 8 << 20;
/// How large a file of patterns may be.
const MAX_PATTERNS: u64 = 1 << 20;
/// How many entries are looked at for each that may be packed: links that are
/// followed can multiply them without end.
const WALKED_PER_ENTRY: u64 = 10;

/// What is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A directory and what is below it.
    Directory(PathBuf),
    /// One file; the bundle has just this file under its own name.
    File(PathBuf),
    /// Bytes that came from elsewhere, such as standard input, under a name.
    Bytes {
        /// The name of the file in the bundle.
        name: RelPath,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// How it is packed.
#[derive(Debug, Clone)]
pub struct Options {
    /// Patterns on top of those of the directory.
    pub ignore: Vec<String>,
    /// Whether symbolic links are followed, as far as they stay inside.
    pub resolve_symlinks: bool,
    /// How large a file that is parsed may be; [`MAX_FILE`].
    pub max_file: u64,
    /// What a bundle may cost those who unpack it.
    pub limits: Limits,
    /// Whether a layer is written, or the input only judged.
    pub layer: bool,
    /// The hash of the git repository whose blobs the files are compared with.
    pub git_hash: Option<ObjectFormat>,
    /// How the manifests are judged.
    pub check: check::Options,
}

/// What came of it.
#[derive(Debug)]
pub struct Packed {
    /// The layer; `None` when none was asked for, or when a problem is an
    /// error.
    pub layer: Option<Layer>,
    /// The files of the bundle, in the order of the layer.
    pub files: Vec<PackedFile>,
    /// The problems of files and manifests, and what the manifests are.
    pub judgement: Judgement,
    /// How many files were left out.
    pub ignored_count: u64,
    /// What the patterns leave out.
    pub rules: Rules,
}

/// A layer on disk.
#[derive(Debug)]
pub struct Layer {
    /// The compressed bytes; removed when dropped.
    pub file: NamedTempFile,
    /// Their digest.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    /// The digest of the uncompressed tar stream.
    pub diff_id: Digest,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// Its path in the bundle.
    pub path: RelPath,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// How many bytes it has.
    pub size: u64,
    /// The id of its blob, when asked for and readable.
    pub git_blob: Option<ObjectId>,
}

/// Packing that cannot go on. What is wrong with single files are problems.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The input is not there or cannot be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// The input.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The input is neither a directory nor a file.
    #[error("`{path}` is {kind}; expected a directory, a file, or `-` for standard input")]
    NotPackable {
        /// The input.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The directory goes on and on.
    #[error("`{path}` has more than {limit} entries, ignored ones included")]
    TooManyEntries {
        /// The directory.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Somebody else writes the directory.
    #[error("`{path}` changed while it was being packed")]
    Changed {
        /// The file.
        path: RelPath,
    },
    /// Whoever was told of the progress did not want to go on.
    #[error("packing was stopped")]
    Stopped,
    /// There is no place for the layer; the source names it.
    #[error("no temporary file can be created")]
    Temporary(#[source] io::Error),
    /// The layer cannot be written.
    #[error("the bundle cannot be packed")]
    Layer(#[from] LayerError),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ignore: Vec::new(),
            resolve_symlinks: false,
            max_file: MAX_FILE,
            limits: Limits::default(),
            layer: true,
            git_hash: None,
            check: check::Options { allow_secrets: false, needs: true, bounds: Bounds::default() },
        }
    }
}

impl Input {
    /// The directory or file at `path`, which may itself be a link.
    ///
    /// # Errors
    /// [`PackError::Unreadable`] and [`PackError::NotPackable`].
    pub fn at(path: &Path) -> Result<Self, PackError> {
        match files::look_at(path).map_err(unreadable(path))? {
            Kind::Directory => Ok(Self::Directory(path.to_owned())),
            Kind::File(_) => Ok(Self::File(path.to_owned())),
            Kind::Other(kind) => Err(PackError::NotPackable { path: path.to_owned(), kind }),
            Kind::Link(_) | Kind::Unreadable(_) => {
                Err(PackError::NotPackable { path: path.to_owned(), kind: "a symbolic link" })
            }
        }
    }
}

/// Who is told how many bytes were read, and says whether to go on.
pub type OnBytes<'a> = &'a dyn Fn(Progress) -> ControlFlow<()>;

/// Packs `input` beside other work, and tells `watch` how many bytes were read.
/// When nobody waits for the result any more, reading stops, so that the file
/// of the layer is removed before the program ends.
///
/// # Errors
/// [`Error::Pack`].
pub async fn beside(input: Input, options: Options, watch: &Watch) -> Result<Packed> {
    let waiting = Arc::new(());
    let (alive, watch) = (Arc::downgrade(&waiting), Arc::clone(watch));
    let packing = tokio::task::spawn_blocking(move || {
        let tell = |progress| {
            watch(Event::Bytes(progress));
            match alive.strong_count() {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        pack(&input, &options, Some(&tell))
    });
    let packed = packing.await;
    drop(waiting);
    Ok(packed.map_err(|error| Error::Internal(format!("packing stopped: {error}")))??)
}

/// Packs `input`. `progress` is told after each piece of a file.
///
/// Blocks, and runs threads of its own until it returns.
///
/// # Errors
/// [`PackError`]; problems of the input come with the result instead.
pub fn pack(
    input: &Input,
    options: &Options,
    progress: Option<OnBytes<'_>>,
) -> Result<Packed, PackError> {
    let (Selection { files, mut problems, ignored }, rules) = select(input, options)?;
    let named = read::named_manifests(input, &files, options);
    let too_large =
        |chosen: &&Chosen| named.contains(&chosen.path) && chosen.file.size > options.max_file;
    problems.extend(
        files.iter().filter(too_large).map(|Chosen { path, file }| {
            select::too_large(path, file.size, options.max_file, true)
        }),
    );
    let layer = options.layer && problems.is_empty();
    let options = &Options { layer, ..options.clone() };
    let outcome = read::read_all(input, files, &named, options, progress)?;
    let paths: BTreeSet<&RelPath> = outcome.files.iter().map(|file| &file.path).collect();
    let recognised = outcome.facts.iter().any(check::FileFacts::is_recognised);
    let mut judgement = check::judge(outcome.facts, &paths, &options.check);
    problems.extend(outcome.problems);
    problems.append(&mut judgement.problems);
    judgement.problems = problems;
    if !recognised && judgement.problems.is_empty() {
        judgement.problems.push(check::nothing());
    }
    let fails = judgement.problems.iter().any(|p| p.severity == Severity::Error);
    Ok(Packed {
        layer: outcome.layer.filter(|_| !fails),
        files: outcome.files,
        judgement,
        ignored_count: ignored,
        rules,
    })
}

/// Finds what is to be packed.
fn select(input: &Input, options: &Options) -> Result<(Selection, Rules), PackError> {
    let Input::Directory(root) = input else { return select_one(input, options) };
    let (patterns, problems) = patterns(root, options)?;
    let patterns = patterns.iter().map(|(dir, text)| (dir.as_ref(), text.as_slice()));
    let rules = Rules::new(patterns, &options.ignore);
    let mut selector = Selector::new(&rules, options.max_file, options.limits);
    files::walk(root, options.resolve_symlinks, &mut |found| selector.offer(found))
        .map_err(unreadable(root))?;
    let mut selection = selector.finish();
    selection.problems.splice(0..0, problems);
    Ok((selection, rules))
}

/// A bundle of one file: a directory with nothing else in it.
fn select_one(input: &Input, options: &Options) -> Result<(Selection, Rules), PackError> {
    let rules = Rules::new([], &options.ignore);
    let mut selector = Selector::new(&rules, options.max_file, options.limits);
    selector.offer(match input {
        Input::File(path) | Input::Directory(path) => Found {
            path: path.file_name().unwrap_or_default().as_encoded_bytes().to_vec(),
            kind: files::look_at(path).map_err(unreadable(path))?,
        },
        Input::Bytes { name, bytes } => Found {
            path: name.as_str().into(),
            kind: Kind::File(select::File {
                size: bytes.len() as u64,
                executable: false,
                identity: (0, 0),
            }),
        },
    });
    let selection = selector.finish();
    Ok((selection, rules))
}

/// The `.sourceignore` files of a directory, each with the directory it is in.
type Patterns = BTreeMap<Option<RelPath>, Vec<u8>>;

/// Reads the `.sourceignore` files. All of them come first, because one pattern
/// anywhere switches the defaults off everywhere.
fn patterns(root: &Path, options: &Options) -> Result<(Patterns, Vec<Problem>), PackError> {
    let (mut patterns, mut problems, mut walked) = (Patterns::new(), Vec::new(), 0_u64);
    let limit = options.limits.entries.saturating_mul(WALKED_PER_ENTRY);
    files::walk(root, options.resolve_symlinks, &mut |found| {
        walked += 1;
        if walked > limit || found.path.split(|b| *b == b'/').next_back() == Some(select::GIT) {
            return false;
        }
        let Some(path) = std::str::from_utf8(&found.path).ok().and_then(|t| RelPath::new(t).ok())
        else {
            return false;
        };
        if let Kind::File(select::File { size, .. }) = found.kind
            && path.file_name() == ignore::FILE_NAME
        {
            match read_patterns(&root.join(path.as_str())) {
                Ok(Some(text)) => _ = patterns.insert(path.parent(), text),
                Ok(None) => {
                    problems.push(select::too_large(&path, size, MAX_PATTERNS, false));
                }
                // Reading it again to pack it will fail as well, and be told.
                Err(_) => {}
            }
        }
        found.kind == Kind::Directory
    })
    .map_err(unreadable(root))?;
    match walked > limit {
        true => Err(PackError::TooManyEntries { path: root.to_owned(), limit }),
        false => Ok((patterns, problems)),
    }
}

/// The bytes of a `.sourceignore` file; `None` when it is too large.
fn read_patterns(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let (file, _) = files::open(path)?;
    let mut text = Vec::new();
    file.take(MAX_PATTERNS + 1).read_to_end(&mut text)?;
    Ok(Some(text).filter(|text| text.len() as u64 <= MAX_PATTERNS))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> PackError {
    let path = path.to_owned();
    move |source| PackError::Unreadable { path, source }
}
