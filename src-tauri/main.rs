//! The tray app's entry: the only place that reads the environment.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;
use std::time::Duration;

use basic_memory_tray::{Asked, Looks, Options, run};
use engine::{Clock, Config, Mode, Observer, Places, SecretChoice};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "a main reads the environment")]
    let filter = std::env::var("BM_CLOUD_LOG").unwrap_or_else(|_| "info".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .init();
    let Some(places) = Places::resolve(|name| std::env::var_os(name)) else {
        tracing::error!("no home folder is known: set HOME");
        return ExitCode::FAILURE;
    };
    let config = Config {
        places,
        device: engine::device_name(|name| std::env::var_os(name)),
        clock: Clock::system(),
        mode: Mode::Background {
            interval: interval(),
        },
        secrets: secrets(),
        rclone: std::env::var_os("BM_CLOUD_RCLONE").map(Into::into),
        path_variable: std::env::var_os("PATH"),
        observer: Observer::none(),
    };
    let options = Options {
        asked: Asked::of(std::env::args().skip(1)),
        server_url: text("BM_CLOUD_SERVER"),
        looks: Looks {
            desktop: text("XDG_CURRENT_DESKTOP").unwrap_or_default(),
            forced_theme: text("GTK_THEME"),
        },
    };
    match run(config, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn text(variable: &str) -> Option<String> {
    let value = std::env::var_os(variable)?;
    Some(value.to_string_lossy().into_owned())
}

fn interval() -> Option<Duration> {
    std::env::var_os("BM_CLOUD_INTERVAL_SECONDS")
        .and_then(|value| value.to_str()?.parse().ok())
        .map(Duration::from_secs)
}

fn secrets() -> SecretChoice {
    match std::env::var_os("BM_CLOUD_SECRETS") {
        Some(value) if value == "file" => SecretChoice::File,
        Some(value) if value == "keyring" => SecretChoice::Keyring,
        Some(_) | None => SecretChoice::Auto,
    }
}
