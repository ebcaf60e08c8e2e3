use super::*;

#[tokio::test]
async fn a_key_is_made_once_and_known_to_every_process() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    let task = account.clone();
    let made = tokio::spawn(async move { task.bucket_credentials().await })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(made.endpoint_url, server.s3_url);
    let again = device.account().bucket_credentials().await.unwrap();
    assert_eq!(again.access_key, made.access_key);
    assert_eq!(
        again.secret_key.expose_secret(),
        made.secret_key.expose_secret()
    );
    let record = device.account().record();
    assert_eq!(record.bucket.as_deref(), Some(made.bucket.as_str()));
    assert_eq!(record.access_key.as_deref(), Some(made.access_key.as_str()));
    assert!(record.credential_id.is_some());
}

#[tokio::test]
async fn a_second_device_of_one_name_gets_its_own_and_keeps_it() {
    let (one, other) = (Device::new(), Device::new());
    let server = server(one.root.path()).await;
    server.activate(ANA).await;
    let mut names = Vec::new();
    for device in [&one, &other] {
        let account = device.sign_in(&server, ANA).await.account;
        let account = account.on_device("laptop");
        account.bucket_credentials().await.unwrap();
        names.push(account.device().unwrap());
    }
    assert_eq!(names, ["laptop", "laptop 2"]);
    let account = other.account().on_device("laptop");
    let refused = account.record().access_key.unwrap();
    account.rotate_bucket_credentials(&refused).await.unwrap();
    assert_eq!(account.device().as_deref(), Some("laptop 2"));
    assert_eq!(described(&account).await, ["laptop", "laptop 2"]);
}

#[tokio::test]
async fn a_key_that_a_crash_left_behind_is_taken_back() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    let account = account.on_device("laptop");
    account.foreign_key("backup").await.unwrap();
    // Made, and then the process ended.
    account.made_key(account.device()).await.unwrap();
    device
        .sign_in
        .secrets
        .forget(account.key(), &[BUCKET_KEY])
        .await
        .unwrap();
    let again = device.account().on_device("laptop");
    again.bucket_credentials().await.unwrap();
    assert_eq!(described(&again).await, ["backup", "laptop"]);
}

async fn described(account: &Account) -> Vec<String> {
    let listed = account.call(|api, token| async move { api.list_credentials(&token).await });
    let mut names: Vec<String> = listed
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.description)
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_refused_key_is_replaced_and_revoked() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    let old = account.bucket_credentials().await.unwrap().access_key;
    let new = account.rotate_bucket_credentials(&old).await.unwrap();
    assert_ne!(new.access_key, old);
    let late = device
        .account()
        .rotate_bucket_credentials(&old)
        .await
        .unwrap();
    assert_eq!(late.access_key, new.access_key, "one replacement is enough");
    let listed = account.call(|api, token| async move { api.list_credentials(&token).await });
    let live: Vec<String> = listed
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.access_key)
        .collect();
    assert_eq!(live, [new.access_key]);
}

#[tokio::test]
async fn without_a_subscription_there_is_no_key() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    let account = device.sign_in(&server, ANA).await.account;
    let error = account.bucket_credentials().await.unwrap_err();
    assert_eq!(error.code(), "subscription_required");
    assert!(error.hint().unwrap().starts_with("Subscribe at: http"));
}

#[tokio::test]
async fn a_bucket_that_changes_its_name_is_refused() {
    let device = Device::new();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    account
        .update(|record| record.bucket = Some("bens-bucket".to_owned()))
        .unwrap();
    let error = account.bucket_credentials().await.unwrap_err();
    assert_eq!(
        (error.code(), error.is_transient()),
        ("other_bucket", false)
    );
}
