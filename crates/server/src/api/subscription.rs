use axum::Json;
use axum::extract::State;
use wire::{AccountOut, SubscriptionDetails, SubscriptionOut};

use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::polar::Snapshot;
use crate::principal::{Member, is_current};
use crate::routes::Routes;

/// Says what the caller has. Needs no subscription, so that it can say "none".
async fn subscription(
    member: Member,
    State(app): State<App>,
) -> Result<Json<SubscriptionOut>, ApiError> {
    let current = is_current(member.subscription.as_ref(), app.now());
    let (status, plan, end) = match member.subscription {
        Some(found) => (found.status, found.plan, found.current_period_end),
        None => ("none".to_owned(), None, None),
    };
    let deciding = app.store.find_deciding_snapshot(&member.subject).await?;
    let deciding =
        deciding.filter(|found| found.status.word() == status && found.current_period_end == end);
    Ok(Json(SubscriptionOut {
        account: AccountOut {
            id: member.subject,
            email: member.email,
        },
        current,
        status,
        plan,
        current_period_end: end.and_then(rfc3339),
        subscribe_url: app.links.subscribe_url.clone(),
        manage_url: app.links.manage_url.clone(),
        details: deciding.as_ref().map(details),
    }))
}

fn details(snapshot: &Snapshot) -> SubscriptionDetails {
    let text = |moment: Option<i64>| moment.and_then(rfc3339);
    SubscriptionDetails {
        current_period_start: text(snapshot.current_period_start),
        trial_end: text(snapshot.trial_end),
        cancel_at_period_end: snapshot.cancel_at_period_end,
        canceled_at: text(snapshot.canceled_at),
        ends_at: text(snapshot.ends_at),
        past_due_at: text(snapshot.past_due_at),
        pause_at_period_end: snapshot.pause_at_period_end,
        resumes_at: text(snapshot.resumes_at),
    }
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/subscription", subscription)
}
