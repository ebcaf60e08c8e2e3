use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use super::NoDoor;

const LONGEST_PATH: usize = 103;

#[derive(Clone, Debug)]
pub(crate) struct Door {
    socket: PathBuf,
}

impl Door {
    /// A socket in a folder of the child's own. One that a child before left there would be in
    /// its way.
    pub(crate) fn make(folder: &Path) -> Result<Self, NoDoor> {
        let door = Self::left_in(folder);
        if door.socket.as_os_str().len() > LONGEST_PATH {
            return Err(NoDoor::PathTooLong);
        }
        match std::fs::remove_file(&door.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(door),
        }
    }

    /// The door of a child that ran before.
    pub(crate) fn left_in(folder: &Path) -> Self {
        Self::at(folder.join("s"))
    }

    pub(crate) fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// What the child is to be told.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let address = format!("unix://{}", self.socket.display());
        ["--rc-addr", &address, "--rc-no-auth"]
            .map(OsString::from)
            .to_vec()
    }

    /// A line of the child's log; it says nothing that is not known.
    #[expect(clippy::unused_self, reason = "on Windows the log tells the port")]
    pub(crate) fn heard(&self, _line: &str) {}

    pub(crate) async fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(&self.socket).await
    }

    /// Who gets to the socket may ask.
    #[expect(clippy::unused_self, reason = "on Windows there is a password")]
    pub(crate) fn authorization(&self) -> Option<String> {
        None
    }
}
