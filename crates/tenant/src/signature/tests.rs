use super::*;

const TENANT: &str = "434252dd-d83b-4b20-bf70-8a950ff875c4";
const NOW: i64 = 1_700_000_000;
const BODY: &[u8] = b"{\"path\":\"notes/a.md\"}";

fn master() -> SecretBox<[u8; 32]> {
    SecretBox::new(Box::new([9; 32]))
}

fn ring() -> KeyRing {
    let mut keys = KeyRing::default();
    assert!(keys.add("k1", derive_key(&master(), TENANT, "k1")));
    keys
}

/// The pieces of a request, so that a test can alter one after signing.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    path: &'static str,
    tenant: String,
    timestamp: String,
    digest: String,
    nonce: String,
    user: &'static str,
    key_id: &'static str,
    signature: String,
}

impl Sent {
    fn signed(method: &'static str, at: i64) -> Self {
        let mut sent = Self {
            method,
            path: "/sync?full=1",
            tenant: TENANT.to_owned(),
            timestamp: at.to_string(),
            digest: hex::encode(Sha256::digest(BODY)),
            nonce: "n-1".to_owned(),
            user: "user_1",
            key_id: "k1",
            signature: String::new(),
        };
        sent.sign();
        sent
    }

    fn sign(&mut self) {
        self.signature = derive_key(&master(), TENANT, self.key_id).sign(&canonical_message(
            &self.tenant,
            &self.timestamp,
            self.method,
            self.path,
            &self.digest,
            &self.nonce,
            self.user,
        ));
    }

    fn verify(&self, body: Body<'_>, nonces: &mut Nonces) -> Result<(), SignatureRefusal> {
        self.verify_at(NOW, Window::STEADY, body, nonces)
    }

    fn verify_at(
        &self,
        now_s: i64,
        window: Window,
        body: Body<'_>,
        nonces: &mut Nonces,
    ) -> Result<(), SignatureRefusal> {
        let keys = ring();
        let rules = Rules {
            tenant: TENANT,
            keys: &keys,
            window,
        };
        let request = SignedRequest {
            method: self.method,
            path_and_query: self.path,
            tenant: &self.tenant,
            timestamp: &self.timestamp,
            body_sha256: &self.digest,
            nonce: &self.nonce,
            user: self.user,
            key_id: self.key_id,
            signature: &self.signature,
        };
        verify(&request, body, rules, now_s, nonces)
    }

    fn verdict(&self) -> Result<(), SignatureRefusal> {
        self.verify(Body::Whole(BODY), &mut Nonces::default())
    }
}

#[test]
fn accepts_what_the_proxy_signed() {
    assert_eq!(Sent::signed("POST", NOW).verdict(), Ok(()));
    assert_eq!(Sent::signed("POST", NOW - 60).verdict(), Ok(()));
    assert_eq!(Sent::signed("POST", NOW + 60).verdict(), Ok(()));
}

#[test]
fn refuses_whatever_was_changed_on_the_way() {
    use SignatureRefusal as R;
    type Change = fn(&mut Sent);
    let changes: [(&str, Change, R); 14] = [
        ("path", |s| s.path = "/sync", R::WrongSignature),
        ("query", |s| s.path = "/sync?full=2", R::WrongSignature),
        ("method", |s| s.method = "DELETE", R::WrongSignature),
        ("user", |s| s.user = "user_2", R::WrongSignature),
        ("nonce", |s| s.nonce = "n-2".to_owned(), R::WrongSignature),
        (
            "time",
            |s| s.timestamp = (NOW - 1).to_string(),
            R::WrongSignature,
        ),
        (
            "digest",
            |s| s.digest = "UNSIGNED".to_owned(),
            R::WrongSignature,
        ),
        (
            "signature",
            |s| s.signature = "00".repeat(32),
            R::WrongSignature,
        ),
        (
            "short signature",
            |s| s.signature.truncate(62),
            R::WrongSignature,
        ),
        (
            "no hex",
            |s| s.signature = "zz".to_owned(),
            R::WrongSignature,
        ),
        (
            "tenant",
            |s| s.tenant = "another".to_owned(),
            R::WrongTenant,
        ),
        ("key", |s| s.key_id = "k2", R::UnknownKey),
        (
            "signed time",
            |s| s.timestamp = format!("+{NOW}"),
            R::Malformed,
        ),
        ("empty nonce", |s| s.nonce = String::new(), R::Malformed),
    ];
    for (name, change, expected) in changes {
        let mut sent = Sent::signed("POST", NOW);
        change(&mut sent);
        assert_eq!(sent.verdict(), Err(expected), "{name}");
    }
}

#[test]
fn refuses_another_body_than_the_signed_one() {
    let sent = Sent::signed("POST", NOW);
    let mut nonces = Nonces::default();
    assert_eq!(
        sent.verify(Body::Whole(b"{}"), &mut nonces),
        Err(SignatureRefusal::WrongBody)
    );
    assert_eq!(
        sent.verify(Body::Streaming, &mut nonces),
        Err(SignatureRefusal::WrongBody)
    );
    assert_eq!(sent.verify(Body::Whole(BODY), &mut nonces), Ok(()));
}

