//! The open streams of this process: how many there may be, and how they are woken.
//!
//! A stream is told the newest number of its tenant and reads the events itself, from its own
//! position. So a slow reader holds nothing here, and a wake that is lost is made up by the next.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::gauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const OPEN_STREAMS: &str = "bm_event_streams";

/// How many streams may be open in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamCaps {
    pub(crate) per_user: usize,
    pub(crate) per_tenant: usize,
}

/// Whose stream it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    pub(crate) subject: String,
    pub(crate) tenant_id: String,
    /// A device has one stream; its next one takes the place of the one before.
    pub(crate) device: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many streams are open as there may be")]
pub(crate) struct TooManyStreams;

#[derive(Debug)]
pub(crate) struct Hub {
    caps: StreamCaps,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last_id: u64,
    tenants: HashMap<String, Tenant>,
    by_user: HashMap<String, usize>,
}

#[derive(Debug)]
struct Tenant {
    head: watch::Sender<i64>,
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    id: u64,
    subject: String,
    device: Option<String>,
    replaced: CancellationToken,
}

/// A place among the open streams, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    hub: Arc<Hub>,
    pub(crate) id: u64,
    pub(crate) reader: Reader,
    /// The newest number heard of; it may be behind what the database has.
    pub(crate) head: watch::Receiver<i64>,
    /// Cancelled when the same device opens another stream.
    pub(crate) replaced: CancellationToken,
}

impl Hub {
    pub(crate) fn new(caps: StreamCaps) -> Arc<Self> {
        Arc::new(Self {
            caps,
            open: Mutex::default(),
        })
    }

    /// Takes a place for another stream.
    pub(crate) fn enter(self: &Arc<Self>, reader: Reader) -> Result<Place, TooManyStreams> {
        let mut open = self.open();
        open.replace(&reader);
        let of_user = open.by_user.get(&reader.subject).copied().unwrap_or(0);
        let of_tenant = open
            .tenants
            .get(&reader.tenant_id)
            .map_or(0, |tenant| tenant.streams.len());
        if of_user >= self.caps.per_user || of_tenant >= self.caps.per_tenant {
            return Err(TooManyStreams);
        }
        open.last_id += 1;
        let id = open.last_id;
        *open.by_user.entry(reader.subject.clone()).or_default() += 1;
        let tenant = open
            .tenants
            .entry(reader.tenant_id.clone())
            .or_insert_with(|| Tenant {
                head: watch::Sender::new(0),
                streams: Vec::with_capacity(1),
            });
        let replaced = CancellationToken::new();
        tenant.streams.push(Stream {
            id,
            subject: reader.subject.clone(),
            device: reader.device.clone(),
            replaced: replaced.clone(),
        });
        let head = tenant.head.subscribe();
        drop(open);
        gauge!(OPEN_STREAMS).increment(1);
        Ok(Place {
            hub: Arc::clone(self),
            id,
            reader,
            head,
            replaced,
        })
    }

    /// Wakes the tenant's streams if `seq` is news to them.
    pub(crate) fn wake(&self, tenant_id: &str, seq: i64) {
        if let Some(tenant) = self.open().tenants.get(tenant_id) {
            tenant.head.send_if_modified(|head| {
                let news = seq > *head;
                *head = seq.max(*head);
                news
            });
        }
    }

    /// Lets every stream look for itself.
    pub(crate) fn wake_all(&self) {
        let open = self.open();
        open.tenants
            .values()
            .for_each(|tenant| tenant.head.send_modify(|_| {}));
    }

    pub(crate) fn streams(&self) -> usize {
        self.open().by_user.values().sum()
    }

