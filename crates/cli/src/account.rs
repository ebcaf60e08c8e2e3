//! The account and its subscription in words, and the question what it has.

use std::time::Duration;

use engine::view::{AccountView, SubscriptionView};
use engine::{Connection, Request, View};
use time::UtcOffset;
use tokio::time::timeout;

use crate::context::Context;
use crate::failure::Failure;
use crate::words;

/// Answers and views come on separate ways; the view is at most this much later.
const SETTLED: Duration = Duration::from_millis(400);

/// Asks the server what the account has, and gives the view that tells it.
pub(crate) async fn check(context: &Context, connection: &Connection) -> Result<View, Failure> {
    let before = connection.view();
    context.ask(connection, Request::CheckSubscription).await?;
    let told = |view: &View| {
        let known =
            view.subscription.is_some() && matches!(view.account, AccountView::SignedIn { .. });
        known && (view.subscription != before.subscription || view.account != before.account)
    };
    let view = match timeout(
        SETTLED,
        context.wait(connection, |view| told(view).then_some(())),
    )
    .await
    {
        Ok(Err(failure)) => return Err(failure),
        Ok(Ok(())) | Err(_) => connection.view(),
    };
    Ok((*view).clone())
}

/// "ana@example.org on" and the server's address.
pub(crate) fn name(account: &AccountView) -> String {
    match account {
        AccountView::SignedIn {
            server_url,
            user_id,
            email,
            ..
        } => {
            format!("{} on {server_url}", email.as_ref().unwrap_or(user_id))
        }
        AccountView::SignedOut { .. } => "nobody is signed in".to_owned(),
        AccountView::SigningIn { server_url } | AccountView::AwaitingBrowser { server_url, .. } => {
            format!("signing in on {server_url}")
        }
    }
}

/// "Subscription: Plus, active until 3 Oct 2026".
pub(crate) fn subscription(subscription: &SubscriptionView, offset: UtcOffset) -> String {
    let plan = subscription
        .plan
        .iter()
        .map(|plan| format!("{plan}, "))
        .collect::<String>();
    let end = subscription.period_end_ms.map(|ms| words::day(ms, offset));
    let time = match (end, subscription.current) {
        (Some(end), true) => format!("until {end}"),
        (Some(end), false) => format!("ended {end}"),
        (None, true) => String::new(),
        (None, false) => "not current".to_owned(),
    };
    let status = if subscription.current {
        subscription.status.as_str()
    } else {
        ""
    };
    let words: Vec<&str> = [status, time.as_str()]
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect();
    format!("Subscription: {plan}{}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_the_account_has() {
        let current = SubscriptionView {
            current: true,
            status: "active".into(),
            plan: Some("Plus".into()),
            period_end_ms: Some(1_759_442_400_000),
            subscribe_url: "https://x/subscribe".into(),
            manage_url: None,
        };
        let words = |view: &SubscriptionView| subscription(view, UtcOffset::UTC);
        assert_eq!(
            words(&current),
            "Subscription: Plus, active until 2 Oct 2025"
        );
        let ended = SubscriptionView {
            current: false,
            plan: None,
            ..current
        };
        assert_eq!(words(&ended), "Subscription: ended 2 Oct 2025");
        let none = SubscriptionView {
            period_end_ms: None,
            status: "none".into(),
            ..ended
        };
        assert_eq!(words(&none), "Subscription: not current");
    }
}
