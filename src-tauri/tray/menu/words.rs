use engine::View;
use engine::view::{AccountView, Status, SubscriptionView, SyncSwitch};
use time::OffsetDateTime;

use super::Surroundings;

/// What a line holds of a folder's or a person's name.
pub(super) const NAME_LENGTH: usize = 40;

/// The status in words, with the age of the last check where that says something.
pub(crate) fn status_line(view: &View, around: Surroundings<'_>) -> String {
    match (view.status, view.checked_at_ms, &view.sync) {
        (Status::Idle, Some(at), _) => {
            format!("{} · checked {}", view.headline, age(around.now_ms - at))
        }
        (Status::Paused, _, SyncSwitch::PausedUntil { until_ms }) => {
            paused_until(*until_ms, around)
        }
        _ => view.headline.clone(),
    }
}

pub(super) fn paused_until(until_ms: i64, around: Surroundings<'_>) -> String {
    let (now, until) = (local(around.now_ms, around), local(until_ms, around));
    let clock = format!("{:02}:{:02}", until.hour(), until.minute());
    if until.date() == now.date() {
        format!("Paused until {clock}")
    } else if Some(until.date()) == now.date().next_day() {
        format!("Paused until tomorrow, {clock}")
    } else {
        format!("Paused until {}, {clock}", day(until, now))
    }
}

pub(super) fn account_line(view: &View, around: Surroundings<'_>) -> Option<String> {
    let AccountView::SignedIn { email, user_id, .. } = &view.account else {
        return None;
    };
    let name = shortened(email.as_ref().unwrap_or(user_id), NAME_LENGTH);
    Some(match &view.subscription {
        None => name,
        Some(subscription) => match plan(subscription, around) {
            Some(plan) => format!("{name} · {plan}"),
            None => name,
        },
    })
}

/// What the notes take up; nobody tells of a limit, so none is shown.
///
/// Without their number, which would set the menu again with every new note.
pub(super) fn storage_line(view: &View) -> Option<String> {
    let bytes: u64 = view.pairs.iter().map(|pair| pair.bytes).sum();
    (bytes > 0).then(|| format!("{} of notes in the cloud", size(bytes)))
}

/// Steps of 1024, as the window writes them, with one decimal below ten.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut tenths = bytes.saturating_mul(10);
    while tenths >= 10_240 && unit < UNITS.len() - 1 {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    let (whole, tenth) = (tenths / 10, tenths % 10);
    match (unit, whole, tenth) {
        (1.., ..=9, 1..) => format!("{whole}.{tenth} {}", UNITS[unit]),
        (_, _, 5..) if unit > 0 => format!("{} {}", whole + 1, UNITS[unit]),
        (_, _, _) => format!("{whole} {}", UNITS[unit]),
    }
}

fn plan(subscription: &SubscriptionView, around: Surroundings<'_>) -> Option<String> {
    let now = local(around.now_ms, around);
    let end = subscription
        .period_end_ms
        .map(|ms| day(local(ms, around), now));
    if !subscription.current {
        return Some(match end {
            Some(end) => format!("read-only since {end}"),
            None => "no active subscription".to_owned(),
        });
    }
    let turns = match subscription.status.as_str() {
        "active" => "renews",
        _ => "until",
    };
    match (&subscription.plan, end) {
        (Some(plan), Some(end)) => Some(format!("{plan}, {turns} {end}")),
        (Some(plan), None) => Some(plan.clone()),
        (None, Some(end)) => Some(format!("{turns} {end}")),
        (None, None) => None,
    }
}

/// Coarse on purpose: an age that changed every second would set the menu again every second.
fn age(ms: i64) -> String {
    match ms / 1000 {
        ..=9 => "just now".to_owned(),
        seconds @ 10..=59 => format!("{} s ago", seconds / 10 * 10),
        seconds @ 60..=3_599 => format!("{} min ago", seconds / 60),
        seconds @ 3_600..=172_799 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

fn day(at: OffsetDateTime, now: OffsetDateTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS[usize::from(u8::from(at.month()) - 1)];
    let far = (at - now).whole_days().abs() > 300;
    if far {
        format!("{} {month} {}", at.day(), at.year())
    } else {
        format!("{} {month}", at.day())
    }
}

fn local(ms: i64, around: Surroundings<'_>) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .to_offset((around.offset_at)(ms))
}

/// One line of a menu: without what would break it, and cut between words where it is too long.
pub(super) fn shortened(words: &str, length: usize) -> String {
    let line: String = words
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if line.chars().count() <= length {
        return line;
    }
    let mut cut: String = line.chars().take(length - 1).collect();
    match cut.rfind(' ') {
        Some(space) if space > length / 2 => cut.truncate(space),
        Some(_) | None => {}
    }
    format!("{}…", cut.trim_end_matches([' ', '.', ',', ':', '·']))
}
