//! The tray of Linux desktops: an icon and a menu on the session bus.
//!
//! Panels read both from here, so nothing is drawn by this process and nothing else is linked.

mod board;
mod item;
mod layout;
mod menu;
mod picture;

use std::sync::Arc;

use futures::StreamExt as _;
use tauri::{AppHandle, Manager as _};
use tokio::sync::{mpsc, watch};
use zbus::fdo::DBusProxy;
use zbus::object_server::InterfaceRef;
use zbus::proxy::{self, CacheProperties};
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, Proxy, connection};

use self::board::{Board, Changes};
use self::item::{StatusItem, urgency};
use self::layout::Difference;
use self::menu::{MenuObject, Refresh};
use super::Tray;
use super::act::act;
use super::face::Face;
use super::host::TrayHost;
use super::menu::Action;
use super::panel::Panel;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
/// Clicks that wait until the app takes them; a person makes them one at a time.
const CLICKS: usize = 16;

/// The icon as the app sees it.
pub(crate) struct Icon {
    wanted: watch::Sender<Wanted>,
}

#[derive(Clone)]
struct Wanted {
    face: Arc<Face>,
    panel: Panel,
    /// Counts how often everything has to be read again.
    turn: u64,
}

impl Icon {
    /// Puts the icon on the bus soon, and there again whenever a panel comes.
    ///
    /// # Errors
    /// None: where there is no bus there is no icon, and `host` says so.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "other systems can refuse an icon at once"
    )]
    pub(crate) fn new(
        app: &AppHandle,
        face: Face,
        panel: Panel,
        host: watch::Sender<TrayHost>,
    ) -> tauri::Result<Self> {
        let face = Arc::new(face);
        let board = Arc::new(Board::new((*face).clone(), panel));
        let (wanted, changes) = watch::channel(Wanted {
            face,
            panel,
            turn: 0,
        });
        let (clicks, clicked) = mpsc::channel(CLICKS);
        tauri::async_runtime::spawn(take_clicks(app.clone(), clicked));
        let handle = app.clone();
        let refresh = move || {
            if let Some(tray) = handle.try_state::<Tray>() {
                tray.refresh(&handle);
            }
        };
        tauri::async_runtime::spawn(async move {
            let served = serve(&board, changes, clicks, Box::new(refresh), &host).await;
            if let Err(error) = served {
                tracing::warn!(%error, "there is no tray icon");
            }
            host.send_replace(TrayHost::Missing);
        });
        Ok(Self { wanted })
    }

    pub(crate) fn show(&self, _app: &AppHandle, face: Face) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = *wanted.face != face;
            if is_new {
                wanted.face = Arc::new(face);
            }
            is_new
        });
    }

    /// Draws the icon for this ground.
    pub(crate) fn stand_on(&self, _app: &AppHandle, panel: Panel) {
        self.wanted.send_if_modified(|wanted| {
            let before = std::mem::replace(&mut wanted.panel, panel);
            before != panel
        });
    }

    /// Has everything read again: some panels turn a check mark at the click, whatever comes of it.
    pub(crate) fn forget(&self) {
        self.wanted.send_modify(|wanted| wanted.turn += 1);
    }
}

async fn take_clicks(app: AppHandle, mut clicked: mpsc::Receiver<Action>) {
    while let Some(action) = clicked.recv().await {
        let handle = app.clone();
        if let Err(error) = app.run_on_main_thread(move || act(&handle, action)) {
            tracing::debug!(%error, "a click came while the app ends");
        }
    }
}

