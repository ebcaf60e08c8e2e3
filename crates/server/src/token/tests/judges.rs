//! One table of tokens, judged by us, by jose and by `PyJWT`. Nothing that one of them refuses may
//! pass here; where we refuse what a library lets pass, the table says why.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::Program;

use super::*;

const SOON: Duration = Duration::from_secs(60);
const LEEWAY_S: i64 = 5;

struct Case {
    name: &'static str,
    token: String,
    ours: Result<(), TokenRefusal>,
    /// Why we refuse what at least one library accepts.
    because: Option<&'static str>,
}

fn case(name: &'static str, token: String, ours: Result<(), TokenRefusal>) -> Case {
    Case {
        name,
        token,
        ours,
        because: None,
    }
}

fn stricter(
    name: &'static str,
    token: String,
    refusal: TokenRefusal,
    because: &'static str,
) -> Case {
    Case {
        name,
        token,
        ours: Err(refusal),
        because: Some(because),
    }
}

fn head(changes: &Value) -> String {
    signed(&with(header(), changes), &claims())
}

fn body(changes: &Value) -> String {
    signed(&header(), &with(claims(), changes))
}

fn texts(header: &str, claims: &str) -> String {
    OURS.sign_texts(header, claims)
        .unwrap()
        .expose_secret()
        .to_owned()
}

fn doctored(change: impl FnOnce(&mut [String; 3])) -> String {
    let good = signed(&header(), &claims());
    let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
    let mut parts: [String; 3] = [
        std::mem::take(&mut parts[0]),
        std::mem::take(&mut parts[1]),
        std::mem::take(&mut parts[2]),
    ];
    change(&mut parts);
    parts.join(".")
}

fn good_tokens() -> Vec<Case> {
    [
        ("plain", head(&json!({}))),
        ("no type", head(&json!({"typ": "absent"}))),
        ("access token type", head(&json!({"typ": "at+jwt"}))),
        ("type in full", head(&json!({"typ": "application/at+jwt"}))),
        ("type in small letters", head(&json!({"typ": "jwt"}))),
        (
            "foreign key address, not followed",
            head(&json!({"jku": "https://evil.example/jwks"})),
        ),
        (
            "foreign certificate, not used",
            head(&json!({"x5u": "https://evil.example/cert"})),
        ),
        (
            "several audiences",
            body(&json!({"aud": ["other", CLIENT]})),
        ),
        (
            "expired within the leeway",
            body(&json!({"exp": NOW - LEEWAY_S + 1})),
        ),
        (
            "valid soon, within the leeway",
            body(&json!({"nbf": NOW + LEEWAY_S})),
        ),
        ("no time of issue", body(&json!({"iat": "absent"}))),
        (
            "claims nobody knows",
            body(&json!({"x": {"y": [1, 2, {"z": null}]}})),
        ),
    ]
    .into_iter()
    .map(|(name, token)| case(name, token, Ok(())))
    .collect()
}

