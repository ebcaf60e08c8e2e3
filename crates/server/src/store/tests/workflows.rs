use std::collections::BTreeSet;

use super::{Fixture, on_both};
use crate::store::workflows::{Ack, Claim, NewWorkflow, Progress};

on_both!(
    what_is_due_longest_is_claimed_first_and_nothing_before_its_time,
    a_lease_keeps_others_away_until_it_ends,
    a_stale_claim_writes_nothing,
    recurring_work_has_one_row_that_is_armed_again,
    a_kind_that_is_not_known_is_left_alone,
    workers_that_claim_at_once_never_share_a_row,
    an_ended_workflow_is_trimmed_with_its_log,
);

const KINDS: &[&str] = &["a", "b", "c"];

async fn enqueue(fixture: &Fixture, kind: &'static str, run_at: i64) {
    let work = NewWorkflow {
        kind,
        tenant_id: None,
        step: "one",
        input: "{}".to_owned(),
        run_at,
    };
    fixture.store.ensure_workflow(&work, 0).await.unwrap();
}

async fn claim(fixture: &Fixture, now: i64) -> Option<Claim> {
    let claimed = fixture.store.claim_workflow(KINDS, now, now + 100).await;
    claimed.unwrap()
}

async fn record(fixture: &Fixture, claim: &Claim, progress: Progress, now: i64) -> Ack {
    let store = &fixture.store;
    let recorded = store.record_progress(claim, &progress, now, now + 100);
    recorded.await.unwrap()
}

async fn rows(fixture: &Fixture) -> Vec<String> {
    fixture
        .texts(
            "select kind || ' ' || step || ' ' || status || ' ' || attempt || ' ' || fence
                 || ' ' || coalesce(lease_until, -1)
             from workflow order by kind",
        )
        .await
}

async fn log(fixture: &Fixture) -> Vec<String> {
    fixture
        .texts(
            "select step || ' ' || attempt || ' ' || fence || ' ' || event
                 || coalesce(' ' || error, '')
             from workflow_event order by fence, id",
        )
        .await
}

async fn what_is_due_longest_is_claimed_first_and_nothing_before_its_time(fixture: Fixture) {
    enqueue(&fixture, "a", 20).await;
    enqueue(&fixture, "b", 10).await;
    let store = &fixture.store;
    assert_eq!(store.next_workflow_at(KINDS).await.unwrap(), Some(10));
    assert_eq!(claim(&fixture, 9).await, None);
    let first = claim(&fixture, 20).await.unwrap();
    assert_eq!(
        (first.kind.as_str(), first.attempt, first.fence),
        ("b", 1, 1)
    );
    assert_eq!(claim(&fixture, 20).await.unwrap().kind, "a");
    assert_eq!(claim(&fixture, 20).await, None);
    assert_eq!(store.next_workflow_at(KINDS).await.unwrap(), Some(120));
    assert_eq!(
        rows(&fixture).await,
        ["a one running 1 1 120", "b one running 1 1 120"]
    );
}

async fn a_lease_keeps_others_away_until_it_ends(fixture: Fixture) {
    enqueue(&fixture, "a", 0).await;
    let first = claim(&fixture, 0).await.unwrap();
    assert_eq!(claim(&fixture, 99).await, None);
    let second = claim(&fixture, 100).await.unwrap();
    assert_eq!(second.id, first.id);
    assert_eq!(second.idempotency_key, first.idempotency_key);
    assert_eq!((second.attempt, second.fence), (2, 2));
}

