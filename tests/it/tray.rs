//! The desktop's side of a tray: the watcher that icons register with, and their menus.
//!
//! `org.kde.StatusNotifierItem` and `com.canonical.dbusmenu`, as panels speak them.

#![expect(
    clippy::needless_pass_by_value,
    clippy::unused_self,
    reason = "the interface macro needs these shapes"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use zbus::message::Header;
use zbus::names::OwnedUniqueName;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{Array, Dict, OwnedObjectPath, OwnedValue, Structure, Value};
use zbus::{Connection, Proxy, connection, interface};

use crate::desktop::{self, Desktop, Look, SOON};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(15);
/// How the line ends that tells what the notes take up.
const STORAGE: &str = " of notes in the cloud";

type Registered = Option<(OwnedUniqueName, String)>;

struct Watcher {
    registered: watch::Sender<Registered>,
    /// Whether a panel shows what is registered.
    host: Arc<AtomicBool>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    /// A service name or, as here, an object path of the sender.
    fn register_status_notifier_item(&self, service: &str, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().expect("a bus names senders").to_owned();
        self.registered
            .send_replace(Some((sender.into(), service.to_owned())));
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        let items = self.registered.borrow();
        let name = |(sender, path): &(OwnedUniqueName, String)| format!("{sender}{path}");
        items.iter().map(name).collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        self.host.load(Ordering::SeqCst)
    }