async fn serve(
    board: &Arc<Board>,
    mut wanted: watch::Receiver<Wanted>,
    clicks: mpsc::Sender<Action>,
    refresh: Refresh,
    host: &watch::Sender<TrayHost>,
) -> zbus::Result<()> {
    let status_item = StatusItem {
        board: Arc::clone(board),
        menu: OwnedObjectPath::try_from(menu::PATH)?,
        clicks: clicks.clone(),
    };
    let menu_object = MenuObject {
        board: Arc::clone(board),
        clicks,
        refresh,
    };
    let bus = connection::Builder::session()?
        .serve_at(item::PATH, status_item)?
        .serve_at(menu::PATH, menu_object)?
        .build()
        .await?;
    let faces = Faces {
        board,
        item: bus.object_server().interface(item::PATH).await?,
        menu: bus.object_server().interface(menu::PATH).await?,
    };
    let names = DBusProxy::new(&bus).await?;
    let mut owners = names
        .receive_name_owner_changed_with_args(&[(0, WATCHER)])
        .await?;
    let watcher = watcher(&bus).await?;
    let mut hosts = watcher
        .receive_signal("StatusNotifierHostRegistered")
        .await?;
    let mut gone = watcher
        .receive_signal("StatusNotifierHostUnregistered")
        .await?;
    host.send_replace(register(&watcher).await);
    let mut turn = 0;
    loop {
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let now = wanted.borrow_and_update().clone();
                let again = std::mem::replace(&mut turn, now.turn) != now.turn;
                faces.show(&now, again).await?;
            }
            owner = owners.next() => {
                let Some(owner) = owner else { return Ok(()) };
                host.send_replace(match owner.args()?.new_owner().as_ref() {
                    Some(_) => register(&watcher).await,
                    None => TrayHost::Missing,
                });
            }
            panel = hosts.next() => {
                if panel.is_none() {
                    return Ok(());
                }
                host.send_replace(TrayHost::Present);
            }
            panel = gone.next() => {
                if panel.is_none() {
                    return Ok(());
                }
                host.send_replace(ask(&watcher).await);
            }
        }
    }
}

async fn watcher(bus: &Connection) -> zbus::Result<Proxy<'static>> {
    proxy::Builder::new(bus)
        .destination(WATCHER)?
        .path("/StatusNotifierWatcher")?
        .interface(WATCHER)?
        .cache_properties(CacheProperties::No)
        .build()
        .await
}

/// Tells the desktop's watcher about the icon. The watcher reads who asked from the message.
async fn register(watcher: &Proxy<'_>) -> TrayHost {
    let body = (item::PATH,);
    let told = watcher.call::<_, _, ()>("RegisterStatusNotifierItem", &body);
    if let Err(error) = told.await {
        tracing::info!(%error, "no panel shows tray icons; one that comes gets the icon");
        return TrayHost::Missing;
    }
    ask(watcher).await
}

/// Whether a panel shows what the watcher knows of.
async fn ask(watcher: &Proxy<'_>) -> TrayHost {
    match watcher.get_property("IsStatusNotifierHostRegistered").await {
        Ok(true) => TrayHost::Present,
        Ok(false) => TrayHost::Missing,
        Err(error) => {
            tracing::info!(%error, "the watcher of tray icons does not answer");
            TrayHost::Missing
        }
    }
}

struct Faces<'a> {
    board: &'a Board,
    item: InterfaceRef<StatusItem>,
    menu: InterfaceRef<MenuObject>,
}

impl Faces<'_> {
    async fn show(&self, wanted: &Wanted, again: bool) -> zbus::Result<()> {
        let Wanted { face, panel, .. } = wanted;
        let Changes { icon, words, menu } = self.board.show(face, *panel);
        let item = self.item.signal_emitter();
        if icon {
            StatusItem::new_icon(item).await?;
            StatusItem::new_attention_icon(item).await?;
            StatusItem::new_status(item, urgency(face.status)).await?;
        }
        if words {
            StatusItem::new_tool_tip(item).await?;
        }
        let on_menu = self.menu.signal_emitter();
        if again {
            self.board.turn();
        }
        match menu {
            Difference::Looks(ids) if !again => {
                let looks = self.board.looks(&ids, &[]);
                MenuObject::items_properties_updated(on_menu, looks, Vec::new()).await
            }
            Difference::Nothing if !again => Ok(()),
            Difference::Nothing | Difference::Looks(_) | Difference::Entries => {
                let revision = self.board.revision();
                MenuObject::layout_updated(on_menu, revision, menu::WHOLE).await
            }
        }
    }
}
