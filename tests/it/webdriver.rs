//! A window of the app, driven by `WebKitWebDriver` (the W3C protocol, over HTTP).

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Child, free_port};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::desktop::{Desktop, SOON, app_binary};

const PAUSE: Duration = Duration::from_millis(25);
/// The key under which `WebDriver` names elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Keys, as `WebDriver` writes them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const CONTROL: &str = "\u{e009}";

/// The app with its window open.
#[must_use]
pub(crate) struct Window {
    port: u16,
    session: String,
    _driver: Child,
}

impl Window {
    pub(crate) async fn open(desktop: &Desktop) -> Self {
        let port = free_port();
        let driver = desktop
            .program("WebKitWebDriver")
            .arg(format!("--port={port}"))
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .spawn();
        testkit::wait_until(SOON, async || {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "webkitgtk:browserOptions": { "binary": app_binary(), "args": [] }
        } } });
        let answer = ask(port, Method::POST, "/session", &wanted).await.unwrap();
        let session = answer["sessionId"].as_str().unwrap().to_owned();
        let window = Self {
            port,
            session,
            _driver: driver,
        };
        let timeouts = json!({ "script": 20_000, "implicit": 0 });
        window.post("/timeouts", &timeouts).await.unwrap();
        window
    }

    /// Ends the app.
    pub(crate) async fn close(self) {
        self.call(Method::DELETE, "", &Value::Null).await.unwrap();
    }

    /// Waits for an element.
    pub(crate) async fn find(&self, selector: &str) -> Element<'_> {
        self.locate("css selector", selector).await
    }

    /// Waits for a button with these words.
    pub(crate) async fn button(&self, words: &str) -> Element<'_> {
        let path = format!("//button[normalize-space()='{words}']");
        self.locate("xpath", &path).await
    }

    /// Waits for the screen of this name.
    pub(crate) async fn screen(&self, name: &str) {
        self.find(&format!("main[data-screen={name}]")).await;
    }

    /// Waits until the headline says this and nothing else.
    pub(crate) async fn headline(&self, words: &str) {
        let script =
            "return document.querySelector('h1 [data-status]')?.lastChild.textContent.trim()";
        let end = Instant::now() + SOON;
        loop {
            let shown = self.run(script, json!([])).await;
            if shown == json!(words) {
                return;
            }
            assert!(Instant::now() < end, "the headline is {shown}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Presses keys together, wherever the focus is, and lets go of them.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let change =
            |change: &'static str| move |key: &&str| json!({ "type": change, "value": key });
        let down = keys.iter().map(change("keyDown"));
        let press: Vec<Value> = down.chain(keys.iter().rev().map(change("keyUp"))).collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keys", "actions": press }] });
        self.post("/actions", &body).await.unwrap();
    }

    /// Runs a script in the page.
    pub(crate) async fn run(&self, script: &str, arguments: Value) -> Value {
        let body = json!({ "script": script, "args": arguments });
        self.post("/execute/sync", &body).await.unwrap()
    }

    /// Calls one of the app's commands from the page: what it answers, or how it refuses.
    pub(crate) async fn invoke(&self, command: &str, arguments: Value) -> Result<Value, String> {
        let script = "const done = arguments[arguments.length - 1];
            window.__TAURI_INTERNALS__.invoke(arguments[0], arguments[1])
                .then(value => done({ value: value ?? null }), error => done({ refused: String(error) }));";
        let body = json!({ "script": script, "args": [command, arguments] });
        let answer = self.post("/execute/async", &body).await.unwrap();
        match answer["refused"].as_str() {
            Some(refused) => Err(refused.to_owned()),
            None => Ok(answer["value"].clone()),
        }
    }

    /// Saves a picture of the page as `target/screens/<name>.png`.
    pub(crate) async fn photograph(&self, name: &str) {
        // The picture may be one frame behind the page, and a new page shows its scroll bar a while.
        let script = "const done = arguments[0];
            document.documentElement.style.overflow = 'hidden';
            requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 150)));";
        let body = json!({ "script": script, "args": [] });
        self.post("/execute/async", &body).await.unwrap();
        let picture = self
            .call(Method::GET, "/screenshot", &Value::Null)
            .await
            .unwrap();
        let script = "document.documentElement.style.overflow = ''";
        self.run(script, json!([])).await;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screens");
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = BASE64.decode(picture.as_str().unwrap()).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{name} is a picture");
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    async fn locate(&self, using: &str, value: &str) -> Element<'_> {
        let body = json!({ "using": using, "value": value });
        let end = Instant::now() + SOON;
        loop {
            match self.post("/element", &body).await {
                Ok(found) => {
                    return Element {
                        window: self,
                        id: found[ELEMENT].as_str().unwrap().to_owned(),
                    };
                }
                Err(error) if Instant::now() > end => {
                    let page = self.run("return document.body.innerText", json!([])).await;
                    panic!("no {value} ({error}) in a page that says {page:#}")
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.call(Method::POST, path, body).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("/session/{}{path}", self.session);
        ask(self.port, method, &path, body).await
    }
}

pub(crate) struct Element<'a> {
    window: &'a Window,
    id: String,
}

impl Element<'_> {
    pub(crate) async fn click(&self) {
        self.post("/click", &json!({})).await;
    }

    /// Types this in place of what is there.
    pub(crate) async fn fill(&self, text: &str) {
        self.post("/clear", &json!({})).await;
        self.post("/value", &json!({ "text": text })).await;
    }

    pub(crate) async fn text(&self) -> String {
        let path = format!("/element/{}/text", self.id);
        let text = self
            .window
            .call(Method::GET, &path, &Value::Null)
            .await
            .unwrap();
        text.as_str().unwrap().to_owned()
    }

    async fn post(&self, action: &str, body: &Value) {
        let path = format!("/element/{}{action}", self.id);
        self.window.post(&path, body).await.unwrap();
    }
}

/// One exchange on a connection of its own: the driver does not keep connections well.
async fn ask(port: u16, method: Method, path: &str, body: &Value) -> Result<Value, String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(SOON)
        .build()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}{path}");
    let request = client.request(method, url).json(body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let value = answer["value"].clone();
    match value["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", value["message"])),
        None => Ok(value),
    }
}
