use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::idp::SigningKey;

mod judges;

const NOW: i64 = 1_700_000_000;
const CLIENT: &str = "client_1";
const ISSUER: &str = "http://127.0.0.1:1/idp";

static OURS: LazyLock<SigningKey> = LazyLock::new(new_key);
static THEIRS: LazyLock<SigningKey> = LazyLock::new(new_key);

fn new_key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new(vec![
        Issuer::for_tests(ISSUER, CLIENT, &OURS),
        Issuer::for_tests("http://other.example", CLIENT, &THEIRS),
    ])
}

fn header() -> Value {
    json!({ "alg": "RS256", "kid": OURS.id(), "typ": "JWT" })
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "client_1", "sub": "user_1", "sid": "session_1", "jti": "token_1",
        "iat": NOW - 10, "exp": NOW + 600, "email": "ana@example.org",
    })
}

fn with(mut base: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            base.as_object_mut().unwrap().remove(name);
        } else {
            base[name] = value.clone();
        }
    }
    base
}

fn signed(header: &Value, claims: &Value) -> String {
    OURS.sign_with_header(header, claims)
        .unwrap()
        .expose_secret()
        .to_owned()
}

async fn verdict(token: &str) -> Result<String, TokenRefusal> {
    let accepted = verifier().verify(token, NOW).await?;
    Ok(accepted.claims.sub.clone())
}

#[tokio::test]
async fn accepts_a_good_token_and_says_who_it_is() {
    let accepted = verifier()
        .verify(&signed(&header(), &claims()), NOW)
        .await
        .unwrap()
        .claims;
    assert_eq!(accepted.sub, "user_1");
    assert_eq!(accepted.email.as_deref(), Some("ana@example.org"));
    for changes in [json!({"typ": "at+jwt"}), json!({"typ": "absent"})] {
        let token = signed(&with(header(), &changes), &claims());
        assert_eq!(verdict(&token).await, Ok("user_1".to_owned()), "{changes}");
    }
    for changes in [
        json!({"aud": ["x", "client_1"]}),
        json!({"email": "absent"}),
    ] {
        let token = signed(&header(), &with(claims(), &changes));
        assert_eq!(verdict(&token).await, Ok("user_1".to_owned()), "{changes}");
    }
}

#[tokio::test]
async fn refuses_every_header_that_is_not_plain_rs256_with_a_key() {
    use TokenRefusal as R;
    for (changes, expected) in [
        (json!({"alg": "none"}), R::WrongAlgorithm),
        (json!({"alg": "HS256"}), R::WrongAlgorithm),
        (json!({"alg": "RS512"}), R::WrongAlgorithm),
        (json!({"alg": "rs256"}), R::WrongAlgorithm),
        (json!({"alg": "absent"}), R::Malformed),
        (json!({"kid": "absent"}), R::KeyMissing),
        (json!({"kid": ""}), R::KeyMissing),
        (json!({"kid": 1}), R::Malformed),
        (json!({"kid": "unheard-of"}), R::UnknownKey),
        (json!({"kid": THEIRS.id()}), R::UnknownKey),
        (json!({"crit": ["exp"]}), R::ExtensionAsked),
        (json!({"crit": null}), R::ExtensionAsked),
        (json!({"b64": false}), R::ExtensionAsked),
        (json!({"zip": "DEF"}), R::ExtensionAsked),
        (json!({"cty": "JWT"}), R::ExtensionAsked),
        (json!({"typ": "dpop+jwt"}), R::WrongType),
        (json!({"typ": "logout+jwt"}), R::WrongType),
    ] {
        let token = signed(&with(header(), &changes), &claims());
        assert_eq!(verdict(&token).await, Err(expected), "{changes}");
    }
}

#[tokio::test]
async fn refuses_every_claim_that_is_missing_or_out_of_bounds() {
    use TokenRefusal as R;
    for (changes, expected) in [
        (json!({"iss": "absent"}), R::Malformed),
        (json!({"iss": [ISSUER]}), R::Malformed),
        (json!({"iss": "http://127.0.0.1:1/idp/"}), R::UnknownIssuer),
        (json!({"iss": "http://evil.example"}), R::UnknownIssuer),
        (json!({"iss": "http://other.example"}), R::UnknownKey),
        (json!({"sub": "absent"}), R::ClaimsMalformed),
        (json!({"sub": ""}), R::NotAPerson),
        (json!({"sub": "client_1"}), R::NotAPerson),
        (json!({"sid": "absent"}), R::ClaimsMalformed),
        (json!({"sid": ""}), R::ClaimsMalformed),
        (json!({"jti": "absent"}), R::ClaimsMalformed),
        (json!({"exp": "absent"}), R::ClaimsMalformed),
        (json!({"exp": "soon"}), R::ClaimsMalformed),
        (json!({"exp": NOW - 5}), R::Expired),
        (json!({"exp": NOW + 3_606}), R::LivesTooLong),
        (json!({"exp": (NOW + 600) * 1_000}), R::LivesTooLong),
        (json!({"iat": NOW + 6}), R::IssuedAhead),
        (json!({"nbf": NOW + 6}), R::NotYetValid),
        (json!({"aud": "client_2"}), R::WrongAudience),
        (json!({"aud": "absent"}), R::WrongAudience),
        (json!({"nonce": "n"}), R::IdToken),
    ] {
        let token = signed(&header(), &with(claims(), &changes));
        assert_eq!(verdict(&token).await, Err(expected), "{changes}");
    }
}

#[tokio::test]
async fn refuses_what_is_not_a_token_at_all() {
    use TokenRefusal as R;
    let good = signed(&header(), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    for (token, expected) in [
        (String::new(), R::Malformed),
        ("a.b".to_owned(), R::Malformed),
        ("..".to_owned(), R::Malformed),
        ("a.b.c".to_owned(), R::Malformed),
        (format!("{good}.x"), R::Malformed),
        (format!("{good}="), R::Malformed),
        (format!(" {good}"), R::Malformed),
        (format!("{}.{}.", parts[0], parts[1]), R::Malformed),
        ("a".repeat(8 * 1024 + 1), R::TooLong),
    ] {
        assert_eq!(verdict(&token).await, Err(expected), "{token:.40}");
    }
}

#[tokio::test]
async fn refuses_a_token_that_was_changed_or_signed_by_another() {
    let good = signed(&header(), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let other = with(claims(), &json!({"sub": "user_2"}));
    let forged = format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(other.to_string()),
        parts[2]
    );
    assert_eq!(verdict(&forged).await, Err(TokenRefusal::BadSignature));
    let foreign = THEIRS.sign_with_header(&header(), &claims()).unwrap();
    assert_eq!(
        verdict(foreign.expose_secret()).await,
        Err(TokenRefusal::BadSignature)
    );
}

#[tokio::test]
async fn an_issuers_keys_vouch_for_its_own_tokens_only() {
    let header = json!({ "alg": "RS256", "kid": THEIRS.id() });
    let theirs = with(claims(), &json!({"iss": "http://other.example"}));
    let token = THEIRS.sign_with_header(&header, &theirs).unwrap();
    assert_eq!(
        verdict(token.expose_secret()).await,
        Ok("user_1".to_owned())
    );
    let posing = THEIRS.sign_with_header(&header, &claims()).unwrap();
    assert_eq!(
        verdict(posing.expose_secret()).await,
        Err(TokenRefusal::UnknownKey)
    );
}
