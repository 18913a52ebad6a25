//! What is only there for a while: temporary files and directories. They vanish
//! however the program ends, as long as it is not killed.
//!
//! Whoever makes one removes it when it is dropped. A signal may come while a
//! thread that holds one is in the middle of something long: [`stop`] lets
//! nothing new be made, and [`sweep`] removes what is left when nobody waits for
//! the thread any more.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long [`sweep`] waits for whoever is just making something.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the program ends.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// Held for reading while something is made, for writing once it is swept up.
static MAKING: RwLock<()> = RwLock::new(());
/// What was made, and may be gone.
static MADE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Makes something, or changes what is only there for a while; not while the
/// program ends.
///
/// # Errors
/// When the program ends, and when `make` fails.
pub fn make<T>(make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let _making = MAKING.read().unwrap_or_else(PoisonError::into_inner);
    match STOPPED.load(Ordering::SeqCst) {
        true => Err(io::Error::other("the program was interrupted")),
        false => make(),
    }
}

/// [`make`] for what is to be swept up, at the path that `path` tells.
///
/// # Errors
/// As [`make`].
pub fn track<T>(
    make: impl FnOnce() -> io::Result<T>,
    path: impl FnOnce(&T) -> &Path,
) -> io::Result<T> {
    self::make(|| {
        let made = make()?;
        let mut known = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path(&made).to_owned());
        Ok(made)
    })
}

/// Lets nothing be made any more.
pub fn stop() {
    STOPPED.store(true, Ordering::SeqCst);
}

/// Removes what is left, after [`stop`]. Blocks for a moment.
pub fn sweep() {
    stop();
    let start = Instant::now();
    let made = loop {
        match MAKING.try_write() {
            Ok(made) => break Some(made),
            Err(_) if start.elapsed() > PATIENCE => break None,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let known = std::mem::take(&mut *MADE.lock().unwrap_or_else(PoisonError::into_inner));
    for path in known {
        let _ = match path.symlink_metadata() {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
    }
    // Who comes later waits for the end of the program.
    std::mem::forget(made);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use tempfile::{NamedTempFile, TempDir};

    use super::*;

    /// In a process of its own, because it is about the end of one.
    #[test]
    fn what_outlasts_the_patience_is_swept_up() {
        let own = std::env::current_exe().unwrap();
        let child = ["--exact", "edge::scratch::tests::a_program_that_ends", "--ignored"];
        let output = std::process::Command::new(own).args(child).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }

    #[test]
    #[ignore = "run by the test above"]
    fn a_program_that_ends() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        let file = track(|| NamedTempFile::new_in(&root), NamedTempFile::path).unwrap();
        let held = track(|| TempDir::new_in(&root), TempDir::path).unwrap();
        let staged = held.path().to_owned();
        let busy = staged.clone();
        let thread = std::thread::spawn(move || {
            let deep = |n| busy.join(format!("{n}/x"));
            (0_u64..).find_map(|n| make(|| fs::create_dir_all(deep(n))).err())
        });
        while fs::read_dir(&staged).unwrap().count() < 50 {
            std::thread::yield_now();
        }
        sweep();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        drop((file, held, thread));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }
}
