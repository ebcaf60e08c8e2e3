//! Who may change other people's tenants: a role in one organization, and nothing less.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Caller, NOBODY, Policy, Principal, authenticate_person, denied, request_id};
use crate::app::{App, RequestId};
use crate::error::ApiError;
use crate::store::Origin;
use crate::token::{Accepted, IssuerKind, Memberships};

/// Whom a deployment calls an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminSettings {
    /// The organization's id.
    pub(crate) organization: String,
    /// The slug of the role that its administrators have.
    pub(crate) role: String,
    /// The only client through which a Connect token may act as an administrator's.
    pub(crate) client: Option<String>,
}

/// The administrators of a deployment, and where their roles are looked up.
#[derive(Clone)]
pub(crate) struct Admins {
    pub(crate) settings: AdminSettings,
    /// Needed for tokens that say no role; without it they are refused.
    pub(crate) directory: Option<Arc<dyn Memberships>>,
}

/// Somebody with a valid token and the administrator's role. Needs no subscription and no
/// profile, and is never somebody who acts in another's name.
pub(crate) struct Admin {
    caller: Caller,
    request_id: RequestId,
}

impl Admin {
    /// Names this caller and request for audit events.
    pub(crate) fn origin(&self, app: &App) -> Origin {
        app.origin(&self.caller.actor, &self.request_id)
    }
}

impl Principal for Admin {
    const POLICY: Policy = Policy::Admin;
}

/// Why somebody is no administrator. For logs only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Denial {
    #[error("this deployment has no administrators")]
    NotConfigured,
    #[error("acts in another's name")]
    Impersonation,
    #[error("belongs to another organization")]
    OtherOrganization,
    #[error("has another role")]
    OtherRole,
    #[error("came through another client than the administrators'")]
    OtherClient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Granted,
    /// The token is fit for it, but the role is known to the directory only.
    LookUp,
    Denied(Denial),
}

/// Decides what can be decided from the token alone.
fn decide(settings: Option<&AdminSettings>, accepted: &Accepted) -> Verdict {
    let claims = &accepted.claims;
    let Some(settings) = settings else {
        return Verdict::Denied(Denial::NotConfigured);
    };
    if claims.act.is_some() {
        return Verdict::Denied(Denial::Impersonation);
    }
    let organization = claims.org_id.as_ref();
    match accepted.kind {
        IssuerKind::UserManagement if organization != Some(&settings.organization) => {
            Verdict::Denied(Denial::OtherOrganization)
        }
        IssuerKind::UserManagement if !claims.has_role(&settings.role) => {
            Verdict::Denied(Denial::OtherRole)
        }
        IssuerKind::UserManagement => Verdict::Granted,
        IssuerKind::Connect if organization.is_some_and(|id| *id != settings.organization) => {
            Verdict::Denied(Denial::OtherOrganization)
        }
        IssuerKind::Connect => match &settings.client {
            Some(client) if claims.is_for(client) => Verdict::LookUp,
            Some(_) | None => Verdict::Denied(Denial::OtherClient),
        },
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let request_id = request_id(parts);
        let accepted = match authenticate_person(parts, app).await {
            Ok(accepted) => accepted,
            Err(error) => return Err(denied(app, NOBODY, &request_id, error).await),
        };
        let caller = Caller::of(&accepted.claims);
        let admins = app.admins.as_deref();
        let verdict = match (
            decide(admins.map(|admins| &admins.settings), &accepted),
            admins,
        ) {
            (Verdict::LookUp, Some(admins)) => look_up(admins, &accepted.claims.sub).await?,
            (settled, _) => settled,
        };
        match verdict {
            Verdict::Granted => Ok(Self { caller, request_id }),
            Verdict::Denied(reason) => {
                tracing::info!(%reason, "no administrator");
                Err(denied(app, &caller.actor, &request_id, ApiError::Forbidden).await)
            }
            Verdict::LookUp => Err(ApiError::Forbidden),
        }
    }
}

async fn look_up(admins: &Admins, subject: &str) -> Result<Verdict, ApiError> {
    let Some(directory) = &admins.directory else {
        return Ok(Verdict::Denied(Denial::OtherClient));
    };
    let settings = &admins.settings;
    let roles = directory.roles(subject, &settings.organization).await?;
    Ok(if roles.contains(&settings.role) {
        Verdict::Granted
    } else {
        Verdict::Denied(Denial::OtherRole)
    })
}

#[cfg(test)]
mod tests;