    #[zbus(signal)]
    async fn status_notifier_host_registered(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn status_notifier_host_unregistered(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A panel with a tray.
#[must_use]
pub(crate) struct Panel {
    bus: Connection,
    registered: watch::Receiver<Registered>,
    host: Arc<AtomicBool>,
    ink: &'static str,
}

impl Panel {
    pub(crate) async fn start(desktop: &Desktop) -> Self {
        let (sender, registered) = watch::channel(None);
        let host = Arc::new(AtomicBool::new(true));
        let watcher = Watcher {
            registered: sender,
            host: Arc::clone(&host),
        };
        let bus = connection::Builder::address(desktop.bus.address.as_str())
            .unwrap()
            .serve_at("/StatusNotifierWatcher", watcher)
            .unwrap()
            .build()
            .await
            .unwrap();
        desktop::take(&bus, "org.kde.StatusNotifierWatcher").await;
        let ink = match desktop.look() {
            Look::Light => "dark",
            Look::Dark => "light",
        };
        Self {
            bus,
            registered,
            host,
            ink,
        }
    }

    /// The panel goes or comes, and the watcher stays: as with Plasma.
    pub(crate) async fn has_host(&self, there: bool) {
        self.host.store(there, Ordering::SeqCst);
        let server = self.bus.object_server();
        let watcher = server.interface::<_, Watcher>("/StatusNotifierWatcher");
        let watcher = watcher.await.unwrap();
        let emitter = watcher.signal_emitter();
        if there {
            Watcher::status_notifier_host_registered(emitter).await
        } else {
            Watcher::status_notifier_host_unregistered(emitter).await
        }
        .unwrap();
    }

    /// The icon that registered, once one did.
    pub(crate) async fn icon(&mut self) -> Icon {
        let wait = self.registered.wait_for(Option::is_some);
        let registered = tokio::time::timeout(SOON, wait).await;
        let (sender, path) = registered
            .expect("an icon registers in time")
            .expect("the watcher lives")
            .clone()
            .expect("an icon registered");
        let item = Proxy::new(
            &self.bus,
            sender.clone(),
            path,
            "org.kde.StatusNotifierItem",
        )
        .await
        .unwrap();
        let menu_path: OwnedObjectPath = item.get_property("Menu").await.unwrap();
        let menu = Proxy::new(&self.bus, sender, menu_path, "com.canonical.dbusmenu")
            .await
            .unwrap();
        Icon {
            bus: self.bus.clone(),
            item,
            menu,
            ink: self.ink,
        }
    }

    /// Leaves the bus, as a panel that crashes does.
    pub(crate) async fn stop(self) {
        self.bus.close().await.unwrap();
    }
}

/// An icon in the tray, with its menu.
pub(crate) struct Icon {
    bus: Connection,
    item: Proxy<'static>,
    menu: Proxy<'static>,
    ink: &'static str,
}

struct Entry {
    id: i32,
    label: String,
    line: String,
}

impl Icon {
    /// Waits until the whole menu reads so. A line is `  > command`, `  - disabled command`,
    /// `[x] toggle` or `---`; facts are disabled commands. How much the notes take up, which
    /// follows each of them, is `…`.
    #[track_caller]
    pub(crate) fn shows(&self, wanted: &str) -> impl Future<Output = ()> {
        let wanted = wanted.trim_matches('\n').to_owned();
        let caller = std::panic::Location::caller();
        async move {
            let end = Instant::now() + SOON;
            loop {
                let shown = self.text().await;
                if shown == wanted {
                    return;
                }
                assert!(
                    Instant::now() < end,
                    "at {caller} the menu is\n{shown}\nand not\n{wanted}"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    pub(crate) async fn text(&self) -> String {
        let entries = self.entries().await;
        let lines = entries.into_iter().map(|entry| {
            if entry.label.ends_with(STORAGE) {
                format!("  - …{STORAGE}")
            } else {
                entry.line
            }
        });
        lines.collect::<Vec<String>>().join("\n")
    }

    /// Waits until an entry has this label.
    pub(crate) async fn says(&self, label: &str) {
        let there = async || self.entries().await.iter().any(|it| it.label == label);
        testkit::wait_until(SOON, there).await;
    }

    /// Clicks the entry with this label once it is there; one below others as `Folders / Sync now`.
    pub(crate) async fn click(&self, label: &str) {
        let id = self.number(label).await;
        self.click_number(id).await;
    }

    /// Clicks an entry that ends the app, which may be gone before it answers.
    pub(crate) async fn quit(&self, label: &str) {
        let body = (
            self.number(label).await,
            "clicked",
            Value::from(0_i32),
            0_u32,
        );
        self.menu.call_noreply("Event", &body).await.unwrap();
    }

    /// The number under which the menu knows this entry, once it has it: the window may have been
    /// faster.
    pub(crate) async fn number(&self, label: &str) -> i32 {
        let end = Instant::now() + SOON;
        loop {
            let entries = self.entries().await;
            if let Some(entry) = entries.iter().find(|entry| entry.label == label) {
                return entry.id;
            }
            let lines: Vec<&str> = entries.iter().map(|entry| &*entry.line).collect();
            assert!(
                Instant::now() < end,
                "no `{label}` in\n{}",
                lines.join("\n")
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Clicks what had this number in any menu so far.
    pub(crate) async fn click_number(&self, id: i32) {
        let body = (id, "clicked", Value::from(0_i32), 0_u32);
        self.menu.call::<_, _, ()>("Event", &body).await.unwrap();
    }

    /// Tells that the menu is about to be drawn, as panels do when it is opened.
    pub(crate) async fn open(&self) {
        let changed = self.menu.call::<_, _, bool>("AboutToShow", &(0_i32,));
        changed.await.unwrap();
    }

    /// Numbers that the menu does not know, of those that are about to be shown.
    pub(crate) async fn strangers(&self, ids: &[i32]) -> Vec<i32> {
        let told = self.menu.call("AboutToShowGroup", &(ids,)).await;
        let (_changed, strangers): (Vec<i32>, Vec<i32>) = told.unwrap();
        strangers
    }

    /// What a left click on the icon does.
    pub(crate) async fn activate(&self) {
        let body = (0_i32, 0_i32);
        self.item.call::<_, _, ()>("Activate", &body).await.unwrap();
    }

    /// Waits until the icon is the picture of this name, in the ink that shows on the panel.
    pub(crate) async fn looks(&self, name: &str) {
        let file = format!("icons/tray/{}/{name}@2x.png", self.ink);
        let wanted = picture(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let end = Instant::now() + SOON;
        loop {
            let shown: OwnedValue = self.property("IconPixmap").await;
            let shown = Vec::<Pixmap>::try_from(shown).unwrap();
            if shown.iter().any(|(_, _, pixels)| *pixels == wanted) {
                return;
            }
            assert!(Instant::now() < end, "this is not the icon for {name}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// How urgent the icon is to the panel.
    pub(crate) async fn urgency(&self) -> String {
        self.property("Status").await
    }

    async fn property<T>(&self, name: &str) -> T
    where
        T: TryFrom<OwnedValue>,
        T::Error: std::fmt::Debug,
    {
        let properties = Proxy::new(
            &self.bus,
            self.item.destination().to_owned(),
            self.item.path().to_owned(),
            "org.freedesktop.DBus.Properties",
        )
        .await
        .unwrap();
        let body = ("org.kde.StatusNotifierItem", name);
        let value: OwnedValue = properties.call("Get", &body).await.unwrap();
        T::try_from(value).unwrap()
    }

    async fn entries(&self) -> Vec<Entry> {
        let body = (0_i32, -1_i32, Vec::<&str>::new());
        let (_revision, root): (u32, (i32, Layout, Vec<OwnedValue>)) =
            self.menu.call("GetLayout", &body).await.unwrap();
        let (_, _, children) = root;
        let each = children.into_iter().flat_map(|node| entry(node, ""));
        each.collect()
    }
}

/// Width, height, and pixels of four bytes: alpha first.
type Pixmap = (i32, i32, Vec<u8>);

type Layout = std::collections::HashMap<String, OwnedValue>;

/// The entry, then what is below it, a step further to the right.
fn entry(node: OwnedValue, above: &str) -> Vec<Entry> {
    let node = Structure::try_from(node).unwrap();
    let [id, properties, children] = node.fields() else {
        panic!("an entry has an id, properties and children");
    };
    let properties = Dict::try_from(properties.clone()).unwrap();
    let text = |name: &str| properties.get::<_, String>(&name).unwrap();
    let label = text("label").unwrap_or_default();
    let label = label
        .replace("__", "\0")
        .replace('_', "")
        .replace('\0', "_");
    let enabled = properties.get::<_, bool>(&"enabled").unwrap();
    let on = properties.get::<_, i32>(&"toggle-state").unwrap() == Some(1);
    let line = match (text("type").as_deref(), text("toggle-type").as_deref()) {
        (Some("separator"), _) => "---".to_owned(),
        (_, Some("radio")) => format!("({}) {label}", if on { 'o' } else { ' ' }),
        (_, Some(_)) => format!("[{}] {label}", if on { 'x' } else { ' ' }),
        (_, None) if enabled == Some(false) => format!("  - {label}"),
        (_, None) => format!("  > {label}"),
    };
    let indent = if above.is_empty() { "" } else { "    " };
    let mut all = vec![Entry {
        id: i32::try_from(id).unwrap(),
        line: format!("{indent}{line}"),
        label: format!("{above}{label}"),
    }];
    let below = Array::try_from(children.clone()).unwrap();
    let above = format!("{label} / ");
    for child in below.iter() {
        let Value::Value(child) = child else {
            panic!("what is below an entry are entries");
        };
        all.extend(entry(child.try_to_owned().unwrap(), &above));
    }
    all
}

/// The picture's pixels as they go over the bus.
fn picture(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok()?;
    let image = tauri::image::Image::from_bytes(&bytes).ok()?;
    let mut pixels = image.rgba().to_vec();
    for pixel in pixels.chunks_exact_mut(4) {
        pixel.rotate_right(1);
    }
    Some(pixels)
}
