use std::io;
use std::path::Path;

use time::OffsetDateTime;

use super::{ApplyError, ApplyStep, doing};
use crate::vault::beneath::{Folder, Found, PathError};
use crate::vault::problem::ProblemCode;
use crate::vault::side::Side;
use crate::vault::signature::{HashError, Signature, md5_of_file};
use crate::vault::system::Looks;

/// The open folders and the facts of one change.
pub(in crate::vault) struct Work<'w> {
    pub root: Folder,
    pub stage: Folder,
    pub side: &'w Side,
    pub device: &'w str,
    pub now: OffsetDateTime,
    pub reached: &'w dyn Fn(ApplyStep),
}

/// Why a change ends early.
#[derive(Debug)]
pub(in crate::vault) enum Stop {
    /// This path cannot be changed; the others can.
    Blocked(ProblemCode),
    Error(ApplyError),
}

/// What a vault path has now.
pub(in crate::vault) enum State {
    Absent,
    /// A file that changed while it was read.
    Moving,
    Content {
        md5: String,
        signature: Signature,
        looks: Looks,
    },
}

impl Stop {
    /// Of a step on the stage, where no path of the vault stands in the way.
    pub(super) fn of_stage(self) -> ApplyError {
        match self {
            Self::Blocked(_) => {
                doing("stage the new version")(io::ErrorKind::PermissionDenied.into())
            }
            Self::Error(error) => error,
        }
    }
}

impl From<ApplyError> for Stop {
    fn from(error: ApplyError) -> Self {
        Self::Error(error)
    }
}

impl<'w> Work<'w> {
    pub(in crate::vault) fn open(
        vault: &Path,
        side: &'w Side,
        device: &'w str,
        now: OffsetDateTime,
        reached: &'w dyn Fn(ApplyStep),
    ) -> Result<Self, ApplyError> {
        let root = Folder::open_root(vault).map_err(|source| ApplyError::Vault { source })?;
        let stage = Folder::open_root(&side.stage).map_err(doing("open the stage"))?;
        Ok(Self {
            root,
            stage,
            side,
            device,
            now,
            reached,
        })
    }

    /// Reads what a vault path has.
    #[expect(clippy::unused_self, reason = "reads like the other steps")]
    pub(in crate::vault) fn examine(&self, folder: &Folder, name: &str) -> Result<State, Stop> {
        let failed = on_path("read the note");
        match folder.find(name).map_err(&failed)? {
            None => return Ok(State::Absent),
            Some(Found::File(_)) => {}
            Some(Found::Folder | Found::Link | Found::Other) => {
                return Err(Stop::Blocked(ProblemCode::NotAFile));
            }
        }
        let file = match folder.open_file(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Absent),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Stop::Blocked(ProblemCode::Unreadable));
            }
            Err(error) => return Err(failed(error)),
        };
        let looks = Looks::of(&file).map_err(&failed)?;
        match md5_of_file(&file) {
            Ok((md5, signature)) => Ok(State::Content {
                md5,
                signature,
                looks,
            }),
            Err(HashError::Moved) => Ok(State::Moving),
            Err(HashError::Missing | HashError::NotAFile) => {
                Err(Stop::Blocked(ProblemCode::NotAFile))
            }
            Err(HashError::Unreadable { source }) => Err(failed(source)),
        }
    }

    pub(in crate::vault) fn reach(&self, step: ApplyStep) {
        (self.reached)(step);
    }
}

/// Sorts a failure on a vault path into what stops that path and what stops everything.
pub(in crate::vault) fn on_path(what: &'static str) -> impl Fn(io::Error) -> Stop {
    move |source| {
        use io::ErrorKind::{
            CrossesDevices, InvalidFilename, PermissionDenied, ReadOnlyFilesystem, ResourceBusy,
        };
        let kind = source.kind();
        if kind == CrossesDevices {
            Stop::Blocked(ProblemCode::OtherFileSystem)
        } else if [PermissionDenied, ReadOnlyFilesystem].contains(&kind) {
            Stop::Blocked(ProblemCode::NotPermitted)
        } else if kind == ResourceBusy {
            Stop::Blocked(ProblemCode::InUse)
        } else if kind == InvalidFilename {
            Stop::Blocked(ProblemCode::NameTooLong)
        } else {
            Stop::Error(doing(what)(source))
        }
    }
}

/// The same for the way to a path. A missing folder is no failure to most, so it is told apart.
pub(in crate::vault) fn on_way(error: PathError) -> Stop {
    match error {
        PathError::Malformed => Stop::Blocked(ProblemCode::NameNotPortable),
        PathError::Link => Stop::Blocked(ProblemCode::LinkInPath),
        PathError::NotAFolder => Stop::Blocked(ProblemCode::ParentIsAFile),
        PathError::Missing => Stop::Error(doing("open the note's folder")(
            io::ErrorKind::NotFound.into(),
        )),
        PathError::Io(source) => on_path("open the note's folder")(source),
    }
}
