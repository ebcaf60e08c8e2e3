//! What the buttons of a notification say and do.

use engine::View;
use engine::view::{NoticeAction, NoticeCause};
use tauri::{AppHandle, Manager as _};

use crate::commands::is_web;
use crate::shell::Shell;
use crate::window;

pub(super) fn label(action: NoticeAction) -> &'static str {
    match action {
        NoticeAction::OpenConflicts => "Review",
        NoticeAction::OpenProblems => "Show problems",
        NoticeAction::OpenWindow => "Open window",
        NoticeAction::SignIn => "Sign in",
        NoticeAction::ManageSubscription => "Manage subscription",
    }
}

/// A button of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Click {
    pub(super) cause: NoticeCause,
    pub(super) action: NoticeAction,
}

/// The page that tells more of a cause, wherever the window is.
fn place(cause: NoticeCause) -> &'static str {
    match cause {
        NoticeCause::AuthExpired | NoticeCause::RcloneCrashed => "overview",
        NoticeCause::SubscriptionLapsed => "account",
        NoticeCause::Halt => "folders",
        NoticeCause::ConflictNew => "conflicts",
        NoticeCause::MountFailed => "mounts",
        NoticeCause::ProblemNew => "diagnostics",
    }
}

/// Does what a notification offers; on the main thread.
pub(super) fn act(app: &AppHandle, click: Click) {
    match click.action {
        NoticeAction::OpenConflicts
        | NoticeAction::OpenProblems
        | NoticeAction::OpenWindow
        | NoticeAction::SignIn => window::show(app, Some(place(click.cause))),
        NoticeAction::ManageSubscription => {
            let view = app.state::<Shell>().view();
            match subscription_link(&view) {
                Some(link) => {
                    if let Err(error) = open::that_detached(link) {
                        tracing::warn!(%error, "no browser opened");
                        window::show(app, Some("account"));
                    }
                }
                None => window::show(app, Some("account")),
            }
        }
    }
}

/// Where the subscription is managed, or bought where there is none.
fn subscription_link(view: &View) -> Option<&str> {
    let subscription = view.subscription.as_ref()?;
    let link = subscription.manage_url.as_deref();
    Some(link.unwrap_or(&subscription.subscribe_url)).filter(|link| is_web(link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_leads_to_the_page_that_tells_more_of_it() {
        let places = [
            (NoticeCause::AuthExpired, "overview"),
            (NoticeCause::RcloneCrashed, "overview"),
            (NoticeCause::SubscriptionLapsed, "account"),
            (NoticeCause::Halt, "folders"),
            (NoticeCause::ConflictNew, "conflicts"),
            (NoticeCause::MountFailed, "mounts"),
            (NoticeCause::ProblemNew, "diagnostics"),
        ];
        let known = include_str!("../../ui/src/places.ts");
        for (cause, wanted) in places {
            assert_eq!(place(cause), wanted, "{cause:?}");
            assert!(known.contains(wanted), "the window has no page {wanted}");
        }
    }
}
