//! `bm-cloud pause` and `bm-cloud resume`.

use std::time::Duration;

use engine::view::SyncSwitch;
use engine::{Request, View};
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words;

pub(crate) async fn run(context: &Context, time: Option<Duration>) -> Result<Exit, Failure> {
    let request = match time {
        Some(time) => {
            let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            Request::PauseUntil {
                until_ms: context.now_ms().saturating_add(ms),
            }
        }
        None => Request::SetSync { on: false },
    };
    switch(context, request).await
}

pub(crate) async fn resume(context: &Context) -> Result<Exit, Failure> {
    switch(context, Request::SetSync { on: true }).await
}

async fn switch(context: &Context, request: Request) -> Result<Exit, Failure> {
    let view = context
        .with_engine(async |connection| {
            context.ask(connection, request.clone()).await?;
            Ok(connection.view())
        })
        .await?;
    context
        .output
        .json(&json!({ "ok": true, "sync": view.sync }));
    context.output.data(&told(context, &view));
    Ok(Exit::Done)
}

fn told(context: &Context, view: &View) -> String {
    match view.sync {
        SyncSwitch::On => "Sync is on".to_owned(),
        SyncSwitch::Off => "Sync is off; edits wait in the folder".to_owned(),
        SyncSwitch::PausedUntil { until_ms } => format!(
            "Paused until {}; edits wait in the folder",
            words::minute(until_ms, context.offset)
        ),
    }
}
