//! Standard input, read beside the runtime: whoever waits for a pipe can still
//! be stopped by a signal.

use std::{
    io::{self, Read as _},
    sync::atomic::{AtomicBool, Ordering},
};

use zeroize::Zeroizing;

/// Whether a thread waits for standard input.
static WAITING: AtomicBool = AtomicBool::new(false);

/// Reads at most `limit` bytes.
///
/// # Errors
/// When it cannot be read.
pub async fn read(limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    tokio::task::spawn_blocking(move || wait(limit)).await.map_err(io::Error::other)?
}

/// [`read`] on this thread, which may be kept for ever.
///
/// # Errors
/// When it cannot be read.
pub fn wait(limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    WAITING.store(true, Ordering::SeqCst);
    let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
    WAITING.store(false, Ordering::SeqCst);
    read.map(|_| bytes)
}

/// Whether somebody still waits for it: nothing ends that but the end of all.
pub fn is_awaited() -> bool {
    WAITING.load(Ordering::SeqCst)
}
