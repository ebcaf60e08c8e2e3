//! A walk over a whole project that takes as long as it takes.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::upstream::{CallError, Caller};

/// Ten notes a second make 10 000 take twenty minutes. A process that dies breaks off at once; this
/// is for one that never answers.
const PATIENCE: Duration = Duration::from_secs(6 * 60 * 60);

/// One to be begun.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) caller: Caller,
    pub(super) folder: String,
    pub(super) project: String,
}

/// One that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) folder: String,
    pub(super) result: Result<(), CallError>,
}

/// How far a folder was walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walked {
    UnderWay,
    /// What came meanwhile may have been behind it.
    UnderWayAndWantedAgain,
    /// Another walk finds little to do.
    Once,
}

impl Walk {
    pub(super) async fn run(self) -> Ended {
        let result = self.finish().await.map(drop);
        Ended {
            folder: self.folder,
            result,
        }
    }

    async fn finish(&self) -> Result<Value, CallError> {
        let path = format!(
            "/v2/projects/{}/index?run_in_background=false",
            self.project
        );
        self.caller
            .json_within(PATIENCE, Method::POST, &path, None)
            .await
    }
}
