//! `bm-cloud settings`: what holds for all folders.

use engine::Request;
use engine::view::{Notifications, SettingsView, WhenCostly};
use serde_json::json;

use crate::arguments::{Costly, Limit, Settings};
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
    wanted.on_battery = match arguments.on_battery {
        Some(Costly::Run) => WhenCostly::Run,
        Some(Costly::Pause) => WhenCostly::Pause,
        None => known.on_battery,
    };
    wanted
}

fn lines(settings: &SettingsView) -> Vec<String> {
    let limit = |kib: Option<u32>| match kib {
        Some(kib) => format!("{kib} KiB/s"),
        None => "no limit".to_owned(),
    };
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
        format!(
            "Notifications: {}",
            match settings.notifications {
                Notifications::All => "all",
                Notifications::Important => "important ones",
                Notifications::None => "none",
            }
        ),
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
            json: false,
        };
        let wanted = changed(&known, &arguments);
        let expected = [
            "Uploads: 500 KiB/s",
            "Downloads: no limit",
            "Looks at the cloud every: 300 s",
            "History: 7 days, 1024 MiB of a folder at most",
            "On battery: pause",
            "Notifications: important ones",
        ];
        assert_eq!(lines(&wanted), expected);
    }
}
