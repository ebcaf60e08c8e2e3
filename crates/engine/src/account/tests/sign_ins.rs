use super::*;

#[tokio::test]
async fn without_a_subscription_the_sign_in_holds_and_says_where_to_subscribe() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    let signed_in = device.sign_in(&server, ANA).await;
    let token = signed_in.account.access_token().await.unwrap();
    let refusal = signed_in.account.0.api.health(&token).await.unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "Active subscription required for CLI access"
    );
    let subscribe_url = &signed_in.subscription.subscribe_url;
    assert_eq!(
        refusal.hint(),
        Some(format!("Subscribe at: {subscribe_url}"))
    );
    assert!(!signed_in.subscription.current);
    let record = device.account().record();
    assert_eq!(record.user_id, server.user_id(ANA).await);
    assert_eq!(record.email.as_deref(), Some(ANA));
    assert_eq!(
        (record.server_url.as_str(), record.cloud_mode),
        (server.url.as_str(), false)
    );

    server.activate(ANA).await;
    let account = device.account();
    assert_eq!(account.check_cloud().await.unwrap(), CloudAccess::Open);
    assert!(account.subscription().await.unwrap().current);
    assert!(
        device.account().record().cloud_mode,
        "the first yes is remembered"
    );

    server.expire(ANA).await;
    let access = account.check_cloud().await.unwrap();
    assert!(
        matches!(access, CloudAccess::SubscriptionRequired),
        "{access:?}"
    );
}

#[tokio::test]
async fn with_a_subscription_cloud_mode_is_on_at_once_and_each_step_is_told() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let (events, mut seen) = mpsc::channel(8);
    let (sign_in, url) = (device.sign_in.clone(), format!("{}/", server.url));
    let run =
        tokio::spawn(async move { sign_in.run(&url, &events, &CancellationToken::new()).await });
    let asking = seen.recv().await.unwrap();
    assert_eq!(
        asking,
        SignInEvent::Asking {
            server_url: server.url.clone()
        }
    );
    let SignInEvent::Code {
        user_code,
        url,
        url_complete,
        expires_at,
    } = seen.recv().await.unwrap()
    else {
        panic!("no code");
    };
    assert!(url.starts_with(&server.url) && url_complete.unwrap().contains(&user_code));
    assert!(expires_at > device.sign_in.clock.now());
    assert!(
        device.nobody(),
        "nothing is kept before the person consents"
    );
    server.approve(&user_code, ANA).await;
    run.await.unwrap().unwrap();
    let user_id = server.user_id(ANA).await;
    let email = Some(ANA.to_owned());
    assert_eq!(
        seen.recv().await,
        Some(SignInEvent::Approved {
            user_id,
            email,
            cloud_mode: true
        })
    );
}

#[tokio::test]
async fn a_canceled_or_declined_sign_in_leaves_nothing() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    for decline in [true, false] {
        let (events, mut seen) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        let (sign_in, url, canceled) = (device.sign_in.clone(), server.url.clone(), cancel.clone());
        let run = tokio::spawn(async move { sign_in.run(&url, &events, &canceled).await });
        let code = user_code(&mut seen).await;
        if decline {
            server.deny(&code).await;
        } else {
            cancel.cancel();
        }
        let error = tokio::time::timeout(SOON, run)
            .await
            .unwrap()
            .unwrap()
            .unwrap_err();
        let expected = if decline {
            "sign_in_denied"
        } else {
            "sign_in_canceled"
        };
        assert_eq!(error.code(), expected);
        assert!(device.nobody());
        assert!(!device.sign_in.places.state.join("secrets.enc").exists());
    }
}

#[tokio::test]
async fn another_person_takes_over_cleanly() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let ana = device.sign_in(&server, ANA).await.account;
    ana.bucket_credentials().await.unwrap();
    let anas_token = device.stored(&ana, REFRESH_TOKEN).await.unwrap();

    let ben = device.sign_in(&server, BEN).await.account;
    assert_ne!(ana.key(), ben.key());
    assert_eq!(device.account().record().email.as_deref(), Some(BEN));
    assert_eq!(device.account().record().bucket, None);
    for name in [REFRESH_TOKEN, BUCKET_KEY] {
        assert!(device.stored(&ana, name).await.is_none(), "{name}");
    }
    let used = ana.0.provider.refresh(&anas_token).await;
    assert!(
        matches!(used, Err(RefreshError::Refused { .. })),
        "the first session is revoked"
    );
    assert_eq!(
        ben.subscription().await.unwrap().account.email.as_deref(),
        Some(BEN)
    );
}

#[tokio::test]
async fn signing_in_again_keeps_the_bucket_and_ends_the_session_before() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let first = device.sign_in(&server, ANA).await.account;
    let key = first.bucket_credentials().await.unwrap().access_key;
    let before = device.stored(&first, REFRESH_TOKEN).await.unwrap();
    let second = device.sign_in(&server, ANA).await.account;
    assert_eq!(second.bucket_credentials().await.unwrap().access_key, key);
    assert_eq!(second.record().access_key.as_deref(), Some(key.as_str()));
    let used = second.0.provider.refresh(&before).await;
    assert!(matches!(used, Err(RefreshError::Refused { .. })));
    first
        .token_other_than(first.access_token().await.ok())
        .await
        .unwrap();
}

#[tokio::test]
async fn signing_out_revokes_and_forgets() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    let key = account.bucket_credentials().await.unwrap().access_key;
    let token = device.stored(&account, REFRESH_TOKEN).await.unwrap();
    account.sign_out().await.unwrap();
    account.sign_out().await.unwrap();
    assert!(device.nobody());
    assert!(
        !std::fs::read_to_string(device.sign_in.places.state.join("secrets.enc"))
            .unwrap()
            .is_empty()
    );
    for name in [REFRESH_TOKEN, BUCKET_KEY] {
        assert!(device.stored(&account, name).await.is_none(), "{name}");
    }
    let used = account.0.provider.refresh(&token).await;
    assert!(matches!(used, Err(RefreshError::Refused { .. })));
    let again = device.sign_in(&server, ANA).await.account;
    let listed = again.call(|api, token| async move { api.list_credentials(&token).await });
    assert!(
        listed
            .await
            .unwrap()
            .iter()
            .all(|listed| listed.access_key != key)
    );
}

#[tokio::test]
async fn signing_out_works_without_the_server() {
    let device = Device::new();
    let mut server = server(device.root.path()).await;
    let account = device.sign_in(&server, ANA).await.account;
    server.kill();
    account.sign_out().await.unwrap();
    assert!(device.nobody());
    assert!(device.stored(&account, REFRESH_TOKEN).await.is_none());
}
