//! Our side of OAuth in front of oidc-provider, which we did not write.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use testkit::{OidcProvider, OidcSettings, oidc_provider};
use wire::SignInConfig;

use super::*;

fn config(judge: &OidcProvider) -> SignInConfig {
    SignInConfig {
        issuer: judge.issuer.clone(),
        client_id: judge.client_id.clone(),
        device_authorization_endpoint: format!("{}/oauth2/device_authorization", judge.issuer),
        token_endpoint: format!("{}/oauth2/token", judge.issuer),
        scopes: ["openid", "profile", "email", "offline_access"]
            .map(str::to_owned)
            .to_vec(),
        pkce: true,
    }
}

fn provider(config: &SignInConfig) -> Provider {
    Provider::new(&config.issuer, &config.client_id, &config.token_endpoint).unwrap()
}

async fn sign_in(judge: &OidcProvider, user: &str) -> Tokens {
    let config = config(judge);
    let provider = provider(&config);
    let pending = provider.begin(&config).await.unwrap();
    let user_code = pending.answer.user_code().secret().clone();
    let (finished, ()) = tokio::join!(provider.finish(&pending), judge.approve(&user_code, user));
    finished.unwrap_or_else(|error| panic!("the sign-in failed: {error}"))
}

fn subject(token: &SecretString) -> String {
    let claims = token.expose_secret().split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_device_is_signed_in_and_its_session_goes_on_by_rotation() {
    let judge = oidc_provider(OidcSettings::default()).await;
    let first = sign_in(&judge, "user_ana").await;
    assert_eq!(subject(&first.access), "user_ana");
    assert_eq!(first.expires_in, Duration::from_secs(300));

    let provider = provider(&config(&judge));
    let mut last = first.refresh.expect("offline access was asked for");
    for _ in 0..3 {
        let Ok(next) = provider.refresh(&last).await else {
            panic!("an unused refresh token was refused");
        };
        assert_eq!(subject(&next.access), "user_ana");
        let rotated = next.refresh.expect("every refresh brings another token");
        assert_ne!(rotated.expose_secret(), last.expose_secret());
        last = rotated;
    }
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_session_and_is_understood_so() {
    let judge = oidc_provider(OidcSettings::default()).await;
    let provider = provider(&config(&judge));
    let stolen = sign_in(&judge, "user_ana").await.refresh.unwrap();
    let Ok(next) = provider.refresh(&stolen).await else {
        panic!("an unused refresh token was refused");
    };
    for token in [stolen, next.refresh.unwrap()] {
        let again = provider.refresh(&token).await;
        assert!(matches!(again, Err(RefreshError::Refused { .. })));
    }
}

#[tokio::test]
async fn a_person_who_says_no_is_understood() {
    let judge = oidc_provider(OidcSettings::default()).await;
    let config = config(&judge);
    let provider = provider(&config);
    let pending = provider.begin(&config).await.unwrap();
    judge.deny(pending.answer.user_code().secret()).await;
    let ended = provider.finish(&pending).await;
    assert!(matches!(ended, Err(SignInError::Denied)));
}
