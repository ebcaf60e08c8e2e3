use std::io;
use std::process::ExitStatus;

use secrecy::SecretString;
use tokio::process::{Child, Command};

pub(super) const SEARCH_PATH: &str = "";

pub(super) fn signal(_status: ExitStatus) -> i32 {
    0
}

/// There is no way yet to hand the configuration over without writing it to a disk.
pub(super) fn pass_config(_command: &mut Command, _config: &SecretString) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn own_group(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

pub(super) fn terminate(child: &mut Child) -> io::Result<()> {
    child.start_kill()
}

pub(super) fn kill(child: &mut Child) -> io::Result<()> {
    child.start_kill()
}
