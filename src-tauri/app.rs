use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use engine::{Config, Connection, Refusal, View};
use tauri::{AppHandle, Emitter as _, Manager as _, RunEvent};
use tauri_plugin_autostart::MacosLauncher;

use crate::asked::Asked;
use crate::dock::{self, Dock};
use crate::notify::Notifier;
use crate::once::{Once, Remark};
use crate::shell::Shell;
use crate::tray::{Action, Looks, Tray, TrayHost, act};
use crate::{commands, window};

/// Between two attempts to reach an engine.
const RETRY: Duration = Duration::from_secs(5);
/// How often the age in the menu is looked at while the view stays.
const AGING: Duration = Duration::from_secs(30);
/// At login panels come when they come.
const PANEL_GRACE: Duration = Duration::from_secs(10);

/// How the app begins.
#[derive(Clone, Debug)]
pub struct Options {
    pub asked: Asked,
    /// The server that the sign-in form offers first.
    pub server_url: Option<String>,
    pub looks: Looks,
}

/// Runs the app until a person quits it.
///
/// # Errors
/// If the desktop does not let the app begin.
pub fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let shell = Shell::new(&config.device, options.server_url);
    let once = Once::new(config.places.state.clone());
    let builder = tauri::Builder::default();
    #[cfg(not(target_os = "linux"))]
    let builder = builder.plugin(tauri_plugin_notification::init());
    let app = builder
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            take(app, Asked::of(arguments.into_iter().skip(1)));
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
            if options.asked == Asked::Quit {
                // Nothing ran that could be ended.
                handle.exit(0);
                return Ok(());
            }
            dock::set(&handle, Dock::Hidden);
            app.manage(Notifier::new(&handle));
            end_when_told(&handle);
            app.manage(Tray::new(&handle, &shell.view(), options.looks)?);
            app.manage(once);
            tauri::async_runtime::spawn(follow(handle.clone(), shell, config));
            match options.asked {
                Asked::Window => window::show(&handle, None),
                Asked::Background => {
                    tauri::async_runtime::spawn(tell_of_missing_tray(handle));
                }
                Asked::OpenFolder | Asked::SyncNow | Asked::Quit => {
                    tauri::async_runtime::spawn(take_when_ready(handle, options.asked));
                }
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

/// What a second start asks for.
fn take(app: &AppHandle, asked: Asked) {
    match (asked, asked.action()) {
        (Asked::Background, _) => {}
        (_, Some(action)) => on_main(app, action),
        (_, None) => window::show(app, None),
    }
}

/// Does what a start asked for as soon as the engine can be asked.
async fn take_when_ready(app: AppHandle, asked: Asked) {
    const PATIENCE: Duration = Duration::from_secs(30);
    const LOOK: Duration = Duration::from_millis(100);
    let shell = app.state::<Shell>().inner().clone();
    let ready = async {
        while shell.is_shared().is_none() {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(PATIENCE, ready).await.is_err() {
        tracing::warn!(?asked, "no engine answers yet");
    }
    take(&app, asked);
}

fn on_main(app: &AppHandle, action: Action) {
    let handle = app.clone();
    if let Err(error) = app.run_on_main_thread(move || act(&handle, action)) {
        tracing::debug!(%error, "something was asked for while the app ends");
    }
}

/// An app without window and icon would seem not to run. It is said once, not at every login, and
/// taken back if a panel only came late.
async fn tell_of_missing_tray(app: AppHandle) {
    let mut host = app.state::<Tray>().host();
    let present = host.wait_for(|host| *host == TrayHost::Present);
    let came = tokio::time::timeout(PANEL_GRACE, present).await.is_ok();
    let once = app.state::<Once>();
    if came || once.was_said(Remark::MissingTray) {
        return;
    }
    let notifier = app.state::<Notifier>();
    notifier.say(
        "Basic Memory is running",
        "No panel here shows its icon. Start it again to open its window.",
    );
    once.said(Remark::MissingTray);
    if host
        .wait_for(|host| *host == TrayHost::Present)
        .await
        .is_ok()
    {
        notifier.unsay();
        once.unsaid(Remark::MissingTray);
    }
}

/// Who closes the window may think that it was all there is.
pub(crate) fn window_closed(app: &AppHandle) {
    let (shell, once) = (app.state::<Shell>(), app.state::<Once>());
    if shell.is_quitting() || once.was_said(Remark::ClosedWindow) {
        return;
    }
    let host = *app.state::<Tray>().host().borrow();
    if let Some(way_back) = way_back(&shell.view(), host) {
        let notifier = app.state::<Notifier>();
        notifier.say("Basic Memory keeps running", way_back);
        once.said(Remark::ClosedWindow);
    }
}

/// How the window comes back; before something is set up nothing is said or written down.
fn way_back(view: &View, host: TrayHost) -> Option<&'static str> {
    if view.pairs.is_empty() && view.mounts.is_empty() {
        return None;
    }
    Some(match host {
        TrayHost::Unknown | TrayHost::Present => {
            "Its icon in the panel opens the window again and has the menu, with Quit."
        }
        TrayHost::Missing => "Start it again to open its window.",
    })
}

/// Ends the app as a person would where the session or somebody else ends it: what a set-up took
/// is given back, and no drive is left behind.
///
/// Who sees the app can end it so: it listens before there is anything to be seen.
#[cfg(unix)]
fn end_when_told(app: &AppHandle) {
    let mut ends = tauri::async_runtime::block_on(async { ends() });
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        while ends.recv().await.is_some() {
            quit(&app);
        }
    });
}

/// On the runtime, which hears the signals.
#[cfg(unix)]
fn ends() -> tokio::sync::mpsc::Receiver<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let kinds = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ];
    let (told, ends) = tokio::sync::mpsc::channel(1);
    for kind in kinds {
        match signal(kind) {
            Ok(mut signal) => {
                let told = told.clone();
                tauri::async_runtime::spawn(async move {
                    while signal.recv().await.is_some() && told.send(()).await.is_ok() {}
                });
            }
            Err(error) => tracing::debug!(%error, ?kind, "this signal ends the app at once"),
        }
    }
    ends
}

/// The system's own message ends the app's loop.
#[cfg(not(unix))]
fn end_when_told(_app: &AppHandle) {}

/// Ends the app: an engine of our own stops first, so that no run is cut short.
pub(crate) fn quit(app: &AppHandle) {
    let shell = app.state::<Shell>().inner().clone();
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        shell.quit().await;
        app.state::<Notifier>().leave().await;
        app.exit(0);
    });
}

#[cfg(test)]
mod tests {
    use engine::view::{PairView, ProfileName};

    use super::*;

    #[test]
    fn who_closes_the_window_is_told_the_way_back_once_something_is_set_up() {
        let mut view = View::starting("laptop");
        assert_eq!(way_back(&view, TrayHost::Present), None);
        let pair = PairView::new("pair_1", "/home/ana/Notes", "b", ProfileName::Safe);
        view.pairs = vec![pair];
        let with_icon = way_back(&view, TrayHost::Present).unwrap();
        assert!(with_icon.contains("icon") && with_icon.contains("Quit"));
        let without = way_back(&view, TrayHost::Missing).unwrap();
        assert!(!without.contains("icon"));
    }
}
