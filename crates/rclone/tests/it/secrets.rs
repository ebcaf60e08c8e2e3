use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rclone::CycleError;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::bench::{ACCESS_KEY, SECRET_KEY};
use crate::stopping::{child_of, held};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .map_err(|_| std::io::Error::other("a test failed"))?
            .write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn no_secret_in(bytes: &[u8], place: &str) {
    let text = String::from_utf8_lossy(bytes);
    for secret in [ACCESS_KEY, SECRET_KEY] {
        assert!(!text.contains(secret), "a secret is in {place}");
    }
}

fn no_secret_below(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            no_secret_below(&entry.path());
        } else if kind.is_file() {
            no_secret_in(
                &fs::read(entry.path()).unwrap(),
                entry.path().to_str().unwrap(),
            );
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_arguments_environment_files_or_log() {
    let (bench, proxy) = held().await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let cancel = CancellationToken::new();
    let look = async {
        let pid = child_of(&bench.run, &proxy).await;
        let process = Path::new("/proc").join(pid.to_string());
        let arguments = fs::read(process.join("cmdline")).unwrap();
        assert!(String::from_utf8_lossy(&arguments).contains("/dev/fd/"));
        no_secret_in(&arguments, "the arguments");
        let environment = fs::read(process.join("environ")).unwrap();
        no_secret_in(&environment, "the environment");
        let names: Vec<&[u8]> = environment
            .split(|&byte| byte == 0)
            .filter(|variable| !variable.is_empty())
            .map(|variable| variable.split(|&byte| byte == b'=').next().unwrap())
            .collect();
        let expected: [&[u8]; 3] = [b"HOME", b"PATH", b"TMPDIR"];
        assert!(
            names.iter().all(|name| expected.contains(name)),
            "{environment:?}"
        );
        no_secret_below(&bench.run.run_dir);
        no_secret_below(&bench.run.workdir);
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(bench.cycle_until(cancel.clone()), look);
    assert_eq!(result, Err(CycleError::Stopped));
    let log = log.0.lock().unwrap();
    assert!(
        String::from_utf8_lossy(&log).contains("Signal received"),
        "rclone's log is missing"
    );
    no_secret_in(&log, "the log");
    no_secret_in(
        format!("{:?}", bench.run)
            .replace(ACCESS_KEY, "")
            .as_bytes(),
        "Debug",
    );
}

#[tokio::test]
async fn what_rclone_says_about_a_secret_is_masked() {
    let (mut bench, _proxy) = held().await;
    bench.run.endpoint = format!("http://127.0.0.1:1/{SECRET_KEY}/{ACCESS_KEY}");
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let error = bench.cycle().await.unwrap_err();
    no_secret_in(format!("{error:?} {error}").as_bytes(), "the error");
    let log = log.0.lock().unwrap();
    assert!(String::from_utf8_lossy(&log).contains("127.0.0.1:1/***/***"));
    no_secret_in(&log, "the log");
}
