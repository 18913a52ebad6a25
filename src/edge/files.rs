//! Files and directories: walking what is packed, staging what is unpacked.
//!
//! Thin and without decisions: what was found is told as it is, and the caller
//! says whether to look into a directory. A symbolic link is followed only when
//! asked, and never out of the directory that is walked.

use std::{
    cmp::Reverse,
    ffi::OsStr,
    fs::{self, DirBuilder, DirEntry, File, FileType, Metadata, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use tempfile::{NamedTempFile, TempDir};

use crate::model::bundle::{
    path::RelPath,
    select::{self, Found, Kind, Link},
};

use super::scratch;

/// The bit of the mode that makes a file executable: the owner's, as for git.
const OWNER_EXECUTES: u32 = 0o100;
/// The mode of an unpacked executable file; the umask applies.
const EXECUTABLE: u32 = 0o755;
/// The mode of any other unpacked file.
const PLAIN: u32 = 0o644;

/// Walks `root` in the order of the layer: every directory before what is in
/// it, sorted by name. `visit` says whether to look into a directory.
///
/// # Errors
/// When `root` itself cannot be read; what is below is told to `visit`.
pub fn walk(root: &Path, follow: bool, visit: &mut dyn FnMut(Found) -> bool) -> io::Result<()> {
    let real = fs::canonicalize(root)?;
    let mut walk = Walk { root: real.clone(), follow, open: Vec::new() };
    walk.enter(&real, Vec::new())?;
    while let Some((entry, path)) = walk.next() {
        let (kind, directory) = walk.look_at(&entry);
        let descends = visit(Found { path: path.clone(), kind });
        if let Some(directory) = directory
            && descends
            && let Err(error) = walk.enter(&directory, path.clone())
        {
            visit(Found { path, kind: Kind::Unreadable(error.to_string()) });
        }
    }
    Ok(())
}

/// What a file given by its own path is; links to it are followed.
///
/// # Errors
/// When it cannot be read.
pub fn look_at(path: &Path) -> io::Result<Kind> {
    Ok(describe(&fs::metadata(path)?))
}

/// Opens a file; its size and identity as it is now. Nothing but a file is
/// opened.
///
/// # Errors
/// When it cannot be opened or is no file.
pub fn open(path: &Path) -> io::Result<(File, select::File)> {
    let file = File::open(path)?;
    match describe(&file.metadata()?) {
        Kind::File(found) => Ok((file, found)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file any more")),
    }
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// Of the file system; [`io::ErrorKind::FileTooLarge`].
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {limit} bytes"),
        )),
        false => Ok(bytes),
    }
}

/// A file of its own in the directory for temporary files, removed when
/// dropped.
///
/// # Errors
/// When it cannot be created.
pub fn temporary() -> io::Result<NamedTempFile> {
    scratch::track(|| NamedTempFile::with_prefix("sluicegate-"), NamedTempFile::path)
}

/// A file that will stand in the place of another, complete or not at all; gone
/// when dropped before.
#[derive(Debug)]
pub struct Replacement {
    temp: NamedTempFile,
    target: PathBuf,
}

impl Replacement {
    /// Makes it beside `target`, which is thereby known to be writable. What is
    /// there already must be a file: a link or a device would be replaced by one.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(target: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(target) {
            Ok(found) if !found.is_file() => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it exists and is no file",
                ));
            }
            _ => {}
        }
        let dir = match target.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".sluicegate-").permissions(Permissions::from_mode(0o666));
        let temp = scratch::track(|| builder.tempfile_in(dir), |temp| temp.path())?;
        Ok(Self { temp, target: target.to_owned() })
    }

    /// Fills it and puts it in its place.
    ///
    /// # Errors
    /// When it cannot; the target is then as it was.
    pub fn commit(mut self, bytes: &[u8]) -> io::Result<()> {
        self.fill(bytes)?;
        let Self { temp, target } = self;
        scratch::make(|| temp.persist(&target).map(drop).map_err(|error| error.error))
    }

    /// Fills it and puts it where nothing is.
    ///
    /// # Errors
    /// As [`Replacement::commit`]; [`io::ErrorKind::AlreadyExists`].
    pub fn commit_new(mut self, bytes: &[u8]) -> io::Result<()> {
        self.fill(bytes)?;
        let Self { temp, target } = self;
        scratch::make(|| temp.persist_noclobber(&target).map(drop).map_err(|error| error.error))
    }

    fn fill(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.temp.as_file_mut().write_all(bytes)?;
        self.temp.as_file().sync_all()
    }
}

