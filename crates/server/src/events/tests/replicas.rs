use tokio::time::Instant;

use super::*;
use crate::events::Hearing;

async fn two(fixture: &Fixture, settings: EventSettings) -> (Replica, Replica) {
    ana(fixture).await;
    (
        Replica::start(&fixture.store, settings).await,
        Replica::start(&fixture.store, settings).await,
    )
}

/// Follows at a replica until it has ears: what is announced before, nobody hears.
async fn listening(writer: &Replica, replica: &Replica, settings: EventSettings) -> Follower {
    let mut reader = replica.follow(Start::Now).ready().await;
    if settings.hearing == Hearing::ListenAndPoll {
        let mut seq = writer.append("first.md").await;
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let heard = tokio::time::timeout(Duration::from_millis(300), async {
                reader.change().await.seq
            });
            match heard.await {
                Ok(heard) if heard == seq => return reader,
                Ok(_) => {}
                Err(_) => {
                    seq = writer.append(&format!("again-{seq}.md")).await;
                    reader = replica.follow(Start::After(seq - 1)).ready().await;
                }
            }
        }
        panic!("nothing was heard");
    }
    reader
}

#[tokio::test]
async fn an_announcement_brings_an_event_to_another_replica_at_once() {
    let fixture = Fixture::postgres().await;
    let (here, there) = two(&fixture, quiet()).await;
    let mut reader = listening(&here, &there, quiet()).await;
    let mut took = Vec::new();
    for number in 0..40 {
        // Apart from each other, so that none waits for the announcement of the one before.
        tokio::time::sleep(Duration::from_millis(25)).await;
        let path = format!("{number}.md");
        let started = Instant::now();
        let seq = here.append(&path).await;
        let change = reader.change().await;
        took.push(started.elapsed());
        assert_eq!((change.seq, change.path), (seq, path));
    }
    took.sort();
    println!(
        "append to delivery at another replica: P50 {:?}, P95 {:?}",
        took[took.len() / 2],
        took[took.len() * 95 / 100]
    );
}

#[tokio::test]
async fn a_poll_makes_up_for_every_lost_announcement() {
    let fixture = Fixture::postgres().await;
    let deaf = EventSettings {
        hearing: Hearing::PollOnly,
        poll_every: Duration::from_millis(50),
        ..quiet()
    };
    let (here, there) = two(&fixture, deaf).await;
    let mut reader = there.follow(Start::Now).ready().await;
    for number in 1..=5 {
        assert_eq!(here.append(&format!("{number}.md")).await, number);
        assert_eq!(reader.change().await.seq, number);
    }
}

#[tokio::test]
async fn a_heartbeat_makes_up_for_lost_announcements_and_polls() {
    let fixture = Fixture::postgres().await;
    let alone = EventSettings {
        hearing: Hearing::PollOnly,
        heartbeat: Duration::from_millis(50),
        ..quiet()
    };
    let (here, there) = two(&fixture, alone).await;
    let mut reader = there.follow(Start::Now).ready().await;
    here.append("a.md").await;
    assert_eq!(reader.change().await.seq, 1);
}

#[tokio::test]
async fn going_from_replica_to_replica_under_writers_misses_and_doubles_nothing() {
    const EACH: i64 = 40;
    let fixture = Fixture::postgres().await;
    let polling = EventSettings {
        poll_every: Duration::from_millis(50),
        ..quiet()
    };
    let (here, there) = two(&fixture, polling).await;
    let replicas = [Arc::new(here), Arc::new(there)];
    let mut writers = tokio::task::JoinSet::new();
    for (index, replica) in replicas.iter().enumerate() {
        let replica = Arc::clone(replica);
        writers.spawn(async move {
            for number in 0..EACH {
                replica.append(&format!("{index}-{number}.md")).await;
            }
        });
    }
    let mut seen: Vec<i64> = Vec::new();
    for visit in 0.. {
        let start = Start::After(seen.last().copied().unwrap_or(0));
        let mut reader = replicas[visit % 2].follow(start).ready().await;
        for _ in 0..=visit % 4 {
            if seen.len() == usize::try_from(2 * EACH).unwrap() {
                assert_eq!(seen, (1..=2 * EACH).collect::<Vec<_>>());
                return;
            }
            seen.push(reader.change().await.seq);
        }
    }
}

#[tokio::test]
async fn asking_to_look_reaches_every_replica() {
    let fixture = Fixture::postgres().await;
    let (here, there) = two(&fixture, quiet()).await;
    let mut reader = listening(&here, &there, quiet()).await;
    here.app.events.ask_to_look(Some(TENANT)).await.unwrap();
    assert!(reader.expect("resync").await.id.is_some());
}
