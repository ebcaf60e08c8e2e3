use std::sync::Arc;

use anyhow::Context as _;
use engine::{Config, Connection, View};
use tauri::{AppHandle, Emitter as _, Manager as _, RunEvent};
use tauri_plugin_autostart::MacosLauncher;

use crate::shell::Shell;
use crate::tray::Tray;
use crate::{commands, window};

/// How the app begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// A start by autostart shows no window.
    pub show_window: bool,
    /// The server that the sign-in form offers first.
    pub server_url: Option<String>,
}

/// Runs the app until a person quits it.
///
/// # Errors
/// If the desktop does not let the app begin.
pub fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let shell = Shell::new(&config.device, options.server_url);
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            if !arguments.iter().any(|argument| argument == "--background") {
                window::show(app);
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
            commands::pick_folder
        ])
        .setup(move |app| {
            let handle = app.handle().clone();
            let tray = Tray::new(&handle, &shell.view())?;
            tauri::async_runtime::spawn(follow(handle.clone(), shell, config, tray));
            if options.show_window {
                window::show(&handle);
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
async fn follow(app: AppHandle, shell: Shell, config: Config, tray: Tray) {
    loop {
        match Connection::open(config.clone()).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                shell.connect(Arc::clone(&connection));
                show_views(&app, &shell, &connection, &tray).await;
                shell.disconnect();
            }
            Err(error) => {
                tracing::error!(%error, hint = error.hint(), "the engine did not start");
                show(
                    &app,
                    &shell,
                    &tray,
                    Arc::new(View::not_running(&config.device, &error)),
                );
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            }
        }
        if shell.is_quitting() {
            return;
        }
    }
}

async fn show_views(app: &AppHandle, shell: &Shell, connection: &Connection, tray: &Tray) {
    let mut views = connection.watch();
    views.mark_changed();
    while views.changed().await.is_ok() {
        let view = views.borrow_and_update().clone();
        show(app, shell, tray, view);
    }
}

fn show(app: &AppHandle, shell: &Shell, tray: &Tray, view: Arc<View>) {
    shell.set_view(Arc::clone(&view));
    tray.apply(app, &view, shell.quit_words());
    if let Err(error) = app.emit("view-changed", &*view) {
        tracing::warn!(%error, "the window did not get the new view");
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
