use tokio::sync::oneshot;

use super::*;

fn device() -> Device {
    let mut device = Device::new();
    device.sign_in.keep = SignInKeep::WithSetUp;
    device
}

async fn keys(account: &Account) -> usize {
    let listed = account.call(|api, token| async move { api.list_credentials(&token).await });
    listed.await.unwrap().len()
}

#[tokio::test]
async fn nothing_is_written_until_it_is_made_lasting() {
    let device = device();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    let account = account.on_device("laptop");
    assert_eq!(account.kept(), SignInKeep::WithSetUp);
    let old = account.access_token().await.unwrap();
    account.token_other_than(Some(old)).await.unwrap();
    assert_eq!(account.check_cloud().await.unwrap(), CloudAccess::Open);
    let key = account.bucket_credentials().await.unwrap().access_key;
    let SignIn { places, .. } = &device.sign_in;
    for folder in [&places.config, &places.state, &places.data] {
        assert!(!folder.exists(), "{}", folder.display());
    }

    account.make_lasting().await.unwrap();
    account.make_lasting().await.unwrap();
    assert_eq!(account.kept(), SignInKeep::Now);
    let later = device.account();
    assert_eq!(later.record(), account.record());
    assert_eq!(later.record().device.as_deref(), Some("laptop"));
    assert_eq!(later.bucket_credentials().await.unwrap().access_key, key);
    assert!(later.subscription().await.unwrap().current);
}

#[tokio::test]
async fn a_sign_out_revokes_it_and_what_comes_late_is_kept_nowhere() {
    let device = device();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    account.bucket_credentials().await.unwrap();
    let token = account.stored_token().await.unwrap();
    let other = Device::new().sign_in(&server, ANA).await.account;
    assert_eq!(keys(&other).await, 1);

    account.sign_out().await.unwrap();
    assert_eq!(keys(&other).await, 0);
    let used = account.0.provider.refresh(&token).await;
    assert!(matches!(used, Err(RefreshError::Refused { .. })));
    let late = account.make_lasting().await.unwrap_err();
    assert_eq!(late.code(), "signed_out");
    assert!(device.nobody());
    assert!(!device.sign_in.places.state.exists());
}

#[tokio::test]
async fn what_cannot_be_kept_whole_is_not_kept_at_all() {
    let device = device();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    account.bucket_credentials().await.unwrap();
    let in_the_way = device.sign_in.places.config.join("account.json");
    std::fs::create_dir_all(&in_the_way).unwrap();
    let refused = account.make_lasting().await.unwrap_err();
    assert_eq!(refused.code(), "account_io");
    assert_eq!(account.kept(), SignInKeep::WithSetUp);
    for name in [REFRESH_TOKEN, BUCKET_KEY] {
        assert!(device.stored(&account, name).await.is_none(), "{name}");
    }
    std::fs::remove_dir(&in_the_way).unwrap();
    account.make_lasting().await.unwrap();
    assert!(device.account().subscription().await.unwrap().current);
}

#[tokio::test]
async fn a_sign_out_in_the_middle_of_a_look_ends_it_and_its_key() {
    let device = device();
    let server = server(device.root.path()).await;
    server.activate(ANA).await;
    let account = device.sign_in(&server, ANA).await.account;
    let other = Device::new().sign_in(&server, ANA).await.account;
    let (begin, begun) = oneshot::channel();
    let looking = account.clone();
    let look = tokio::spawn(async move {
        let endless = async move |_key| {
            begin.send(()).unwrap();
            std::future::pending::<()>().await;
        };
        looking.look(endless).await
    });
    begun.await.unwrap();
    assert_eq!(keys(&other).await, 1);
    account.sign_out().await.unwrap();
    assert_eq!(keys(&other).await, 0);
    let ended = tokio::time::timeout(SOON, look).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().code(), "signed_out");
}

#[tokio::test]
async fn who_is_known_here_already_is_kept_at_once() {
    let mut device = Device::new();
    let server = server(device.root.path()).await;
    device.sign_in(&server, ANA).await;
    device.sign_in.keep = SignInKeep::WithSetUp;
    let again = device.sign_in(&server, ANA).await.account;
    assert_eq!(again.kept(), SignInKeep::Now);
    again.sign_out().await.unwrap();
    device.sign_in.at_work = vec![again.key().to_owned()];
    let with_a_folder = device.sign_in(&server, ANA).await.account;
    assert_eq!(with_a_folder.kept(), SignInKeep::Now);
    assert_eq!(device.account().record(), with_a_folder.record());
}
