use axum::http::HeaderMap;
use proptest::prelude::*;

use super::*;

const NOW_S: i64 = 1_700_000_000;
const BODY: &[u8] = br#"{"type":"subscription.updated"}"#;
/// Key, id, time, body and signature as the Standard Webhooks libraries print them.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn keys(secrets: &[&str]) -> SigningKeys {
    let secrets: Vec<SecretString> = secrets.iter().map(|&text| text.into()).collect();
    SigningKeys::new(&secrets).unwrap()
}

fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    format!("v1,{}", STANDARD.encode(sign(key, id, timestamp, body)))
}

fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [(ID, id), (TIMESTAMP, timestamp), (SIGNATURE, signature)] {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

fn check(keys: &SigningKeys, headers: &HeaderMap, body: &[u8]) -> Result<(), SignatureRefusal> {
    keys.verify(&SignedHeaders::read(headers, NOW_S)?, body)
}

#[test]
fn agrees_with_the_example_of_the_standard() {
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let body = br#"{"test": 2432232314}"#;
    let known = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let headers = headers(id, "1614265330", known);
    let read = SignedHeaders::read(&headers, 1_614_265_330).unwrap();
    assert_eq!(keys(&[SECRET]).verify(&read, body), Ok(()));
    let changed = br#"{"test": 2432232315}"#;
    assert_eq!(
        keys(&[SECRET]).verify(&read, changed),
        Err(SignatureRefusal::NoMatch)
    );
}

#[test]
fn both_derivations_of_every_secret_open() {
    let decoded = STANDARD.decode(&SECRET[PREFIX.len()..]).unwrap();
    let merchant = "a secret that a merchant chose";
    let keys = keys(&[merchant, SECRET]);
    let time = NOW_S.to_string();
    for key in [SECRET.as_bytes(), &decoded, merchant.as_bytes()] {
        let headers = headers("e-1", &time, &signature(key, "e-1", &time, BODY));
        assert_eq!(check(&keys, &headers, BODY), Ok(()));
    }
    let without_prefix = &SECRET.as_bytes()[PREFIX.len()..];
    let headers = headers("e-1", &time, &signature(without_prefix, "e-1", &time, BODY));
    assert_eq!(check(&keys, &headers, BODY), Err(SignatureRefusal::NoMatch));
}

#[test]
fn one_matching_signature_among_several_is_enough() {
    let key = SECRET.as_bytes();
    let time = NOW_S.to_string();
    let good = signature(key, "e-1", &time, BODY);
    let wrong = signature(b"another key, not ours", "e-1", &time, BODY);
    let keys = keys(&[SECRET]);
    for (list, expected) in [
        (format!("{wrong} {good}"), Ok(())),
        (format!("v1a,x v2,y {good} {wrong}"), Ok(())),
        (format!("{wrong} {wrong}"), Err(SignatureRefusal::NoMatch)),
        (good.replace("v1,", "v2,"), Err(SignatureRefusal::NoMatch)),
        (good.replace("v1,", ""), Err(SignatureRefusal::NoMatch)),
        (good.replace('=', ""), Err(SignatureRefusal::NoMatch)),
        ("v1,".to_owned(), Err(SignatureRefusal::NoMatch)),
        (
            format!("{}{good}", "v1,x ".repeat(16)),
            Err(SignatureRefusal::TooManySignatures),
        ),
    ] {
        let headers = headers("e-1", &time, &list);
        assert_eq!(check(&keys, &headers, BODY), expected, "{list}");
    }
}

#[test]
fn the_time_is_plain_digits_within_five_minutes_both_ways() {
    let keys = keys(&[SECRET]);
    let at = |time: &str| {
        let headers = headers(
            "e-1",
            time,
            &signature(SECRET.as_bytes(), "e-1", time, BODY),
        );
        check(&keys, &headers, BODY)
    };
    assert_eq!(at(&(NOW_S - 300).to_string()), Ok(()));
    assert_eq!(at(&(NOW_S + 300).to_string()), Ok(()));
    assert_eq!(
        at(&(NOW_S - 301).to_string()),
        Err(SignatureRefusal::TooOld)
    );
    assert_eq!(
        at(&(NOW_S + 301).to_string()),
        Err(SignatureRefusal::TooNew)
    );
    for odd in [
        "",
        "0",
        "+1700000000",
        "-1700000000",
        "01700000000",
        " 1700000000",
        "1700000000 ",
        "1700000000.0",
        "1.7e9",
        "0x6553f100",
        "1700000000abc",
        "9999999999999",
        "now",
    ] {
        assert_eq!(at(odd), Err(SignatureRefusal::Timestamp), "{odd}");
    }
}

#[test]
fn every_header_is_there_once_and_the_id_is_unambiguous() {
    let keys = keys(&[SECRET]);
    let time = NOW_S.to_string();
    let good = |id: &str| headers(id, &time, &signature(SECRET.as_bytes(), id, &time, BODY));
    for name in [ID, TIMESTAMP, SIGNATURE] {
        let mut without = good("e-1");
        without.remove(name);
        assert_eq!(
            check(&keys, &without, BODY),
            Err(SignatureRefusal::Header(name))
        );
        let mut twice = good("e-1");
        let value = twice[name].clone();
        twice.append(name, value);
        assert_eq!(
            check(&keys, &twice, BODY),
            Err(SignatureRefusal::Header(name))
        );
    }
    for id in ["", "a.b", "a b", &"a".repeat(129)] {
        assert_eq!(
            check(&keys, &good(id), BODY),
            Err(SignatureRefusal::Id),
            "{id}"
        );
    }
}

#[test]
fn a_secret_that_could_be_guessed_is_refused() {
    let refused = |texts: &[&str]| {
        let secrets: Vec<SecretString> = texts.iter().map(|&text| text.into()).collect();
        SigningKeys::new(&secrets).err()
    };
    assert_eq!(refused(&[]), Some(SecretError::None));
    assert_eq!(refused(&[""]), Some(SecretError::TooShort));
    assert_eq!(refused(&["whsec_c2hvcnQ="]), Some(SecretError::TooShort));
    assert_eq!(refused(&[SECRET, "short"]), Some(SecretError::TooShort));
    assert_eq!(refused(&[SECRET]), None);
    assert!(!format!("{:?}", keys(&[SECRET])).contains("MfKQ"));
}

proptest! {
    #[test]
    fn any_change_of_what_was_signed_is_noticed(
        body in proptest::collection::vec(any::<u8>(), 1..64),
        position in any::<proptest::sample::Index>(),
        bit in 0u8..8,
    ) {
        let keys = keys(&[SECRET]);
        let time = NOW_S.to_string();
        let signature = signature(SECRET.as_bytes(), "e-1", &time, &body);
        let signed = headers("e-1", &time, &signature);
        prop_assert_eq!(check(&keys, &signed, &body), Ok(()));
        let mut changed = body.clone();
        changed[position.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(check(&keys, &signed, &changed), Err(SignatureRefusal::NoMatch));
        let other_id = headers("e-2", &time, &signature);
        prop_assert_eq!(check(&keys, &other_id, &body), Err(SignatureRefusal::NoMatch));
    }
}
