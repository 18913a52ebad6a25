//! The terminal, asked for what must not be seen.
//!
//! While a password is typed the terminal does not show it. Whoever ends the
//! program meanwhile calls [`restore`], because the terminal outlives it.

use std::{
    fs::OpenOptions,
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write},
    sync::{Mutex, PoisonError},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The longest line that is read.
const MAX_LINE: u64 = 64 * 1024;

/// How the terminal was before it stopped to show what is typed.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether somebody can be asked.
pub fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks, and reads a line that the terminal does not show; `None` when it was
/// closed instead. Blocks.
///
/// # Errors
/// When the terminal cannot be read.
pub fn ask(question: &str) -> io::Result<Option<Zeroizing<String>>> {
    let hidden = Hidden::new()?;
    say(question);
    let mut line = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(MAX_LINE).read_line(&mut line);
    drop(hidden);
    say("\n");
    match read? {
        0 => Ok(None),
        _ => {
            let kept = line.trim_end_matches(['\r', '\n']).len();
            line.truncate(kept);
            Ok(Some(line))
        }
    }
}

/// Shows again what is typed, when a question was cut off; whether one was.
pub fn restore() -> bool {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match before {
        Some(before) => {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
            say("\n");
            true
        }
        None => false,
    }
}

/// A terminal that does not show what is typed, until dropped.
struct Hidden;

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        // What was typed before the question is no answer to it.
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
        }
    }
}

/// Writes to the terminal itself: stderr may be a file.
fn say(text: &str) {
    let written = OpenOptions::new()
        .write(true)
        .open("/dev/tty")
        .and_then(|mut terminal| terminal.write_all(text.as_bytes()));
    if written.is_err() {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
