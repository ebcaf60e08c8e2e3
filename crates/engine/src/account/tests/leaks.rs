use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// Everything that our code logs, on every level.
#[derive(Clone, Default)]
struct Log(Arc<StdMutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0.lock().unwrap(), " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// In a process of its own: which log lines are wanted is decided once for a whole process.
#[tokio::test]
async fn secrets_are_in_no_record_no_log_and_no_debug_text() {
    const TEST: &str = "account::tests::leaks::secrets_are_in_no_record_no_log_and_no_debug_text";
    const ALONE: &str = "BM_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let mut alone = testkit::program(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(ALONE, "1")
            .spawn();
        let passed = alone.exit(SOON).await.success() && alone.stdout().contains("1 passed");
        assert!(passed, "{}\n{}", alone.stdout(), alone.stderr());
        return;
    }
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let signed_in = device.sign_in(&server, ANA).await;
    let account = signed_in.account.clone();
    let key = account.bucket_credentials().await.unwrap();
    let first = account.access_token().await.unwrap();
    let secrets = [
        account.token_other_than(Some(first.clone())).await.unwrap(),
        first,
        device.stored(&account, REFRESH_TOKEN).await.unwrap(),
        key.secret_key.clone(),
    ];
    account.0.provider.revoke(&secrets[2]).await.unwrap();
    let ended = account
        .token_other_than(Some(secrets[0].clone()))
        .await
        .unwrap_err();

    let record = std::fs::read_to_string(device.sign_in.places.config.join("account.json"));
    let (record, sign_in) = (record.unwrap(), &device.sign_in);
    let shown = format!("{signed_in:?} {account:?} {key:?} {sign_in:?} {record} {ended:?}");
    let logged = log.0.lock().unwrap().clone();
    assert!(
        shown.contains(&key.access_key),
        "the search looks at the right texts"
    );
    assert!(
        logged.contains("the provider ended the session"),
        "{logged}"
    );
    for secret in secrets {
        for text in [&shown, &logged, &server.log()] {
            assert!(!text.contains(secret.expose_secret()), "{text}");
        }
    }
}
