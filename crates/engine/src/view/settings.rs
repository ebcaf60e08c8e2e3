use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a person chose for all folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct SettingsView {
    pub limits: Limits,
    /// How long history keeps a version, in days.
    pub history_days: u32,
    /// How much history keeps of one folder, in MiB.
    pub history_budget_mib: u32,
    /// The time between two passes while nothing tells what happens, in seconds.
    pub interval_s: u32,
    pub on_metered: WhenCostly,
    pub on_battery: WhenCostly,
    pub notifications: Notifications,
    pub quiet_hours: Option<QuietHours>,
    /// Nothing new is told before this moment (Unix milliseconds).
    #[ts(type = "number | null")]
    pub snoozed_until_ms: Option<i64>,
    /// The proxy that leads to the server and the bucket; none is the system's.
    pub proxy: Option<String>,
}

/// How fast notes may travel, all together; none is as fast as they can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Limits {
    /// KiB per second.
    pub upload_kib_s: Option<u32>,
    /// KiB per second.
    pub download_kib_s: Option<u32>,
}

/// What sync does where it costs money or battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum WhenCostly {
    Run,
    Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum Notifications {
    All,
    /// Only what a person has to decide.
    Important,
    None,
}

/// Minutes since midnight, where the person is; past midnight where `to` is before `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct QuietHours {
    pub from_minute: u32,
    pub to_minute: u32,
}

impl Default for SettingsView {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            history_days: 30,
            history_budget_mib: 1024,
            interval_s: 60,
            on_metered: WhenCostly::Run,
            on_battery: WhenCostly::Run,
            notifications: Notifications::Important,
            quiet_hours: None,
            snoozed_until_ms: None,
            proxy: None,
        }
    }
}
