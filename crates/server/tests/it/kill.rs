//! The server is killed (SIGKILL) before and after every statement of what it does for others.
//! What it does is done again by whoever asked, and judged by the database's and the outside
//! systems' own state: nothing is lost, nothing is there twice.

mod credentials;
mod provisioning;
mod webhooks;

use std::sync::Arc;

use reqwest::{Client, StatusCode};
use testkit::{Fate, HttpRelay, PgRelay, Seen, Stop, postgres, wait_for};

use crate::deployment::cloud::subject;
use crate::deployment::{Cloud, CloudOptions, Database, SOON, StorageKind, sign_in};

/// What to kill the server at, round after round: each of these parts, and then whatever comes,
/// statement by statement. Other work of the server may come between and is hit as well.
fn points(parts: &'static [&'static str]) -> impl Iterator<Item = (Option<&'static str>, usize)> {
    let parts = parts.iter().map(|part| (Some(*part), 1));
    parts.chain((1..=MOST_STATEMENTS).map(|nth| (None, nth)))
}

/// More statements than anything takes; what gets this far never comes to its end.
const MOST_STATEMENTS: usize = 200;

/// What the time does that passes until somebody starts a killed server again.
const LEASES_RUN_OUT: [&str; 2] = [
    "update workflow set lease_until = 0, next_run_at = 0 where status in ('queued', 'running')",
    "update inbox_event set run_at = 0 where state = 'queued'",
];

/// A deployment that can be killed between any two statements.
struct Victim {
    cloud: Cloud,
    relay: PgRelay,
    /// Past the relay.
    database: Database,
}

/// Where a round of killing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Round {
    KilledAt(String),
    /// The work was over before that many statements.
    OutOfStatements,
}

impl Victim {
    async fn start(storage: StorageKind) -> Self {
        let database = Arc::new(postgres().await);
        let relay = PgRelay::start(&database.url).await;
        let cloud = Cloud::start(CloudOptions {
            storage,
            database_url: Some(relay.url.clone()),
            postgres: Some(Arc::clone(&database)),
            ..CloudOptions::default()
        })
        .await;
        Self {
            database: Database::Postgres(database.url.clone()),
            cloud,
            relay,
        }
    }

    /// Somebody with a subscription and a tenant; the token.
    async fn member(&self, email: &str) -> String {
        let cloud = &self.cloud;
        cloud.subscribe(email).await;
        let token = sign_in(&cloud.url, async |code| {
            cloud.provider.approve(&code, &subject(email)).await;
        })
        .await;
        let client = Client::builder().no_proxy().build().unwrap();
        testkit::wait_until(SOON, async || {
            let request = client.post(format!("{}/tenants/setup", cloud.url));
            let answer = request.bearer_auth(&token).send().await.unwrap();
            answer.status() == StatusCode::OK
        })
        .await;
        token
    }

    /// Has `work` begin, kills the server at the `nth` statement from then that `fits`, and starts
    /// it again. `work` may end in an error, and often does; it is over when `is_done`.
    async fn kill_at<W>(
        &mut self,
        (stop, nth): (Stop, usize),
        fits: impl Fn(&str) -> bool + Send + 'static,
        work: W,
        is_done: impl AsyncFn(&Database) -> bool,
    ) -> Round
    where
        W: Future<Output: Send> + Send + 'static,
    {
        self.relay.stop_at(stop, nth, fits);
        let work = tokio::spawn(work);
        let round = wait_for(SOON, async || {
            if let Some(statement) = self.relay.held_now() {
                return Some(Round::KilledAt(statement));
            }
            is_done(&self.database)
                .await
                .then_some(Round::OutOfStatements)
        })
        .await;
        if round == Round::OutOfStatements {
            work.await.ok();
        }
        // It may have reached another statement since.
        self.cloud.kill();
        self.relay.resume();
        for sql in LEASES_RUN_OUT {
            self.database.execute(sql).await;
        }
        self.cloud.start_again().await;
        round
    }

    /// Like `kill_at`, at the `nth` call that the server makes through `relay` from then, held by
    /// `fate`. Gives the call, if there were that many.
    async fn kill_around<W>(
        &mut self,
        relay: &HttpRelay,
        (fate, nth): (Fate, usize),
        work: W,
        is_done: impl AsyncFn(&Database) -> bool,
    ) -> Option<Seen>
    where
        W: Future<Output: Send> + Send + 'static,
    {
        let mut asked = 0;
        relay.decide(move |_| {
            asked += 1;
            if asked == nth {
                fate.clone()
            } else {
                Fate::Pass
            }
        });
        let work = tokio::spawn(work);
        let held = wait_for(SOON, async || {
            let held = relay.held_now();
            (held.is_some() || is_done(&self.database).await).then_some(held)
        })
        .await;
        if held.is_none() {
            work.await.ok();
        }
        self.cloud.kill();
        relay.resume();
        for sql in LEASES_RUN_OUT {
            self.database.execute(sql).await;
        }
        self.cloud.start_again().await;
        held
    }
}
