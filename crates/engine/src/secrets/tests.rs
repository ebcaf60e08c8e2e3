#![expect(clippy::disallowed_methods, reason = "tests damage files on purpose")]

use std::fs;
use std::path::Path;

use super::*;

const ANA: &str = "https://c.example|user_ana";
const BEN: &str = "https://c.example|user_ben";

fn places(root: &Path) -> Places {
    let folder = |name: &str| root.join(name);
    Places {
        config: folder("config"),
        state: folder("state"),
        data: folder("data"),
        cache: folder("cache"),
        runtime: folder("run"),
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

async fn text(store: &SecretStore, account: &str, name: &str) -> Option<String> {
    use secrecy::ExposeSecret as _;
    store
        .get(account, name)
        .await
        .unwrap()
        .map(|found| found.expose_secret().to_owned())
}

#[tokio::test]
async fn the_file_keeps_each_accounts_secrets_apart_and_outlives_us() {
    let root = testkit::scratch();
    let places = places(root.path());
    let store = SecretStore::new(&places, SecretChoice::File, None);
    store.set(ANA, "token", &secret("ana's")).await.unwrap();
    store.set(BEN, "token", &secret("ben's")).await.unwrap();
    store
        .set(ANA, "token", &secret("ana's second"))
        .await
        .unwrap();

    let store = SecretStore::new(&places, SecretChoice::File, None);
    assert_eq!(
        text(&store, ANA, "token").await.as_deref(),
        Some("ana's second")
    );
    assert_eq!(text(&store, BEN, "token").await.as_deref(), Some("ben's"));
    assert_eq!(text(&store, BEN, "other").await, None);
    store.forget(ANA, &["token", "other"]).await.unwrap();
    assert_eq!(text(&store, ANA, "token").await, None);
    assert_eq!(store.in_use(), SecretStoreView::EncryptedFile);
}

#[tokio::test]
async fn the_file_and_its_key_are_private_and_sealed() {
    let root = testkit::scratch();
    let places = places(root.path());
    let store = SecretStore::new(&places, SecretChoice::File, None);
    store
        .set(ANA, "token", &secret("plainly visible"))
        .await
        .unwrap();
    for path in [
        places.state.join("secrets.enc"),
        places.config.join("secrets.key"),
    ] {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let content = fs::read_to_string(&path).unwrap();
        assert!(
            !content.contains("visible") && !content.contains("user_ana"),
            "{content}"
        );
    }
    assert!(!format!("{store:?}").contains("visible"));
}

#[tokio::test]
async fn a_changed_file_is_an_error_that_says_so_and_can_be_put_aside() {
    let root = testkit::scratch();
    let places = places(root.path());
    let store = SecretStore::new(&places, SecretChoice::File, None);
    store.set(ANA, "token", &secret("x")).await.unwrap();
    let path = places.state.join("secrets.enc");
    let whole = fs::read_to_string(&path).unwrap();
    let sealed = whole.find("\"sealed\":\"").unwrap() + 10;
    let swapped = if whole.as_bytes()[sealed] == b'A' {
        "B"
    } else {
        "A"
    };
    let changed = format!("{}{swapped}{}", &whole[..sealed], &whole[sealed + 1..]);
    for damaged in [changed.as_str(), &whole[..whole.len() / 2], "", "{}"] {
        fs::write(&path, damaged).unwrap();
        let error = store.get(ANA, "token").await.unwrap_err();
        assert_eq!(error.code(), "secrets_unreadable");
        assert!(error.to_string().contains("changed or damaged"), "{error}");
        assert_eq!(
            store
                .set(ANA, "token", &secret("y"))
                .await
                .unwrap_err()
                .code(),
            error.code()
        );
    }
    store.forget(ANA, &["token"]).await.unwrap();
    assert!(!path.exists() && path.with_extension("unreadable").exists());
    store.set(ANA, "token", &secret("z")).await.unwrap();
    assert_eq!(text(&store, ANA, "token").await.as_deref(), Some("z"));
}

#[tokio::test]
async fn a_lost_key_file_is_named() {
    let root = testkit::scratch();
    let places = places(root.path());
    let store = SecretStore::new(&places, SecretChoice::File, None);
    store.set(ANA, "token", &secret("x")).await.unwrap();
    fs::remove_file(places.config.join("secrets.key")).unwrap();
    let error = store.get(ANA, "token").await.unwrap_err();
    assert_eq!(error.code(), "secrets_key_missing");
    assert!(error.to_string().contains("secrets.key"));
}

#[tokio::test]
async fn a_passphrase_opens_the_file_and_nothing_else_does() {
    let root = testkit::scratch();
    let places = places(root.path());
    let with = |passphrase: Option<&str>| {
        SecretStore::new(&places, SecretChoice::File, passphrase.map(secret))
    };
    with(Some("correct horse"))
        .set(ANA, "token", &secret("x"))
        .await
        .unwrap();
    assert!(!places.config.join("secrets.key").exists());
    assert_eq!(
        text(&with(Some("correct horse")), ANA, "token")
            .await
            .as_deref(),
        Some("x")
    );
    let wrong = with(Some("wrong")).get(ANA, "token").await.unwrap_err();
    assert_eq!(wrong.code(), "secrets_unreadable");
    let none = with(None).get(ANA, "token").await.unwrap_err();
    assert_eq!(none.code(), "passphrase_needed");
}

#[tokio::test]
async fn a_passphrase_that_comes_later_opens_the_file_and_a_wrong_one_is_not_taken() {
    let root = testkit::scratch();
    let places = places(root.path());
    let sealed = SecretStore::new(&places, SecretChoice::File, Some(secret("correct horse")));
    sealed.set(ANA, "token", &secret("x")).await.unwrap();

    let store = SecretStore::new(&places, SecretChoice::File, None);
    assert_eq!(store.look().await, SecretStoreView::FileLocked);
    let wrong = store.open(secret("wrong")).await.unwrap_err();
    assert_eq!(wrong.code(), "secrets_unreadable");
    let still = store.get(ANA, "token").await.unwrap_err();
    assert_eq!(still.code(), "passphrase_needed");
    assert_eq!(store.in_use(), SecretStoreView::FileLocked);
    store.open(secret("correct horse")).await.unwrap();
    assert_eq!(store.in_use(), SecretStoreView::EncryptedFile);
    assert_eq!(text(&store, ANA, "token").await.as_deref(), Some("x"));
    let wrong = store.open(secret("wrong again")).await.unwrap_err();
    assert_eq!(wrong.code(), "secrets_unreadable");
    assert_eq!(text(&store, ANA, "token").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn a_file_with_a_random_key_is_sealed_with_the_passphrase_at_its_next_write() {
    let root = testkit::scratch();
    let places = places(root.path());
    let key_file = places.config.join("secrets.key");
    let store = SecretStore::new(&places, SecretChoice::File, None);
    store.set(ANA, "token", &secret("x")).await.unwrap();
    store.open(secret("correct horse")).await.unwrap();
    assert_eq!(text(&store, ANA, "token").await.as_deref(), Some("x"));
    assert!(key_file.exists());
    store.set(ANA, "other", &secret("y")).await.unwrap();
    assert!(!key_file.exists());

    let without = SecretStore::new(&places, SecretChoice::File, None);
    let refused = without.get(ANA, "token").await.unwrap_err();
    assert_eq!(refused.code(), "passphrase_needed");
    without.open(secret("correct horse")).await.unwrap();
    assert_eq!(text(&without, ANA, "token").await.as_deref(), Some("x"));
    assert_eq!(text(&without, ANA, "other").await.as_deref(), Some("y"));
}

#[tokio::test]
async fn writers_at_the_same_moment_lose_nothing() {
    let root = testkit::scratch();
    let places = places(root.path());
    let writers = (0..8).map(|number| {
        let store = SecretStore::new(&places, SecretChoice::File, None);
        tokio::spawn(async move {
            store
                .set(ANA, &format!("name{number}"), &secret("x"))
                .await
                .unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let store = SecretStore::new(&places, SecretChoice::File, None);
    for number in 0..8 {
        assert!(
            text(&store, ANA, &format!("name{number}")).await.is_some(),
            "{number}"
        );
    }
}

const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";
const CHILD: &str = "BM_TEST_KEYRING_CHILD";

/// Runs the named test of this binary again, alone, on another session bus: the keyring's address
/// is the environment's, which is the whole process's.
async fn on_bus(test: &str, address: &str, role: &str, root: &Path) {
    let mut child = testkit::program(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(BUS, address)
        .env(CHILD, role)
        .env("BM_TEST_ROOT", root)
        .spawn();
    let exit = child.exit(std::time::Duration::from_secs(60)).await;
    let passed = exit.success() && child.stdout().contains("1 passed");
    assert!(passed, "{}\n{}", child.stdout(), child.stderr());
}

fn role() -> Option<(String, std::path::PathBuf)> {
    let role = std::env::var_os(CHILD)?.into_string().ok()?;
    Some((role, std::env::var_os("BM_TEST_ROOT")?.into()))
}

#[tokio::test]
async fn a_real_keyring_keeps_secrets_and_no_file_appears() {
    const TEST: &str = "secrets::tests::a_real_keyring_keeps_secrets_and_no_file_appears";
    let Some((role, root)) = role() else {
        let root = testkit::scratch();
        let bus = testkit::private_bus().await;
        let _keyring = testkit::keyring(&bus).await;
        on_bus(TEST, &bus.address, "write", root.path()).await;
        on_bus(TEST, &bus.address, "read and delete", root.path()).await;
        on_bus(TEST, &bus.address, "find nothing", root.path()).await;
        assert!(!root.path().join("state/secrets.enc").exists());
        return;
    };
    let store = SecretStore::new(&places(&root), SecretChoice::Auto, None);
    assert_eq!(store.look().await, SecretStoreView::Keyring);
    store.ready().await.unwrap();
    assert_eq!(store.in_use(), SecretStoreView::Keyring);
    match role.as_str() {
        "write" => {
            store.set(ANA, "token", &secret("first")).await.unwrap();
            store.set(ANA, "token", &secret("kept")).await.unwrap();
            assert_eq!(text(&store, BEN, "token").await, None);
        }
        "read and delete" => {
            assert_eq!(text(&store, ANA, "token").await.as_deref(), Some("kept"));
            store.delete(ANA, "token").await.unwrap();
            store.delete(ANA, "token").await.unwrap();
        }
        _ => assert_eq!(text(&store, ANA, "token").await, None),
    }
}

#[tokio::test]
async fn without_a_keyring_secrets_go_to_the_file_and_stay_there() {
    const TEST: &str = "secrets::tests::without_a_keyring_secrets_go_to_the_file_and_stay_there";
    let Some((role, root)) = role() else {
        let root = testkit::scratch();
        let bus = testkit::private_bus().await;
        on_bus(TEST, &bus.address, "no keyring", root.path()).await;
        assert!(root.path().join("state/secrets.enc").exists());
        let _keyring = testkit::keyring(&bus).await;
        on_bus(TEST, &bus.address, "keyring appeared", root.path()).await;
        return;
    };
    let store = SecretStore::new(&places(&root), SecretChoice::Auto, None);
    if role == "no keyring" {
        assert_eq!(store.look().await, SecretStoreView::EncryptedFile);
        assert!(!root.join("state").exists(), "a look writes nothing");
        let strict = SecretStore::new(&places(&root), SecretChoice::Keyring, None);
        let refused = strict.set(ANA, "token", &secret("x")).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.is_transient()),
            ("keyring_unavailable", true)
        );
        let unknown = store.get(ANA, "token").await.unwrap_err();
        assert_eq!(
            unknown.code(),
            "keyring_unavailable",
            "must not look like `no secret`"
        );
        store.ready().await.unwrap();
        assert_eq!(
            strict.ready().await.unwrap_err().code(),
            "keyring_unavailable"
        );
        store
            .set(ANA, "token", &secret("in the file"))
            .await
            .unwrap();
    }
    assert_eq!(
        text(&store, ANA, "token").await.as_deref(),
        Some("in the file")
    );
    assert_eq!(store.in_use(), SecretStoreView::EncryptedFile);
}

#[tokio::test]
async fn a_locked_keyring_is_locked_and_not_empty() {
    const TEST: &str = "secrets::tests::a_locked_keyring_is_locked_and_not_empty";
    let Some((_, root)) = role() else {
        let root = testkit::scratch();
        let bus = testkit::private_bus().await;
        let _keyring = testkit::keyring(&bus).await;
        on_bus(TEST, &bus.address, "lock", root.path()).await;
        return;
    };
    let store = SecretStore::new(&places(&root), SecretChoice::Auto, None);
    store.set(ANA, "token", &secret("kept")).await.unwrap();
    testkit::lock_keyring().await;
    for result in [
        store.get(ANA, "token").await.map(|_| ()),
        store.set(ANA, "token", &secret("new")).await,
        store.ready().await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(
            (error.code(), error.is_transient()),
            ("keyring_locked", true)
        );
    }
    assert_eq!(store.in_use(), SecretStoreView::KeyringLocked);
    assert!(!root.join("state/secrets.enc").exists());
}
