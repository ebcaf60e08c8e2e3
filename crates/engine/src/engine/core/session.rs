//! Signing in and out, and what the account has.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::SubscriptionOut;

use super::leaving::withdraw;
use super::{Answer, Core, Input};
use crate::account::{Account, AuthError, SignIn, SignInError, SignInEvent, SignedIn};
use crate::clock::unix_ms;
use crate::view::{AccountView, SubscriptionView};
use crate::{Refusal, Reply, SignInKeep, api};

/// How soon the server is asked again about a period that is over here and not there.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_secs(30);

impl Core {
    /// What can be no server's address is refused before anything changes.
    pub(super) fn sign_in(
        &mut self,
        server_url: &str,
        open_browser: bool,
        keep: SignInKeep,
    ) -> Result<Reply, Refusal> {
        api::server_url(server_url).map_err(|error| refusal(&error.into()).field("serverUrl"))?;
        if let Some(before) = self.signing_in.take() {
            before.cancel();
        }
        let cancel = CancellationToken::new();
        self.signing_in = Some(cancel.clone());
        self.model.account = AccountView::SigningIn {
            server_url: server_url.to_owned(),
        };
        let sign_in = SignIn {
            places: self.config.places.clone(),
            clock: self.config.clock.clone(),
            secrets: self.secrets.clone(),
            proxy: self.proxy.clone(),
            keep,
            at_work: self.model.settings.accounts(),
        };
        let (events, mut told) = mpsc::channel(8);
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                if open_browser
                    && let SignInEvent::Code {
                        url, url_complete, ..
                    } = &event
                {
                    open_link(url_complete.as_deref().unwrap_or(url));
                }
                if inputs.send(Input::SignIn(event)).await.is_err() {
                    return;
                }
            }
        });
        let inputs = self.inputs.clone();
        let server = server_url.to_owned();
        tokio::spawn(async move {
            let result = sign_in.run(&server, &events, &cancel).await;
            drop(events);
            if inputs
                .send(Input::SignInEnded(Box::new(result)))
                .await
                .is_err()
            {
                tracing::debug!("the engine stopped during a sign-in");
            }
        });
        Ok(Reply::Done)
    }

    pub(super) fn show_sign_in(&mut self, event: SignInEvent) {
        match event {
            SignInEvent::Asking { server_url } => {
                self.model.account = AccountView::SigningIn { server_url };
            }
            SignInEvent::Code {
                user_code,
                url,
                url_complete,
                expires_at,
            } => {
                let server_url = match &self.model.account {
                    AccountView::SigningIn { server_url }
                    | AccountView::AwaitingBrowser { server_url, .. } => server_url.clone(),
                    AccountView::SignedOut { .. } | AccountView::SignedIn { .. } => return,
                };
                self.model.account = AccountView::AwaitingBrowser {
                    server_url,
                    user_code,
                    verification_url: url,
                    verification_url_complete: url_complete,
                    expires_at_ms: unix_ms(expires_at),
                };
            }
            SignInEvent::Approved { .. } => {}
        }
    }

    pub(super) async fn end_sign_in(&mut self, result: Result<SignedIn, SignInError>) {
        match result {
            // It was canceled in the moment of its end.
            Ok(SignedIn { account, .. })
                if self.signing_in.is_none() && account.kept() == SignInKeep::WithSetUp =>
            {
                withdraw(account);
                self.show_account_before(None);
            }
            Ok(signed_in) => {
                self.signing_in = None;
                self.model.account = signed_in_view(&signed_in.account);
                self.model.subscription = Some(subscription_view(&signed_in.subscription));
                let account = signed_in.account.on_device(&self.host);
                if !self.is_signed_in_as(account.key())
                    && let Some(running) = &self.running
                {
                    running.cancel();
                }
                self.replace_account(account);
                self.link = None;
                self.load_pairs().await;
                self.watch_files();
                self.follow_changes();
                self.pass_within(std::time::Duration::ZERO);
            }
            Err(error) => {
                let newer_attempt = self
                    .signing_in
                    .as_ref()
                    .is_some_and(|cancel| !cancel.is_cancelled());
                if matches!(error, SignInError::Canceled) && newer_attempt {
                    return;
                }
                self.signing_in = None;
                self.show_account_before(sign_in_reason(&error));
            }
        }
    }

    /// The account that was there before a sign-in is still there.
    fn show_account_before(&mut self, reason: Option<String>) {
        self.model.account = match &self.account {
            Some(account) => signed_in_view(account),
            None => AccountView::SignedOut { reason },
        };
    }

    /// Shows what has become of the account that is signed in.
    pub(super) fn show_account(&mut self) {
        if let (Some(account), AccountView::SignedIn { .. }) = (&self.account, &self.model.account)
        {
            self.model.account = signed_in_view(account);
        }
    }

    pub(super) fn sign_out(&mut self, answer: Answer) {
        if let Some(signing_in) = self.signing_in.take() {
            signing_in.cancel();
        }
        self.queue.clear();
        if let Some(running) = &self.running {
            running.cancel();
        }
        let Some(account) = self.account.clone() else {
            self.model.account = AccountView::SignedOut { reason: None };
            return self.reply(answer, Ok(Reply::Done));
        };
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let of = Some(account.key().to_owned());
            let result = account.sign_out().await;
            let input = Input::SignedOut(of, result, answer);
            if inputs.send(input).await.is_err() {
                tracing::debug!("the engine stopped during a sign-out");
            }
        });
    }

    /// Whether the account of this key is the one that is signed in.
    pub(in crate::engine) fn is_signed_in_as(&self, account: &str) -> bool {
        self.account.as_ref().is_some_and(|it| it.key() == account)
    }

    /// Another account than `of` may have signed in while the server was told; it stays.
    pub(super) async fn finish_sign_out(
        &mut self,
        of: Option<String>,
        result: Result<(), AuthError>,
        answer: Answer,
    ) {
        if let Err(error) = result {
            return self.reply(answer, Err(refusal(&error)));
        }
        if self.account.is_some() && self.account.as_ref().map(Account::key) != of.as_deref() {
            return self.reply(answer, Ok(Reply::Done));
        }
        let account = self.account.take();
        if account.is_some_and(|account| account.kept() == SignInKeep::WithSetUp) {
            self.secrets.forget_choice();
        }
        self.link = None;
        self.model.account = AccountView::SignedOut { reason: None };
        self.model.subscription = None;
        self.load_pairs().await;
        self.follow_changes();
        self.reply(answer, Ok(Reply::Done));
    }

    /// Asks the server what the account has, and whether it lets it in.
    pub(in crate::engine) fn ask_subscription(&mut self, answer: Option<Answer>) {
        let Some(account) = self.account.clone() else {
            if let Some(answer) = answer {
                let refusal = Refusal::new("signed_out", "Nobody is signed in");
                self.reply(answer, Err(refusal.hint("Sign in.")));
            }
            return;
        };
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let of = account.key().to_owned();
            let result = async {
                account.check_cloud().await?;
                account.subscription().await
            }
            .await;
            if inputs
                .send(Input::Subscription(of, Box::new(result), answer))
                .await
                .is_err()
            {
                tracing::debug!("the engine stopped during a question");
            }
        });
    }

    /// What was asked for an account that is signed out by now changes nothing.
    pub(super) async fn take_subscription(
        &mut self,
        of: &str,
        result: Result<SubscriptionOut, AuthError>,
        answer: Option<Answer>,
    ) {
        let is_ours = self.is_signed_in_as(of);
        let result = match result {
            Ok(subscription) => {
                if is_ours {
                    self.take_standing(&subscription);
                }
                Ok(Reply::Done)
            }
            Err(error) => {
                if is_ours {
                    self.take_auth_error(&error).await;
                }
                Err(refusal(&error))
            }
        };
        if let Some(answer) = answer {
            self.reply(answer, result);
        }
    }

    /// A period that is over may have been renewed: only the server knows.
    pub(super) fn look_at_the_period(&mut self) {
        let now_ms = self.config.clock.now_ms();
        let over = self.model.subscription.as_ref().is_some_and(|standing| {
            standing.current && standing.period_end_ms.is_some_and(|end| end < now_ms)
        });
        let recently = self
            .asked_at
            .is_some_and(|asked| asked.elapsed() < ASK_AGAIN);
        if over && !recently {
            self.asked_at = Some(tokio::time::Instant::now());
            self.ask_subscription(None);
        }
    }

    /// Takes in what the server says of the account.
    pub(in crate::engine) fn take_standing(&mut self, subscription: &SubscriptionOut) {
        let before = self
            .model
            .subscription
            .replace(subscription_view(subscription));
        let was_current = before.map(|before| before.current);
        if !subscription.current && was_current != Some(false) {
            // A stream from before does not tell of the renewal; a new one waits for it.
            self.follow_changes();
        }
        if subscription.current && was_current == Some(false) {
            tracing::info!("the subscription is current again; what waits goes up");
            self.pass_within(std::time::Duration::ZERO);
        }
        if let Some(account) = &self.account {
            self.model.account = signed_in_view(account);
        }
    }

    /// A session that ended shows as signed out; folders and waiting changes stay.
    pub(in crate::engine) async fn take_auth_error(&mut self, error: &AuthError) {
        if matches!(error, AuthError::SignedOut { .. }) {
            self.account = None;
            self.link = None;
            self.model.account = AccountView::SignedOut {
                reason: Some(error.to_string()),
            };
            self.model.subscription = None;
            self.load_pairs().await;
            self.follow_changes();
        }
    }
}