#[test]
fn lets_a_body_stream_only_where_the_signer_said_so() {
    let mut sent = Sent::signed("PUT", NOW);
    sent.digest = SignedHeaders::UNSIGNED_BODY.to_owned();
    sent.sign();
    assert_eq!(sent.verify(Body::Streaming, &mut Nonces::default()), Ok(()));
}

#[test]
fn refuses_old_and_future_signatures() {
    for at in [NOW - 61, NOW + 61] {
        let verdict = Sent::signed("GET", at).verdict();
        assert_eq!(verdict, Err(SignatureRefusal::OutsideWindow));
    }
}

#[test]
fn a_machine_that_was_suspended_believes_a_signer_that_is_ahead_of_it() {
    let window = Window::RESUMED;
    let verdict = |at: i64| {
        let sent = Sent::signed("GET", at);
        sent.verify_at(NOW, window, Body::Whole(BODY), &mut Nonces::default())
    };
    for at in [NOW - 60, NOW + 61, NOW + 300] {
        assert_eq!(verdict(at), Ok(()), "{at}");
    }
    for at in [NOW - 61, NOW + 301] {
        assert_eq!(verdict(at), Err(SignatureRefusal::OutsideWindow), "{at}");
    }
}

#[test]
fn what_came_from_ahead_is_no_replay_for_as_long_as_it_is_good() {
    let mut nonces = Nonces::default();
    let sent = Sent::signed("POST", NOW + 300);
    let mut at = |now_s| sent.verify_at(now_s, Window::RESUMED, Body::Whole(BODY), &mut nonces);
    assert_eq!(at(NOW), Ok(()));
    for now_s in [NOW, NOW + 61, NOW + 300, NOW + 360] {
        assert_eq!(at(now_s), Err(SignatureRefusal::Replayed), "{now_s}");
    }
    assert_eq!(at(NOW + 361), Err(SignatureRefusal::OutsideWindow));
}

#[test]
fn refuses_a_replay_of_anything_but_a_get() {
    let mut nonces = Nonces::default();
    let mut post = Sent::signed("POST", NOW);
    assert_eq!(post.verify(Body::Whole(BODY), &mut nonces), Ok(()));
    let replay = post.verify(Body::Whole(BODY), &mut nonces);
    assert_eq!(replay, Err(SignatureRefusal::Replayed));
    post.nonce = "n-2".to_owned();
    post.sign();
    assert_eq!(post.verify(Body::Whole(BODY), &mut nonces), Ok(()));
    let get = Sent::signed("GET", NOW);
    assert_eq!(get.verify(Body::Whole(BODY), &mut nonces), Ok(()));
    assert_eq!(get.verify(Body::Whole(BODY), &mut nonces), Ok(()));
}

#[test]
fn a_refused_request_uses_up_no_nonce() {
    let mut nonces = Nonces::default();
    let sent = Sent::signed("POST", NOW);
    assert!(sent.verify(Body::Whole(b"other"), &mut nonces).is_err());
    assert_eq!(sent.verify(Body::Whole(BODY), &mut nonces), Ok(()));
}

#[test]
fn keys_differ_by_tenant_and_by_key_id() {
    let sign = |tenant, key_id| derive_key(&master(), tenant, key_id).sign("text");
    assert_eq!(sign("a", "1"), sign("a", "1"));
    assert_ne!(sign("a", "1"), sign("b", "1"));
    assert_ne!(sign("a", "1"), sign("a", "2"));
    assert_ne!(sign("a1", ""), sign("a", "1"));
}

#[test]
fn takes_each_header_exactly_once() {
    let mut headers = HeaderMap::new();
    let read = |headers: &HeaderMap| SignedRequest::read("GET", "/", headers).map(|_| ());
    assert_eq!(read(&headers), Err(SignatureRefusal::Unsigned));
    for name in [
        SignedHeaders::TENANT,
        SignedHeaders::TIMESTAMP,
        SignedHeaders::BODY_SHA256,
        SignedHeaders::NONCE,
        SignedHeaders::USER,
        SignedHeaders::KEY_ID,
        SignedHeaders::SIGNATURE,
    ] {
        headers.insert(name, "x".parse().unwrap());
    }
    assert_eq!(read(&headers), Ok(()));
    headers.append(SignedHeaders::TENANT, "y".parse().unwrap());
    assert_eq!(read(&headers), Err(SignatureRefusal::Malformed));
}

#[test]
fn a_key_never_shows_itself() {
    let key = RequestKey::from_hex(&"ab".repeat(32)).unwrap();
    assert_eq!(format!("{key:?}"), "RequestKey(…)");
    assert!(RequestKey::from_hex("ab").is_none());
}
