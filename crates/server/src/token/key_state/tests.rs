use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::idp::SigningKey;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

static ONE: LazyLock<SigningKey> = LazyLock::new(new_key);
static TWO: LazyLock<SigningKey> = LazyLock::new(new_key);

fn new_key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

fn set(keys: &[&SigningKey]) -> KeySet {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| key.key_set()["keys"][0].clone())
        .collect();
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn word(look: &Look) -> &'static str {
    match look {
        Look::Found(_) => "found",
        Look::Absent => "absent",
        Look::Unavailable { .. } => "unavailable",
        Look::Ask => "ask",
        Look::Wait => "wait",
    }
}

fn holding_one_since(at: i64) -> KeyState {
    let mut state = KeyState::new();
    state.begin(at);
    assert_eq!(state.succeed(set(&[&ONE]), at), Change::Other);
    state
}

#[test]
fn the_first_token_asks_and_the_others_wait_for_the_same_answer() {
    let mut state = KeyState::new();
    assert_eq!(word(&state.look(ONE.id(), 0)), "ask");
    state.begin(0);
    assert_eq!(word(&state.look(ONE.id(), 10)), "wait");
    assert_eq!(word(&state.look("other", 10)), "wait");
    state.succeed(set(&[&ONE]), 20);
    assert_eq!(word(&state.look_again(ONE.id(), 20)), "found");
    assert_eq!(word(&state.look_again("other", 20)), "absent");
}

#[test]
fn unknown_keys_ask_once_in_thirty_seconds_however_many_they_are() {
    let mut state = holding_one_since(0);
    let mut fetches = 0;
    for second in 0..300 {
        let now = second * 1000;
        for n in 0..20 {
            if matches!(state.look(&format!("made up {second} {n}"), now), Look::Ask) {
                fetches += 1;
                state.begin(now);
                state.succeed(set(&[&ONE]), now);
            }
        }
        assert_eq!(word(&state.look(ONE.id(), now)), "found");
    }
    assert_eq!(fetches, 9);
}

#[test]
fn a_key_the_issuer_does_not_have_is_not_asked_for_again_for_a_minute() {
    let mut state = holding_one_since(0);
    state.begin(MINUTE);
    state.succeed(set(&[&ONE]), MINUTE);
    assert_eq!(word(&state.look_again("gone", MINUTE)), "absent");
    assert_eq!(word(&state.look("gone", 2 * MINUTE - 1)), "absent");
    assert_eq!(word(&state.look("another", 2 * MINUTE - 1)), "ask");
    assert_eq!(word(&state.look("gone", 2 * MINUTE)), "ask");
}

#[test]
fn a_key_that_appears_is_found_whoever_fetched_it() {
    let mut state = holding_one_since(0);
    state.begin(MINUTE);
    state.succeed(set(&[&ONE]), MINUTE);
    assert_eq!(word(&state.look_again(TWO.id(), MINUTE)), "absent");
    state.begin(MINUTE + 1);
    assert_eq!(state.succeed(set(&[&ONE, &TWO]), MINUTE + 1), Change::Other);
    assert_eq!(word(&state.look(TWO.id(), MINUTE + 2)), "found");
}

#[test]
fn keys_in_hand_serve_for_a_day_without_their_issuer_and_no_longer() {
    let mut state = holding_one_since(0);
    state.begin(10 * MINUTE);
    state.fail(10 * MINUTE);
    assert_eq!(word(&state.look(ONE.id(), 24 * HOUR)), "found");
    assert_eq!(state.generation(24 * HOUR), Some(1));
    assert_eq!(word(&state.look(ONE.id(), 24 * HOUR + 1)), "ask");
    assert_eq!(state.generation(24 * HOUR + 1), None);
    state.begin(24 * HOUR + 1);
    state.fail(24 * HOUR + 2);
    let look = state.look_again(ONE.id(), 24 * HOUR + 2);
    assert!(
        matches!(
            look,
            Look::Unavailable {
                retry_after_ms: 30_000
            }
        ),
        "{}",
        word(&look)
    );
}

#[test]
fn a_key_that_was_taken_back_is_gone_with_the_next_fetch() {
    let mut state = KeyState::new();
    state.begin(0);
    state.succeed(set(&[&ONE, &TWO]), 0);
    state.begin(10 * MINUTE);
    assert_eq!(state.succeed(set(&[&TWO]), 10 * MINUTE), Change::Other);
    assert_eq!(word(&state.look(ONE.id(), 10 * MINUTE)), "absent");
    assert_eq!(state.generation(10 * MINUTE), Some(2));
}

#[test]
fn while_the_issuer_is_away_an_unknown_key_is_not_called_wrong() {
    let mut state = holding_one_since(0);
    state.begin(MINUTE);
    state.fail(MINUTE);
    assert_eq!(word(&state.look(TWO.id(), MINUTE + 1)), "unavailable");
    assert_eq!(word(&state.look(ONE.id(), MINUTE + 1)), "found");
    assert_eq!(word(&state.look(TWO.id(), MINUTE + 30_000)), "ask");
}

#[test]
fn the_same_keys_keep_their_generation() {
    let mut state = KeyState::new();
    state.begin(0);
    assert_eq!(state.succeed(set(&[&ONE, &TWO]), 0), Change::Other);
    state.begin(1);
    assert_eq!(state.succeed(set(&[&TWO, &ONE]), 1), Change::Same);
    assert_eq!(state.generation(2), Some(1));
}

#[test]
fn fetches_are_due_every_ten_minutes_and_after_failures_ever_later() {
    let mut state = KeyState::new();
    assert_eq!(state.due_at(5), 5);
    state.begin(5);
    state.succeed(set(&[&ONE]), 5);
    assert_eq!(state.due_at(6), 5 + 10 * MINUTE);
    let mut now = 5 + 10 * MINUTE;
    let mut waits = Vec::new();
    for _ in 0..7 {
        state.begin(now);
        state.fail(now);
        let due = state.due_at(now);
        waits.push((due - now) / 1000);
        now = due;
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
    state.begin(now);
    state.succeed(set(&[&ONE]), now);
    assert_eq!(state.due_at(now), now + 10 * MINUTE);
}

#[test]
fn a_clock_that_was_set_back_stops_nothing() {
    let state = holding_one_since(HOUR);
    assert_eq!(word(&state.look("other", 0)), "ask");
    assert_eq!(state.due_at(0), 0);
    let mut state = KeyState::new();
    state.begin(HOUR);
    assert_eq!(word(&state.look("other", 0)), "ask");
}

#[test]
fn made_up_names_fill_no_memory() {
    let mut state = holding_one_since(0);
    for n in 0..10_000 {
        assert_eq!(word(&state.look_again(&format!("{n}"), 1)), "absent");
    }
    assert_eq!(state.absent.len(), MAX_ABSENT);
    assert_eq!(word(&state.look_again("later", MINUTE * 2)), "unavailable");
    state.begin(MINUTE * 2);
    state.succeed(set(&[&ONE]), MINUTE * 2);
    state.look_again("later", MINUTE * 2);
    assert_eq!(state.absent.len(), 1);
}