pub(super) fn signed_in_view(account: &Account) -> AccountView {
    let (record, keep) = (account.record(), account.kept());
    AccountView::SignedIn {
        server_url: record.server_url,
        user_id: record.user_id,
        email: record.email,
        cloud_mode: record.cloud_mode,
        keep,
    }
}

pub(super) fn refusal(error: &AuthError) -> Refusal {
    let refusal = Refusal::new(error.code(), error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

fn sign_in_reason(error: &SignInError) -> Option<String> {
    match error {
        SignInError::Canceled => None,
        SignInError::Denied | SignInError::Expired | SignInError::Auth(_) => {
            Some(match error.hint() {
                Some(hint) => format!("{error}. {hint}"),
                None => error.to_string(),
            })
        }
    }
}

fn subscription_view(subscription: &SubscriptionOut) -> SubscriptionView {
    let period_end_ms = subscription
        .current_period_end
        .as_deref()
        .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
        .map(|end| unix_ms(end.into()));
    SubscriptionView {
        current: subscription.current,
        status: subscription.status.clone(),
        plan: subscription.plan.clone(),
        period_end_ms,
        subscribe_url: subscription.subscribe_url.clone(),
        manage_url: subscription.manage_url.clone(),
    }
}

fn open_link(url: &str) {
    if let Err(error) = open::that_detached(url) {
        tracing::info!(%error, "the browser did not open, the link is shown instead");
    }
}
