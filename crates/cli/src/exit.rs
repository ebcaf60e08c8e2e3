//! Exit codes, and which one fits what happened. The table is in `bm-cloud --help`.

use engine::view::RunResult;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    /// Will not heal by itself.
    Failed,
    Usage,
    SubscriptionRequired,
    SignedOut,
    /// A person must look.
    Halted,
    /// Offline or busy.
    TryLater,
    Interrupted,
    Terminated,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SubscriptionRequired => 3,
            Self::SignedOut => 4,
            Self::Halted => 5,
            Self::TryLater => 6,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The exit for a refusal's or failure's stable code.
    pub(crate) fn of_code(code: &str) -> Self {
        match code {
            "subscription_required" => Self::SubscriptionRequired,
            "signed_out" | "unauthenticated" | "refused" => Self::SignedOut,
            "DiskFull" | "ClockSkew" => Self::Halted,
            "unreachable" | "rate_limited" | "internal" | "preparing" | "starting" | "stopped"
            | "stopping" | "already_running" | "keyring_locked" | "secrets_busy" | "lost_race" => {
                Self::TryLater
            }
            _ => Self::Failed,
        }
    }

    /// The exit for how a run ended.
    pub(crate) fn of_result(result: &RunResult) -> Self {
        match result {
            RunResult::Verified | RunResult::Synced | RunResult::Previewed => Self::Done,
            RunResult::Halted { .. } => Self::Halted,
            RunResult::Failed {
                code, transient, ..
            } => match (Self::of_code(code), transient) {
                (Self::Failed, true) => Self::TryLater,
                (exit, _) => exit,
            },
            RunResult::Stopped => Self::TryLater,
        }
    }

    /// Of several, the one that a person has to hear about first.
    pub(crate) fn gravest(exits: impl IntoIterator<Item = Self>) -> Self {
        const GRAVEST_FIRST: [Exit; 8] = [
            Exit::Interrupted,
            Exit::Terminated,
            Exit::SignedOut,
            Exit::Failed,
            Exit::Halted,
            Exit::SubscriptionRequired,
            Exit::TryLater,
            Exit::Done,
        ];
        let exits: Vec<Self> = exits.into_iter().collect();
        let found = GRAVEST_FIRST.into_iter().find(|exit| exits.contains(exit));
        found.unwrap_or(Self::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: &str, transient: bool) -> RunResult {
        RunResult::Failed {
            code: code.into(),
            message: "m".into(),
            hint: None,
            transient,
        }
    }

    #[test]
    fn every_result_has_its_exit() {
        for (result, code) in [
            (RunResult::Verified, 0),
            (RunResult::Synced, 0),
            (RunResult::Previewed, 0),
            (
                RunResult::Halted {
                    code: "TooManyDeletes".into(),
                },
                5,
            ),
            (RunResult::Stopped, 6),
            (failed("rclone", false), 1),
            (failed("filters", false), 1),
            (failed("subscription_required", false), 3),
            (failed("signed_out", false), 4),
            (failed("refused", false), 4),
            (failed("DiskFull", true), 5),
            (failed("unreachable", true), 6),
            (failed("bucket_server_error", true), 6),
        ] {
            assert_eq!(Exit::of_result(&result).code(), code, "{result:?}");
        }
    }

    #[test]
    fn every_refusal_has_its_exit() {
        for (refusal, code) in [
            ("not_set_up", 1),
            ("folder_nested", 1),
            ("bad_url", 1),
            ("not_our_server", 1),
            ("subscription_required", 3),
            ("signed_out", 4),
            ("unreachable", 6),
            ("already_running", 6),
            ("keyring_locked", 6),
        ] {
            assert_eq!(Exit::of_code(refusal).code(), code, "{refusal}");
        }
    }

    #[test]
    fn the_gravest_of_several_is_told() {
        let halted_and_offline = [Exit::Done, Exit::TryLater, Exit::Halted];
        assert_eq!(Exit::gravest(halted_and_offline), Exit::Halted);
        assert_eq!(Exit::gravest([]), Exit::Done);
    }
}
