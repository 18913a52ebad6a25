//! Progress as people see it: on a terminal one line that is drawn anew and
//! vanishes, elsewhere a line for each step.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::flow::progress::Event;

/// How often the line is drawn anew, so that one sees that it is alive.
const TICK: Duration = Duration::from_millis(100);
/// A step that may take any time.
const SPINNER: &str = "{spinner} {msg}";
/// A step of so many bytes.
const BYTES: &str = "{spinner} {msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec}";
/// A step of so many things.
const ITEMS: &str = "{spinner} {msg} [{wide_bar}] {pos}/{len}";

/// The line at the bottom of the terminal.
#[derive(Debug, Clone, Default)]
pub struct Line(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Nothing,
    Drawn(ProgressBar),
    /// The last word was said: threads that are still at work draw no more.
    Closed,
}

impl Line {
    /// Draws what an operation tells.
    pub fn draw(&self, event: Event) {
        let mut state = self.state();
        match (event, &*state) {
            (_, State::Closed) | (Event::Bytes(_) | Event::Items(_), State::Nothing) => {}
            (Event::Step(step), _) => {
                state.erase();
                let bar = ProgressBar::new_spinner().with_message(step);
                look(&bar, SPINNER);
                bar.enable_steady_tick(TICK);
                *state = State::Drawn(bar);
            }
            (Event::Bytes(progress), State::Drawn(bar)) => {
                show(bar, BYTES, progress.done, progress.total);
            }
            (Event::Items(progress), State::Drawn(bar)) => {
                show(bar, ITEMS, progress.done, progress.total);
            }
        }
    }

    /// Prints something else: above the line, not into it.
    pub fn above(&self, print: impl FnOnce()) {
        match &*self.state() {
            State::Drawn(bar) => bar.suspend(print),
            State::Nothing | State::Closed => print(),
        }
    }

    /// Erases the line until the next step.
    pub fn erase(&self) {
        let mut state = self.state();
        state.erase();
        if matches!(*state, State::Drawn(_)) {
            *state = State::Nothing;
        }
    }

    /// Erases the line for good.
    pub fn close(&self) {
        let mut state = self.state();
        state.erase();
        *state = State::Closed;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn erase(&self) {
        if let State::Drawn(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn show(bar: &ProgressBar, template: &str, done: u64, total: u64) {
    if bar.length() != Some(total) {
        look(bar, template);
        bar.set_length(total);
    }
    bar.set_position(done);
}

/// Plain characters, which every terminal and font has.
fn look(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.tick_chars("-\\|/ ").progress_chars("=> "));
    }
}