fn bad_everywhere() -> Vec<Case> {
    use TokenRefusal as R;
    let stranger = THEIRS.sign_with_header(&header(), &claims()).unwrap();
    let hmac = {
        // The public key as a shared secret: the classic confusion of algorithms.
        let parts = [json!({"alg": "HS256", "kid": OURS.id()}), claims()]
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{}.{}", parts.join("."), URL_SAFE_NO_PAD.encode([7; 32]))
    };
    [
        (
            "no algorithm",
            head(&json!({"alg": "none"})),
            R::WrongAlgorithm,
        ),
        ("a shared secret", hmac, R::WrongAlgorithm),
        (
            "another RSA algorithm",
            head(&json!({"alg": "RS512"})),
            R::WrongAlgorithm,
        ),
        (
            "algorithm in small letters",
            head(&json!({"alg": "rs256"})),
            R::WrongAlgorithm,
        ),
        (
            "algorithm missing",
            head(&json!({"alg": "absent"})),
            R::Malformed,
        ),
        ("unknown key", head(&json!({"kid": "other"})), R::UnknownKey),
        (
            "a critical extension",
            head(&json!({"crit": ["x"], "x": 1})),
            R::ExtensionAsked,
        ),
        (
            "another's signature",
            stranger.expose_secret().to_owned(),
            R::BadSignature,
        ),
        (
            "changed claims",
            doctored(|parts| {
                let other = with(claims(), &json!({"sub": "user_2"}));
                parts[1] = URL_SAFE_NO_PAD.encode(other.to_string());
            }),
            R::BadSignature,
        ),
        (
            "no signature",
            doctored(|parts| parts[2].clear()),
            R::Malformed,
        ),
        (
            "half a signature",
            doctored(|parts| parts[2].truncate(100)),
            R::BadSignature,
        ),
        (
            "four parts",
            doctored(|parts| parts[2].push_str(".x")),
            R::Malformed,
        ),
        (
            "claims that are a list",
            texts(&header().to_string(), "[]"),
            R::Malformed,
        ),
        (
            "claims that are no JSON",
            texts(&header().to_string(), "{"),
            R::Malformed,
        ),
        (
            "another issuer",
            body(&json!({"iss": "https://evil.example"})),
            R::UnknownIssuer,
        ),
        (
            "issuer with a slash more",
            body(&json!({"iss": format!("{ISSUER}/")})),
            R::UnknownIssuer,
        ),
        ("no issuer", body(&json!({"iss": "absent"})), R::Malformed),
        (
            "expired",
            body(&json!({"exp": NOW - LEEWAY_S - 1})),
            R::Expired,
        ),
        (
            "no expiry",
            body(&json!({"exp": "absent"})),
            R::ClaimsMalformed,
        ),
        (
            "expiry in words",
            body(&json!({"exp": "soon"})),
            R::ClaimsMalformed,
        ),
        (
            "not valid yet",
            body(&json!({"nbf": NOW + LEEWAY_S + 1})),
            R::NotYetValid,
        ),
        (
            "another audience",
            body(&json!({"aud": "other"})),
            R::WrongAudience,
        ),
        (
            "no audience",
            body(&json!({"aud": "absent"})),
            R::WrongAudience,
        ),
        (
            "no subject",
            body(&json!({"sub": "absent"})),
            R::ClaimsMalformed,
        ),
    ]
    .into_iter()
    .map(|(name, token, refusal)| case(name, token, Err(refusal)))
    .collect()
}