    fn leave(&self, id: u64, reader: &Reader) {
        let mut open = self.open();
        if open
            .remove(&reader.tenant_id, |stream| stream.id == id)
            .is_some()
        {
            open.count_down(&reader.subject);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn replace(&mut self, reader: &Reader) {
        if reader.device.is_none() {
            return;
        }
        let same =
            |stream: &Stream| stream.device == reader.device && stream.subject == reader.subject;
        if let Some(stream) = self.remove(&reader.tenant_id, same) {
            stream.replaced.cancel();
            self.count_down(&stream.subject);
        }
    }

    fn remove(&mut self, tenant_id: &str, which: impl Fn(&Stream) -> bool) -> Option<Stream> {
        let tenant = self.tenants.get_mut(tenant_id)?;
        let index = tenant.streams.iter().position(which)?;
        let stream = tenant.streams.swap_remove(index);
        if tenant.streams.is_empty() {
            self.tenants.remove(tenant_id);
        }
        Some(stream)
    }

    fn count_down(&mut self, subject: &str) {
        if let Entry::Occupied(mut count) = self.by_user.entry(subject.to_owned()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.leave(self.id, &self.reader);
        gauge!(OPEN_STREAMS).decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: StreamCaps = StreamCaps {
        per_user: 2,
        per_tenant: 3,
    };

    fn reader(subject: &str, tenant: &str, device: Option<&str>) -> Reader {
        Reader {
            subject: subject.to_owned(),
            tenant_id: tenant.to_owned(),
            device: device.map(str::to_owned),
        }
    }

    #[test]
    fn users_and_tenants_have_their_caps_and_a_place_comes_back() {
        let hub = Hub::new(CAPS);
        let one = hub.enter(reader("ana", "t", None)).unwrap();
        let _two = hub.enter(reader("ana", "t", None)).unwrap();
        assert!(hub.enter(reader("ana", "t", None)).is_err());
        let _three = hub.enter(reader("bob", "t", None)).unwrap();
        assert!(hub.enter(reader("eve", "t", None)).is_err());
        assert!(hub.enter(reader("eve", "other", None)).is_ok());
        drop(one);
        let _four = hub.enter(reader("ana", "t", None)).unwrap();
        assert_eq!(hub.streams(), 3);
    }

    #[test]
    fn the_gauge_tells_how_many_streams_are_open() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let shown = || {
            let text = recorder.handle().render();
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix("bm_event_streams "));
            line.map(|count| count.parse::<f64>().unwrap())
        };
        metrics::with_local_recorder(&recorder, || {
            let hub = Hub::new(CAPS);
            let one = hub.enter(reader("ana", "t", None)).unwrap();
            let two = hub.enter(reader("ana", "t", None)).unwrap();
            assert_eq!(shown(), Some(2.0));
            drop(one);
            assert_eq!(shown(), Some(1.0));
            drop(two);
            assert_eq!(shown(), Some(0.0));
        });
    }

    #[test]
    fn nothing_is_kept_of_streams_that_ended() {
        let hub = Hub::new(CAPS);
        drop(hub.enter(reader("ana", "t", Some("d"))).unwrap());
        let open = hub.open();
        assert!(open.tenants.is_empty() && open.by_user.is_empty());
    }

    #[test]
    fn the_next_stream_of_a_device_takes_the_place_of_the_one_before() {
        let hub = Hub::new(StreamCaps {
            per_user: 1,
            per_tenant: 1,
        });
        let first = hub.enter(reader("ana", "t", Some("laptop"))).unwrap();
        assert!(hub.enter(reader("bob", "t", Some("laptop"))).is_err());
        let second = hub.enter(reader("ana", "t", Some("laptop"))).unwrap();
        assert!(first.replaced.is_cancelled() && !second.replaced.is_cancelled());
        drop(first);
        assert_eq!(hub.streams(), 1);
        drop(second);
        assert_eq!(hub.streams(), 0);
    }

    #[test]
    fn a_wake_reaches_its_tenant_and_only_news_are_told() {
        let hub = Hub::new(CAPS);
        let mut ours = hub.enter(reader("ana", "t", None)).unwrap();
        let other = hub.enter(reader("bob", "u", None)).unwrap();
        hub.wake("t", 5);
        hub.wake("nobody", 9);
        assert_eq!(*ours.head.borrow_and_update(), 5);
        hub.wake("t", 5);
        hub.wake("t", 4);
        assert!(!ours.head.has_changed().unwrap());
        assert!(!other.head.has_changed().unwrap());
        hub.wake_all();
        assert!(ours.head.has_changed().unwrap() && other.head.has_changed().unwrap());
        assert_eq!(*ours.head.borrow(), 5);
    }
}
