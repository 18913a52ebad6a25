//! How many bytes of files are in memory at once.

use std::{
    ops::Deref,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

/// A number of bytes that are shared out and given back.
pub(super) struct Budget {
    capacity: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// A part of the budget; given back when dropped.
pub(super) struct Share {
    size: u64,
    budget: Arc<Budget>,
}

/// Bytes of a file with the share of the budget that they take.
pub(super) struct Held {
    bytes: Vec<u8>,
    _share: Share,
}

impl Budget {
    /// A budget of `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self { capacity, used: Mutex::new(0), freed: Condvar::new() })
    }

    /// Waits until `size` bytes are free. Whoever wants more than there is gets
    /// everything: a large file goes alone.
    pub(super) fn take(self: &Arc<Self>, size: u64) -> Share {
        let size = size.min(self.capacity);
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = self
            .freed
            .wait_while(used, |used| *used + size > self.capacity)
            .unwrap_or_else(PoisonError::into_inner);
        *used += size;
        Share { size, budget: Arc::clone(self) }
    }
}

impl Share {
    /// The bytes that the share was taken for.
    pub(super) fn hold(self, bytes: Vec<u8>) -> Held {
        Held { bytes, _share: self }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut used = self.budget.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(self.size);
        self.budget.freed.notify_all();
    }
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_and_never_more_than_there_is() {
        let budget = Budget::new(10);
        let first = budget.take(100);
        let waiting = {
            let budget = Arc::clone(&budget);
            std::thread::spawn(move || budget.take(10).hold(vec![1]).len())
        };
        drop(first);
        assert_eq!(waiting.join().ok(), Some(1));
    }
}
