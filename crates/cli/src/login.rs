//! `bm-cloud login`: the device flow, and whether the account may sync.

use std::time::Duration;

use engine::view::{AccountView, SubscriptionView};
use engine::{Connection, Request, SignInKeep, View};
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout};

use crate::account;
use crate::arguments::Login;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::words;

/// A sign-in that left no trace in the view after this long is over.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CodeOut<'a> {
    user_code: &'a str,
    verification_url: &'a str,
    verification_url_complete: Option<&'a str>,
    expires_at_ms: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedInOut<'a> {
    ok: bool,
    cloud_mode: bool,
    server_url: &'a str,
    user_id: &'a str,
    email: Option<&'a str>,
    subscription: &'a SubscriptionView,
}

pub(crate) async fn run(context: &Context, arguments: &Login) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| sign_in(context, connection, arguments).await)
        .await
}

async fn sign_in(
    context: &Context,
    connection: &Connection,
    arguments: &Login,
) -> Result<Exit, Failure> {
    let before = connection.view();
    let server = server(arguments, context, &before.account)?;
    if !arguments.force && is_signed_in_on(&before.account, &server) {
        match account::check(context, connection).await {
            Ok(view) => {
                // That of a set-up in the window is provisional; what was asked for here lasts.
                context.ask(connection, Request::KeepSignIn).await?;
                let words = format!("Already signed in as {}", account::name(&view.account));
                context.output.good(&words);
                return conclude(context, &view);
            }
            Err(failure) if failure.code == "signed_out" => {
                context
                    .output
                    .say("The session has ended; signing in again.");
            }
            Err(failure) => return Err(failure),
        }
    }
    let request = Request::SignIn {
        server_url: server.clone(),
        open_browser: !arguments.no_browser,
        keep: SignInKeep::Now,
    };
    let before = connection.view();
    context.ask(connection, request).await?;
    let signed_in = follow(context, connection, &before, &server).await;
    if signed_in
        .as_ref()
        .is_err_and(|failure| failure.code == "interrupted")
    {
        cancel(connection).await;
    }
    let mut view = signed_in?;
    context
        .output
        .good(&format!("Signed in as {}", account::name(&view.account)));
    if !has_cloud_mode(&view.account) && view.subscription.as_ref().is_some_and(|it| it.current) {
        view = account::check(context, connection).await?;
    }
    conclude(context, &view)
}

