//! Storage keys, for clients who ask again when they hear nothing. A key whose secret nobody got
//! is removed; what is left outside is what is on record.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use reqwest::{Client, StatusCode};
use serde_json::Value;
use testkit::{Fate, HttpRelay, Moto, Stop, moto, python, wait_until};

use super::{Round, Victim, points};
use crate::deployment::{Database, SOON, StorageKind};
use crate::support::{read, text};

const EMAIL: &str = "ana@example.org";

/// What making a key changes, in its own words.
const PARTS: &[&str] = &[
    "insert into tenant_mount_credentials",
    "set access_key =",
    "insert into audit",
];

/// Where the keys are, told by whoever keeps them.
pub(super) enum Outside {
    Embedded(Database),
    Aws(Box<(Moto, HttpRelay)>),
}

impl Outside {
    async fn keys(&self) -> BTreeSet<String> {
        match self {
            Self::Embedded(store) => {
                let keys = store.texts("select access_key from access_keys").await;
                keys.into_iter().collect()
            }
            Self::Aws(aws) => {
                let (moto, _) = &**aws;
                let args = [&moto.endpoint, &moto.access_key, &moto.secret_key];
                let mut listing = python("list_access_keys.py", args).spawn();
                let listed = listing.success(SOON).await;
                listed.lines().map(str::to_owned).collect()
            }
        }
    }
}

pub(super) async fn on_aws() -> (Victim, Outside) {
    let moto = moto().await;
    let relay = HttpRelay::start(&moto.endpoint).await;
    let victim = Victim::start(StorageKind::Aws {
        endpoint: relay.url.clone(),
        iam: relay.url.clone(),
        access_key: moto.access_key.clone(),
        secret_key: moto.secret_key.clone(),
    })
    .await;
    (victim, Outside::Aws(Box::new((moto, relay))))
}

async fn on_this_machine() -> (Victim, Outside) {
    let victim = Victim::start(StorageKind::Embedded).await;
    let file = victim.cloud.folder.path().join("state/buckets/store.db");
    (victim, Outside::Embedded(Database::Sqlite(file)))
}

async fn make(url: String, token: String) -> Option<(StatusCode, Value)> {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{url}/tenant/mount/credentials"));
    Some(read(request.bearer_auth(token).send().await.ok()?).await)
}

/// Makes a key that the client gets.
async fn heard(victim: &Victim, token: &str, round: &impl std::fmt::Debug) -> String {
    let made = make(victim.cloud.url.clone(), token.to_owned()).await;
    let (status, body) = made.unwrap_or_else(|| panic!("no answer after {round:?}"));
    assert_eq!(status, StatusCode::OK, "{body} after {round:?}");
    text(&body, "access_key")
}

async fn issued(database: &Database) -> BTreeSet<String> {
    let sql = "select access_key from tenant_mount_credentials \
               where issued_at is not null and revoked_at is null";
    database.texts(sql).await.into_iter().collect()
}

/// Lets the time pass after which unfinished requests are taken for dead, and looks at what is
/// left.
async fn judge(victim: &mut Victim, outside: &Outside, heard: &BTreeSet<String>) {
    victim.cloud.kill();
    let day_ms = 24 * 3600 * 1000;
    let sql = format!(
        "update tenant_mount_credentials set created_at = created_at - {day_ms}, \
         removal_due_at = removal_due_at - {day_ms}"
    );
    victim.database.execute(&sql).await;
    victim.cloud.start_again().await;
    let open = "select count(*) from tenant_mount_credentials \
                where (issued_at is null and revoked_at is null) \
                or (revoked_at is not null and tigris_deletion_status <> 'completed')";
    let database = &victim.database;
    wait_until(SOON, async || database.number(open).await == 0).await;
    let on_record = issued(database).await;
    assert_eq!(outside.keys().await, on_record);
    assert!(heard.is_subset(&on_record), "a client's key is gone");
    let twice = "select count(*) - count(distinct access_key) from tenant_mount_credentials \
                 where access_key is not null";
    assert_eq!(database.number(twice).await, 0);
    let unaudited = "select count(*) from tenant_mount_credentials as c \
                     where issued_at is not null and 1 <> (select count(*) from audit \
                     where action = 'MountCredentialCreatedEvent' and target = c.id)";
    assert_eq!(database.number(unaudited).await, 0);
}

async fn killed_at_every_statement(stop: Stop, (mut victim, outside): (Victim, Outside)) {
    let token = victim.member(EMAIL).await;
    let mut keys = BTreeSet::new();
    for (part, nth) in points(PARTS) {
        let before = issued(&victim.database).await.len();
        let work = make(victim.cloud.url.clone(), token.clone());
        let over = async |database: &Database| issued(database).await.len() > before;
        let fits = move |text: &str| part.is_none_or(|part| text.contains(part));
        let round = victim.kill_at((stop, nth), fits, work, over).await;
        keys.insert(heard(&victim, &token, &round).await);
        if round == Round::OutOfStatements {
            assert_eq!(part, None);
            break;
        }
    }
    judge(&mut victim, &outside, &keys).await;
}

#[tokio::test]
async fn a_kill_before_any_statement_of_a_key_leaves_no_key_off_record() {
    killed_at_every_statement(Stop::Before, on_this_machine().await).await;
}

#[tokio::test]
async fn a_kill_after_any_statement_of_a_key_leaves_no_key_off_record() {
    killed_at_every_statement(Stop::After, on_this_machine().await).await;
}

#[tokio::test]
async fn a_kill_around_any_call_to_iam_leaves_no_key_off_record() {
    let (mut victim, outside) = on_aws().await;
    let token = victim.member(EMAIL).await;
    let Outside::Aws(aws) = &outside else {
        unreachable!("it was just made");
    };
    let relay = &aws.1;
    let mut keys = BTreeSet::new();
    for fate in [Fate::HoldBefore, Fate::HoldAfter] {
        for nth in 1.. {
            let asked = Arc::new(Mutex::new(0));
            let fate = fate.clone();
            relay.decide(move |_| {
                let mut asked = asked.lock().unwrap();
                *asked += 1;
                if *asked == nth {
                    fate.clone()
                } else {
                    Fate::Pass
                }
            });
            let work = tokio::spawn(make(victim.cloud.url.clone(), token.clone()));
            let held = testkit::wait_for(SOON, async || {
                let held = relay.held_now();
                (held.is_some() || work.is_finished()).then_some(held)
            })
            .await;
            victim.cloud.kill();
            relay.resume();
            victim.cloud.start_again().await;
            keys.insert(heard(&victim, &token, &held).await);
            if held.is_none() {
                // A user, a policy and a key at the least.
                assert!(nth > 3, "{nth}");
                break;
            }
        }
    }
    judge(&mut victim, &outside, &keys).await;
}
