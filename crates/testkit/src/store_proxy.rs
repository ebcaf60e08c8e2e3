use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::{Fate, HttpRelay, Seen};

/// Stands before an S3 store, makes its weather, and fails the test if anything that changes an
/// object comes without a condition.
#[must_use]
pub struct StoreProxy {
    pub url: String,
    relay: HttpRelay,
    log: Arc<Mutex<Log>>,
    _stop: oneshot::Sender<()>,
}

/// How requests fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Fair,
    /// Late answers, refusals, cut connections before and after the effect, answers that break
    /// off; the same for the same seed and order of requests.
    Storm {
        seed: u64,
    },
}

#[derive(Default)]
struct Log {
    unconditional: Vec<String>,
    /// Requests by what became of them.
    fates: BTreeMap<&'static str, u64>,
}

impl StoreProxy {
    /// Listens in front of the store at `url`.
    ///
    /// # Panics
    /// As [`HttpRelay::start`].
    pub async fn start(url: &str) -> Self {
        let proxy = Self::start_first().await;
        proxy.lead_to(url);
        proxy
    }

    /// As [`HttpRelay::start_first`]. It answers whatever the test's own threads wait for.
    ///
    /// # Panics
    /// As [`HttpRelay::start_first`].
    pub async fn start_first() -> Self {
        let (started, start) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a thread of its own has a runtime");
            runtime.block_on(async {
                started.send(HttpRelay::start_first().await).ok();
                stopped.await.ok();
            });
        });
        let relay = start.await.expect("the relay starts");
        let proxy = Self {
            url: relay.url.clone(),
            relay,
            log: Arc::default(),
            _stop: stop,
        };
        proxy.set(Weather::Fair);
        proxy
    }

    /// As [`HttpRelay::lead_to`].
    ///
    /// # Panics
    /// As [`HttpRelay::lead_to`].
    pub fn lead_to(&self, url: &str) {
        self.relay.lead_to(url);
    }

    /// From now on.
    pub fn set(&self, weather: Weather) {
        let log = Arc::clone(&self.log);
        let mut dice = match weather {
            Weather::Fair => None,
            Weather::Storm { seed } => Some(Dice(seed)),
        };
        self.relay.decide(move |seen| {
            let (name, fate) = dice.as_mut().map_or(("passed", Fate::Pass), Dice::fate);
            let mut log = lock(&log);
            *log.fates.entry(name).or_default() += 1;
            if changes_an_object(seen) && !seen.conditional {
                log.unconditional
                    .push(format!("{} {}", seen.method, seen.path));
            }
            fate
        });
    }

    /// How many requests fared how.
    #[must_use]
    pub fn fates(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.log).fates.clone()
    }

    /// Whatever changed an object and set no condition.
    #[must_use]
    pub fn unconditional(&self) -> Vec<String> {
        lock(&self.log).unconditional.clone()
    }
}

impl Drop for StoreProxy {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(
                self.unconditional(),
                Vec::<String>::new(),
                "unconditional writes reached the store"
            );
        }
    }
}

fn changes_an_object(seen: &Seen) -> bool {
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let is_object = path.trim_matches('/').contains('/');
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    match seen.method.as_str() {
        // A part is nothing until its upload is completed, and an upload given up never was.
        "PUT" | "DELETE" => is_object && !has("uploadId"),
        "POST" => has("uploadId") || has("delete"),
        _ => false,
    }
}

/// Splitmix64.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % sides
    }

    fn fate(&mut self) -> (&'static str, Fate) {
        let wait = Duration::from_millis(5 + self.throw(150));
        match self.throw(1000) {
            0..80 => ("late", Fate::Delay(wait)),
            80..105 => ("503", refusal(503, "SlowDown")),
            105..120 => ("500", refusal(500, "InternalError")),
            120..130 => ("429", refusal(429, "TooManyRequests")),
            130..145 => ("cut before", Fate::CutBefore),
            145..165 => ("cut after", Fate::CutAfter),
            165..170 => ("cut late", Fate::CutLate(10 * wait)),
            170..180 => ("cut within", Fate::CutWithin),
            _ => ("passed", Fate::Pass),
        }
    }
}

fn refusal(status: u16, code: &str) -> Fate {
    Fate::Answer {
        status,
        headers: vec![("content-type", "application/xml".to_owned())],
        body: format!("<Error><Code>{code}</Code><Message>bad weather</Message></Error>"),
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(method: &str, path: &str) -> Seen {
        Seen {
            method: method.to_owned(),
            path: path.to_owned(),
            body: String::new(),
            conditional: false,
            status: None,
        }
    }

    #[test]
    fn knows_what_changes_an_object() {
        for (method, path, changes) in [
            ("PUT", "/b/n.md", true),
            ("PUT", "/b/n.md?x-id=PutObject", true),
            ("PUT", "/b/n.md?partNumber=1&uploadId=u", false),
            ("DELETE", "/b/n.md", true),
            ("DELETE", "/b/n.md?uploadId=u", false),
            ("POST", "/b/n.md?uploadId=u", true),
            ("POST", "/b/n.md?uploads=", false),
            ("POST", "/b?delete=", true),
            ("GET", "/b/n.md", false),
            ("HEAD", "/b/n.md", false),
            ("PUT", "/b", false),
        ] {
            assert_eq!(changes_an_object(&seen(method, path)), changes, "{path}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_weather_and_all_kinds_of_it() {
        let throw = |seed| {
            let mut dice = Dice(seed);
            let names = std::iter::repeat_with(|| dice.fate().0).take(2000);
            names.collect::<Vec<_>>()
        };
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7), throw(8));
        let kinds: std::collections::BTreeSet<_> = throw(7).into_iter().collect();
        assert_eq!(kinds.len(), 9, "{kinds:?}");
    }
}
