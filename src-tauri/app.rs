use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use engine::{Config, Connection, Refusal, View};
use tauri::{AppHandle, Emitter as _, Manager as _, RunEvent};
use tauri_plugin_autostart::MacosLauncher;
use time::UtcOffset;

use crate::dock::{self, Dock};
use crate::notify::Notifier;
use crate::shell::Shell;
use crate::tray::{Looks, Tray, TrayHost};
use crate::{commands, window};

/// Between two attempts to reach an engine.
const RETRY: Duration = Duration::from_secs(5);
/// How often the age in the menu is looked at while the view stays.
const AGING: Duration = Duration::from_secs(30);
/// At login panels come when they come.
const PANEL_GRACE: Duration = Duration::from_secs(10);
/// In the state folder, once a person was told that no panel shows the icon.
const TOLD: &str = "told-of-missing-tray";

/// How the app begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// A start by autostart shows no window.
    pub show_window: bool,
    /// The server that the sign-in form offers first.
    pub server_url: Option<String>,
    pub looks: Looks,
    /// How far the person's clock is from UTC.
    pub offset: UtcOffset,
}

/// Runs the app until a person quits it.
///
/// # Errors
/// If the desktop does not let the app begin.
pub fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let shell = Shell::new(&config.device, options.server_url);
    let told = config.places.state.join(TOLD);
    let builder = tauri::Builder::default();
    #[cfg(not(target_os = "linux"))]
    let builder = builder.plugin(tauri_plugin_notification::init());
    let app = builder
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            if !arguments.iter().any(|argument| argument == "--background") {
                window::show(app, None);
            }
        }))
        .plugin(tauri_plugin_autostart::init(
            MacosLauncher::LaunchAgent,
            Some(vec!["--background"]),
        ))
        .plugin(tauri_plugin_dialog::init())
        .manage(shell.clone())
        .invoke_handler(tauri::generate_handler![
            commands::view,
            commands::send,
            commands::open_link,
            commands::pick_folder,
            commands::pick_file,
            commands::pick_program,
            commands::engine_runs,
            commands::starts_at_login,
            commands::set_start_at_login,
            commands::tray_host,
            commands::quit
        ])
        .setup(move |app| {
            let handle = app.handle().clone();
            dock::set(&handle, Dock::Hidden);
            let tray = Tray::new(&handle, &shell.view(), &options.looks, options.offset)?;
            app.manage(tray);
            app.manage(Notifier::new(&handle));
            tauri::async_runtime::spawn(follow(handle.clone(), shell, config));
            if options.show_window {
                window::show(&handle, None);
            } else {
                tauri::async_runtime::spawn(tell_of_missing_tray(handle, told));
            }
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("could not start the desktop app")?;
    app.run(|_, event| {
        if let RunEvent::ExitRequested {
            api, code: None, ..
        } = event
        {
            api.prevent_exit();
        }
    });
    Ok(())
}

/// Keeps a connection to the engine, and shows each of its views in tray and window.
async fn follow(app: AppHandle, shell: Shell, config: Config) {
    loop {
        match Connection::open(config.clone()).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                shell.connect(Arc::clone(&connection));
                show_views(&app, &shell, &connection).await;
                shell.disconnect();
            }
            Err(error) => {
                tracing::error!(%error, hint = error.hint(), "the engine did not start");
                let view = View::not_running(&config.device, &error);
                shell.fail(Refusal {
                    code: error.code().to_owned(),
                    message: view.headline.clone(),
                    hint: Some(error.hint().to_owned()),
                    field: None,
                });
                show(&app, &shell, &Arc::new(view));
                tokio::time::sleep(RETRY).await;
            }
        }
        if shell.is_quitting() {
            return;
        }
    }
}

async fn show_views(app: &AppHandle, shell: &Shell, connection: &Connection) {
    let mut views = connection.watch();
    views.mark_changed();
    loop {
        match tokio::time::timeout(AGING, views.changed()).await {
            Ok(Ok(())) => {
                let view = views.borrow_and_update().clone();
                show(app, shell, &view);
            }
            Ok(Err(_)) => return,
            Err(_) => app
                .state::<Tray>()
                .apply(app, &shell.view(), shell.quit_words()),
        }
    }
}

fn show(app: &AppHandle, shell: &Shell, view: &Arc<View>) {
    shell.set_view(Arc::clone(view));
    app.state::<Tray>().apply(app, view, shell.quit_words());
    app.state::<Notifier>().show(&view.notices);
    if let Err(error) = app.emit("view-changed", &**view) {
        tracing::warn!(%error, "the window did not get the new view");
    }
}

/// An app without window and icon would seem not to run. It is said once, not at every login.
async fn tell_of_missing_tray(app: AppHandle, told: PathBuf) {
    let mut host = app.state::<Tray>().host();
    let present = host.wait_for(|host| *host == TrayHost::Present);
    let came = tokio::time::timeout(PANEL_GRACE, present).await;
    if came.is_ok() || told.exists() {
        return;
    }
    app.state::<Notifier>().say(
        "Basic Memory is running",
        "No panel here shows its icon. Start it again to open its window.",
    );
    if let Err(error) = std::fs::write(&told, "") {
        tracing::debug!(%error, "it will be said again at the next start");
    }
}

/// Ends the app: an engine of our own stops first, so that no run is cut short.
pub(crate) fn quit(app: &AppHandle) {
    let shell = app.state::<Shell>().inner().clone();
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        shell.quit().await;
        app.exit(0);
    });
}