fn bad_to_us() -> Vec<Case> {
    use TokenRefusal as R;
    let twice = |name: &str, value: &str| {
        let text = claims().to_string();
        format!("{},\"{name}\":{value}}}", &text[..text.len() - 1])
    };
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    vec![
        stricter(
            "no key id",
            head(&json!({"kid": "absent"})),
            R::KeyMissing,
            "a key must be named, not tried",
        ),
        stricter(
            "type of another token",
            head(&json!({"typ": "logout+jwt"})),
            R::WrongType,
            "tokens made for something else must not pass for access tokens (RFC 8725, 3.11)",
        ),
        stricter(
            "a content type",
            head(&json!({"cty": "JWT"})),
            R::ExtensionAsked,
            "a nested token is another format",
        ),
        stricter(
            "compressed",
            head(&json!({"zip": "DEF"})),
            R::ExtensionAsked,
            "compression is for encrypted tokens",
        ),
        stricter(
            "a claim twice",
            texts(&header().to_string(), &twice("sub", "\"user_2\"")),
            R::Malformed,
            "parsers differ in which one counts",
        ),
        stricter(
            "a header twice",
            texts(
                &format!("{{\"kid\":\"x\",{}", &header().to_string()[1..]),
                &claims().to_string(),
            ),
            R::Malformed,
            "parsers differ in which one counts",
        ),
        stricter(
            "nested deeply",
            texts(&header().to_string(), &twice("x", &deep)),
            R::Malformed,
            "no issuer nests so, and parsers break on it",
        ),
        stricter(
            "issued ahead",
            body(&json!({"iat": NOW + LEEWAY_S + 1})),
            R::IssuedAhead,
            "its issuer's clock, or the token, is not to be trusted",
        ),
        stricter(
            "expiry in milliseconds",
            body(&json!({"exp": (NOW + 600) * 1000})),
            R::LivesTooLong,
            "it would be valid for fifty thousand years",
        ),
        stricter(
            "expiry in fractions",
            body(&json!({"exp": 1_700_000_600.5})),
            R::ClaimsMalformed,
            "our issuers count whole seconds",
        ),
        stricter(
            "an ID token by its nonce",
            body(&json!({"nonce": "n"})),
            R::IdToken,
            "an ID token is for the client, not for us",
        ),
        stricter(
            "an ID token by its hash",
            body(&json!({"at_hash": "x"})),
            R::IdToken,
            "an ID token is for the client, not for us",
        ),
        stricter(
            "no session",
            body(&json!({"sid": "absent"})),
            R::ClaimsMalformed,
            "ID tokens and machines' tokens have none",
        ),
        stricter(
            "no token id",
            body(&json!({"jti": "absent"})),
            R::ClaimsMalformed,
            "ID tokens have none",
        ),
        stricter(
            "a machine's token",
            body(&json!({"sub": CLIENT})),
            R::NotAPerson,
            "only people have accounts here",
        ),
        stricter(
            "a machine's token by its client",
            body(&json!({"sub": "m", "client_id": "m"})),
            R::NotAPerson,
            "only people have accounts here",
        ),
        stricter(
            "an empty subject",
            body(&json!({"sub": ""})),
            R::NotAPerson,
            "it names nobody",
        ),
        stricter(
            "an actor without a name",
            body(&json!({"act": {}})),
            R::ClaimsMalformed,
            "who acts in another's name must be known",
        ),
        stricter(
            "very long",
            body(&json!({"x": "x".repeat(9_000)})),
            R::TooLong,
            "no header of a request may be so long",
        ),
    ]
}

async fn opinions(mut judge: testkit::Child) -> BTreeMap<String, String> {
    serde_json::from_str(&judge.success(SOON).await).unwrap()
}

#[tokio::test]
async fn nothing_passes_here_that_jose_or_pyjwt_refuse_and_what_we_add_has_reasons() {
    let mut cases = good_tokens();
    cases.extend(bad_everywhere());
    cases.extend(bad_to_us());
    assert!(cases.len() >= 50, "{}", cases.len());
    let tokens: BTreeMap<&str, &str> = cases
        .iter()
        .map(|case| (case.name, case.token.as_str()))
        .collect();
    assert_eq!(tokens.len(), cases.len(), "names are unique");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let document = json!({
        "jwks": OURS.key_set(), "issuer": ISSUER, "audience": CLIENT,
        "now_s": NOW, "leeway_s": LEEWAY_S, "tokens": tokens,
    });
    std::fs::write(&file, document.to_string()).unwrap();
    let start = |program: Program| opinions(program.spawn());
    let (jose, pyjwt) = tokio::join!(
        start(testkit::node("tokens.mjs", [&file])),
        start(testkit::python("tokens.py", [&file]))
    );
    let verifier = verifier();
    for case in &cases {
        let ours = verifier.verify(&case.token, NOW).await.map(|_| ());
        assert_eq!(ours, case.ours, "{}", case.name);
        let (jose, pyjwt) = (&jose[case.name], &pyjwt[case.name]);
        let accepted = [jose, pyjwt].map(|opinion| opinion == "accepted");
        let seen = format!("{}: jose {jose}, PyJWT {pyjwt}", case.name);
        match (ours, case.because) {
            (Ok(()), _) => assert_eq!(accepted, [true, true], "{seen}"),
            (Err(_), None) => assert_eq!(accepted, [false, false], "{seen}"),
            (Err(_), Some(_)) => assert!(accepted.contains(&true), "{seen}"),
        }
    }
}
