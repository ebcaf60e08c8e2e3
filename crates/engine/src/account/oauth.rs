use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Method, header};
use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, DeviceAuthorizationUrl, DeviceCodeErrorResponseType,
    EndpointNotSet, EndpointSet, ErrorResponse, HttpRequest, HttpResponse, PkceCodeChallenge,
    PkceCodeVerifier, RefreshToken, RequestTokenError, Scope, StandardDeviceAuthorizationResponse,
    TokenResponse as _, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use wire::SignInConfig;

use crate::api::{ApiError, Transport, TransportError, may_talk_to, plain};
use crate::proxy::ChosenProxy;

use super::{AuthError, SignInError};

/// What RFC 6749 leaves to the client when an answer names no life.
const DEFAULT_LIFE: Duration = Duration::from_secs(300);
/// Longer than this nothing is believed to last: what is added to the clock has to stay a time.
const LONGEST_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// A provider that wants to be asked more rarely is not understood.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Never asked more often, whatever the provider says.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

type Client =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// The identity provider, as a public client without a secret of its own.
pub(super) struct Provider {
    issuer: String,
    client: Client,
    token_endpoint: Url,
    transport: Transport,
}

/// What a token answer brings.
pub(super) struct Tokens {
    pub(super) access: SecretString,
    pub(super) refresh: Option<SecretString>,
    pub(super) expires_in: Duration,
}

pub(super) enum RefreshError {
    /// `invalid_grant`: this refresh token is dead.
    Refused {
        description: String,
    },
    Auth(AuthError),
}

/// A device code that waits for a person.
pub(super) struct Pending {
    pub(super) answer: StandardDeviceAuthorizationResponse,
    verifier: Option<PkceCodeVerifier>,
}

impl Pending {
    pub(super) fn lasts(&self) -> Duration {
        self.answer.expires_in().min(LONGEST_LIFE)
    }
}

impl<'c> AsyncHttpClient<'c> for Transport {
    type Error = TransportError;
    type Future = BoxFuture<'c, Result<HttpResponse, TransportError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.oauth(request).boxed()
    }
}

