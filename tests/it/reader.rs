//! What a screen reader on Linux is told: the tree of AT-SPI that the web view puts on its bus.
//!
//! `org.a11y.Bus` and `org.a11y.atspi.Accessible`, as Orca speaks them.

use std::time::Duration;

use testkit::{Child, wait_for};
use tokio::time::Instant;
use zbus::Connection;
use zbus::connection::Builder;
use zbus::zvariant::{DynamicDeserialize, OwnedObjectPath, OwnedValue};

use crate::desktop::{Desktop, SOON};
use crate::webdriver::{TAB, Window};

/// Where Debian and Fedora put it; desktops start it with the session.
const LAUNCHER: &str = "/usr/libexec/at-spi-bus-launcher";
const PAUSE: Duration = Duration::from_millis(50);
const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";

/// States that are said, by their place in `AtspiStateType`.
const SAID: [(u8, &str); 9] = [
    (1, "current"),
    (3, "busy"),
    (4, "checked"),
    (10, "expanded"),
    (16, "modal"),
    (20, "pressed"),
    (23, "selected"),
    (33, "required"),
    (36, "invalid"),
];
const ENABLED: u8 = 8;
const FOCUSABLE: u8 = 11;
const FOCUSED: u8 = 12;

/// The page, by its place in `AtspiRole`, as the roles below.
const DOCUMENT: u32 = 95;
const ROLES: [(u32, &str); 29] = [
    (7, "check box"),
    (11, "combo box"),
    (16, "dialog"),
    (27, "image"),
    (29, "label"),
    (31, "list"),
    (32, "list item"),
    (35, "menu item"),
    (39, "panel"),
    (42, "progress bar"),
    (43, "button"),
    (44, "radio button"),
    (50, "separator"),
    (54, "status"),
    (55, "table"),
    (56, "cell"),
    (61, "text"),
    (62, "switch"),
    (67, "unknown"),
    (73, "paragraph"),
    (79, "edit"),
    (83, "heading"),
    (85, "section"),
    (87, "form"),
    (88, "link"),
    (99, "group"),
    (101, "alert"),
    (110, "region"),
    (116, "words"),
];

/// A reader on a desktop, without its voice.
#[must_use]
pub(crate) struct Reader {
    bus: Connection,
    _launcher: Child,
}

/// Who answers for a node, and under which name.
type Node = (String, OwnedObjectPath);

struct Told {
    line: String,
    focused: bool,
}

impl Reader {
    /// Before the app starts there: what is running already does not look for a reader again.
    pub(crate) async fn start(desktop: &mut Desktop) -> Self {
        desktop.set("NO_AT_BRIDGE", "0");
        let launcher = desktop
            .program(LAUNCHER)
            .arg("--launch-immediately")
            .spawn();
        let session = connect(&desktop.bus.address).await;
        let address: String = wait_for(SOON, async || {
            let name = Some("org.a11y.Bus");
            let answer = session.call_method(name, "/org/a11y/bus", name, "GetAddress", &());
            answer.await.ok()?.body().deserialize().ok()
        })
        .await;
        desktop.set("AT_SPI_BUS_ADDRESS", &address);
        Self {
            bus: connect(&address).await,
            _launcher: launcher,
        }
    }

