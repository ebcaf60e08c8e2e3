mod bucket;
mod failures;
mod judged;
mod leaks;
mod provisional;
mod refreshes;
mod sign_ins;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::ExposeSecret as _;
use testkit::Server;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::SignInKeep;
use crate::secrets::SecretChoice;

const ANA: &str = "ana@example.org";
const BEN: &str = "ben@example.org";
const SOON: Duration = Duration::from_secs(60);

/// One device: its folders, its secrets in a file, its clock, which a test can turn forward.
struct Device {
    root: tempfile::TempDir,
    sign_in: SignIn,
    ahead: Arc<AtomicU64>,
}

impl Device {
    fn new() -> Self {
        let root = testkit::scratch();
        let ahead = Arc::new(AtomicU64::new(0));
        let sign_in = surroundings(root.path(), &ahead);
        Self {
            root,
            sign_in,
            ahead,
        }
    }

    /// The account as another process of this device finds it.
    fn account(&self) -> Account {
        let SignIn {
            places,
            clock,
            secrets,
            ..
        } = surroundings(self.root.path(), &self.ahead);
        Account::load(&places, &clock, &secrets)
            .unwrap()
            .expect("somebody is signed in")
    }

    fn nobody(&self) -> bool {
        let SignIn {
            places,
            clock,
            secrets,
            ..
        } = &self.sign_in;
        Account::load(places, clock, secrets).unwrap().is_none()
    }

    fn pass(&self, time: Duration) {
        self.ahead.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    async fn sign_in(&self, server: &Server, email: &str) -> SignedIn {
        let (events, mut seen) = mpsc::channel(8);
        let sign_in = self.sign_in.clone();
        let url = server.url.clone();
        // As a task of its own, like the engine's: the future must be able to move.
        let run =
            tokio::spawn(
                async move { sign_in.run(&url, &events, &CancellationToken::new()).await },
            );
        let code = user_code(&mut seen).await;
        server.approve(&code, email).await;
        tokio::time::timeout(SOON, run)
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }

    async fn stored(&self, account: &Account, name: &str) -> Option<SecretString> {
        self.sign_in.secrets.get(account.key(), name).await.unwrap()
    }
}

fn surroundings(root: &Path, ahead: &Arc<AtomicU64>) -> SignIn {
    let places = Places {
        config: root.join("config"),
        state: root.join("state"),
        data: root.join("data"),
        cache: root.join("cache"),
        runtime: root.join("run"),
    };
    let ahead = ahead.clone();
    let machine = Clock::system();
    let clock =
        Clock::new(move || machine.now() + Duration::from_secs(ahead.load(Ordering::Relaxed)));
    let secrets = SecretStore::new(&places, SecretChoice::File, None);
    SignIn {
        places,
        clock,
        secrets,
        proxy: ChosenProxy::default(),
        keep: SignInKeep::Now,
        at_work: Vec::new(),
    }
}

async fn user_code(events: &mut mpsc::Receiver<SignInEvent>) -> String {
    loop {
        match tokio::time::timeout(SOON, events.recv()).await.unwrap() {
            Some(SignInEvent::Code { user_code, .. }) => return user_code,
            Some(SignInEvent::Asking { .. } | SignInEvent::Approved { .. }) => {}
            None => panic!("the sign-in ended without a code"),
        }
    }
}

async fn server(state: &Path) -> Server {
    Server::start(&state.join("server")).await
}
