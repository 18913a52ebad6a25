//! Trying again: which failures are worth it, how long to wait, when to stop.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::{Instant, sleep, timeout_at};

use super::error::Fault;

/// How often an operation is tried when the peer does not say when to return.
const ATTEMPTS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// What a transfer must at least manage: its size by this rate is added to the
/// deadline.
const SLOWEST_RATE: u64 = 32 * 1024;

/// Until when an operation must be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    /// `allowed` from now.
    pub(super) fn after(allowed: Duration) -> Self {
        let now = Instant::now();
        Self { at: now.checked_add(allowed).unwrap_or(now), allowed }
    }

    /// `allowed` from now, and more for a transfer of `bytes`.
    pub(super) fn for_transfer(allowed: Duration, bytes: u64) -> Self {
        Self::after(allowed.saturating_add(Duration::from_secs(bytes / SLOWEST_RATE)))
    }

    /// Tries until it succeeds, until trying again would not help, or until the
    /// deadline.
    pub(super) async fn retry<T, F>(self, mut attempt: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut retries = Retries::new(self);
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) => retries.wait(failure).await?,
            }
        }
    }

    /// Runs `work` until the deadline, and no longer than `idle`.
    pub(super) async fn limit<T>(
        self,
        idle: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let idle_end = Instant::now().checked_add(idle).unwrap_or(self.at);
        timeout_at(self.at.min(idle_end), work).await.map_err(|_| self.missed(idle))
    }

    /// The failure when `idle` or the deadline has passed.
    pub(super) fn missed(self, idle: Duration) -> Failure {
        if self.has_passed() {
            Failure { fault: Fault::TimedOut(self.allowed), retry: Retry::Never }
        } else {
            Failure { fault: Fault::TimedOut(idle), retry: Retry::Soon }
        }
    }

    fn has_passed(self) -> bool {
        Instant::now() >= self.at
    }

    /// The moment itself.
    pub(super) fn at(self) -> Instant {
        self.at
    }
}

/// A fault, and whether trying again may help.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) retry: Retry,
}

/// Whether and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    Soon,
    After(Duration),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, retry: Retry::Never }
    }
}

/// The attempts of one operation.
#[derive(Debug)]
struct Retries {
    deadline: Deadline,
    attempts: u32,
    /// Why the last attempt failed: more telling than that time ran out during
    /// the next one.
    last: Option<Fault>,
}

impl Retries {
    fn new(deadline: Deadline) -> Self {
        Self { deadline, attempts: 1, last: None }
    }

    /// Waits before the next attempt, or gives the fault back when there is
    /// none.
    async fn wait(&mut self, failure: Failure) -> Result<(), Fault> {
        let wait = match failure.retry {
            Retry::Never if self.deadline.has_passed() => {
                return Err(self.last.take().unwrap_or(failure.fault));
            }
            Retry::Never => return Err(failure.fault),
            Retry::After(wait) => wait.saturating_add(jitter(FIRST_WAIT)),
            Retry::Soon if self.attempts >= ATTEMPTS => return Err(failure.fault),
            Retry::Soon => {
                let doubled =
                    FIRST_WAIT.saturating_mul(1 << self.attempts.min(10).saturating_sub(1));
                let half = doubled.min(LONGEST_WAIT) / 2;
                self.attempts += 1;
                half.saturating_add(jitter(half))
            }
        };
        let left = self.deadline.at.saturating_duration_since(Instant::now());
        if wait >= left {
            return Err(failure.fault);
        }
        self.last = Some(failure.fault);
        sleep(wait).await;
        Ok(())
    }
}

/// Something between nothing and `most`: many clients that were turned away
/// together must not come back together. The hasher's keys are random enough.
fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().hash_one(0u8);
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random.checked_rem(most).unwrap_or(0))
}

/// What an answer with `status` means for trying again.
pub(super) fn retry_of(status: u16, headers: &HeaderMap, now: Timestamp) -> Retry {
    if !matches!(status, 408 | 429 | 500 | 502 | 503 | 504) {
        return Retry::Never;
    }
    let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    match after.and_then(|value| retry_after(value, now)) {
        Some(wait) => Retry::After(wait),
        None => Retry::Soon,
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn reads_retry_after_in_both_forms() {
        let now = "2026-11-20T10:00:00Z".parse().unwrap();
        for (value, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Fri, 20 Nov 2026 10:00:30 GMT", Some(30)),
            ("Fri, 20 Nov 2026 09:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn knows_what_is_worth_another_try() {
        let now = Timestamp::UNIX_EPOCH;
        let mut headers = HeaderMap::new();
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(retry_of(status, &headers, now), Retry::Soon, "{status}");
        }
        for status in [200, 307, 400, 401, 403, 404, 405, 412, 501] {
            assert_eq!(retry_of(status, &headers, now), Retry::Never, "{status}");
        }
        headers.insert(RETRY_AFTER, "3".parse().unwrap());
        assert_eq!(retry_of(429, &headers, now), Retry::After(Duration::from_secs(3)));
    }

    #[tokio::test]
    async fn stops_when_the_wait_would_miss_the_deadline() {
        let mut retries = Retries::new(Deadline::after(Duration::from_secs(5)));
        let failure =
            Failure { fault: Fault::Throttled, retry: Retry::After(Duration::from_secs(3600)) };
        assert!(matches!(retries.wait(failure).await, Err(Fault::Throttled)));
        let failure = Failure::from(Fault::NotFound);
        assert!(matches!(retries.wait(failure).await, Err(Fault::NotFound)));
    }
}
