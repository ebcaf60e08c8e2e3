//! Notifications over the session bus: `org.freedesktop.Notifications`, version 1.2.

use std::collections::{BTreeMap, HashMap};

use engine::view::{NoticeAction, NoticeCause, NoticeLevel, NoticeView};
use futures::StreamExt as _;
use tauri::AppHandle;
use tokio::sync::{mpsc, watch};
use zbus::proxy::CacheProperties;
use zbus::zvariant::Value;
use zbus::{Connection, proxy};

use super::{Step, act, label, steps};

/// Messages of the app itself that wait for the desktop.
const WORDS: usize = 4;
/// How a notification names what a click on itself does.
const CLICK: &str = "default";
/// The desktop decides how long a notification stays.
const AS_USUAL: i32 = -1;

#[proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Desktop {
    #[expect(clippy::too_many_arguments, reason = "the interface has these")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;

    fn close_notification(&self, id: u32) -> zbus::Result<()>;

    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: String) -> zbus::Result<()>;

    #[zbus(signal)]
    fn notification_closed(&self, id: u32, reason: u32) -> zbus::Result<()>;
}

/// The way to the desktop's notifications.
pub(crate) struct Notifier {
    notices: watch::Sender<Vec<NoticeView>>,
    words: mpsc::Sender<Words>,
}

/// Something that the app itself says.
struct Words {
    title: &'static str,
    body: &'static str,
}

impl Notifier {
    pub(crate) fn new(app: &AppHandle) -> Self {
        let (notices, wanted) = watch::channel(Vec::new());
        let (words, said) = mpsc::channel(WORDS);
        let app = app.clone();
        tauri::async_runtime::spawn(async move {
            if let Err(error) = serve(&app, wanted, said).await {
                tracing::warn!(%error, "there are no notifications");
            }
        });
        Self { notices, words }
    }

    /// Shows what is new of these, and takes back what is gone.
    pub(crate) fn show(&self, notices: &[NoticeView]) {
        self.notices.send_if_modified(|wanted| {
            let is_new = wanted != notices;
            if is_new {
                *wanted = notices.to_vec();
            }
            is_new
        });
    }

    pub(crate) fn say(&self, title: &'static str, body: &'static str) {
        if self.words.try_send(Words { title, body }).is_err() {
            tracing::debug!(title, "not said");
        }
    }
}

async fn serve(
    app: &AppHandle,
    mut wanted: watch::Receiver<Vec<NoticeView>>,
    mut said: mpsc::Receiver<Words>,
) -> zbus::Result<()> {
    let bus = Connection::session().await?;
    let desktop = DesktopProxy::builder(&bus)
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    let mut clicks = desktop.receive_action_invoked().await?;
    let mut closings = desktop.receive_notification_closed().await?;
    let mut board = Board {
        desktop: &desktop,
        told: BTreeMap::new(),
        shown: BTreeMap::new(),
    };
    loop {
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let notices = wanted.borrow_and_update().clone();
                board.follow(&notices).await;
            }
            Some(words) = said.recv() => board.say(&words).await,
            Some(click) = clicks.next() => {
                let click = click.args()?;
                if let Some(action) = board.clicked(click.id, &click.action_key) {
                    let handle = app.clone();
                    if let Err(error) = app.run_on_main_thread(move || act(&handle, action)) {
                        tracing::debug!(%error, "a click came while the app ends");
                    }
                }
            }
            Some(closing) = closings.next() => {
                let id = closing.args()?.id;
                board.shown.retain(|_, shown| shown.number != id);
            }
        }
    }
}

struct Board<'a> {
    desktop: &'a DesktopProxy<'a>,
    /// The newest notice of each cause that was shown, closed or not.
    told: BTreeMap<NoticeCause, String>,
    shown: BTreeMap<NoticeCause, Shown>,
}

/// A notification that is on the screen, as far as is known.
struct Shown {
    number: u32,
    actions: Vec<NoticeAction>,
}

impl Board<'_> {
    async fn follow(&mut self, notices: &[NoticeView]) {
        for step in steps(&self.told, notices) {
            match step {
                Step::Withdraw(cause) => {
                    self.told.remove(&cause);
                    let Some(shown) = self.shown.remove(&cause) else {
                        continue;
                    };
                    if let Err(error) = self.desktop.close_notification(shown.number).await {
                        tracing::debug!(%error, "a notification was not taken back");
                    }
                }
                Step::Show(notice) => {
                    self.told.insert(notice.cause, notice.id.clone());
                    let before = self.shown.get(&notice.cause).map(|shown| shown.number);
                    match self.notify(&notice, before.unwrap_or_default()).await {
                        Ok(number) => {
                            let actions = notice.actions;
                            self.shown.insert(notice.cause, Shown { number, actions });
                        }
                        Err(error) => {
                            tracing::info!(%error, "the desktop shows no notifications");
                        }
                    }
                }
            }
        }
    }

    async fn notify(&self, notice: &NoticeView, replaces: u32) -> zbus::Result<u32> {
        let can = self.desktop.get_capabilities().await?;
        let can = |what: &str| can.iter().any(|known| known == what);
        let keys: Vec<String> = notice.actions.iter().map(|action| key(*action)).collect();
        let mut actions = Vec::new();
        if can("actions") {
            if let Some(first) = notice.actions.first() {
                actions.extend([CLICK, label(*first)]);
            }
            for (key, action) in keys.iter().zip(&notice.actions) {
                actions.extend([key.as_str(), label(*action)]);
            }
        }
        let body = if can("body-markup") {
            escaped(&notice.body)
        } else {
            notice.body.clone()
        };
        let urgency = match notice.level {
            NoticeLevel::Info => 0_u8,
            // Critical ones would break through "do not disturb".
            NoticeLevel::Warning | NoticeLevel::Error => 1,
        };
        self.send(&notice.title, &body, &actions, replaces, urgency)
            .await
    }

    async fn say(&self, words: &Words) {
        if let Err(error) = self.send(words.title, words.body, &[], 0, 0).await {
            tracing::info!(%error, words.title, "the desktop shows no notifications");
        }
    }

    async fn send(
        &self,
        title: &str,
        body: &str,
        actions: &[&str],
        replaces: u32,
        urgency: u8,
    ) -> zbus::Result<u32> {
        let hints = HashMap::from([
            ("urgency", Value::from(urgency)),
            ("desktop-entry", Value::from("Basic Memory")),
        ]);
        let icon = "basic-memory-tray";
        self.desktop
            .notify(
                "Basic Memory",
                replaces,
                icon,
                title,
                body,
                actions,
                hints,
                AS_USUAL,
            )
            .await
    }

    fn clicked(&self, number: u32, pressed: &str) -> Option<NoticeAction> {
        let shown = self.shown.values().find(|shown| shown.number == number)?;
        let mut actions = shown.actions.iter().copied();
        if pressed == CLICK {
            actions.next()
        } else {
            actions.find(|action| key(*action) == pressed)
        }
    }
}

fn key(action: NoticeAction) -> String {
    format!("{action:?}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
