use proptest::prelude::*;

use super::*;

fn run(events: &[Event]) -> (Phase, Vec<Effect>) {
    let mut phase = Phase::Unmounted;
    let mut effects = Vec::new();
    for &event in events {
        let (next, effect) = step(phase, event, 1.0);
        phase = next;
        effects.extend(effect);
    }
    (phase, effects)
}

#[test]
fn a_mount_comes_and_goes() {
    use Event::{Started, TakenAway, Unwanted, Wanted};
    let (phase, effects) = run(&[Wanted, Started, Unwanted, TakenAway]);
    assert_eq!(phase, Phase::Unmounted);
    assert_eq!(effects, [Effect::Start, Effect::TakeAway, Effect::Drop]);
}

#[test]
fn a_lost_mount_comes_back_at_once_and_then_ever_later() {
    use Event::{Lost, PauseOver, Started, Wanted};
    let (_, effects) = run(&[
        Wanted, Started, Lost, Started, Lost, PauseOver, Started, Lost,
    ]);
    let pause = |seconds| Effect::Pause(Duration::from_secs(seconds));
    assert_eq!(
        effects,
        [
            Effect::Start,
            Effect::Start,
            pause(2),
            Effect::Start,
            pause(4)
        ]
    );
}

#[test]
fn a_stable_life_forgives_earlier_failures() {
    use Event::{Lost, Stable, Started, Wanted};
    let (phase, effects) = run(&[Wanted, Started, Lost, Started, Stable, Lost]);
    assert_eq!(phase, Phase::Starting { failures: 1 });
    assert_eq!(effects, [Effect::Start; 3]);
}

#[test]
fn what_no_retry_can_help_waits_for_a_person() {
    let failed = [Event::Wanted, Event::NotStarted(Fault::Permanent)];
    assert_eq!(run(&failed).0, Phase::Failed);
    for event in [Event::PauseOver, Event::Lost, Event::Stable] {
        assert_eq!(step(Phase::Failed, event, 0.5), (Phase::Failed, None));
    }
    let (again, effect) = step(Phase::Failed, Event::Wanted, 0.5);
    assert_eq!(again, Phase::Starting { failures: 0 });
    assert_eq!(effect, Some(Effect::Start));
}

#[test]
fn a_busy_folder_stays_mounted() {
    use Event::{Started, StillBusy, Unwanted, Wanted};
    let (phase, _) = run(&[Wanted, Started, Unwanted, StillBusy]);
    assert_eq!(phase, Phase::Mounted { failures: 0 });
}

#[test]
fn another_profile_takes_the_mount_away_and_brings_it_back() {
    use Event::{Changed, Started, TakenAway, Wanted};
    let (phase, effects) = run(&[Wanted, Started, Changed, TakenAway]);
    assert_eq!(phase, Phase::Starting { failures: 0 });
    assert_eq!(effects, [Effect::Start, Effect::TakeAway, Effect::Start]);
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Wanted),
        Just(Event::Unwanted),
        Just(Event::Changed),
        Just(Event::Started),
        Just(Event::NotStarted(Fault::Transient)),
        Just(Event::NotStarted(Fault::Permanent)),
        Just(Event::Lost),
        Just(Event::Stable),
        Just(Event::PauseOver),
        Just(Event::TakenAway),
        Just(Event::StillBusy),
    ]
}

proptest! {
    /// A start is only ordered when none is under way or its predecessor is given up, and what is
    /// mounted is only dropped after it was taken away.
    #[test]
    fn there_is_never_a_second_daemon(events in prop::collection::vec((event(), 0.0..=1.0), 1..60)) {
        let mut phase = Phase::Unmounted;
        for (event, chance) in events {
            let (next, effect) = step(phase, event, chance);
            match effect {
                Some(Effect::Start) => {
                    let starting = matches!(next, Phase::Starting { .. });
                    prop_assert!(starting, "{phase:?} {event:?}");
                    let replaces = matches!(phase, Phase::Mounted { .. });
                    prop_assert!(!replaces || event == Event::Lost);
                }
                Some(Effect::Pause(pause)) => {
                    prop_assert!(pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE);
                }
                Some(Effect::TakeAway) => {
                    let mounted = matches!(phase, Phase::Mounted { .. });
                    prop_assert!(mounted);
                }
                Some(Effect::Abandon | Effect::Drop) => prop_assert_eq!(next, Phase::Unmounted),
                None => {}
            }
            if phase == Phase::Failed && next != Phase::Failed {
                let asked = matches!(event, Event::Wanted | Event::Changed | Event::Unwanted);
                prop_assert!(asked);
            }
            phase = next;
        }
    }

    #[test]
    fn an_unwanted_mount_gets_away(events in prop::collection::vec(event(), 0..40)) {
        let (phase, _) = run(&events);
        let (phase, _) = step(phase, Event::Unwanted, 0.0);
        let (phase, _) = step(phase, Event::TakenAway, 0.0);
        prop_assert_eq!(phase, Phase::Unmounted);
    }
}
