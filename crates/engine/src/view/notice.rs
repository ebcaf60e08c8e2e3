//! What a person should hear of without having asked.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What may become a notification. The engine decides when there is one; front ends only show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct NoticeView {
    /// Is shown once: what is to be told anew gets another id. When a notice is gone from the view,
    /// its cause is gone, and a notification of it may be withdrawn.
    pub id: String,
    /// A cause has one notice at most; a new one takes the place of the one before.
    pub cause: NoticeCause,
    pub level: NoticeLevel,
    pub title: String,
    pub body: String,
    /// The first is what a click on the notification does.
    pub actions: Vec<NoticeAction>,
}

/// Stable names; scripts and front ends may branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[ts(export)]
pub enum NoticeCause {
    #[serde(rename = "auth.expired")]
    AuthExpired,
    #[serde(rename = "subscription.lapsed")]
    SubscriptionLapsed,
    #[serde(rename = "rclone.crashed")]
    RcloneCrashed,
    #[serde(rename = "halt")]
    Halt,
    #[serde(rename = "conflict.new")]
    ConflictNew,
    #[serde(rename = "mount.failed")]
    MountFailed,
    #[serde(rename = "problem.new")]
    ProblemNew,
}

impl NoticeCause {
    /// The name, as it is on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthExpired => "auth.expired",
            Self::SubscriptionLapsed => "subscription.lapsed",
            Self::RcloneCrashed => "rclone.crashed",
            Self::Halt => "halt",
            Self::ConflictNew => "conflict.new",
            Self::MountFailed => "mount.failed",
            Self::ProblemNew => "problem.new",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Waits for a person; everything else goes on.
    Warning,
    /// Nothing goes on until a person acts.
    Error,
}

/// What a person can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum NoticeAction {
    OpenConflicts,
    OpenProblems,
    OpenWindow,
    SignIn,
    /// Opens the account's page of the provider, else the page to subscribe.
    ManageSubscription,
}
