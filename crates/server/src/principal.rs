//! Who a request acts as. A handler's first argument is its policy.
//!
//! The order of refusals is fixed: token, subscription, profile, tenant. The tenant comes from
//! the token's subject and from nothing else.

mod admin;
mod api_key;
mod caller;
mod tenant_webhook;
mod workspace;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::app::{App, RequestId};
use crate::error::ApiError;
use crate::idp::IdentityProvider;
use crate::store::tenants::TenantRecord;
use crate::store::{Instance, Origin, Profile, Standing, Subscription, Tenant};
use crate::token::{Accepted, TokenRefusal};

pub(crate) use admin::{Admin, AdminSettings, Admins};
pub(crate) use api_key::{api_key_hash, new_api_key};
pub(crate) use tenant_webhook::TenantWebhook;

use caller::{Caller, Proof};

/// Stands in the audit for callers that did not prove who they are.
const NOBODY: &str = "nobody";

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Anybody.
    Public,
    /// Anybody, in a development deployment; elsewhere the route is not there.
    Development,
    /// A valid token.
    Member,
    /// A valid token and a subscription that is current at this moment.
    ActiveMember,
    /// A valid token with the administrator's role; no subscription is asked for.
    Admin,
    /// The payment provider's signature on the body.
    PolarDelivery,
    /// The object store, with the token of one tenant's bucket.
    TenantWebhook,
}

/// A first argument of a handler, which decides who gets past it.
pub(crate) trait Principal {
    const POLICY: Policy;
}

/// Lets anybody in.
pub(crate) struct Public;

/// Lets anybody in while this is a development deployment.
pub(crate) struct Development {
    pub(crate) provider: Arc<IdentityProvider>,
    pub(crate) request_id: RequestId,
}

/// Somebody with a valid token or key, who may be new here and have nothing yet.
pub(crate) struct Member {
    pub(crate) subscription: Option<Subscription>,
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    /// The tenant, once it has a bucket.
    pub(crate) tenant_id: Option<String>,
    caller: Caller,
    request_id: RequestId,
}

impl Member {
    /// Names this caller and request for audit events.
    pub(crate) fn origin(&self, app: &App) -> Origin {
        app.origin(&self.caller.actor, &self.request_id)
    }

    /// Refuses programs: what follows is for a person who signed in.
    pub(crate) fn in_person(&self) -> Result<(), ApiError> {
        self.caller.in_person()
    }
}

/// Somebody with a valid token or key, a subscription that is current now, and a profile.
///
/// A workspace that the request names is the caller's own.
pub(crate) struct ActiveMember {
    pub(crate) profile: Profile,
    caller: Caller,
    tenant: Option<Tenant>,
    request_id: RequestId,
}

/// The caller's own tenant with its bucket. Only a principal or a claimed workflow yields one.
#[derive(Clone, Debug)]
pub(crate) struct TenantScope {
    id: String,
    bucket: String,
    instance: Option<Instance>,
}

