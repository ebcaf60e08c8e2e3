//! `bm-cloud logout`.

use engine::Request;
use engine::view::AccountView;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) async fn run(context: &Context) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| {
            let before = connection.view();
            context.ask(connection, Request::SignOut).await?;
            if matches!(before.account, AccountView::SignedOut { .. }) {
                context.output.good("Nobody was signed in");
            } else {
                context
                    .output
                    .good("Signed out; this device's keys are revoked");
            }
            for pair in &before.pairs {
                context
                    .output
                    .say(&format!("Your notes stay in {}", pair.folder));
            }
            context.output.json(&json!({ "ok": true }));
            Ok(Exit::Done)
        })
        .await
}