async fn a_stale_claim_writes_nothing(fixture: Fixture) {
    enqueue(&fixture, "a", 0).await;
    let stale = claim(&fixture, 0).await.unwrap();
    let held = claim(&fixture, 100).await.unwrap();
    let before = (rows(&fixture).await, log(&fixture).await);
    for progress in [
        Progress::Advance { step: "two" },
        Progress::Finish,
        Progress::Rearm { step: "one", at: 0 },
        Progress::Wait { at: 0 },
        Progress::Retry {
            at: 0,
            error: "late".to_owned(),
        },
        Progress::GiveUp {
            error: "late".to_owned(),
        },
    ] {
        assert_eq!(record(&fixture, &stale, progress, 110).await, Ack::Fenced);
    }
    assert_eq!((rows(&fixture).await, log(&fixture).await), before);

    let advanced = record(&fixture, &held, Progress::Advance { step: "two" }, 110).await;
    let Ack::Recorded(next) = advanced else {
        panic!("the holder was fenced");
    };
    assert_ne!(next.idempotency_key, held.idempotency_key);
    assert_eq!(
        (next.step.as_str(), next.attempt, next.fence),
        ("two", 1, 2)
    );
    assert_eq!(rows(&fixture).await, ["a two running 1 2 210"]);
    let failed = Progress::GiveUp {
        error: "no".to_owned(),
    };
    record(&fixture, &next, failed, 120).await;
    assert_eq!(rows(&fixture).await, ["a two failed 1 2 -1"]);
    assert_eq!(
        record(&fixture, &next, Progress::Finish, 130).await,
        Ack::Fenced
    );
    assert_eq!(
        log(&fixture).await,
        [
            "one 0 0 queued",
            "one 1 1 started",
            "one 2 2 started",
            "one 2 2 done",
            "two 1 2 gave_up no",
        ]
    );
}

async fn recurring_work_has_one_row_that_is_armed_again(fixture: Fixture) {
    for _ in 0..3 {
        enqueue(&fixture, "a", 0).await;
    }
    let held = claim(&fixture, 0).await.unwrap();
    let again = Progress::Rearm {
        step: "one",
        at: 500,
    };
    record(&fixture, &held, again, 10).await;
    enqueue(&fixture, "a", 0).await;
    assert_eq!(rows(&fixture).await, ["a one queued 0 1 -1"]);
    assert_eq!(claim(&fixture, 499).await, None);
    let next = claim(&fixture, 500).await.unwrap();
    assert_eq!((next.attempt, next.fence), (1, 2));
    let waits = Progress::Wait { at: 600 };
    record(&fixture, &next, waits, 510).await;
    assert_eq!(rows(&fixture).await, ["a one queued 0 2 -1"]);
}

async fn a_kind_that_is_not_known_is_left_alone(fixture: Fixture) {
    enqueue(&fixture, "abc", 0).await;
    assert_eq!(claim(&fixture, 10).await, None);
    let store = &fixture.store;
    assert_eq!(store.next_workflow_at(KINDS).await.unwrap(), None);
    let known = store.claim_workflow(&["ab", "abc"], 10, 20).await.unwrap();
    assert_eq!(known.unwrap().kind, "abc");
}

async fn workers_that_claim_at_once_never_share_a_row(fixture: Fixture) {
    const LETTERS: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];
    for kind in LETTERS {
        enqueue(&fixture, kind, 0).await;
    }
    let claims = (0..24).map(|_| fixture.store.claim_workflow(LETTERS, 10, 110));
    let claimed: Vec<Claim> = futures::future::join_all(claims)
        .await
        .into_iter()
        .filter_map(Result::unwrap)
        .collect();
    let different: BTreeSet<&str> = claimed.iter().map(|claim| claim.id.as_str()).collect();
    assert_eq!((claimed.len(), different.len()), (8, 8));
    assert!(claimed.iter().all(|claim| claim.fence == 1));
}

async fn an_ended_workflow_is_trimmed_with_its_log(fixture: Fixture) {
    enqueue(&fixture, "a", 0).await;
    enqueue(&fixture, "b", 0).await;
    let ended = claim(&fixture, 10).await.unwrap();
    record(&fixture, &ended, Progress::Finish, 20).await;
    assert_eq!(fixture.store.trim_workflows(20).await.unwrap(), 0);
    assert_eq!(fixture.store.trim_workflows(21).await.unwrap(), 1);
    assert_eq!(fixture.count("workflow").await, 1);
    assert_eq!(log(&fixture).await, ["one 0 0 queued"]);
}