/// The directories that the walk is in.
struct Walk {
    root: PathBuf,
    follow: bool,
    open: Vec<Open>,
}

/// A directory that the walk is in.
struct Open {
    /// Without links.
    real: PathBuf,
    /// As the caller knows it.
    path: Vec<u8>,
    /// What is still to be visited, the next one last.
    rest: Vec<DirEntry>,
}

impl Walk {
    fn enter(&mut self, real: &Path, path: Vec<u8>) -> io::Result<()> {
        let mut rest = fs::read_dir(real)?.collect::<io::Result<Vec<_>>>()?;
        rest.sort_by_cached_key(|entry| Reverse(entry.file_name()));
        self.open.push(Open { real: real.to_owned(), path, rest });
        Ok(())
    }

    fn next(&mut self) -> Option<(DirEntry, Vec<u8>)> {
        loop {
            let Open { path, rest, .. } = self.open.last_mut()?;
            if let Some(entry) = rest.pop() {
                let mut path = path.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(entry.file_name().as_bytes());
                return Some((entry, path));
            }
            self.open.pop();
        }
    }

    /// What an entry is, and where it really is when it is a directory.
    fn look_at(&self, entry: &DirEntry) -> (Kind, Option<PathBuf>) {
        let unreadable = |error: io::Error| (Kind::Unreadable(error.to_string()), None);
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return unreadable(error),
        };
        if !metadata.is_symlink() {
            let directory = metadata.is_dir().then(|| entry.path());
            return (describe(&metadata), directory);
        }
        if !self.follow {
            return (Kind::Link(Link::NotAsked), None);
        }
        let Ok(real) = fs::canonicalize(entry.path()) else {
            return (Kind::Link(Link::Broken), None);
        };
        let below = real.strip_prefix(&self.root);
        let is_git = |part: &OsStr| part.as_bytes() == select::GIT;
        if below.map_or(true, |below| below.iter().any(is_git)) {
            return (Kind::Link(Link::Outside), None);
        }
        match fs::metadata(&real) {
            Ok(target) if target.is_dir() && self.open.iter().any(|open| open.real == real) => {
                (Kind::Link(Link::Cycle), None)
            }
            Ok(target) => (describe(&target), target.is_dir().then_some(real)),
            Err(error) => unreadable(error),
        }
    }
}

fn describe(metadata: &Metadata) -> Kind {
    if metadata.is_dir() {
        return Kind::Directory;
    }
    if !metadata.is_file() {
        return Kind::Other(named(metadata.file_type()));
    }
    Kind::File(select::File {
        size: metadata.len(),
        executable: metadata.mode() & OWNER_EXECUTES != 0,
        identity: (metadata.dev(), metadata.ino()),
    })
}

fn named(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "of an unknown kind",
    }
}

/// What stands where something is to be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing, in a directory that exists.
    Free,
    /// Nothing, and the directory it would be in does not exist either.
    NoParent,
    /// An empty directory.
    Empty,
    /// A directory with something in it.
    Occupied,
    /// No directory.
    NotADirectory,
}

/// What stands at `target`, and its path with links resolved.
///
/// # Errors
/// When that cannot be found out.
pub fn place(target: &Path) -> io::Result<(Place, PathBuf)> {
    let metadata = match fs::metadata(target) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return free(target),
        Err(error) => return Err(error),
    };
    let real = fs::canonicalize(target)?;
    if !metadata.is_dir() {
        return Ok((Place::NotADirectory, real));
    }
    match fs::read_dir(&real)?.next() {
        Some(_) => Ok((Place::Occupied, real)),
        None => Ok((Place::Empty, real)),
    }
}

