use std::time::Duration;

use http::Method;
use secrecy::SecretString;
use testkit::wait_until;

use super::{Caller, endpoint, grant, named, repeats};
use crate::buckets::iam::Iam;
use crate::buckets::policy::document;
use crate::buckets::{
    Access, AdminKey, AwsBuckets, Buckets, EmbeddedBuckets, IssuedKey, KeyRef, LastUse,
};
use crate::clock::system_clock;

const SOON: Duration = Duration::from_secs(30);
const MINE: &str = "basic-memory-mine";
const HOUR: i64 = 60 * 60 * 1000;
const THEIRS: &str = "basic-memory-theirs";

/// What every store has to hold to.
struct Judge<B> {
    buckets: B,
    url: String,
    admin: Caller,
}

impl Judge<AwsBuckets> {
    fn aws(url: &str, access_key: &str, secret: &str) -> Self {
        let secret = SecretString::from(secret);
        let key = AdminKey {
            access_key: access_key.to_owned(),
            secret: secret.clone(),
        };
        let at = || endpoint(url);
        let buckets = AwsBuckets::new(at(), at(), at(), &key, &system_clock(), repeats()).unwrap();
        Self {
            buckets,
            url: url.to_owned(),
            admin: Caller::new(url, "s3", access_key, &secret),
        }
    }
}

fn key_ref(name: &str, key: &IssuedKey) -> KeyRef {
    KeyRef {
        name: name.to_owned(),
        access_key: Some(key.access_key.clone()),
        policy_arn: Some(key.policy_arn.clone()),
    }
}

impl<B: Buckets> Judge<B> {
    async fn make_buckets(&self) {
        for bucket in [MINE, THEIRS, MINE] {
            self.buckets.ensure_bucket(bucket).await.unwrap();
        }
        let secret = format!("/{THEIRS}/secret.md");
        let put = self.admin.status(Method::PUT, &secret, "secret").await;
        assert_eq!(put, 200);
    }

    async fn caller(&self, name: &str, bucket: &str) -> (Caller, IssuedKey) {
        let key = self.buckets.issue_key(&grant(name, bucket)).await.unwrap();
        let caller = Caller::new(&self.url, "s3", &key.access_key, &key.secret);
        (caller, key)
    }

    /// All that a client does with its own bucket.
    async fn own_bucket_opens(&self, caller: &Caller) {
        let note = format!("/{MINE}/folder/note.md");
        wait_until(SOON, async || {
            caller.status(Method::PUT, &note, "mine").await == 200
        })
        .await;
        assert_eq!(
            caller.ask(Method::GET, &note, "").await,
            (200, "mine".to_owned())
        );
        let list = format!("/{MINE}?list-type=2");
        let (status, listed) = caller.ask(Method::GET, &list, "").await;
        assert!(status == 200 && listed.contains("folder/note.md"));
        let uploads = format!("/{MINE}/big.bin?uploads=");
        let (status, started) = caller.ask(Method::POST, &uploads, "").await;
        assert_eq!(status, 200);
        let (_, rest) = started.split_once("<UploadId>").unwrap();
        let (upload, _) = rest.split_once('<').unwrap();
        let part = format!("/{MINE}/big.bin?partNumber=1&uploadId={upload}");
        assert_eq!(caller.status(Method::PUT, &part, "part").await, 200);
        let upload = format!("/{MINE}/big.bin?uploadId={upload}");
        assert_eq!(caller.status(Method::GET, &upload, "").await, 200);
        assert_eq!(caller.status(Method::DELETE, &upload, "").await, 200);
        assert_eq!(caller.status(Method::DELETE, &note, "").await, 200);
    }

    async fn foreign_bucket_stays_shut(&self, caller: &Caller) {
        for (method, path, body) in [
            (Method::GET, format!("/{THEIRS}?list-type=2"), ""),
            (Method::GET, format!("/{THEIRS}"), ""),
            (Method::GET, format!("/{THEIRS}?versions="), ""),
            (Method::GET, format!("/{THEIRS}?uploads="), ""),
            (Method::HEAD, format!("/{THEIRS}"), ""),
            (Method::GET, format!("/{THEIRS}/secret.md"), ""),
            (Method::HEAD, format!("/{THEIRS}/secret.md"), ""),
            (Method::PUT, format!("/{THEIRS}/secret.md"), "mine now"),
            (Method::PUT, format!("/{THEIRS}/new.md"), "new"),
            (Method::DELETE, format!("/{THEIRS}/secret.md"), ""),
            (Method::POST, format!("/{THEIRS}/new.md?uploads="), ""),
            (Method::DELETE, format!("/{THEIRS}"), ""),
            (Method::PUT, "/basic-memory-another".to_owned(), ""),
        ] {
            let status = caller.status(method.clone(), &path, body).await;
            assert_eq!(status, 403, "{method} {path}");
        }
        let (_, listed) = caller.ask(Method::GET, "/", "").await;
        assert!(!listed.contains(THEIRS), "{listed}");
        let secret = format!("/{THEIRS}/secret.md");
        let found = self.admin.ask(Method::GET, &secret, "").await;
        assert_eq!(found, (200, "secret".to_owned()));
    }

