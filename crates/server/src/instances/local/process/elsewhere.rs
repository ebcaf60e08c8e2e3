//! Elsewhere processes cannot be told apart reliably enough to be ended by a server that did not
//! start them, so instances do not run as processes of this machine.

use std::path::Path;

use super::super::error::LocalError;
use super::super::folder::{ProcessRecord, TenantFolder};
use super::super::settings::LocalSettings;

pub(in super::super) fn check_support() -> Result<(), LocalError> {
    Err(LocalError::Unsupported)
}

pub(in super::super) fn end_strays(_: &Path) {}

pub(in super::super) struct Start<'a> {
    pub(in super::super) settings: &'a LocalSettings,
    pub(in super::super) tenant_id: &'a str,
    pub(in super::super) folder: &'a TenantFolder,
}

/// A process of which there is none.
#[derive(Debug)]
pub(in super::super) enum Process {}

impl Process {
    pub(in super::super) fn start(_: &Start<'_>) -> Result<Self, LocalError> {
        Err(LocalError::Unsupported)
    }

    pub(in super::super) fn find(_: &ProcessRecord) -> Option<Self> {
        None
    }

    pub(in super::super) fn record(&self, _: String) -> ProcessRecord {
        match *self {}
    }

    pub(in super::super) fn pid(&self) -> u32 {
        match *self {}
    }

    pub(in super::super) async fn ended(&self) {
        match *self {}
    }

    pub(in super::super) fn ask_to_end(&self) {
        match *self {}
    }

    pub(in super::super) fn end_group(&self) {
        match *self {}
    }
}
