use std::io;
use std::path::{Path, PathBuf};

use super::beneath::{Audience, Folder, Moved, is_full};
use super::swap::Swap;
use super::system::{Looks, Mount, make_private, mount_of};
use crate::disk::{self, Writing};

/// The working folder of one pair, on the file system of its vault and outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub root: PathBuf,
    /// What rclone sees.
    pub mirror: PathBuf,
    /// Copies and intents of changes under way.
    pub stage: PathBuf,
    /// What sync replaced or removed: `YYYY-MM-DD/<id>/<path>`.
    pub history: PathBuf,
    pub linking: Linking,
    pub swap: Swap,
    /// What a new file looks like here under the process's settings.
    pub(super) new_looks: Looks,
}

/// How the mirror shows a vault's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linking {
    Hard,
    Copy,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SideError {
    #[error("the notes folder cannot be opened")]
    Vault {
        #[source]
        source: io::Error,
    },
    #[error("the name of a pair may hold letters, digits, `-` and `_` only")]
    BadPairName,
    #[error(
        "there is no place for a working folder on the disk of the notes folder; tried {}",
        tried.display()
    )]
    NoPlace { tried: PathBuf },
    #[error("the disk at {} cannot rename a file without replacing others", place.display())]
    UnsafeRenames { place: PathBuf },
    #[error("the disk is full")]
    DiskFull,
    #[error("could not make the working folder {}", place.display())]
    Io {
        place: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Side {
    /// Opens or makes the working folder of `pair`: `preferred/<pair>` where that is on the
    /// vault's file system, `.basic-memory-<pair>` beside the vault otherwise. Finds out by trying
    /// what the file system can do.
    pub(crate) fn open(vault: &Path, preferred: &Path, pair: &str) -> Result<Self, SideError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if pair.is_empty() || !pair.chars().all(plain) {
            return Err(SideError::BadPairName);
        }
        let vault = dunce::canonicalize(vault).map_err(|source| SideError::Vault { source })?;
        let home = Folder::open_root(&vault)
            .and_then(|folder| mount_of(&folder))
            .map_err(|source| SideError::Vault { source })?;
        let mut places = vec![preferred.join(pair)];
        if let Some(parent) = vault.parent() {
            places.push(parent.join(format!(".basic-memory-{pair}")));
        }
        let mut last = SideError::NoPlace {
            tried: preferred.to_owned(),
        };
        for place in places {
            match usable(&place, &vault, home) {
                Ok(true) => return Self::at(place),
                Ok(false) => last = SideError::NoPlace { tried: place },
                Err(source) => last = place_error(&place, source),
            }
        }
        Err(last)
    }

    fn at(root: PathBuf) -> Result<Self, SideError> {
        let [mirror, stage, history] = ["mirror", "stage", "history"].map(|name| root.join(name));
        for place in [&mirror, &stage, &history] {
            make_private(place).map_err(|source| place_error(place, source))?;
        }
        let abilities = probe(&stage).map_err(|source| place_error(&stage, source))?;
        if !abilities.no_replace {
            return Err(SideError::UnsafeRenames { place: root });
        }
        Ok(Self {
            root,
            mirror,
            stage,
            history,
            linking: if abilities.links {
                Linking::Hard
            } else {
                Linking::Copy
            },
            swap: if abilities.exchange {
                Swap::Exchange
            } else {
                Swap::MoveAside
            },
            new_looks: abilities.new_looks,
        })
    }
}

/// Where the working folder of a pair would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SidePlace {
    /// With the app's own data.
    Apart,
    /// In this folder, beside the vault.
    Beside(PathBuf),
    /// Only inside the vault, where it must not be.
    Nowhere,
}

/// Tells what [`Side::open`] would find for a vault that need not be there. Makes nothing.
pub(crate) fn foresee(vault: &Path, preferred: &Path) -> io::Result<SidePlace> {
    let mount = |place: &Path| mount_of(&Folder::open_root(there(place))?);
    let home = mount(vault)?;
    if mount(preferred)? == home {
        return Ok(SidePlace::Apart);
    }
    let Some(parent) = vault.parent() else {
        return Ok(SidePlace::Nowhere);
    };
    let fits = mount(parent)? == home && disk::writing(there(parent)) == Writing::Allowed;
    Ok(if fits {
        SidePlace::Beside(parent.to_owned())
    } else {
        SidePlace::Nowhere
    })
}

/// The folder, or the nearest one above it that is there.
fn there(folder: &Path) -> &Path {
    let mut above = folder.ancestors();
    above.find(|place| place.exists()).unwrap_or(folder)
}

fn place_error(place: &Path, source: io::Error) -> SideError {
    if is_full(&source) {
        return SideError::DiskFull;
    }
    SideError::Io {
        place: place.to_owned(),
        source,
    }
}

/// Whether files can move between the vault and this place, and rclone's tree is outside of it.
fn usable(place: &Path, vault: &Path, home: Mount) -> io::Result<bool> {
    let existed = place.exists();
    make_private(place)?;
    let fits = !dunce::canonicalize(place)?.starts_with(vault)
        && mount_of(&Folder::open_root(place)?)? == home;
    if !fits && !existed {
        // Refused only while something is in it, which then is not ours to remove.
        drop(std::fs::remove_dir(place));
    }
    Ok(fits)
}

struct Abilities {
    links: bool,
    exchange: bool,
    no_replace: bool,
    new_looks: Looks,
}

const PROBES: [&str; 3] = [".probe-a", ".probe-b", ".probe-c"];

fn probe(stage: &Path) -> io::Result<Abilities> {
    let stage = Folder::open_root(stage)?;
    let [a, b, c] = PROBES;
    let sweep = || PROBES.iter().try_for_each(|name| stage.discard_own(name));
    sweep()?;
    let first = stage.create_file(a, Audience::Usual)?;
    drop(stage.create_file(b, Audience::Usual)?);
    let new_looks = Looks::of_new(&first)?;
    drop(first);
    let links = stage.link_to(a, &stage, c).is_ok();
    let no_replace = matches!(stage.move_to(a, &stage, b), Ok(Moved::Taken));
    let exchange = matches!(stage.exchange(a, &stage, b), Ok(Moved::Done));
    sweep()?;
    Ok(Abilities {
        links,
        exchange,
        no_replace,
        new_looks,
    })
}