impl Provider {
    pub(super) fn new(
        issuer: &str,
        client_id: &str,
        token_endpoint: &str,
    ) -> Result<Self, ApiError> {
        let token_endpoint = endpoint(token_endpoint)?;
        let client = BasicClient::new(ClientId::new(client_id.to_owned()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(TokenUrl::from_url(token_endpoint.clone()));
        let transport = Transport::to(&token_endpoint)?;
        Ok(Self {
            issuer: plain(issuer),
            client,
            token_endpoint,
            transport,
        })
    }

    /// Goes through the proxy that a person chose, as that changes.
    pub(super) fn follow(&self, proxy: &ChosenProxy) {
        self.transport.behind(proxy);
    }

    /// Asks for a device code (RFC 8628, section 3.1), with PKCE where the provider wants it.
    pub(super) async fn begin(&self, config: &SignInConfig) -> Result<Pending, SignInError> {
        let url = endpoint(&config.device_authorization_endpoint)?;
        let client = self
            .client
            .clone()
            .set_device_authorization_url(DeviceAuthorizationUrl::from_url(url));
        let mut request = client
            .exchange_device_code()
            .add_scopes(config.scopes.iter().cloned().map(Scope::new));
        let mut verifier = None;
        if config.pkce {
            let (challenge, secret) = PkceCodeChallenge::new_random_sha256();
            request = request
                .add_extra_param("code_challenge", challenge.as_str().to_owned())
                .add_extra_param(
                    "code_challenge_method",
                    challenge.method().as_str().to_owned(),
                );
            verifier = Some(secret);
        }
        let answer = request
            .request_async(&self.transport)
            .await
            .map_err(|error| SignInError::Auth(self.refused(error)))?;
        if answer.interval() > LONGEST_INTERVAL {
            let what = "it wants to be asked less than once an hour";
            return Err(SignInError::Auth(self.not_ours(what)));
        }
        Ok(Pending { answer, verifier })
    }

    /// Polls until the person has decided (section 3.4), as slowly as the provider asks.
    pub(super) async fn finish(&self, pending: &Pending) -> Result<Tokens, SignInError> {
        let mut request = self.client.exchange_device_access_token(&pending.answer);
        if let Some(verifier) = &pending.verifier {
            request = request.add_extra_param("code_verifier", verifier.secret().clone());
        }
        let pause = |interval: Duration| tokio::time::sleep(interval.max(SHORTEST_INTERVAL));
        let within = Some(pending.lasts());
        let answer = request.request_async(&self.transport, pause, within);
        let answer = answer.await;
        match answer {
            Ok(answer) => Ok(tokens(&answer)),
            Err(RequestTokenError::ServerResponse(refusal)) => match refusal.error() {
                DeviceCodeErrorResponseType::AccessDenied => Err(SignInError::Denied),
                DeviceCodeErrorResponseType::ExpiredToken => Err(SignInError::Expired),
                code @ (DeviceCodeErrorResponseType::AuthorizationPending
                | DeviceCodeErrorResponseType::SlowDown
                | DeviceCodeErrorResponseType::Basic(_)) => {
                    let code = plain(code.as_ref());
                    let message = plain(refusal.error_description().map_or("", |text| text));
                    Err(AuthError::Provider { code, message }.into())
                }
            },
            Err(error) => Err(SignInError::Auth(self.refused(error))),
        }
    }

    /// Rotates a refresh token. An answer that got lost is asked for once more at once: the
    /// provider accepts the old token again for a short while.
    pub(super) async fn refresh(&self, token: &SecretString) -> Result<Tokens, RefreshError> {
        match self.refresh_once(token).await {
            Err(RefreshError::Auth(AuthError::Api(ApiError::Unreachable { cause, .. })))
                if !cause.is_connect() =>
            {
                tracing::debug!(%cause, "the answer to a refresh was lost; asking again");
                self.refresh_once(token).await
            }
            result => result,
        }
    }

    async fn refresh_once(&self, token: &SecretString) -> Result<Tokens, RefreshError> {
        let token = RefreshToken::new(token.expose_secret().to_owned());
        let answer = self
            .client
            .exchange_refresh_token(&token)
            .request_async(&self.transport)
            .await;
        match answer {
            Ok(answer) => Ok(tokens(&answer)),
            Err(RequestTokenError::ServerResponse(refusal))
                if *refusal.error() == BasicErrorResponseType::InvalidGrant =>
            {
                let description = plain(refusal.error_description().map_or("", |text| text));
                Err(RefreshError::Refused { description })
            }
            Err(error) => Err(RefreshError::Auth(self.refused(error))),
        }
    }

    /// Revokes a refresh token and its session (RFC 7009), at `revoke` beside the token endpoint.
    pub(super) async fn revoke(&self, token: &SecretString) -> Result<(), ApiError> {
        let url = self
            .token_endpoint
            .join("revoke")
            .map_err(|cause| ApiError::BadUrl {
                url: self.token_endpoint.to_string(),
                what: cause.to_string(),
            })?;
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", self.client.client_id())
            .append_pair("token", token.expose_secret())
            .append_pair("token_type_hint", "refresh_token")
            .finish();
        let request = self
            .transport
            .request(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let answer = self
            .transport
            .send(request)
            .await
            .map_err(|cause| cause.at(&self.issuer))?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(ApiError::Server {
            status: answer.status.as_u16(),
            code: "revoke_refused".to_owned(),
            message: "the session could not be revoked".to_owned(),
        })
    }

    /// Drops what an unparsable answer contained: it may have been tokens.
    fn refused<R: ErrorResponse + 'static>(
        &self,
        error: RequestTokenError<TransportError, R>,
    ) -> AuthError {
        match error {
            RequestTokenError::ServerResponse(refusal) => AuthError::Provider {
                code: "refused".to_owned(),
                message: plain(&refusal.to_string()),
            },
            RequestTokenError::Request(cause) => AuthError::Api(cause.at(&self.issuer)),
            RequestTokenError::Parse(..) => self.not_ours("its sign-in answers are not OAuth"),
            RequestTokenError::Other(what) => self.not_ours(&plain(&what)),
        }
    }

    fn not_ours(&self, what: &str) -> AuthError {
        AuthError::Api(ApiError::NotOurServer {
            server: self.issuer.clone(),
            what: what.to_owned(),
        })
    }
}

/// Reads an endpoint's address; secrets go only where nobody on the way can read them.
pub(super) fn endpoint(text: &str) -> Result<Url, ApiError> {
    let refuse = |what: &str| ApiError::BadUrl {
        url: plain(text),
        what: what.to_owned(),
    };
    let url = Url::parse(text).map_err(|_| refuse("it is not an Internet address"))?;
    if may_talk_to(&url) {
        Ok(url)
    } else {
        Err(refuse("a sign-in must use https"))
    }
}

fn tokens(answer: &BasicTokenResponse) -> Tokens {
    Tokens {
        access: SecretString::from(answer.access_token().secret().clone()),
        refresh: answer
            .refresh_token()
            .map(|token| SecretString::from(token.secret().clone())),
        expires_in: answer
            .expires_in()
            .map_or(DEFAULT_LIFE, |told| told.min(LONGEST_LIFE)),
    }
}
