//! When a person is told of something. Pure: the time is passed in.
//!
//! A cause makes one notice, however many notes it concerns. It is told anew only for something
//! that was not part of it before, and at most every [`PAUSE_MS`]; what heals in a minute is never
//! told. In quiet hours, and while a person wants to be left alone, nothing new is told; what still
//! holds after them is. A notice that stands always says what is so now: only another id tells.

mod facts;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use facts::facts;

use crate::view::{NoticeAction, NoticeCause, NoticeLevel, NoticeView, Notifications, QuietHours};

/// The shortest time between two notices of one cause.
const PAUSE_MS: i64 = 10 * 60_000;
/// What belongs together comes within this time.
const COLLECT_MS: i64 = 3_000;
/// What heals by itself has this long to do so.
const HEAL_MS: i64 = 60_000;

/// Something that is so now, and that a person may have to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) cause: NoticeCause,
    pub(crate) level: NoticeLevel,
    pub(crate) hope: Hope,
    /// What it is about, such as the ids of conflicts: only a new one is told anew.
    pub(crate) subjects: BTreeSet<String>,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) actions: Vec<NoticeAction>,
}

/// Whether it may pass without a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hope {
    MayHeal,
    NeedsPerson,
}

/// What a person wants to be told, and when not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) notifications: Notifications,
    pub(crate) quiet_hours: Option<QuietHours>,
    pub(crate) snoozed_until_ms: Option<i64>,
}

/// A moment, on the clock of the world and on the one on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// Minutes since midnight, where the person is.
    pub(crate) minute: u32,
}

/// What was told so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told(BTreeMap<NoticeCause, Entry>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// Since when there is something that was not told; nothing if all of it was.
    untold_since_ms: Option<i64>,
    told_at_ms: Option<i64>,
    standing: Option<Standing>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    /// What it told of, and when each was last so. What comes and goes is remembered for a while.
    subjects: BTreeMap<String, i64>,
    view: NoticeView,
}

impl Standing {
    fn knows(&self, fact: &Fact) -> bool {
        fact.subjects
            .iter()
            .all(|it| self.subjects.contains_key(it))
    }

    /// After a look: what was known and is so now, or was so lately.
    fn looked(mut self, fact: &Fact, now_ms: i64) -> Self {
        self.subjects.retain(|subject, seen_ms| {
            if fact.subjects.contains(subject) {
                *seen_ms = now_ms;
            }
            is_recent(*seen_ms, now_ms)
        });
        self
    }

    /// The same notice in the words of now, which tells nobody anything.
    fn says(mut self, fact: &Fact) -> Self {
        self.view = fact.view(self.view.id);
        self
    }
}

/// A time that a clock which was set back shows as still to come is not.
fn is_recent(then_ms: i64, now_ms: i64) -> bool {
    (0..PAUSE_MS).contains(&(now_ms - then_ms))
}

impl Told {
    /// The notices that stand now, in the order of their causes.
    pub(crate) fn notices(&self) -> Vec<NoticeView> {
        let standing = self.0.values().filter_map(|entry| entry.standing.as_ref());
        standing.map(|standing| standing.view.clone()).collect()
    }
}

/// What has been told after this moment.
pub(crate) fn step(told: Told, facts: Vec<Fact>, policy: Policy, at: Moment) -> Told {
    let mut before = told.0;
    let mut after = BTreeMap::new();
    for fact in facts.into_iter().filter(|fact| policy.wants(fact.level)) {
        let entry = before.remove(&fact.cause).unwrap_or_default();
        after.insert(fact.cause, entry.follow(&fact, policy, at));
    }
    for (cause, entry) in before {
        // What is over is forgotten, but not how lately it was told.
        let recent = entry
            .told_at_ms
            .filter(|told_ms| is_recent(*told_ms, at.now_ms));
        if recent.is_some() {
            after.insert(
                cause,
                Entry {
                    told_at_ms: recent,
                    ..Entry::default()
                },
            );
        }
    }
    Told(after)
}

impl Entry {
    fn follow(mut self, fact: &Fact, policy: Policy, at: Moment) -> Self {
        let standing = self.standing.take();
        self.standing = standing.map(|standing| standing.looked(fact, at.now_ms));
        if let Some(standing) = self.standing.take_if(|standing| standing.knows(fact)) {
            return Self {
                untold_since_ms: None,
                told_at_ms: self.told_at_ms,
                standing: Some(standing.says(fact)),
            };
        }
        let since = self.untold_since_ms.unwrap_or(at.now_ms).min(at.now_ms);
        let patience = match fact.hope {
            Hope::MayHeal => HEAL_MS,
            Hope::NeedsPerson => COLLECT_MS,
        };
        // A clock that was set back must not keep anything from being told.
        let paused = self
            .told_at_ms
            .is_some_and(|told_ms| is_recent(told_ms, at.now_ms));
        if at.now_ms - since < patience || paused || policy.is_quiet(at) {
            return Self {
                untold_since_ms: Some(since),
                told_at_ms: self.told_at_ms,
                standing: self.standing.map(|standing| standing.says(fact)),
            };
        }
        let id = format!("{}@{}", fact.cause.name(), at.now_ms);
        let before = self.standing.map(|standing| standing.subjects);
        let now = fact.subjects.iter().map(|it| (it.clone(), at.now_ms));
        Self {
            untold_since_ms: None,
            told_at_ms: Some(at.now_ms),
            standing: Some(Standing {
                subjects: before.into_iter().flatten().chain(now).collect(),
                view: fact.view(id),
            }),
        }
    }
}

impl Fact {
    fn view(&self, id: String) -> NoticeView {
        NoticeView {
            id,
            cause: self.cause,
            level: self.level,
            title: self.title.clone(),
            body: self.body.clone(),
            actions: self.actions.clone(),
        }
    }
}

impl Policy {
    fn wants(self, level: NoticeLevel) -> bool {
        match self.notifications {
            Notifications::All => true,
            Notifications::Important => level >= NoticeLevel::Warning,
            Notifications::None => false,
        }
    }

    fn is_quiet(self, at: Moment) -> bool {
        let minute = at.minute;
        let snoozed = self.snoozed_until_ms.is_some_and(|end| at.now_ms < end);
        snoozed
            || self.quiet_hours.is_some_and(|hours| {
                let QuietHours {
                    from_minute: from,
                    to_minute: to,
                } = hours;
                if from <= to {
                    (from..to).contains(&minute)
                } else {
                    minute >= from || minute < to
                }
            })
    }
}

#[cfg(test)]
mod tests;
