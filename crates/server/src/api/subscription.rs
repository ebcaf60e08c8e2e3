use axum::Json;
use axum::extract::State;
use wire::{AccountOut, SubscriptionOut};

use crate::app::App;
use crate::clock::rfc3339;
use crate::principal::{Member, is_current};
use crate::routes::Routes;

/// Says what the caller has. Needs no subscription, so that it can say "none".
async fn subscription(member: Member, State(app): State<App>) -> Json<SubscriptionOut> {
    let current = is_current(member.subscription.as_ref(), app.now());
    let (status, plan, end) = match member.subscription {
        Some(found) => (found.status, found.plan, found.current_period_end),
        None => ("none".to_owned(), None, None),
    };
    Json(SubscriptionOut {
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
    })
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/subscription", subscription)
}
