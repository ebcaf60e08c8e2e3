#![expect(
    clippy::disallowed_methods,
    reason = "a test damages a file on purpose"
)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn a_revoked_session_is_signed_out_and_nothing_else_is_touched() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    device
        .sign_in(&server, ANA)
        .await
        .account
        .bucket_credentials()
        .await
        .unwrap();
    let account = device.account();
    let token = device.stored(&account, REFRESH_TOKEN).await.unwrap();
    account.0.provider.revoke(&token).await.unwrap();

    let error = account.access_token().await.unwrap_err();
    let ended = AuthError::SignedOut {
        reason: SignedOutReason::SessionEnded,
    };
    assert_eq!(error.to_string(), ended.to_string());
    assert_eq!((error.code(), error.is_transient()), ("signed_out", false));
    assert!(device.stored(&account, REFRESH_TOKEN).await.is_none());
    assert!(device.stored(&account, BUCKET_KEY).await.is_some());
    assert_eq!(device.account().record(), account.record());
    let error = account.access_token().await.unwrap_err();
    let none = AuthError::SignedOut {
        reason: SignedOutReason::NoToken,
    };
    assert_eq!(error.to_string(), none.to_string());

    device.sign_in(&server, ANA).await;
    account
        .access_token()
        .await
        .expect("a sign-in elsewhere on this device revives it");
}

#[tokio::test]
async fn a_server_that_is_away_signs_nobody_out() {
    let device = Device::new();
    let mut server = server(device.root.path()).await;
    device.sign_in(&server, ANA).await;
    let account = device.account();
    server.kill();
    let error = account.access_token().await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("unreachable", true));
    assert!(device.stored(&account, REFRESH_TOKEN).await.is_some());
    let _server = server.restart().await;
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

#[tokio::test]
async fn an_unreadable_secret_file_is_no_sign_out() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    device.sign_in(&server, ANA).await;
    std::fs::write(device.sign_in.places.state.join("secrets.enc"), "damaged").unwrap();
    let error = device.account().access_token().await.unwrap_err();
    assert_eq!(error.code(), "secrets_unreadable");
    device.account().sign_out().await.unwrap();
    device
        .sign_in(&server, ANA)
        .await
        .account
        .subscription()
        .await
        .unwrap();
}

/// A server that answers every request with the same text.
async fn stubborn(answer: &str) -> String {
    answering(|_| answer.to_owned()).await
}

/// The same, where the text names the server's own address.
async fn answering(text: impl FnOnce(&str) -> String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = text(&url);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                stream.write_all(answer.as_bytes()).await.ok();
            }
        }
    });
    url
}

#[tokio::test]
async fn an_address_that_is_not_our_server_is_named_as_such() {
    let device = Device::new();
    for (answer, code) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
            "not_our_server",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]",
            "not_our_server",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "not_our_server",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: https://login.example\r\ncontent-length: 0\r\n\r\n",
            "not_our_server",
        ),
        ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "internal"),
        ("SSH-2.0-OpenSSH\r\n", "unreachable"),
    ] {
        let url = stubborn(answer).await;
        let (events, _seen) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        let error = device
            .sign_in
            .run(&url, &events, &cancel)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{answer}");
        assert!(
            error.to_string().contains(&url) || code == "internal",
            "{error}"
        );
        assert!(error.hint().is_some());
    }
    assert!(device.nobody());
}

/// A server whose only answer is one for every question of a sign-in, with these members besides.
async fn for_everything(members: &str) -> String {
    answering(|url| {
        let body = format!(
            r#"{{"issuer":"{url}","client_id":"c","device_authorization_endpoint":"{url}/device",
            "token_endpoint":"{url}/token","scopes":[],"pkce":false,"device_code":"d",
            "user_code":"u","verification_uri":"{url}/verify","access_token":"a",
            "refresh_token":"r","token_type":"Bearer",{members}}}"#
        );
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
        format!("{head}content-length: {}\r\n\r\n{body}", body.len())
    })
    .await
}

#[tokio::test]
async fn what_is_to_last_for_ever_lasts_for_a_year() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let url = for_everything(r#""expires_in":18446744073709551615"#).await;
    let device = Device::new();
    let (events, mut seen) = mpsc::channel(8);
    let cancel = CancellationToken::new();
    let error = device.sign_in.run(&url, &events, &cancel).await;
    // The tokens came; the account did not.
    assert_eq!(error.unwrap_err().code(), "not_our_server");
    assert!(matches!(
        seen.recv().await,
        Some(SignInEvent::Asking { .. })
    ));
    let Some(SignInEvent::Code { expires_at, .. }) = seen.recv().await else {
        panic!("no code");
    };
    let now = device.sign_in.clock.now();
    assert!(expires_at > now && expires_at <= now + YEAR);
    let provider = Provider::new(&url, "c", &format!("{url}/token")).unwrap();
    let tokens = provider.refresh(&SecretString::from("r".to_owned())).await;
    assert_eq!(tokens.ok().unwrap().expires_in, YEAR);
}

#[tokio::test]
async fn a_provider_that_hardly_wants_to_be_asked_is_refused() {
    let url = for_everything(r#""expires_in":600,"interval":18446744073709551615"#).await;
    let device = Device::new();
    let (events, _seen) = mpsc::channel(8);
    let cancel = CancellationToken::new();
    let run = device.sign_in.run(&url, &events, &cancel);
    let error = tokio::time::timeout(SOON, run).await.unwrap().unwrap_err();
    assert_eq!(error.code(), "not_our_server");
    assert!(error.to_string().contains("once an hour"), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b' '; 65536]).await.is_ok() {}
    });
    let api = Api::new(server_url(&url).unwrap()).unwrap();
    let error = tokio::time::timeout(SOON, api.sign_in_config())
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
}

#[tokio::test]
async fn a_sign_in_is_never_sent_in_the_open() {
    let device = Device::new();
    let (events, _seen) = mpsc::channel(8);
    let cancel = CancellationToken::new();
    let run = device
        .sign_in
        .run("http://cloud.example.org", &events, &cancel);
    let error = run.await.unwrap_err();
    assert_eq!(error.code(), "bad_url");
    assert!(error.hint().unwrap().contains("https://"));
}
