use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

mod memory;

use self::memory::Memory;
use crate::supervisor::{Environment, Exit, Recipe, capture};
use crate::version::{FLOOR, Version};

const PATIENCE: Duration = Duration::from_secs(15);
pub(crate) const FILE_NAME: &str = if cfg!(windows) {
    "rclone.exe"
} else {
    "rclone"
};

/// An rclone that is fit for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    pub path: PathBuf,
    pub version: Version,
}

/// Why none of the candidates is fit; the variant that helps most wins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    #[error("rclone {found} at {} is too old, {floor} is needed", .path.display())]
    TooOld {
        path: PathBuf,
        found: Version,
        floor: Version,
    },
    #[error("{} is no working rclone: {reason}", .path.display())]
    Broken { path: PathBuf, reason: String },
    #[error("rclone was not found")]
    Missing { looked: Vec<PathBuf> },
}

/// Where to look, in order: `explicit` alone if there is one, else the app's own folder, then the
/// folders of the search path.
#[must_use]
pub fn candidates(
    explicit: Option<&Path>,
    own: &Path,
    path_variable: Option<&OsStr>,
) -> Vec<PathBuf> {
    if let Some(explicit) = explicit {
        return vec![explicit.to_owned()];
    }
    let mut found = vec![own.join(FILE_NAME)];
    for folder in path_variable.iter().flat_map(std::env::split_paths) {
        let candidate = folder.join(FILE_NAME);
        if folder.is_absolute() && !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    found
}

/// Gives the first candidate that runs and is new enough.
///
/// # Errors
/// [`FindError::TooOld`] if any is too old, else [`FindError::Broken`] if any exists.
pub async fn find(candidates: &[PathBuf]) -> Result<Binary, FindError> {
    choose(candidates, &mut Memory::none()).await
}

/// As [`find`], but does not ask a program that was found fit before and is the same file still.
/// Asking costs a third of a second. What was found is kept in the file `memory`, which may be lost.
///
/// # Errors
/// As [`find`].
pub async fn find_again(candidates: &[PathBuf], memory: &Path) -> Result<Binary, FindError> {
    let mut memory = Memory::load(memory);
    let found = choose(candidates, &mut memory).await;
    memory.save();
    found
}

async fn choose(candidates: &[PathBuf], memory: &mut Memory) -> Result<Binary, FindError> {
    let mut failure = None;
    for path in candidates.iter().filter(|path| path.is_file()) {
        let answer = match memory.version_of(path) {
            Some(version) => Ok(version),
            None => memory.ask(path).await,
        };
        let refusal = match answer {
            Ok(version) if version >= FLOOR => {
                return Ok(Binary {
                    path: path.clone(),
                    version,
                });
            }
            Ok(found) => FindError::TooOld {
                path: path.clone(),
                found,
                floor: FLOOR,
            },
            Err(reason) => FindError::Broken {
                path: path.clone(),
                reason,
            },
        };
        match (&failure, &refusal) {
            (None, _) | (Some(FindError::Broken { .. }), FindError::TooOld { .. }) => {
                failure = Some(refusal);
            }
            (Some(_), _) => {}
        }
    }
    Err(failure.unwrap_or_else(|| FindError::Missing {
        looked: candidates.to_vec(),
    }))
}

/// Where this rclone keeps the person's own configuration, whether the file exists or not.
///
/// # Errors
/// If rclone does not tell; the text says what it said instead.
pub async fn config_file(binary: &Binary) -> Result<PathBuf, String> {
    let recipe = Recipe {
        program: &binary.path,
        args: ["config", "file"].map(Into::into).to_vec(),
        environment: Environment::Inherited,
        config: None,
    };
    let captured = capture(recipe, PATIENCE).await;
    let (exit, stdout, stderr) = captured.map_err(|error| error.to_string())?;
    let last = stdout.lines().rfind(|line| !line.trim().is_empty());
    match last.map(|line| PathBuf::from(line.trim())) {
        Some(path) if exit == Exit::Code(0) && path.is_absolute() => Ok(path),
        Some(_) | None => Err(stderr.trim().to_owned()),
    }
}

#[derive(Deserialize)]
struct VersionOut {
    decomposed: (u32, u32, u32),
}

async fn ask(path: &Path) -> Result<Version, String> {
    let args = ["rc", "--loopback", "core/version", "--config", ""];
    let recipe = Recipe {
        program: path,
        args: args.map(Into::into).to_vec(),
        environment: Environment::Bare {
            home: PathBuf::from("/"),
        },
        config: None,
    };
    let (exit, stdout, stderr) = capture(recipe, PATIENCE)
        .await
        .map_err(|error| error.to_string())?;
    if exit != Exit::Code(0) {
        let last = stderr.lines().last().unwrap_or("no output");
        return Err(format!("it ended with {exit}: {last}"));
    }
    let VersionOut {
        decomposed: (major, minor, patch),
    } = serde_json::from_str(&stdout).map_err(|_| "it did not tell its version".to_owned())?;
    Ok(Version(major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_its_own_copy_first_and_at_nothing_but_an_explicit_one() {
        let own = Path::new("/own");
        let path = OsStr::new("/a:relative:/b:/a");
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(
            candidates(None, own, Some(path)),
            paths(&["/own/rclone", "/a/rclone", "/b/rclone"])
        );
        assert_eq!(candidates(None, own, None), paths(&["/own/rclone"]));
        assert_eq!(
            candidates(Some(Path::new("/x/rc")), own, Some(path)),
            paths(&["/x/rc"])
        );
    }
}