/// Where nothing is, unless a link leads there.
fn free(target: &Path) -> io::Result<(Place, PathBuf)> {
    let link = fs::symlink_metadata(target).is_ok();
    let (Some(name), false) = (target.file_name(), link) else {
        return Ok((Place::NotADirectory, target.to_owned()));
    };
    let parent = target.parent().filter(|p| !p.as_os_str().is_empty());
    match fs::canonicalize(parent.unwrap_or(Path::new("."))) {
        Ok(parent) if parent.is_dir() => Ok((Place::Free, parent.join(name))),
        Ok(_) => Ok((Place::NotADirectory, target.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok((Place::NoParent, target.to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// A directory being filled, on the file system of its target: beside it, or in
/// it where it is an empty directory, which stays the directory that it is. It
/// vanishes with everything in it unless it is put in place.
#[derive(Debug)]
pub struct Staging {
    /// Readable by its owner only; what is staged is in a directory in it.
    holder: TempDir,
    target: PathBuf,
    /// Whether the target was there.
    inside: bool,
}

impl Staging {
    /// Begins to stage for `target`, a path without links.
    ///
    /// # Errors
    /// When nothing can be written beside the target, or in it.
    pub fn create(target: &Path) -> io::Result<Self> {
        let inside = target.is_dir();
        let place = match inside {
            true => target,
            false => target.parent().unwrap_or(Path::new("/")),
        };
        let holder =
            scratch::track(|| TempDir::with_prefix_in(".sluicegate-", place), TempDir::path)?;
        let staging = Self { holder, target: target.to_owned(), inside };
        scratch::make(|| fs::create_dir(staging.root()))?;
        Ok(staging)
    }

    /// Creates a directory and those it is in.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn directory(&self, path: &RelPath) -> io::Result<()> {
        scratch::make(|| DirBuilder::new().recursive(true).create(self.root().join(path.as_str())))
    }

    /// Creates a file that does not exist yet, and the directories it is in.
    ///
    /// # Errors
    /// When it cannot be created or exists.
    pub fn file(&self, path: &RelPath, executable: bool) -> io::Result<File> {
        let mode = if executable { EXECUTABLE } else { PLAIN };
        let place = self.root().join(path.as_str());
        let create = || {
            scratch::make(|| {
                OpenOptions::new().write(true).create_new(true).mode(mode).open(&place)
            })
        };
        match (create(), path.parent()) {
            (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
                self.directory(&parent)?;
                create()
            }
            (result, _) => result,
        }
    }

    /// Puts the directory in place of its target when that is not there, in one
    /// step; what is in it into a target that was an empty directory, one after
    /// the other.
    ///
    /// # Errors
    /// When the target is not empty any more; it is then as it was.
    pub fn put_in_place(self) -> io::Result<()> {
        scratch::make(|| match self.inside {
            true => self.fill(),
            false => fs::rename(self.root(), &self.target),
        })?;
        self.holder.close()
    }

    /// Moves what is staged into the target, where nothing else may be; all of
    /// it or nothing.
    fn fill(&self) -> io::Result<()> {
        let own = self.holder.path().file_name();
        for found in fs::read_dir(&self.target)? {
            if Some(found?.file_name().as_os_str()) != own {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
        }
        let staged = fs::read_dir(self.root())?.collect::<io::Result<Vec<_>>>()?;
        for (at, entry) in staged.iter().enumerate() {
            let place = |entry: &DirEntry| self.target.join(entry.file_name());
            if let Err(error) = move_to_nothing(&entry.path(), &place(entry)) {
                for moved in staged.iter().take(at) {
                    let _ = fs::rename(place(moved), moved.path());
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn root(&self) -> PathBuf {
        self.holder.path().join("staged")
    }
}

/// Renames to a name that nothing has. Some file systems cannot promise that;
/// there a look has to do.
fn move_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match to.symlink_metadata() {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn all(root: &Path, follow: bool) -> Vec<(String, Kind)> {
        let mut found = Vec::new();
        walk(root, follow, &mut |f: Found| {
            let kind = match f.kind {
                Kind::File(file) => Kind::File(select::File { identity: (0, 0), ..file }),
                kind => kind,
            };
            found.push((String::from_utf8_lossy(&f.path).into_owned(), kind));
            true
        })
        .expect("walk");
        found
    }

    fn plain(size: u64) -> Kind {
        Kind::File(select::File { size, executable: false, identity: (0, 0) })
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn walks_in_the_order_of_the_layer() {
        let root = tempfile::tempdir().unwrap();
        for path in ["a.b", "a/c", "a-", "a/b/x", "B"] {
            write(root.path(), path, "1");
        }
        let names: Vec<_> = all(root.path(), false).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["B", "a", "a/b", "a/b/x", "a/c", "a-", "a.b"]);
        let mut sorted: Vec<_> = names.iter().map(|n| RelPath::new(n).unwrap()).collect();
        sorted.sort();
        assert_eq!(sorted.iter().map(RelPath::as_str).collect::<Vec<_>>(), names);
    }

    #[test]
    fn tells_what_things_are() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        write(path, "run.sh", "#!");
        fs::set_permissions(path.join("run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("run.sh", path.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path.join("sock")).unwrap();
        let executable = select::File { size: 2, executable: true, identity: (0, 0) };
        assert_eq!(
            all(path, false),
            [
                ("link".to_owned(), Kind::Link(Link::NotAsked)),
                ("run.sh".to_owned(), Kind::File(executable)),
                ("sock".to_owned(), Kind::Other("a socket")),
            ]
        );
    }

    #[test]
    fn follows_links_only_inside() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        write(outer.path(), "secret", "s");
        write(&root, "real/x", "123");
        write(&root, ".git/config", "token");
        for (target, link) in [
            ("real", "dir"),
            ("real/x", "file"),
            ("../secret", "out"),
            ("/etc/hostname", "absolute"),
            (".git/config", "git"),
            ("missing", "broken"),
            ("self", "self"),
            ("..", "real/up"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(&root, outer.path().join("entry")).unwrap();
        let found = all(&outer.path().join("entry"), true);
        let of = |name: &str| found.iter().find(|(n, _)| n == name).map(|(_, kind)| kind.clone());
        assert_eq!(of("dir"), Some(Kind::Directory));
        assert_eq!(of("dir/x"), Some(plain(3)));
        assert_eq!(of("file"), Some(plain(3)));
        for (name, link) in [
            ("out", Link::Outside),
            ("absolute", Link::Outside),
            ("git", Link::Outside),
            ("broken", Link::Broken),
            ("self", Link::Broken),
            ("real/up", Link::Cycle),
            ("dir/up", Link::Cycle),
        ] {
            assert_eq!(of(name), Some(Kind::Link(link)), "{name}");
        }
    }

    #[test]
    fn tells_where_something_can_be_unpacked() {
        let root = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(root.path()).unwrap();
        fs::create_dir_all(path.join("empty")).unwrap();
        write(&path, "full/x", "x");
        symlink("empty", path.join("link")).unwrap();
        symlink("missing", path.join("dangling")).unwrap();
        for (name, expected, real) in [
            ("new", Place::Free, "new"),
            ("no/parent", Place::NoParent, "no/parent"),
            ("empty", Place::Empty, "empty"),
            ("link", Place::Empty, "empty"),
            ("full", Place::Occupied, "full"),
            ("full/x", Place::NotADirectory, "full/x"),
            ("dangling", Place::NotADirectory, "dangling"),
        ] {
            assert_eq!(place(&path.join(name)).unwrap(), (expected, path.join(real)), "{name}");
        }
        assert_eq!(place(Path::new("/proc")).unwrap().0, Place::Occupied);
        assert_eq!(place(Path::new("/")).unwrap().0, Place::Occupied);
    }

    #[test]
    fn staging_leaves_nothing_unless_put_in_place() {
        let root = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(root.path()).unwrap();
        let file = RelPath::new("a/b/x").unwrap();
        let staging = Staging::create(&path.join("out")).unwrap();
        staging.file(&file, false).unwrap();
        assert!(staging.file(&file, false).is_err(), "exists");
        drop(staging);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);

        let staging = Staging::create(&path.join("out")).unwrap();
        staging.directory(&RelPath::new("a").unwrap()).unwrap();
        staging.file(&file, true).unwrap();
        fs::create_dir(path.join("out")).unwrap();
        staging.put_in_place().unwrap();
        assert!(path.join("out/a/b/x").is_file());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);

        let second = Staging::create(&path.join("out")).unwrap();
        assert!(second.put_in_place().is_err(), "occupied");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        assert_eq!(fs::read_dir(path.join("out")).unwrap().count(), 1);
    }

    /// Somebody may be in it, or may have mounted it there.
    #[test]
    fn an_empty_directory_is_filled_and_stays_what_it_is() {
        let root = tempfile::tempdir().unwrap();
        let out = fs::canonicalize(root.path()).unwrap();
        let identity = fs::metadata(&out).unwrap().ino();
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let stage = || {
            let staging = Staging::create(&out).unwrap();
            for path in ["a/x", "b", "c/d/y"] {
                staging.file(&RelPath::new(path).unwrap(), false).unwrap();
            }
            staging
        };
        drop(stage());
        assert!(names().is_empty());
        // Somebody else was faster, before or in the middle.
        let late = stage();
        fs::write(out.join("z"), "theirs").unwrap();
        assert!(late.put_in_place().is_err());
        assert_eq!(names(), ["z"]);
        fs::remove_file(out.join("z")).unwrap();
        stage().put_in_place().unwrap();
        assert_eq!(names(), ["a", "b", "c"]);
        assert!(out.join("c/d/y").is_file());
        assert_eq!(fs::metadata(&out).unwrap().ino(), identity);
        assert!(move_to_nothing(&out.join("b"), &out.join("a")).is_err());
        assert!(out.join("b").exists());
    }
}
