use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tokio::time::Instant;
use wire::{AccountOut, SubscriptionDetails, SubscriptionOut};

use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::extract::QueryValues;
use crate::polar::Snapshot;
use crate::principal::{Member, is_current};
use crate::routes::Routes;
use crate::store::Subscription;

/// Shorter than connections are left silent by proxies, and than our clients wait for an answer.
const LONGEST_WAIT_S: u64 = 15;
/// How soon after it a change is seen.
const LOOK_EVERY: Duration = Duration::from_millis(400);

#[derive(Debug, Deserialize)]
struct SubscriptionQuery {
    /// What the caller knows.
    current: Option<bool>,
    wait_s: Option<u64>,
}

/// Says what the caller has. Needs no subscription, so that it can say "none".
async fn subscription(
    member: Member,
    State(app): State<App>,
    QueryValues(query): QueryValues<SubscriptionQuery>,
) -> Result<Json<SubscriptionOut>, ApiError> {
    let wait = query.wait_s.unwrap_or_default();
    if wait > LONGEST_WAIT_S {
        let most = format!("wait_s is {LONGEST_WAIT_S} at most.");
        return Err(ApiError::InvalidRequest(most));
    }
    let known = match query.current {
        Some(known) if wait > 0 => known,
        Some(_) | None => return said(&app, member).await,
    };
    let until = Instant::now() + Duration::from_secs(wait);
    let member = changed(&app, member, known, until).await?;
    said(&app, member).await
}

/// Waits until the subscription is not as it is known, the time is over, or the server ends.
async fn changed(
    app: &App,
    mut member: Member,
    known: bool,
    until: Instant,
) -> Result<Member, ApiError> {
    let draining = app.life.draining();
    while is_current(member.subscription.as_ref(), app.now()) == known {
        let next = Instant::now() + LOOK_EVERY;
        if next > until {
            break;
        }
        tokio::select! {
            () = draining.cancelled() => break,
            () = tokio::time::sleep_until(next) => {}
        }
        member.subscription = app.store.standing(&member.subject).await?.subscription;
    }
    Ok(member)
}

async fn said(app: &App, member: Member) -> Result<Json<SubscriptionOut>, ApiError> {
    let current = is_current(member.subscription.as_ref(), app.now());
    let (status, plan, end) = match member.subscription {
        Some(Subscription {
            status,
            plan,
            current_period_end,
        }) => (status, plan, current_period_end),
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