    /// Waits until all that has a name or takes the focus is this, in order: a line is the role,
    /// the name and the states that are said. A page comes in parts, and its folder may be looked
    /// at just now. Lines that vary are left out; there are at least so many of them.
    pub(crate) async fn tells(
        &self,
        wanted: &str,
        (least, varies): (usize, fn(&str) -> bool),
    ) -> Vec<String> {
        let wanted: Vec<&str> = wanted.lines().map(str::trim).collect();
        let wanted: Vec<&str> = wanted.into_iter().filter(|line| !line.is_empty()).collect();
        let end = Instant::now() + SOON;
        loop {
            match self.read().await {
                Ok(told) => {
                    let lines = told.into_iter().map(|it| it.line);
                    let (vary, lines): (Vec<String>, Vec<String>) =
                        lines.partition(|line| varies(line));
                    if lines == wanted && vary.len() >= least {
                        return vary;
                    }
                    let lines = lines.join("\n");
                    assert!(Instant::now() < end, "what is told is\n{lines}\n{vary:#?}");
                }
                Err(error) => assert!(Instant::now() < end, "nothing is told: {error}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Presses Tab for each of these, and waits until it is what has the focus.
    pub(crate) async fn walks(&self, window: &Window, stops: &[&str]) {
        for (count, stop) in stops.iter().enumerate() {
            window.press(&[TAB]).await;
            let end = Instant::now() + SOON;
            loop {
                let told = self.read().await.unwrap_or_default();
                let at = told.into_iter().find(|it| it.focused).map(|it| it.line);
                if at.as_deref() == Some(stop) {
                    break;
                }
                assert!(
                    Instant::now() < end,
                    "after Tab {} the focus is on {at:?} and not on {stop}",
                    count + 1
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Refused by the bus while the page changes under the reader.
    async fn read(&self) -> zbus::Result<Vec<Told>> {
        let root = OwnedObjectPath::try_from("/org/a11y/atspi/accessible/root").unwrap();
        let mut open = vec![("org.a11y.atspi.Registry".to_owned(), root)];
        let mut told: Option<Vec<Told>> = None;
        while let Some(node) = open.pop() {
            let role: u32 = self.ask(&node, "GetRole").await?;
            if role == DOCUMENT {
                told = Some(Vec::new());
            } else if let Some(told) = &mut told {
                told.extend(self.tell(&node, role).await?);
            }
            open.extend(self.below(&node).await?.into_iter().rev());
        }
        Ok(told.unwrap_or_default())
    }

    async fn below(&self, node: &Node) -> zbus::Result<Vec<Node>> {
        let below: Vec<Node> = self.ask(node, "GetChildren").await?;
        if !below.is_empty() {
            return Ok(below);
        }
        // GTK does not list the page, which is another process's, but counts it.
        if i32::try_from(self.property(node, "ChildCount").await?)? == 0 {
            return Ok(below);
        }
        let (owner, path) = node;
        let (face, first) = (Some(ACCESSIBLE), 0_i32);
        let call =
            self.bus
                .call_method(Some(owner.as_str()), path, face, "GetChildAtIndex", &first);
        Ok(vec![call.await?.body().deserialize()?])
    }

    async fn property(&self, (owner, path): &Node, name: &str) -> zbus::Result<OwnedValue> {
        let (properties, name) = ("org.freedesktop.DBus.Properties", (ACCESSIBLE, name));
        let call = self
            .bus
            .call_method(Some(owner.as_str()), path, Some(properties), "Get", &name);
        call.await?.body().deserialize()
    }

    async fn tell(&self, node: &Node, role: u32) -> zbus::Result<Option<Told>> {
        let name = String::try_from(self.property(node, "Name").await?)?;
        let words: Vec<u32> = self.ask(node, "GetState").await?;
        let is = |state: u8| {
            let word = words.get(usize::from(state / 32));
            word.is_some_and(|word| word >> (state % 32) & 1 == 1)
        };
        if name.is_empty() && !is(FOCUSABLE) {
            return Ok(None);
        }
        let said = SAID.iter().filter(|(state, _)| is(*state));
        let mut line = format!("{} “{name}”", word(role));
        for word in said.map(|(_, word)| *word) {
            line = format!("{line} {word}");
        }
        if is(FOCUSABLE) && !is(ENABLED) {
            line.push_str(" unavailable");
        }
        Ok(Some(Told {
            line,
            focused: is(FOCUSED),
        }))
    }

    async fn ask<T>(&self, (owner, path): &Node, method: &str) -> zbus::Result<T>
    where
        T: for<'d> DynamicDeserialize<'d>,
    {
        let call = self
            .bus
            .call_method(Some(owner.as_str()), path, Some(ACCESSIBLE), method, &());
        call.await?.body().deserialize()
    }
}

fn word(role: u32) -> String {
    let known = ROLES.iter().find(|(number, _)| *number == role);
    known.map_or_else(|| format!("role {role}"), |(_, word)| (*word).to_owned())
}

async fn connect(address: &str) -> Connection {
    let builder = Builder::address(address).unwrap();
    builder.build().await.unwrap()
}