    async fn iam_stays_shut(&self, key: &IssuedKey, user: &str) {
        let caller = Caller::new(&self.url, "iam", &key.access_key, &key.secret);
        let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        for action in [
            "ListUsers".to_owned(),
            "CreateUser&UserName=intruder".to_owned(),
            format!("CreateAccessKey&UserName={user}"),
            format!("ListAccessKeys&UserName={user}"),
            format!("DeleteUser&UserName={user}"),
            format!("PutUserPolicy&UserName={user}&PolicyName=all&PolicyDocument={all}"),
        ] {
            let body = format!("Action={action}&Version=2010-05-08");
            let status = caller.status(Method::POST, "/", &body).await;
            assert_eq!(status, 403, "{action}");
        }
    }

    async fn access_can_be_taken_back_and_given(&self, caller: &Caller, key: &KeyRef) {
        let note = format!("/{MINE}/kept.md");
        assert_eq!(caller.status(Method::PUT, &note, "kept").await, 200);
        let change = async |access| {
            let grant = grant(&key.name, MINE);
            self.buckets.set_access(key, &grant, access).await.unwrap();
        };
        change(Access::ReadOnly).await;
        change(Access::ReadOnly).await;
        wait_until(SOON, async || {
            caller.status(Method::PUT, &note, "more").await == 403
        })
        .await;
        assert_eq!(caller.status(Method::DELETE, &note, "").await, 403);
        let uploads = format!("/{MINE}/kept.md?uploads=");
        assert_eq!(caller.status(Method::POST, &uploads, "").await, 403);
        assert_eq!(caller.status(Method::GET, &note, "").await, 200);
        let list = format!("/{MINE}?list-type=2");
        assert_eq!(caller.status(Method::GET, &list, "").await, 200);
        change(Access::ReadWrite).await;
        wait_until(SOON, async || {
            caller.status(Method::PUT, &note, "more").await == 200
        })
        .await;
    }

    async fn a_revoked_key_is_dead_and_forgotten(&self, caller: &Caller, key: &KeyRef) {
        let note = format!("/{MINE}/kept.md");
        self.buckets.revoke_key(&named(&key.name)).await.unwrap();
        wait_until(SOON, async || {
            caller.status(Method::GET, &note, "").await == 403
        })
        .await;
        let name = key.name.as_str();
        assert_eq!(self.buckets.list_keys(name).await.unwrap(), []);
        self.buckets.revoke_key(key).await.unwrap();
    }

    /// `earlier` is a time before which the store says that none began.
    async fn unfinished_uploads_end_by_age(&self, caller: &Caller, earlier: i64) {
        let mut begun = Vec::new();
        for key in ["big%20one.bin", "other.bin"] {
            let uploads = format!("/{MINE}/{key}?uploads=");
            let (status, started) = caller.ask(Method::POST, &uploads, "").await;
            assert_eq!(status, 200, "{started}");
            let (_, rest) = started.split_once("<UploadId>").unwrap();
            let (upload, _) = rest.split_once('<').unwrap();
            let part = format!("/{MINE}/{key}?partNumber=1&uploadId={upload}");
            assert_eq!(caller.status(Method::PUT, &part, "part").await, 200);
            begun.push(format!("/{MINE}/{key}?uploadId={upload}"));
        }
        let later = system_clock()() + HOUR;
        for (before, ended, status) in [(earlier, 0, 200), (later, 2, 404)] {
            let told = self.buckets.end_uploads(MINE, before).await.unwrap();
            assert_eq!(told, ended);
            for upload in &begun {
                assert_eq!(caller.status(Method::GET, upload, "").await, status);
            }
        }
    }

    async fn a_bucket_goes_with_all_in_it(&self) {
        // A space, and what means something in XML.
        let note = format!("/{MINE}/a%20%26b%3Cc%3E.md");
        for text in ["one", "two"] {
            assert_eq!(self.admin.status(Method::PUT, &note, text).await, 200);
        }
        let gone = format!("/{MINE}/gone.md");
        assert_eq!(self.admin.status(Method::PUT, &gone, "x").await, 200);
        assert_eq!(self.admin.status(Method::DELETE, &gone, "").await, 200);
        let uploads = format!("/{MINE}/big.bin?uploads=");
        assert_eq!(self.admin.status(Method::POST, &uploads, "").await, 200);
        for _ in 0..2 {
            self.buckets.delete_bucket(MINE).await.unwrap();
        }
        let (_, left) = self.admin.ask(Method::GET, "/", "").await;
        assert!(left.contains(THEIRS) && !left.contains(MINE), "{left}");
        let secret = format!("/{THEIRS}/secret.md");
        assert_eq!(self.admin.status(Method::GET, &secret, "").await, 200);
    }
}

