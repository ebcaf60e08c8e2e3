//! Notifications over the session bus: `org.freedesktop.Notifications`, version 1.2.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use engine::view::{NoticeAction, NoticeCause, NoticeLevel, NoticeView};
use futures::StreamExt as _;
use tauri::AppHandle;
use tokio::sync::{mpsc, oneshot, watch};
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::proxy::CacheProperties;
use zbus::zvariant::Value;
use zbus::{Connection, Proxy, proxy};

use super::click::{Click, act, label};
use super::{Step, steps};
use crate::markup::escaped;

const SERVICE: &str = "org.freedesktop.Notifications";
/// Wishes of the app itself that wait for the desktop.
const WISHES: usize = 4;
/// What leaving may take: nobody waits for it, and a busy desktop still answers.
const PATIENCE: Duration = Duration::from_secs(5);
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
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: String) -> zbus::Result<()>;

    #[zbus(signal)]
    fn notification_closed(&self, id: u32, reason: u32) -> zbus::Result<()>;
}

/// The way to the desktop's notifications.
pub(crate) struct Notifier {
    notices: watch::Sender<Vec<NoticeView>>,
    wishes: mpsc::Sender<Wish>,
}

/// What the app itself wants.
enum Wish {
    Say {
        title: String,
        body: String,
    },
    /// Takes back what was said last.
    Unsay,
    /// Takes everything back: nobody would answer a click any more.
    Leave(oneshot::Sender<()>),
}

impl Notifier {
    pub(crate) fn new(app: &AppHandle) -> Self {
        let (notices, wanted) = watch::channel(Vec::new());
        let (wishes, wished) = mpsc::channel(WISHES);
        let app = app.clone();
        tauri::async_runtime::spawn(async move {
            if let Err(error) = serve(&app, wanted, wished).await {
                tracing::warn!(%error, "there are no notifications");
            }
        });
        Self { notices, wishes }
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

    pub(crate) fn say(&self, title: impl Into<String>, body: impl Into<String>) {
        let (title, body) = (title.into(), body.into());
        self.wish(Wish::Say { title, body });
    }

    pub(crate) fn unsay(&self) {
        self.wish(Wish::Unsay);
    }

    /// Takes everything back before the app ends.
    pub(crate) async fn leave(&self) {
        let (done, left) = oneshot::channel();
        self.wish(Wish::Leave(done));
        if tokio::time::timeout(PATIENCE, left).await.is_err() {
            tracing::debug!("the desktop keeps what it shows");
        }
    }

    fn wish(&self, wish: Wish) {
        if self.wishes.try_send(wish).is_err() {
            tracing::debug!("there are no notifications");
        }
    }
}

async fn serve(
    app: &AppHandle,
    mut wanted: watch::Receiver<Vec<NoticeView>>,
    mut wished: mpsc::Receiver<Wish>,
) -> zbus::Result<()> {
    let bus = Connection::session().await?;
    let names = DBusProxy::new(&bus).await?;
    let mut owners = names
        .receive_name_owner_changed_with_args(&[(0, SERVICE)])
        .await?;
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
        said: None,
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
            Some(wish) = wished.recv() => match wish {
                Wish::Say { title, body } => board.say(&title, &body).await,
                Wish::Unsay => board.unsay().await,
                Wish::Leave(done) => {
                    board.unsay().await;
                    board.follow(&[]).await;
                    // Nothing is shown from here on.
                    return done.send(()).map_or(Ok(()), Ok);
                }
            },
            Some(owner) = owners.next() => {
                let owner = owner.args()?;
                let server = owner.new_owner().as_ref().map(|name| name.as_str());
                board.forget_all_but(server);
                if server.is_some() {
                    let notices = wanted.borrow().clone();
                    board.follow(&notices).await;
                }
            }
            Some(click) = clicks.next() => {
                let of = sender(&click.message().header());
                let args = click.args()?;
                if let Some(click) = clicked(&board.shown, &of, args.id, &args.action_key) {
                    let handle = app.clone();
                    if let Err(error) = app.run_on_main_thread(move || act(&handle, click)) {
                        tracing::debug!(%error, "a click came while the app ends");
                    }
                }
            }
            Some(closing) = closings.next() => {
                let of = sender(&closing.message().header());
                board.closed(&of, closing.args()?.id);
            }
        }
    }
}

struct Board<'a> {
    desktop: &'a DesktopProxy<'a>,
    /// The newest notice of each cause that was shown, closed or not.
    told: BTreeMap<NoticeCause, String>,
    /// The newest notification of each cause; a click may come with the word that it was closed.
    shown: BTreeMap<NoticeCause, Shown>,
    /// What the app itself said last.
    said: Option<Number>,
}

/// A notification as the desktop knows it. A server that was started again counts anew, and its
/// numbers are those of other programs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number {
    server: String,
    number: u32,
}

struct Shown {
    number: Number,
    on_screen: bool,
    actions: Vec<NoticeAction>,
}

