//! Putting a file in the place of another without a moment at which either could be lost.
//!
//! Linux and macOS exchange two names in one step. Where the file system cannot, and on Windows, the
//! old file is moved aside and the new one moved in, each without replacing anything; the name is
//! absent for microseconds.

use std::io;

use super::beneath::{Folder, Moved};

/// How a file is put in the place of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swap {
    Exchange,
    MoveAside,
}

/// Where everything is after a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swapped {
    /// The two have changed places.
    Done,
    /// Nothing had the vault's name; nothing was moved.
    Gone,
    /// A new file took the vault's name in between: the old one is in the stage as `aside`, ours
    /// still as `staged`.
    Taken,
}

impl Swap {
    /// Swaps `staged` in the stage with `name` in a vault folder. `aside` is a free name in the
    /// stage, used on the way only.
    pub(super) fn run(
        self,
        stage: &Folder,
        staged: &str,
        aside: &str,
        folder: &Folder,
        name: &str,
    ) -> io::Result<Swapped> {
        match self {
            Self::Exchange => match stage.exchange(staged, folder, name)? {
                Moved::Done => Ok(Swapped::Done),
                Moved::Gone | Moved::Taken => Ok(Swapped::Gone),
            },
            Self::MoveAside => {
                match folder.move_to(name, stage, aside)? {
                    Moved::Done => {}
                    Moved::Gone => return Ok(Swapped::Gone),
                    Moved::Taken => return Err(io::ErrorKind::AlreadyExists.into()),
                }
                match stage.move_to(staged, folder, name) {
                    Ok(Moved::Done) => {}
                    Ok(Moved::Taken) => return Ok(Swapped::Taken),
                    Ok(Moved::Gone) => {
                        return_to_place(stage, aside, folder, name)?;
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    Err(error) => {
                        return_to_place(stage, aside, folder, name)?;
                        return Err(error);
                    }
                }
                match stage.move_to(aside, stage, staged)? {
                    Moved::Done => Ok(Swapped::Done),
                    Moved::Taken | Moved::Gone => Err(io::ErrorKind::AlreadyExists.into()),
                }
            }
        }
    }
}

fn return_to_place(stage: &Folder, aside: &str, folder: &Folder, name: &str) -> io::Result<()> {
    match stage.move_to(aside, folder, name)? {
        Moved::Done => Ok(()),
        Moved::Taken | Moved::Gone => Err(io::ErrorKind::AlreadyExists.into()),
    }
}
