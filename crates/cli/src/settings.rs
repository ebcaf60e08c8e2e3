//! `bm-cloud settings`: what holds for all folders.

use engine::Request;
use engine::view::{Notifications, QuietHours, SettingsView, WhenCostly};
use serde_json::json;

use crate::arguments::{Costly, Limit, Quiet, Settings, Told};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words;

pub(crate) async fn run(context: &Context, arguments: &Settings) -> Result<Exit, Failure> {
    let settings = context
        .with_engine(async |connection| {
            let known = connection.view().settings.clone();
            let wanted = changed(&known, arguments);
            if wanted == known {
                return Ok(known);
            }
            let settings = wanted.clone();
            context
                .ask(connection, Request::ChangeSettings { settings })
                .await?;
            Ok(wanted)
        })
        .await?;
    context
        .output
        .json(&json!({ "ok": true, "settings": settings }));
    for line in lines(&settings) {
        context.output.data(&line);
    }
    Ok(Exit::Done)
}

fn changed(known: &SettingsView, arguments: &Settings) -> SettingsView {
    let mut wanted = known.clone();
    let kib = |limit| match limit {
        Limit::Off => None,
        Limit::KibPerSecond(kib) => Some(kib),
    };
    if let Some(limit) = arguments.upload_limit {
        wanted.limits.upload_kib_s = kib(limit);
    }
    if let Some(limit) = arguments.download_limit {
        wanted.limits.download_kib_s = kib(limit);
    }
    if let Some(interval) = arguments.interval {
        wanted.interval_s = u32::try_from(interval.as_secs()).unwrap_or(u32::MAX);
    }
    wanted.history_days = arguments.history_days.unwrap_or(known.history_days);
    wanted.history_budget_mib = arguments.history_budget.unwrap_or(known.history_budget_mib);
    let costly = |chosen, known| match chosen {
        Some(Costly::Run) => WhenCostly::Run,
        Some(Costly::Pause) => WhenCostly::Pause,
        None => known,
    };
    wanted.on_battery = costly(arguments.on_battery, known.on_battery);
    wanted.on_metered = costly(arguments.on_metered, known.on_metered);
    if let Some(proxy) = &arguments.proxy {
        wanted.proxy = (proxy != "off").then(|| proxy.clone());
    }
    if let Some(told) = arguments.notifications {
        wanted.notifications = match told {
            Told::All => Notifications::All,
            Told::Important => Notifications::Important,
            Told::None => Notifications::None,
        };
    }
    if let Some(quiet) = arguments.quiet_hours {
        wanted.quiet_hours = match quiet {
            Quiet::Off => None,
            Quiet::Between(from_minute, to_minute) => Some(QuietHours {
                from_minute,
                to_minute,
            }),
        };
    }
    wanted
}

fn lines(settings: &SettingsView) -> Vec<String> {
    let limit = |kib: Option<u32>| match kib {
        Some(kib) => format!("{kib} KiB/s"),
        None => "no limit".to_owned(),
    };
    let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let costly = |choice| match choice {
        WhenCostly::Run => "sync",
        WhenCostly::Pause => "pause",
    };
    vec![
        format!("Uploads: {}", limit(settings.limits.upload_kib_s)),
        format!("Downloads: {}", limit(settings.limits.download_kib_s)),
        format!("Looks at the cloud every: {} s", settings.interval_s),
        format!(
            "History: {}, {} MiB of a folder at most",
            words::count(settings.history_days.into(), "day"),
            settings.history_budget_mib
        ),
        format!("On battery: {}", costly(settings.on_battery)),
        format!("On a metered connection: {}", costly(settings.on_metered)),
        format!(
            "Proxy: {}",
            settings.proxy.as_deref().unwrap_or("the system's")
        ),
        format!(
            "Notifications: {}",
            match settings.notifications {
                Notifications::All => "all",
                Notifications::Important => "important ones",
                Notifications::None => "none",
            }
        ),
        match settings.quiet_hours {
            None => "Quiet hours: none".to_owned(),
            Some(hours) => format!(
                "Quiet hours: {}-{}",
                time(hours.from_minute),
                time(hours.to_minute)
            ),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_what_is_named_and_nothing_else() {
        let known = SettingsView {
            history_days: 7,
            ..SettingsView::default()
        };
        let arguments = Settings {
            upload_limit: Some(Limit::KibPerSecond(500)),
            download_limit: Some(Limit::Off),
            interval: Some(std::time::Duration::from_secs(300)),
            history_days: None,
            history_budget: None,
            on_battery: Some(Costly::Pause),
            on_metered: Some(Costly::Pause),
            proxy: Some("http://proxy:3128".into()),
            notifications: Some(Told::All),
            quiet_hours: Some(Quiet::Between(22 * 60, 7 * 60 + 5)),
            json: false,
        };
        let wanted = changed(&known, &arguments);
        let expected = [
            "Uploads: 500 KiB/s",
            "Downloads: no limit",
            "Looks at the cloud every: 300 s",
            "History: 7 days, 1024 MiB of a folder at most",
            "On battery: pause",
            "On a metered connection: pause",
            "Proxy: http://proxy:3128",
            "Notifications: all",
            "Quiet hours: 22:00-07:05",
        ];
        assert_eq!(lines(&wanted), expected);
    }
}