impl TenantScope {
    /// The tenant that a workflow was claimed for.
    pub(crate) fn of_record(tenant: &TenantRecord) -> Self {
        Self {
            id: tenant.id.clone(),
            bucket: tenant.reserved_bucket_name.clone(),
            instance: tenant.instance.clone(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    #[cfg(test)]
    pub(crate) fn for_tests(id: &str, bucket: &str) -> Self {
        Self {
            id: id.to_owned(),
            bucket: bucket.to_owned(),
            instance: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn with_instance(self, instance: Instance) -> Self {
        Self {
            instance: Some(instance),
            ..self
        }
    }

    /// Where the proxy finds the tenant, if it has an instance.
    pub(crate) fn instance(&self) -> Option<&Instance> {
        self.instance.as_ref()
    }
}

impl ActiveMember {
    /// Gives the caller's tenant, or `NoTenant` if there is none with a usable bucket.
    pub(crate) fn tenant(&self) -> Result<TenantScope, ApiError> {
        let tenant = self.tenant.as_ref().ok_or(ApiError::NoTenant)?;
        let bucket = tenant.bucket_name.clone().ok_or(ApiError::NoTenant)?;
        Ok(TenantScope {
            id: tenant.id.clone(),
            bucket,
            instance: tenant.instance.clone(),
        })
    }

    pub(crate) fn subject(&self) -> &str {
        &self.caller.subject
    }

    /// Refuses programs: what follows is for a person who signed in.
    pub(crate) fn in_person(&self) -> Result<(), ApiError> {
        self.caller.in_person()
    }

    #[cfg(test)]
    pub(crate) fn for_tests(subject: &str) -> Self {
        Self {
            profile: Profile {
                id: subject.to_owned(),
                email: None,
            },
            caller: Caller {
                subject: subject.to_owned(),
                actor: subject.to_owned(),
                proof: Proof::Token {
                    expires_at_s: i64::MAX,
                },
            },
            tenant: None,
            request_id: RequestId::new(),
        }
    }

    /// Looks again whether this caller may see the tenant, for answers that take long.
    pub(crate) async fn reaffirm(&self, app: &App, tenant: &TenantScope) -> Result<(), ApiError> {
        self.caller.is_still_good(app).await?;
        let standing = app.store.standing(&self.caller.subject).await?;
        let again = admit(self.caller.clone(), standing, self.request_id.clone(), app)?;
        if again.tenant()?.id == tenant.id {
            Ok(())
        } else {
            Err(ApiError::NoTenant)
        }
    }

    /// Names this caller and request for audit events.
    pub(crate) fn origin(&self, app: &App) -> Origin {
        app.origin(&self.caller.actor, &self.request_id)
    }
}

impl Principal for Public {
    const POLICY: Policy = Policy::Public;
}

impl Principal for Development {
    const POLICY: Policy = Policy::Development;
}

impl Principal for Member {
    const POLICY: Policy = Policy::Member;
}

impl Principal for ActiveMember {
    const POLICY: Policy = Policy::ActiveMember;
}

impl FromRequestParts<App> for Public {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl FromRequestParts<App> for Development {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let provider = app.development.clone().ok_or(ApiError::NotFound)?;
        Ok(Self {
            provider,
            request_id: request_id(parts),
        })
    }
}

impl FromRequestParts<App> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (caller, email) = authenticate(parts, app).await?;
        let standing = app.store.standing(&caller.subject).await?;
        let known = standing.profile.and_then(|profile| profile.email);
        Ok(Self {
            subscription: standing.subscription,
            subject: caller.subject.clone(),
            email: email.or(known),
            tenant_id: standing
                .tenant
                .filter(|tenant| tenant.bucket_name.is_some())
                .map(|tenant| tenant.id),
            caller,
            request_id: request_id(parts),
        })
    }
}

impl FromRequestParts<App> for ActiveMember {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let request_id = request_id(parts);
        let caller = match authenticate(parts, app).await {
            Ok((caller, _)) => caller,
            Err(error) => return Err(denied(app, NOBODY, &request_id, error).await),
        };
        let standing = app.store.standing(&caller.subject).await?;
        let admitted =
            admit(caller.clone(), standing, request_id.clone(), app).and_then(|member| {
                let own = member.tenant.as_ref().map(|tenant| tenant.id.as_str());
                workspace::only_own(&parts.headers, own)?;
                Ok(member)
            });
        match admitted {
            Ok(member) => Ok(member),
            Err(error) => Err(denied(app, &caller.actor, &request_id, error).await),
        }
    }
}

async fn denied(app: &App, actor: &str, request_id: &RequestId, error: ApiError) -> ApiError {
    let origin = app.origin(actor, request_id);
    app.denials.note(&*app.store, &origin, &error).await;
    error
}

fn request_id(parts: &Parts) -> RequestId {
    parts
        .extensions
        .get()
        .cloned()
        .unwrap_or_else(RequestId::new)
}

fn admit(
    caller: Caller,
    standing: Standing,
    request_id: RequestId,
    app: &App,
) -> Result<ActiveMember, ApiError> {
    if !is_current(standing.subscription.as_ref(), app.now()) {
        let (status, ends) = match &standing.subscription {
            Some(found) => (found.status.as_str(), found.current_period_end),
            None => ("none", None),
        };
        tracing::info!(
            subscription.status = status,
            subscription.ends = ends,
            "access denied"
        );
        return Err(ApiError::SubscriptionRequired {
            subscribe_url: app.links.subscribe_url.clone(),
        });
    }
    let profile = standing.profile.ok_or(ApiError::ProfileMissing)?;
    Ok(ActiveMember {
        profile,
        caller,
        tenant: standing.tenant,
        request_id,
    })
}

/// Whether the subscription opens anything at `now`: active, and inside its period.
pub(crate) fn is_current(subscription: Option<&Subscription>, now: i64) -> bool {
    subscription.is_some_and(|found| {
        found.status == "active" && found.current_period_end.is_some_and(|end| end >= now)
    })
}

/// Finds out who asks, by a token or a key; with the address that the token tells.
async fn authenticate(parts: &Parts, app: &App) -> Result<(Caller, Option<String>), ApiError> {
    if let Ok(key) = bearer(&parts.headers)
        && api_key::is_one(key)
    {
        let caller = match api_key::holder(key, app).await {
            Ok(caller) => caller,
            Err(refusal) => {
                app.limits.admit_stranger(parts)?;
                return Err(refusal);
            }
        };
        app.limits
            .admit_subject(&caller.subject, parts.uri.path())?;
        return Ok((caller, None));
    }
    let claims = authenticate_person(parts, app).await?.claims;
    Ok((Caller::of(&claims), claims.email.clone()))
}

/// Verifies the request's token. Whoever acts in another's name is written down each time.
async fn authenticate_person(parts: &Parts, app: &App) -> Result<Accepted, ApiError> {
    let accepted = match verify(parts, app).await {
        Ok(accepted) => accepted,
        Err(refusal) => {
            app.limits.admit_stranger(parts)?;
            return Err(refusal);
        }
    };
    app.limits
        .admit_subject(&accepted.claims.sub, parts.uri.path())?;
    if accepted.claims.act.is_some() {
        let caller = Caller::of(&accepted.claims);
        let origin = app.origin(&caller.actor, &request_id(parts));
        app.store
            .record_impersonation(&accepted.claims.sub, &origin)
            .await?;
    }
    Ok(accepted)
}

async fn verify(parts: &Parts, app: &App) -> Result<Accepted, ApiError> {
    let token = bearer(&parts.headers)?;
    app.verifier
        .verify(token, app.now() / 1000)
        .await
        .map_err(|refusal| {
            tracing::debug!(reason = %refusal, "a token was refused");
            match refusal {
                TokenRefusal::KeysUnavailable { retry_after_s } => {
                    ApiError::KeysUnavailable { retry_after_s }
                }
                TokenRefusal::TooLong
                | TokenRefusal::Malformed
                | TokenRefusal::WrongAlgorithm
                | TokenRefusal::KeyMissing
                | TokenRefusal::ExtensionAsked
                | TokenRefusal::WrongType
                | TokenRefusal::UnknownIssuer
                | TokenRefusal::UnknownKey
                | TokenRefusal::BadSignature
                | TokenRefusal::ClaimsMalformed
                | TokenRefusal::IdToken
                | TokenRefusal::Expired
                | TokenRefusal::NotYetValid
                | TokenRefusal::IssuedAhead
                | TokenRefusal::LivesTooLong
                | TokenRefusal::WrongAudience
                | TokenRefusal::NotAPerson => ApiError::TokenRejected,
            }
        })
}

/// Takes the token out of exactly one `Authorization: Bearer` header (RFC 6750).
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(ApiError::TokenMissing)?;
    if values.next().is_some() {
        return Err(ApiError::TokenRejected);
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(ApiError::TokenRejected)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::TokenRejected);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(status: &str, end: Option<i64>) -> Subscription {
        Subscription {
            status: status.to_owned(),
            plan: None,
            current_period_end: end,
        }
    }

    #[test]
    fn only_an_active_subscription_inside_its_period_is_current() {
        let now = 1_000;
        for (case, expected) in [
            (None, false),
            (Some(subscription("active", Some(now + 1))), true),
            (Some(subscription("active", Some(now))), true),
            (Some(subscription("active", Some(now - 1))), false),
            (Some(subscription("active", None)), false),
            (Some(subscription("trialing", Some(now + 1))), false),
            (Some(subscription("canceled", Some(now + 1))), false),
            (Some(subscription("ACTIVE", Some(now + 1))), false),
        ] {
            assert_eq!(is_current(case.as_ref(), now), expected, "{case:?}");
        }
    }

    #[test]
    fn takes_one_bearer_header_and_no_other_scheme() {
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers)
                .map(str::to_owned)
                .map_err(|error| error.code())
        };
        assert_eq!(with(&["Bearer a.b.c"]), Ok("a.b.c".to_owned()));
        assert_eq!(with(&["bEARER a.b.c"]), Ok("a.b.c".to_owned()));
        assert_eq!(with(&[]), Err("unauthenticated"));
        assert_eq!(with(&["Basic a.b.c"]), Err("unauthenticated"));
        assert_eq!(with(&["Bearer"]), Err("unauthenticated"));
        assert_eq!(with(&["Bearer a", "Bearer b"]), Err("unauthenticated"));
    }
}