/// Shows the code and waits for the person, or for the reason why it came to nothing.
async fn follow(
    context: &Context,
    connection: &Connection,
    before: &View,
    server: &str,
) -> Result<View, Failure> {
    let mut views = connection.watch();
    let mut spinner = Some(Progress::new(
        &context.output,
        "Asking the server for a code",
    ));
    let mut stage = Stage::Asked;
    let patience = Instant::now() + PATIENCE;
    loop {
        let view = views.borrow_and_update().clone();
        let over =
            stage != Stage::Asked || view.account != before.account || Instant::now() >= patience;
        match &view.account {
            AccountView::SigningIn { .. } => stage = stage.max(Stage::Seen),
            AccountView::AwaitingBrowser {
                user_code,
                verification_url,
                verification_url_complete,
                expires_at_ms,
                ..
            } => {
                if stage != Stage::Shown {
                    drop(spinner.take());
                    show(
                        context,
                        &CodeOut {
                            user_code,
                            verification_url,
                            verification_url_complete: verification_url_complete.as_deref(),
                            expires_at_ms: *expires_at_ms,
                        },
                    );
                    spinner = Some(Progress::new(&context.output, "Waiting for the browser"));
                    stage = Stage::Shown;
                }
            }
            AccountView::SignedIn { .. } if over => {
                return if is_new(&view, before, server) {
                    Ok((*view).clone())
                } else {
                    let message = "The sign-in came to nothing; the session before it goes on";
                    Err(Failure::new("sign_in_failed", message).hint("Try again."))
                };
            }
            AccountView::SignedOut { reason } if over => return Err(failed(reason.as_deref())),
            AccountView::SignedIn { .. } | AccountView::SignedOut { .. } => {}
        }
        let silent_until = (stage == Stage::Asked).then_some(patience);
        tokio::select! {
            changed = views.changed() => changed.map_err(|_| Failure::gone())?,
            () = sleep_until(silent_until.unwrap_or(patience)), if silent_until.is_some() => {}
            failure = context.interrupted() => return Err(failure),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Asked,
    Seen,
    Shown,
}

/// A sign-in that fails leaves the account that was there before, which must not pass for a new
/// one.
fn is_new(view: &View, before: &View, server: &str) -> bool {
    let was_signed_in = matches!(before.account, AccountView::SignedIn { .. });
    let proven = before.subscription.is_some() || view.subscription.is_some();
    is_signed_in_on(&view.account, server) && (!was_signed_in || proven)
}

/// Undoes a sign-in that is not finished; nothing of it stays.
async fn cancel(connection: &Connection) {
    let canceled = async {
        connection.send(Request::CancelSignIn).await.ok()?;
        let pending = |view: &View| {
            matches!(
                view.account,
                AccountView::SigningIn { .. } | AccountView::AwaitingBrowser { .. }
            )
        };
        connection.wait_for(|view| !pending(view)).await
    };
    if timeout(PATIENCE, canceled).await.is_err() {
        tracing::warn!("the sign-in is still being canceled");
    }
}

fn show(context: &Context, code: &CodeOut<'_>) {
    let output = &context.output;
    output.json(code);
    let end = words::second(code.expires_at_ms, context.offset);
    output.say(&format!(
        "\nOpen this page, on this or any other device:\n\n    {}\n",
        code.verification_url
    ));
    output.say(&format!("and enter this code (good until {end}):\n"));
    output.say(&format!("    {}\n", output.strong(code.user_code)));
    if let Some(link) = code.verification_url_complete {
        output.say(&format!("Or open the complete link:\n\n    {link}\n"));
    }
}

fn conclude(context: &Context, view: &View) -> Result<Exit, Failure> {
    let output = &context.output;
    output.say("Verifying subscription access…");
    let (
        AccountView::SignedIn {
            server_url,
            user_id,
            email,
            cloud_mode,
            keep: _,
        },
        Some(subscription),
    ) = (&view.account, &view.subscription)
    else {
        return Err(
            Failure::new("internal", "The server did not say what the account has")
                .hint("Run `bm-cloud login` again."),
        );
    };
    if !subscription.current {
        return Err(Failure::subscription_required(Some(subscription)));
    }
    if !cloud_mode {
        return Err(
            Failure::new("internal", "The server has not opened the cloud yet")
                .hint("Run `bm-cloud login` again in a minute."),
        );
    }
    output.good("Cloud mode enabled");
    output.say(&account::subscription(subscription, context.offset));
    if view.pairs.is_empty() {
        output.hint("Choose your folder of notes next: bm-cloud setup --folder PATH");
    }
    output.json(&SignedInOut {
        ok: true,
        cloud_mode: true,
        server_url,
        user_id,
        email: email.as_deref(),
        subscription,
    });
    Ok(Exit::Done)
}

fn server(arguments: &Login, context: &Context, account: &AccountView) -> Result<String, Failure> {
    let known = match account {
        AccountView::SignedIn { server_url, .. } => Some(server_url.clone()),
        AccountView::SignedOut { .. }
        | AccountView::SigningIn { .. }
        | AccountView::AwaitingBrowser { .. } => None,
    };
    arguments
        .server
        .clone()
        .or_else(|| context.server.clone())
        .or(known)
        .ok_or_else(|| {
            Failure::new("no_server", "It is not known which server to sign in on")
                .hint("Name it: bm-cloud login --server URL, or set BM_CLOUD_SERVER.")
                .exit(Exit::Usage)
        })
}

fn is_signed_in_on(account: &AccountView, server: &str) -> bool {
    let plain = |url: &str| url.trim().trim_end_matches('/').to_ascii_lowercase();
    match account {
        AccountView::SignedIn { server_url, .. } => plain(server_url) == plain(server),
        AccountView::SignedOut { .. }
        | AccountView::SigningIn { .. }
        | AccountView::AwaitingBrowser { .. } => false,
    }
}

fn has_cloud_mode(account: &AccountView) -> bool {
    matches!(
        account,
        AccountView::SignedIn {
            cloud_mode: true,
            ..
        }
    )
}

/// The view tells the cause in words only.
fn failed(reason: Option<&str>) -> Failure {
    let Some(reason) = reason else {
        return Failure::new("sign_in_canceled", "The sign-in was canceled");
    };
    let code = if reason.contains("cannot be reached") {
        "unreachable"
    } else {
        "sign_in_failed"
    };
    match reason.split_once(". ") {
        Some((message, hint)) => Failure::new(code, words::capitalized(message)).hint(hint),
        None => Failure::new(code, words::capitalized(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_in(server: &str) -> AccountView {
        AccountView::SignedIn {
            server_url: server.to_owned(),
            user_id: "user_1".into(),
            email: None,
            cloud_mode: true,
            keep: SignInKeep::Now,
        }
    }

    #[test]
    fn the_same_server_is_known_however_it_is_written() {
        let account = signed_in("https://cloud.example.org");
        assert!(is_signed_in_on(&account, "HTTPS://Cloud.example.org/"));
        assert!(!is_signed_in_on(&account, "https://cloud.example.com"));
    }

    #[test]
    fn a_failed_sign_in_tells_cause_and_remedy() {
        let failure = failed(Some("https://x cannot be reached. Check the network."));
        assert_eq!(failure.message, "https://x cannot be reached");
        assert_eq!(failure.hint.as_deref(), Some("Check the network."));
        assert_eq!(failure.exit, Exit::TryLater);
        let denied = failed(Some(
            "the sign-in was declined in the browser. Start again.",
        ));
        assert_eq!(
            (denied.message.as_str(), denied.exit),
            ("The sign-in was declined in the browser", Exit::Failed)
        );
    }

    #[test]
    fn the_account_before_a_failed_sign_in_does_not_pass_for_a_new_one() {
        let before = View {
            account: signed_in("https://a"),
            ..View::starting("laptop")
        };
        assert!(!is_new(&before, &before, "https://a"));
        assert!(!is_new(&before, &before, "https://b"));
        let signed_out = View::starting("laptop");
        assert!(is_new(&before, &signed_out, "https://a"));
    }
}
