//! Which of a person's choices can be used. Pure.

use std::num::NonZeroU64;

use url::Url;

use crate::proxy::{self, ProxyError};
use crate::view::{SettingsView, WhenCostly};
use crate::{Refusal, metered};

/// Slower than this, a note of some size would take longer than connections last.
const SLOWEST_KIB: u32 = 8;
const FASTEST_KIB: u32 = 10 * 1024 * 1024;
const DAY_S: u32 = 24 * 3600;

/// Refuses what cannot be used, with the field at fault.
pub(crate) fn check(choices: &SettingsView) -> Result<(), Refusal> {
    let SettingsView {
        limits,
        history_days,
        history_budget_mib,
        interval_s,
        on_metered,
        on_battery: _,
        notifications: _,
        quiet_hours,
        snoozed_until_ms: _,
        proxy,
    } = choices;
    for (field, limit) in [
        ("limits.uploadKibS", limits.upload_kib_s),
        ("limits.downloadKibS", limits.download_kib_s),
    ] {
        if let Some(limit) = limit {
            within(field, limit, SLOWEST_KIB, FASTEST_KIB, "KiB per second")?;
        }
    }
    within("historyDays", *history_days, 1, 3650, "days")?;
    within("historyBudgetMib", *history_budget_mib, 16, 1 << 20, "MiB")?;
    within("intervalS", *interval_s, 1, DAY_S, "seconds")?;
    if let Some(hours) = quiet_hours {
        within(
            "quietHours.fromMinute",
            hours.from_minute,
            0,
            1439,
            "minutes",
        )?;
        within("quietHours.toMinute", hours.to_minute, 0, 1439, "minutes")?;
        if hours.from_minute == hours.to_minute {
            let message = "Quiet hours need a beginning and another end";
            return Err(Refusal::new("settings", message)
                .hint("To be told of nothing at all, turn notifications off.")
                .field("quietHours"));
        }
    }
    if *on_metered == WhenCostly::Pause && !metered::CAN_TELL {
        let message = "Whether a connection is metered cannot be told on this system";
        return Err(Refusal::new("settings", message)
            .hint("Pause by hand on such a connection, or set a limit.")
            .field("onMetered"));
    }
    if let Some(text) = proxy
        && let Err(error) = proxy::parse(text)
    {
        let hint = match error {
            ProxyError::Credentials => "Use a proxy that knows this computer without a password.",
            ProxyError::Unreadable | ProxyError::Scheme | ProxyError::Path => {
                "Leave it empty to go the way that the system's settings say."
            }
        };
        return Err(Refusal::new("settings", error.to_string())
            .hint(hint)
            .field("proxy"));
    }
    Ok(())
}

/// The proxy to be used; the system's way if there is none, or none that can be used.
pub(crate) fn proxy(choices: &SettingsView) -> Option<Url> {
    proxy::parse(choices.proxy.as_deref()?).ok()
}

/// The limits as the guard counts them.
pub(crate) fn limits(choices: &SettingsView) -> guard::Limits {
    let bytes = |kib: Option<u32>| NonZeroU64::new(u64::from(kib?) * 1024);
    guard::Limits {
        upload: bytes(choices.limits.upload_kib_s),
        download: bytes(choices.limits.download_kib_s),
    }
}

fn within(field: &str, value: u32, least: u32, most: u32, unit: &str) -> Result<(), Refusal> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let message = format!("{value} {unit} cannot be used; from {least} to {most} can");
    Err(Refusal::new("settings", message).field(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{Limits, QuietHours};

    #[test]
    fn the_defaults_can_be_used() {
        assert_eq!(check(&SettingsView::default()), Ok(()));
    }

    #[test]
    fn names_the_field_that_cannot_be_used() {
        type Change = fn(&mut SettingsView);
        let cases: [(&str, Change); 9] = [
            ("limits.uploadKibS", |it| it.limits.upload_kib_s = Some(0)),
            ("limits.downloadKibS", |it| {
                it.limits.download_kib_s = Some(u32::MAX);
            }),
            ("historyDays", |it| it.history_days = 0),
            ("historyBudgetMib", |it| it.history_budget_mib = 1),
            ("intervalS", |it| it.interval_s = 0),
            ("quietHours.fromMinute", |it| {
                it.quiet_hours = Some(QuietHours {
                    from_minute: 1440,
                    to_minute: 0,
                });
            }),
            ("quietHours", |it| {
                it.quiet_hours = Some(QuietHours {
                    from_minute: 60,
                    to_minute: 60,
                });
            }),
            ("proxy", |it| it.proxy = Some("socks5://proxy".into())),
            ("proxy", |it| {
                it.proxy = Some("http://ana:secret@proxy".into())
            }),
        ];
        for (field, change) in cases {
            let mut choices = SettingsView::default();
            change(&mut choices);
            let refusal = check(&choices).unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some(field));
        }
    }

    #[test]
    fn limits_are_bytes() {
        let choices = SettingsView {
            limits: Limits {
                upload_kib_s: Some(8),
                download_kib_s: None,
            },
            ..SettingsView::default()
        };
        let expected = guard::Limits {
            upload: NonZeroU64::new(8192),
            download: None,
        };
        assert_eq!(limits(&choices), expected);
    }
}
