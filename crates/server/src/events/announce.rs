//! What replicas tell each other: lines of `tenant:seq`, or `*` for "everybody look".

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::hub::Hub;
use crate::error::chain;
use crate::store::Store;

/// `PostgreSQL` locks the whole database for each announcement, so there are at most 50 a second.
const PAUSE: Duration = Duration::from_millis(20);
/// `PostgreSQL` takes texts shorter than 8000 bytes.
const MAX_BYTES: usize = 7_900;
const EVERYTHING: &str = "*";

/// What is to be announced next.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    everything: bool,
    heads: BTreeMap<String, i64>,
}

impl Announcements {
    pub(crate) fn add(&self, tenant_id: &str, seq: i64) {
        let mut waiting = self.waiting();
        let head = waiting.heads.entry(tenant_id.to_owned()).or_default();
        *head = seq.max(*head);
        drop(waiting);
        self.added.notify_one();
    }

    pub(crate) fn add_everything(&self) {
        self.waiting().everything = true;
        self.added.notify_one();
    }

    /// Sends what waits: the first at once, what comes meanwhile together.
    pub(crate) async fn send(&self, store: &dyn Store) {
        loop {
            self.added.notified().await;
            let waiting = std::mem::take(&mut *self.waiting());
            for text in texts(&waiting) {
                if let Err(error) = store.announce(&text).await {
                    tracing::warn!(error = %chain(&error), "events were not announced");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn texts(waiting: &Waiting) -> Vec<String> {
    if waiting.everything {
        return vec![EVERYTHING.to_owned()];
    }
    let mut texts: Vec<String> = Vec::new();
    for (tenant, seq) in &waiting.heads {
        let line = format!("{tenant}:{seq}\n");
        match texts.last_mut() {
            Some(text) if text.len() + line.len() <= MAX_BYTES => text.push_str(&line),
            _ => texts.push(line),
        }
    }
    texts
}

/// Wakes the streams that an announcement is for.
pub(crate) fn heard(text: &str, hub: &Hub) {
    for line in text.lines() {
        match line.rsplit_once(':').map(|(id, seq)| (id, seq.parse())) {
            Some((tenant_id, Ok(seq))) => hub.wake(tenant_id, seq),
            Some((_, Err(_))) | None => hub.wake_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Reader, StreamCaps};

    #[test]
    fn an_announcement_says_the_newest_number_of_each_tenant() {
        let announcements = Announcements::default();
        for (tenant, seq) in [("a", 3), ("b", 1), ("a", 2)] {
            announcements.add(tenant, seq);
        }
        assert_eq!(texts(&announcements.waiting()), ["a:3\nb:1\n"]);
        announcements.add_everything();
        assert_eq!(texts(&announcements.waiting()), ["*"]);
    }

    #[test]
    fn many_tenants_take_several_announcements() {
        let mut waiting = Waiting::default();
        for number in 0..500 {
            let id = format!("0190a0a0-0000-7000-8000-{number:012}");
            waiting.heads.insert(id, i64::MAX);
        }
        let texts = texts(&waiting);
        assert!(texts.iter().all(|text| text.len() < 8_000));
        assert_eq!(texts.iter().flat_map(|text| text.lines()).count(), 500);
    }

    #[test]
    fn whoever_hears_it_wakes_its_own() {
        let hub = Hub::new(StreamCaps {
            per_user: 9,
            per_tenant: 9,
        });
        let place = |tenant: &str| {
            hub.enter(Reader {
                subject: "ana".to_owned(),
                tenant_id: tenant.to_owned(),
                device: None,
            })
            .unwrap()
        };
        let (mut a, mut b) = (place("a"), place("b"));
        heard("a:3\nnobody:7\n", &hub);
        assert_eq!(*a.head.borrow_and_update(), 3);
        assert!(!b.head.has_changed().unwrap());
        heard("*", &hub);
        assert!(a.head.has_changed().unwrap());
        assert!(b.head.borrow_and_update().has_changed());
    }
}