impl Board<'_> {
    async fn follow(&mut self, notices: &[NoticeView]) {
        for step in steps(&self.told, notices) {
            match step {
                Step::Withdraw(cause) => {
                    self.told.remove(&cause);
                    if let Some(shown) = self.shown.remove(&cause)
                        && shown.on_screen
                    {
                        self.close(shown.number).await;
                    }
                }
                Step::Show(notice) => match self.notify(&notice).await {
                    Ok(number) => {
                        self.told.insert(notice.cause, notice.id);
                        let shown = Shown {
                            number,
                            on_screen: true,
                            actions: notice.actions,
                        };
                        self.shown.insert(notice.cause, shown);
                    }
                    // It is shown by the server that comes, if one does.
                    Err(error) => tracing::info!(%error, "the desktop shows no notifications"),
                },
            }
        }
    }

    async fn notify(&self, notice: &NoticeView) -> zbus::Result<Number> {
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
        let urgency = match notice.level {
            NoticeLevel::Info => 0_u8,
            // Critical ones would break through "do not disturb".
            NoticeLevel::Warning | NoticeLevel::Error => 1,
        };
        let body = shaped(&notice.body, can("body-markup"));
        let before = self.shown.get(&notice.cause);
        let replaced = before.filter(|shown| shown.on_screen);
        let replaced = replaced.map(|shown| &shown.number);
        self.send(&notice.title, &body, &actions, replaced, urgency)
            .await
    }

    async fn say(&mut self, title: &str, body: &str) {
        let said = async {
            let can = self.desktop.get_capabilities().await?;
            let body = shaped(body, can.iter().any(|known| known == "body-markup"));
            self.send(title, &body, &[], None, 0).await
        };
        match said.await {
            Ok(number) => self.said = Some(number),
            Err(error) => tracing::info!(%error, title, "the desktop shows no notifications"),
        }
    }

    async fn unsay(&mut self) {
        if let Some(number) = self.said.take() {
            self.close(number).await;
        }
    }

    async fn close(&self, number: Number) {
        let closed = async {
            let server = self.at(number.server).await?;
            let asked = &number.number;
            server.call_method("CloseNotification", asked).await
        };
        if let Err(error) = closed.await {
            tracing::debug!(%error, "a notification was not taken back");
        }
    }

    async fn send(
        &self,
        title: &str,
        body: &str,
        actions: &[&str],
        replaced: Option<&Number>,
        urgency: u8,
    ) -> zbus::Result<Number> {
        let hints = HashMap::from([
            ("urgency", Value::from(urgency)),
            ("desktop-entry", Value::from("Basic Memory")),
        ]);
        let icon = "basic-memory-tray";
        let name = "Basic Memory";
        let (server, before) = match replaced {
            Some(number) => (number.server.clone(), number.number),
            None => (SERVICE.to_owned(), 0),
        };
        let asked = (name, before, icon, title, body, actions, hints, AS_USUAL);
        let answer = self.at(server).await?.call_method("Notify", &asked).await?;
        Ok(Number {
            server: sender(&answer.header()),
            number: answer.body().deserialize()?,
        })
    }

    /// A number means something to the server that gave it, and to no other that has the service's name by now.
    async fn at(&self, server: String) -> zbus::Result<Proxy<'_>> {
        let desktop = self.desktop.inner();
        let (path, interface) = (desktop.path().clone(), desktop.interface().clone());
        Proxy::new(desktop.connection(), server, path, interface).await
    }

    /// What another server showed is not on the screen any more.
    fn forget_all_but(&mut self, server: Option<&str>) {
        self.shown
            .retain(|_, shown| Some(&*shown.number.server) == server);
        self.said.take_if(|said| Some(&*said.server) != server);
    }

    fn closed(&mut self, server: &str, number: u32) {
        for shown in self.shown.values_mut() {
            if shown.number.is(server, number) {
                shown.on_screen = false;
            }
        }
        self.said.take_if(|said| said.is(server, number));
    }
}

/// What a person pressed; nothing where the number is that of another server.
fn clicked(
    shown: &BTreeMap<NoticeCause, Shown>,
    server: &str,
    number: u32,
    pressed: &str,
) -> Option<Click> {
    let mut shown = shown.iter();
    let (cause, shown) = shown.find(|(_, shown)| shown.number.is(server, number))?;
    let mut actions = shown.actions.iter().copied();
    let action = if pressed == CLICK {
        actions.next()
    } else {
        actions.find(|action| key(*action) == pressed)
    };
    Some(Click {
        cause: *cause,
        action: action?,
    })
}

impl Number {
    fn is(&self, server: &str, number: u32) -> bool {
        self.server == server && self.number == number
    }
}

fn sender(header: &Header<'_>) -> String {
    let name = header.sender().map(|name| name.as_str());
    name.unwrap_or_default().to_owned()
}

fn shaped(body: &str, markup: bool) -> String {
    if markup {
        escaped(body)
    } else {
        body.to_owned()
    }
}

fn key(action: NoticeAction) -> String {
    format!("{action:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_is_of_the_button_and_of_the_server_that_showed_it() {
        let number = Number {
            server: ":1.7".to_owned(),
            number: 3,
        };
        let actions = vec![NoticeAction::SignIn, NoticeAction::OpenWindow];
        let shown = Shown {
            number,
            on_screen: false,
            actions,
        };
        let shown = BTreeMap::from([(NoticeCause::AuthExpired, shown)]);
        let action = |server: &str, number, pressed: &str| {
            let click = clicked(&shown, server, number, pressed)?;
            assert_eq!(click.cause, NoticeCause::AuthExpired);
            Some(click.action)
        };
        assert_eq!(action(":1.7", 3, CLICK), Some(NoticeAction::SignIn));
        let second = key(NoticeAction::OpenWindow);
        assert_eq!(action(":1.7", 3, &second), Some(NoticeAction::OpenWindow));
        assert_eq!(action(":1.7", 3, "OpenConflicts"), None);
        assert_eq!(action(":1.7", 4, CLICK), None);
        assert_eq!(action(":1.8", 3, CLICK), None);
    }
}
