use super::*;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_token_is_used_until_it_is_old_and_then_rotates() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    let account = device.sign_in(&server, ANA).await.account;
    let first = account.access_token().await.unwrap();
    let stored = device.stored(&account, REFRESH_TOKEN).await.unwrap();
    assert_eq!(
        account.access_token().await.unwrap().expose_secret(),
        first.expose_secret()
    );
    device.pass(48 * HOUR);
    let second = account.access_token().await.unwrap();
    assert_ne!(second.expose_secret(), first.expose_secret());
    let rotated = device.stored(&account, REFRESH_TOKEN).await.unwrap();
    assert_ne!(rotated.expose_secret(), stored.expose_secret());
    account.subscription().await.unwrap();
}

#[tokio::test]
async fn a_token_that_has_really_ended_is_replaced() {
    let device = Device::new();
    let mut ordinary = server(device.root.path()).await;
    device.sign_in(&ordinary, ANA).await;
    ordinary.kill();
    let mut brief = testkit::program(testkit::bin("bm-server"))
        .args(["dev", "--instances", "none"])
        .args(["--access-token-life", "1", "--state"])
        .arg(device.root.path().join("server"))
        .spawn();
    brief.json_line(SOON).await;
    let account = device.account();
    let first = account.access_token().await.unwrap();
    testkit::wait_until(SOON, async || {
        let answer = account.0.api.subscription(&first).await;
        matches!(answer, Err(ApiError::Unauthenticated))
    })
    .await;
    account.subscription().await.unwrap();
    assert_ne!(
        account.access_token().await.unwrap().expose_secret(),
        first.expose_secret()
    );
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_replaced_once() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    let account = device.sign_in(&server, ANA).await.account;
    let expires_at = account.0.clock.now() + HOUR;
    let token = SecretString::from("not.a.token");
    account.0.session.lock().await.access = Some(AccessToken { token, expires_at });
    assert_eq!(
        account
            .subscription()
            .await
            .unwrap()
            .account
            .email
            .as_deref(),
        Some(ANA)
    );
}

async fn replace_often(account: Account) {
    for _ in 0..6 {
        let old = account.access_token().await.unwrap();
        account.token_other_than(Some(old)).await.unwrap();
        account.subscription().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_accounts_in_two_threads_never_lose_the_session() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    device.sign_in(&server, ANA).await;
    let both =
        [device.account(), device.account()].map(|account| tokio::spawn(replace_often(account)));
    for one in both {
        one.await.unwrap();
    }
    device.account().subscription().await.unwrap();
    assert!(!server.log().contains("came back"), "{}", server.log());
}

#[tokio::test]
async fn two_processes_at_once_never_lose_the_session() {
    const TEST: &str = "account::tests::refreshes::two_processes_at_once_never_lose_the_session";
    const ROOT: &str = "BM_TEST_REFRESH_ROOT";
    if let Some(root) = std::env::var_os(ROOT) {
        let SignIn {
            places,
            clock,
            secrets,
            ..
        } = surroundings(root.as_ref(), &Arc::default());
        replace_often(Account::load(&places, &clock, &secrets).unwrap().unwrap()).await;
        return;
    }
    let device = Device::new();
    let server = server(device.root.path()).await;
    device.sign_in(&server, ANA).await;
    let mut both = [(), ()].map(|()| {
        testkit::program(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(ROOT, device.root.path())
            .spawn()
    });
    for process in &mut both {
        let exit = process.exit(SOON).await;
        let passed = exit.success() && process.stdout().contains("1 passed");
        assert!(passed, "{}\n{}", process.stdout(), process.stderr());
    }
    device.account().subscription().await.unwrap();
    assert!(!server.log().contains("came back"), "{}", server.log());
}

#[tokio::test]
async fn a_refresh_waits_for_the_lock_and_outlives_its_caller() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    device.sign_in(&server, ANA).await;
    let account = device.account();
    let stored = device.stored(&account, REFRESH_TOKEN).await.unwrap();
    let held = FileLock::acquire(&account.lock_path(), SOON).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(300), account.access_token()).await;
    assert!(waited.is_err(), "it did not wait");
    drop(held);
    testkit::wait_until(SOON, async || {
        let now = device.stored(&account, REFRESH_TOKEN).await.unwrap();
        now.expose_secret() != stored.expose_secret()
    })
    .await;
    account.access_token().await.unwrap();
}

#[tokio::test]
async fn a_crash_between_rotation_and_keeping_is_survived() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    device.sign_in(&server, ANA).await;
    let account = device.account();
    let stored = device.stored(&account, REFRESH_TOKEN).await.unwrap();
    assert!(
        account.0.provider.refresh(&stored).await.is_ok(),
        "rotated, and nobody kept it"
    );
    account.access_token().await.unwrap();
    account.subscription().await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    device.sign_in(&server, ANA).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = format!("http://{}", listener.local_addr().unwrap());
    let upstream = server.url.trim_start_matches("http://").to_owned();
    let proxy = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        for number in 0.. {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = tokio::net::TcpStream::connect(&upstream).await.unwrap();
            if number == 0 {
                let mut buffer = vec![0; 64 * 1024];
                while !String::from_utf8_lossy(&buffer).contains("grant_type=refresh_token") {
                    let read = near.read(&mut buffer).await.unwrap();
                    far.write_all(&buffer[..read]).await.unwrap();
                }
                assert!(
                    far.read(&mut buffer).await.unwrap() > 0,
                    "the server has answered"
                );
                continue;
            }
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let record = device.account().record();
    AccountRecord {
        token_endpoint: record.token_endpoint.replace(&server.url, &through),
        ..record
    }
    .save(&device.sign_in.places)
    .unwrap();
    device.account().subscription().await.unwrap();
    proxy.abort();
}