async fn a_key_opens_its_bucket_alone(judge: Judge<AwsBuckets>) {
    judge.make_buckets().await;
    let (caller, key) = judge.caller("bm-test-1", MINE).await;
    let (other, _) = judge.caller("bm-test-2", THEIRS).await;
    judge.own_bucket_opens(&caller).await;
    judge.foreign_bucket_stays_shut(&caller).await;
    // It says of each upload that it began in 2010.
    judge.unfinished_uploads_end_by_age(&caller, 0).await;
    judge.iam_stays_shut(&key, "bm-test-1").await;
    let listed = judge.buckets.list_keys("bm-test-").await.unwrap();
    let names: Vec<_> = listed.into_iter().map(|found| found.name).collect();
    assert_eq!(names, ["bm-test-1", "bm-test-2"]);

    let key = key_ref("bm-test-1", &key);
    judge
        .access_can_be_taken_back_and_given(&caller, &key)
        .await;
    judge
        .a_revoked_key_is_dead_and_forgotten(&caller, &key)
        .await;
    let secret = format!("/{THEIRS}/secret.md");
    assert_eq!(other.status(Method::GET, &secret, "").await, 200);
    judge.a_bucket_goes_with_all_in_it().await;
}

#[tokio::test]
async fn moto_with_policies_enforced_lets_a_key_into_its_bucket_alone() {
    let moto = testkit::moto().await;
    let judge = Judge::aws(&moto.endpoint, &moto.access_key, &moto.secret_key);
    a_key_opens_its_bucket_alone(judge).await;
}

#[tokio::test]
async fn moto_tells_when_a_key_was_used() {
    let moto = testkit::moto().await;
    let judge = Judge::aws(&moto.endpoint, &moto.access_key, &moto.secret_key);
    judge.make_buckets().await;
    let (caller, key) = judge.caller("bm-test-1", MINE).await;
    let key = key_ref("bm-test-1", &key);
    judge.own_bucket_opens(&caller).await;
    let LastUse::At(at) = judge.buckets.last_use(&key).await.unwrap() else {
        panic!("moto keeps the last use of each key");
    };
    assert!((system_clock()() - at).abs() < 24 * 60 * 60 * 1000);
}

/// Its inline policies know two of our actions under no name; its managed ones know them all.
#[tokio::test]
async fn seaweedfs_reads_our_policy_as_aws_does() {
    let weed = testkit::seaweedfs().await;
    let judge = Judge::aws(&weed.endpoint, &weed.access_key, &weed.secret_key);
    judge.make_buckets().await;
    let key = AdminKey {
        access_key: weed.access_key.clone(),
        secret: weed.secret_key.clone().into(),
    };
    let iam = Iam::new(endpoint(&weed.endpoint), key, system_clock(), repeats()).unwrap();
    let text = document(MINE, Access::ReadWrite, None);
    let policy = [("PolicyName", "bm-test-1"), ("PolicyDocument", &text)];
    let made = iam.call("CreatePolicy", &policy).await.unwrap();
    let arn = made.text(&["CreatePolicyResult", "Policy", "Arn"]).unwrap();
    let user = ("UserName", "bm-test-1");
    iam.call("CreateUser", &[user]).await.unwrap();
    iam.call("AttachUserPolicy", &[user, ("PolicyArn", arn)])
        .await
        .unwrap();
    let made = iam.create_access_key(Some("bm-test-1")).await.unwrap();
    let caller = Caller::new(&weed.endpoint, "s3", &made.access_key, &made.secret);
    judge.own_bucket_opens(&caller).await;
    judge.foreign_bucket_stays_shut(&caller).await;
    let earlier = system_clock()() - HOUR;
    judge.unfinished_uploads_end_by_age(&caller, earlier).await;
    let key = IssuedKey {
        access_key: made.access_key,
        secret: made.secret,
        policy_arn: arn.to_owned(),
    };
    // There, users may always make keys for themselves.
    judge.iam_stays_shut(&key, "admin").await;
    judge.a_bucket_goes_with_all_in_it().await;
}

#[tokio::test]
async fn the_embedded_store_lets_a_key_into_its_bucket_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = s3_store::Store::open(folder.path(), system_clock()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cancel = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(store.clone().serve(listener, cancel.clone()));
    let buckets = EmbeddedBuckets::new(store.clone(), url.clone());
    buckets.ensure_bucket(THEIRS).await.unwrap();
    let (access_key, secret) = store.create_key(THEIRS).unwrap();
    let judge = Judge {
        buckets,
        admin: Caller::new(&url, "s3", &access_key, &secret),
        url,
    };
    judge.make_buckets().await;
    let (caller, key) = judge.caller("bm-test-1", MINE).await;
    judge.own_bucket_opens(&caller).await;
    judge.foreign_bucket_stays_shut(&caller).await;
    let earlier = system_clock()() - HOUR;
    judge.unfinished_uploads_end_by_age(&caller, earlier).await;
    let key = key_ref("bm-test-1", &key);
    let used = judge.buckets.last_use(&key).await.unwrap();
    assert!(matches!(used, LastUse::At(_)));
    judge
        .a_revoked_key_is_dead_and_forgotten(&caller, &key)
        .await;
    cancel.cancel();
    serving.await.unwrap().unwrap();
}
