//! What is known of one issuer's keys, and what that means for a token and for the next fetch.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;

use super::key_set::KeySet;

/// How often keys are fetched when nothing else asks for it.
const REFRESH_MS: i64 = 10 * 60 * 1000;
/// Between two fetches that unknown keys or failures ask for.
const COOL_DOWN_MS: i64 = 30 * 1000;
/// How long keys stay good while their issuer cannot be reached.
const STALE_MS: i64 = 24 * 60 * 60 * 1000;
/// How long a key that its issuer did not have is not asked for again.
const ABSENT_MS: i64 = 60 * 1000;
const MAX_ABSENT: usize = 256;
/// No fetch takes longer; one that did not report back by then never will.
const FLIGHT_MS: i64 = 30 * 1000;

/// A key, and the set it is from.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) key: DecodingKey,
    pub(crate) generation: u64,
}

/// What a token's key id leads to.
pub(super) enum Look {
    Found(Found),
    /// The issuer has no such key.
    Absent,
    /// The issuer cannot be asked now.
    Unavailable {
        retry_after_ms: i64,
    },
    /// The issuer must be asked.
    Ask,
    /// The issuer is being asked.
    Wait,
}

struct Held {
    set: Arc<KeySet>,
    generation: u64,
    fetched_at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    None,
    InFlight { since: i64 },
    Succeeded { at: i64 },
    Failed { at: i64, in_a_row: u32 },
}

/// One issuer's keys. Times are Unix milliseconds.
pub(super) struct KeyState {
    held: Option<Held>,
    attempt: Attempt,
    failures: u32,
    absent: HashMap<String, i64>,
}

impl KeyState {
    pub(super) fn new() -> Self {
        Self {
            held: None,
            attempt: Attempt::None,
            failures: 0,
            absent: HashMap::new(),
        }
    }

    pub(super) fn look(&self, key_id: &str, now: i64) -> Look {
        let held = self.usable(now);
        if let Some(held) = held
            && let Some(key) = held.set.get(key_id)
        {
            return Look::Found(Found {
                key: key.clone(),
                generation: held.generation,
            });
        }
        if held.is_some() && self.absent.get(key_id).is_some_and(|&until| now < until) {
            return Look::Absent;
        }
        match self.attempt {
            Attempt::InFlight { since } if is_within(FLIGHT_MS, since, now) => Look::Wait,
            Attempt::Succeeded { at } if is_within(COOL_DOWN_MS, at, now) && held.is_some() => {
                Look::Absent
            }
            Attempt::Failed { at, .. } if is_within(COOL_DOWN_MS, at, now) => Look::Unavailable {
                retry_after_ms: COOL_DOWN_MS - (now - at),
            },
            Attempt::None
            | Attempt::InFlight { .. }
            | Attempt::Succeeded { .. }
            | Attempt::Failed { .. } => Look::Ask,
        }
    }

    /// Looks once more after the issuer was asked; it is not asked twice for one token.
    pub(super) fn look_again(&mut self, key_id: &str, now: i64) -> Look {
        match self.look(key_id, now) {
            Look::Absent => {
                self.remember_absent(key_id, now);
                Look::Absent
            }
            Look::Ask | Look::Wait => Look::Unavailable {
                retry_after_ms: COOL_DOWN_MS,
            },
            settled @ (Look::Found(_) | Look::Unavailable { .. }) => settled,
        }
    }

    pub(super) fn begin(&mut self, now: i64) {
        self.attempt = Attempt::InFlight { since: now };
    }

    /// Takes the fetched keys.
    pub(super) fn succeed(&mut self, set: KeySet, now: i64) -> Change {
        self.failures = 0;
        self.attempt = Attempt::Succeeded { at: now };
        self.absent.retain(|kid, _| set.get(kid).is_none());
        let known = self.held.as_ref();
        let same = known.is_some_and(|held| held.set.fingerprint == set.fingerprint);
        let generation = known.map_or(1, |held| held.generation + u64::from(!same));
        self.held = Some(Held {
            set: Arc::new(set),
            generation,
            fetched_at: now,
        });
        if same { Change::Same } else { Change::Other }
    }

    pub(super) fn fail(&mut self, now: i64) {
        self.failures = self.failures.saturating_add(1);
        self.attempt = Attempt::Failed {
            at: now,
            in_a_row: self.failures,
        };
    }

    /// When the next fetch is due, whoever asks or not.
    pub(super) fn due_at(&self, now: i64) -> i64 {
        let (from, span) = match self.attempt {
            Attempt::None => return now,
            Attempt::InFlight { since } => (since, FLIGHT_MS),
            Attempt::Succeeded { at } => (at, REFRESH_MS),
            Attempt::Failed { at, in_a_row } => {
                let doublings = in_a_row.saturating_sub(1).min(5);
                (at, (COOL_DOWN_MS << doublings).min(REFRESH_MS))
            }
        };
        if is_within(span, from, now) {
            from + span
        } else {
            now
        }
    }

    /// Names the keys that are good at `now`, if there are any.
    pub(super) fn generation(&self, now: i64) -> Option<u64> {
        self.usable(now).map(|held| held.generation)
    }

    fn usable(&self, now: i64) -> Option<&Held> {
        self.held
            .as_ref()
            .filter(|held| now - held.fetched_at <= STALE_MS)
    }

    fn remember_absent(&mut self, key_id: &str, now: i64) {
        if self.absent.len() >= MAX_ABSENT {
            self.absent.retain(|_, until| now < *until);
        }
        if self.absent.len() < MAX_ABSENT {
            self.absent.insert(key_id.to_owned(), now + ABSENT_MS);
        }
    }
}

/// Whether `now` is less than `span` after `from`. A clock that was set back is not.
fn is_within(span: i64, from: i64, now: i64) -> bool {
    (0..span).contains(&(now - from))
}

/// What a fetch changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Same,
    Other,
}

#[cfg(test)]
mod tests;
