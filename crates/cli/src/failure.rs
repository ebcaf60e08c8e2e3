//! Why a command did not do what was asked, in words and as JSON.

use engine::view::SubscriptionView;
use engine::{Refusal, StartError};
use serde::Serialize;

use crate::commands;
use crate::exit::Exit;

/// Says what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub(crate) struct Failure {
    #[serde(skip)]
    pub(crate) exit: Exit,
    /// Stable; scripts may branch on it.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) subscribe_url: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailureOut<'a> {
    ok: bool,
    exit_code: u8,
    #[serde(flatten)]
    failure: &'a Failure,
}

/// The code of everything that has to do with a missing subscription.
pub(crate) const SUBSCRIPTION_REQUIRED: &str = "subscription_required";
/// The code of a connection whose engine went away.
pub(crate) const STOPPED: &str = "stopped";

const SUBSCRIBE: &str = "Subscribe at: ";

impl Failure {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::of_code(code),
            code: code.to_owned(),
            message: message.into(),
            hint: None,
            subscribe_url: None,
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(crate) fn exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// The refusal of an account that has nothing to sync with.
    pub(crate) fn subscription_required(subscription: Option<&SubscriptionView>) -> Self {
        let message = "Active subscription required for CLI access";
        Self {
            hint: Some("Once you have an active subscription, run bm-cloud login again.".into()),
            subscribe_url: subscription.map(|subscription| subscription.subscribe_url.clone()),
            ..Self::new(SUBSCRIPTION_REQUIRED, message)
        }
    }

    pub(crate) fn gone() -> Self {
        Self::new(STOPPED, "The program that syncs has ended meanwhile")
            .hint("Run the command again.")
    }

    /// The engine that we had joined is of another version.
    pub(crate) fn unexpected() -> Self {
        Self::new(
            "unexpected_reply",
            "The program that syncs answered something else",
        )
        .hint("Update both programs to the same version.")
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.code == STOPPED
    }

    /// The failure as the last object on standard output.
    pub(crate) fn out(&self) -> FailureOut<'_> {
        FailureOut {
            ok: false,
            exit_code: self.exit.code(),
            failure: self,
        }
    }

    /// The message for people, line by line; the first is a heading.
    pub(crate) fn lines(&self) -> Vec<String> {
        if self.code == SUBSCRIPTION_REQUIRED {
            let link = self
                .subscribe_url
                .iter()
                .map(|url| format!("{SUBSCRIBE}{url}"));
            return ["Subscription Required".to_owned(), self.message.clone()]
                .into_iter()
                .chain(link)
                .chain(self.hint.clone())
                .collect();
        }
        let hint = self.hint.iter().map(|hint| format!("hint: {hint}"));
        std::iter::once(self.message.clone()).chain(hint).collect()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        if refusal.code == SUBSCRIPTION_REQUIRED {
            let link = refusal
                .hint
                .as_deref()
                .and_then(|hint| hint.strip_prefix(SUBSCRIBE));
            return Self {
                message: refusal.message,
                subscribe_url: link.map(str::to_owned),
                ..Self::subscription_required(None)
            };
        }
        Self {
            hint: commands::hint(&refusal.code, refusal.hint),
            ..Self::new(&refusal.code, refusal.message)
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(error.code(), error.to_string()).hint(error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_subscription_is_told_with_its_link() {
        let refusal = Refusal {
            code: SUBSCRIPTION_REQUIRED.into(),
            message: "Active subscription required for CLI access".into(),
            hint: Some("Subscribe at: https://example.org/subscribe".into()),
            field: None,
        };
        let expected = [
            "Subscription Required",
            "Active subscription required for CLI access",
            "Subscribe at: https://example.org/subscribe",
            "Once you have an active subscription, run bm-cloud login again.",
        ];
        assert_eq!(Failure::from(refusal).lines(), expected);
    }

    #[test]
    fn a_hint_has_a_line_of_its_own() {
        let failure = Failure::new("not_set_up", "No folder is set up yet").hint("Run setup.");
        assert_eq!(
            failure.lines(),
            ["No folder is set up yet", "hint: Run setup."]
        );
    }
}
