//! The control socket: how other programs of the same user talk to the engine that runs.
//!
//! JSON, a message a line, on a Unix socket in a folder that only its owner can enter; on Windows on
//! a named pipe that only its owner can open, whose name is in a file in that place. The engine
//! sends each view; the other side sends requests and gets each answered by its number.

mod client;
mod local;
mod server;

use serde::{Deserialize, Serialize};

use crate::{Refusal, Reply, Request, View};

pub(crate) use client::Client;
pub(crate) use server::serve;

#[derive(Debug, Serialize, Deserialize)]
struct Call {
    number: u64,
    request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Told {
    View {
        view: Box<View>,
    },
    Answer {
        number: u64,
        result: Result<Reply, Refusal>,
    },
}

#[cfg(test)]
mod tests;
