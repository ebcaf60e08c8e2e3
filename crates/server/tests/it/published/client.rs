//! One computer with one published Basic Memory on it, and nothing else.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use testkit::{BasicMemory, Child, Program, basic_memory, program, python, scratch};

use crate::deployment::Said;
use crate::support::CLIENT;

/// Python takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Client {
    pub(crate) home: TempDir,
    which: BasicMemory,
    url: String,
    s3_endpoint: String,
    key: RefCell<Option<String>>,
}

impl Client {
    pub(crate) fn new(which: BasicMemory, server: &testkit::Server) -> Self {
        Self {
            home: scratch(),
            which,
            // As people write it; it makes the command line ask for `//proxy/…`.
            url: format!("{}/", server.url),
            s3_endpoint: server.s3_endpoint.clone(),
            key: RefCell::new(None),
        }
    }

    /// Lets it act by a program's key instead of a sign-in, from now on.
    pub(crate) fn use_key(&self, key: &str) {
        *self.key.borrow_mut() = Some(key.to_owned());
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, below: &str) -> String {
        std::fs::read_to_string(self.path(below)).unwrap()
    }

    fn bm(&self) -> PathBuf {
        basic_memory(self.which).join("bin/bm")
    }

    fn at_home(&self, program: Program) -> Program {
        let rclone = testkit::rclone();
        let tools = rclone.parent().unwrap_or(Path::new("/")).display();
        let program = match self.key.borrow().as_deref() {
            Some(key) => program.env_clear().env("BASIC_MEMORY_CLOUD_API_KEY", key),
            None => program.env_clear(),
        };
        program
            .dir(self.home.path())
            .env("HOME", self.home.path())
            .env("PATH", format!("{tools}:/usr/bin:/bin"))
            .env("BROWSER", "/bin/true")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "200")
            .env("PYTHONUNBUFFERED", "1")
            .env("BASIC_MEMORY_CLOUD_HOST", &self.url)
            .env("BASIC_MEMORY_CLOUD_DOMAIN", format!("{}idp", self.url))
            .env("BASIC_MEMORY_CLOUD_CLIENT_ID", CLIENT)
            .env("BASIC_MEMORY_NO_PROMOS", "1")
            .env("BASIC_MEMORY_AUTO_UPDATE", "false")
            .env("BASIC_MEMORY_DEFAULT_SEARCH_TYPE", "text")
            .env("RCLONE_S3_ENDPOINT", &self.s3_endpoint)
    }

    fn start(&self, words: &[&str]) -> Child {
        self.at_home(program(self.bm())).args(words).spawn()
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Said {
        Said::within(&mut self.start(words), PATIENCE).await
    }

    /// Runs a command that has to succeed; all it said.
    pub(crate) async fn done(&self, words: &[&str]) -> String {
        let said = self.run(words).await;
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        format!("{}{}", said.out, said.err)
    }

    /// Signs in, with the person's consent in the browser.
    pub(crate) async fn login(&self, server: &testkit::Server, email: &str) -> Said {
        let mut login = self.start(&["cloud", "login"]);
        let line = login.line(PATIENCE, |line| user_code(line).is_some()).await;
        server.approve(&user_code(&line).unwrap(), email).await;
        Said::within(&mut login, PATIENCE).await
    }

    /// Calls tools of its MCP server; what each of them answered.
    pub(crate) async fn mcp(
        &self,
        calls: &serde_json::Value,
        more: &[(&str, &str)],
    ) -> Vec<String> {
        let bm = self.bm();
        let arguments = [bm.display().to_string(), calls.to_string()];
        let mut script = self.at_home(python("mcp.py", arguments));
        for (name, value) in more {
            script = script.env(name, value);
        }
        let mut child = script.spawn();
        let said = Said::within(&mut child, PATIENCE).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.lines().map(str::to_owned).collect()
    }
}

/// The code that the person is shown, such as `BCDF-GHJK`.
fn user_code(line: &str) -> Option<String> {
    line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .find(|word| {
            word.len() == 9
                && word.bytes().enumerate().all(|(at, byte)| match at {
                    4 => byte == b'-',
                    _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
                })
        })
        .map(str::to_owned)
}
