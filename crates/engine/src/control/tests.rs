use std::path::Path;

use crate::config::{Config, Mode, Observer};
use crate::{Clock, Connection, Places, Request, SecretChoice, StartError};

fn config(home: &Path) -> Config {
    let home = |name: &str| (name == "HOME").then(|| home.as_os_str().to_owned());
    let places = Places::resolve(home).unwrap();
    Config {
        places,
        device: "laptop".into(),
        clock: Clock::system(),
        mode: Mode::OnRequest,
        secrets: SecretChoice::File,
        rclone: None,
        path_variable: None,
        observer: Observer::none(),
    }
}

#[tokio::test]
async fn a_second_program_joins_the_engine_and_sees_its_views() {
    let home = testkit::scratch();
    let own = Connection::open(config(home.path())).await.unwrap();
    let other = Connection::open(config(home.path())).await.unwrap();
    assert!(!own.is_shared() && other.is_shared());

    other.send(Request::SetSync { on: false }).await.unwrap();
    let off = |view: &crate::View| view.sync == crate::view::SyncSwitch::Off;
    assert!(own.wait_for(off).await.is_some());
    assert!(other.wait_for(off).await.is_some());
    let refusal = other
        .send(Request::SyncNow {
            pair: None,
            run: crate::RunKind::Sync,
        })
        .await
        .unwrap_err();
    assert_eq!(refusal.code, "signed_out");
    assert!(refusal.hint.is_some());

    own.close().await;
    assert!(
        other.wait_for(|_| false).await.is_none(),
        "the other side sees the end"
    );
    let again = Connection::open(config(home.path())).await.unwrap();
    assert!(!again.is_shared());
    assert_eq!(
        again.view().sync,
        crate::view::SyncSwitch::Off,
        "the switch is remembered"
    );
    again.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_engine_that_follows_at_once_is_reached_and_the_old_one_is_not() {
    let home = testkit::scratch();
    for _ in 0..100 {
        let own = Connection::open(config(home.path())).await.unwrap();
        assert!(!own.is_shared(), "joined one that has ended");
        let other = Connection::open(config(home.path())).await.unwrap();
        assert!(other.is_shared());
        own.close().await;
    }
}

#[tokio::test]
async fn quitting_ends_the_engine_for_all() {
    let home = testkit::scratch();
    let own = Connection::open(config(home.path())).await.unwrap();
    let other = Connection::open(config(home.path())).await.unwrap();
    other.send(Request::Quit).await.unwrap();
    assert!(own.wait_for(|_| false).await.is_none());
    own.close().await;
}

#[tokio::test]
async fn a_lock_without_an_answer_is_told() {
    let home = testkit::scratch();
    let config = config(home.path());
    config.places.create().unwrap();
    let lock = std::fs::File::options()
        .create(true)
        .append(true)
        .open(config.places.engine_lock());
    let lock = lock.unwrap();
    lock.lock().unwrap();
    let error = Connection::open(config).await.unwrap_err();
    assert!(matches!(error, StartError::AlreadyRunning), "{error}");
}

#[tokio::test]
async fn a_damaged_state_is_put_aside_and_said() {
    let home = testkit::scratch();
    let config = config(home.path());
    config.places.create().unwrap();
    crate::settings::replace_file(&config.places.database(), &[7; 8192]).unwrap();
    let engine = Connection::open(config.clone()).await.unwrap();
    engine.close().await;
    let aside = std::fs::read_dir(&config.places.state)
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("damaged-")
        })
        .count();
    assert_eq!(aside, 1);
}
