//! What a person can type.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine::view::{MountProfileName, ProfileName};

use crate::conflicts::seen::{self, Seen};
use crate::credentials::Credentials;
use crate::doctor::Doctor;
use crate::explain::Explain;
use crate::halts::Confirm;
use crate::history::History;
use crate::rclone::Rclone;
use crate::restore::{Restore, Undo};
use crate::service::Service;
use crate::words;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed, and will not heal by itself
  2    the command line is wrong
  3    an active subscription is required
  4    signed out: run `bm-cloud login`
  5    halted: a person must look before it goes on
  6    offline or busy: try again later
  130  interrupted (143 by SIGTERM)";

const SURROUNDINGS: &str = "\
Environment:
  BM_CLOUD_SERVER   the server to sign in on, if --server is not given
  BM_CLOUD_RCLONE   the rclone to use before any other
  BM_CLOUD_SECRETS  where tokens are kept: keyring or file (default: keyring if there is one)
  BM_CLOUD_PASSPHRASE_FILE
                    a file of yours alone with the passphrase of the file of secrets
  BM_CLOUD_DEVICE   this device's name in conflict copies
  BM_CLOUD_LOG      what to log on standard error, such as info or engine=debug
  NO_COLOR          no colors";

/// Keeps a folder of notes and the cloud the same.
#[derive(Debug, Parser)]
#[command(name = "bm-cloud", version, after_help = EXIT_CODES)]
#[command(after_long_help = format!("{EXIT_CODES}\n\n{SURROUNDINGS}"))]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Log what happens on standard error; twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in on a server, in the browser of this or any other device.
    Login(Login),
    /// Revoke this device's keys and forget the tokens; notes stay as they are.
    Logout(Plain),
    /// Show how things are. Ends with the exit code that fits.
    Status(Plain),
    /// Make a folder and the account's cloud storage one, and sync them for the first time.
    Setup(Setup),
    /// Sync all folders once, or keep them the same with --watch.
    Bisync(Bisync),
    /// Compare both sides byte by byte and change nothing; exit code 1 if they differ.
    Check(Plain),
    /// Show, try, edit or set what does not sync.
    Filters(Filters),
    /// Show or change what holds for all folders.
    Settings(Settings),
    /// Carry nothing for a while, or until `resume`.
    Pause(Pause),
    /// End a pause.
    Resume(Plain),
    /// Show the cloud as a drive, without a copy in a folder.
    Mount(Mount),
    /// Take a drive away, after what was saved in it is in the cloud.
    Unmount(Unmount),
    /// Show the drives: folder, profile, state, files not in the cloud yet.
    MountStatus(Plain),
    /// Notes that were changed on two sides: list, compare, decide, take back.
    Conflicts(Conflicts),
    /// Tell whether a file syncs, and if not, why and what helps.
    Explain(Explain),
    /// Earlier versions of notes: what sync replaced or removed, and what the cloud keeps.
    History(History),
    /// Put an earlier version back under its note's name; what is there now goes to history.
    Restore(Restore),
    /// Put back what the last sync replaced or removed here.
    Undo(Undo),
    /// Go on after a safety stop, or bring the notes back that it holds.
    Confirm(Confirm),
    /// List, revoke and make keys to the cloud storage.
    Credentials(Credentials),
    /// Let sync start at login, by the system's own means.
    BisyncService(Service),
    /// Find out what is wrong, and what helps. Ends with exit code 1 if sync cannot work.
    Doctor(Doctor),
    /// The rclone that does the work: show it, install it, or give your own a remote.
    Rclone(Rclone),
}

#[derive(Args, Debug)]
pub(crate) struct Plain {
    /// Print JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Args, Debug)]
pub(crate) struct Login {
    #[arg(
        long,
        value_name = "URL",
        help = "The server's address, as https://cloud.example.org"
    )]
    pub(crate) server: Option<String>,
    /// Only show the link, do not open it.
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Protect the file of secrets with a passphrase, asked for at the terminal.
    #[arg(long)]
    pub(crate) passphrase: bool,
    /// Sign in anew even if somebody is signed in on this server.
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON on standard output: first the code and link, at the end the result.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Setup {
    /// The folder of notes; it is made if it is missing [default: ~/basic-memory].
    #[arg(long, value_name = "PATH")]
    pub(crate) folder: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Profile::Balanced)]
    pub(crate) profile: Profile,
    /// Only tell what both sides hold and what speaks against the folder; change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Args, Debug)]
pub(crate) struct Bisync {
    /// Use this profile from now on.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<Profile>,
    /// Only show what would happen.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Forget what was known and compare again: equal notes are adopted, of different ones both
    /// versions are kept, nothing is deleted.
    #[arg(long)]
    pub(crate) resync: bool,
    /// Stay, and carry changes as they happen on either side.
    #[arg(long)]
    pub(crate) watch: bool,
    /// How often --watch looks at the cloud [default: as the settings say, 60s].
    #[arg(long, value_name = "TIME", value_parser = words::interval)]
    pub(crate) interval: Option<Duration>,
    /// Go on although a safety stop asks first (see `bm-cloud bisync --dry-run`).
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print the result as JSON on standard output; with --watch one object per event.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Filters {
    #[command(subcommand)]
    pub(crate) action: FilterAction,
    /// The folder whose filters these are; not needed where there is only one.
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) folder: Option<PathBuf>,
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FilterAction {
    /// Print the lines in use.
    Show,
    /// Tell what lines would do, and change nothing.
    Check(FilterLines),
    /// Edit the lines with $VISUAL or $EDITOR.
    Edit,
    /// Use these lines from now on: what they hide stays as it is on both sides, what they show is
    /// compared first and never overwritten.
    Set(FilterLines),
}

/// Lines in the way of .gitignore, or of rclone (`- pattern`, `+ pattern`).
#[derive(Args, Debug)]
pub(crate) struct FilterLines {
    /// Read the lines from a file, `-` for standard input.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "lines",
        required_unless_present = "lines"
    )]
    pub(crate) file: Option<PathBuf>,
    #[arg(value_name = "LINE", allow_hyphen_values = true)]
    pub(crate) lines: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// KiB per second, or `off`.
    #[arg(long, value_name = "KIB", value_parser = words::limit)]
    pub(crate) upload_limit: Option<Limit>,
    /// KiB per second, or `off`.
    #[arg(long, value_name = "KIB", value_parser = words::limit)]
    pub(crate) download_limit: Option<Limit>,
    /// The time between two looks at the cloud while nothing tells what happens.
    #[arg(long, value_name = "TIME", value_parser = words::interval)]
    pub(crate) interval: Option<Duration>,
    /// How long history keeps a version, in days.
    #[arg(long, value_name = "DAYS")]
    pub(crate) history_days: Option<u32>,
    /// How much history keeps of one folder, in MiB.
    #[arg(long, value_name = "MIB")]
    pub(crate) history_budget: Option<u32>,
    /// Whether to sync on battery.
    #[arg(long, value_enum)]
    pub(crate) on_battery: Option<Costly>,
    /// Whether to sync where the connection costs by the byte.
    #[arg(long, value_enum)]
    pub(crate) on_metered: Option<Costly>,
    /// The proxy on the way to the cloud, or `off` for the system's; without name and password.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// What to be told of.
    #[arg(long, value_enum)]
    pub(crate) notifications: Option<Told>,
    /// When to be told of nothing new, such as `22:00-07:00`, or `off`.
    #[arg(long, value_name = "FROM-TO", value_parser = words::quiet)]
    pub(crate) quiet_hours: Option<Quiet>,
    /// Print JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Off,
    KibPerSecond(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quiet {
    Off,
    /// Minutes since midnight.
    Between(u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Told {
    All,
    /// Only what somebody has to decide.
    Important,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Costly {
    Run,
    Pause,
}

#[derive(Args, Debug)]
pub(crate) struct Mount {
    /// An empty folder, made if it is missing [default: the drive known, else one at home].
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// [default: the drive's own, else balanced]
    #[arg(long, value_enum)]
    pub(crate) profile: Option<MountProfile>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Unmount {
    /// The drive's folder [default: all].
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MountProfile {
    /// Others' changes show after 5 seconds at most.
    Fast,
    /// After 10 seconds.
    Balanced,
    /// After 15 seconds.
    Safe,
}

impl From<MountProfile> for MountProfileName {
    fn from(profile: MountProfile) -> Self {
        match profile {
            MountProfile::Fast => Self::Fast,
            MountProfile::Balanced => Self::Balanced,
            MountProfile::Safe => Self::Safe,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Pause {
    /// How long; without it until `resume`.
    #[arg(long = "for", value_name = "TIME", value_parser = words::interval)]
    pub(crate) time: Option<Duration>,
    /// Print JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Conflicts {
    #[command(subcommand)]
    pub(crate) action: Option<ConflictAction>,
    /// Take this conflict off the list; both versions stay where they are.
    #[arg(long, value_name = "ID")]
    pub(crate) dismiss: Option<String>,
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConflictAction {
    /// List all, open ones first.
    List,
    /// Show both versions and where they differ.
    Show {
        /// An id, or the beginning of one.
        id: String,
        /// How to show the differences.
        #[arg(long, value_enum, default_value_t = DiffForm::Unified)]
        diff: DiffForm,
    },
    /// Put a conflict back on the list that was put off with --dismiss.
    Recall {
        /// An id, or the beginning of one.
        id: String,
    },
    /// Decide: keep one version, both, or a merged text. What is replaced stays in history.
    Resolve(Resolve),
    /// Make the folder what it was before a decision.
    Undo {
        /// What the decision said, or a conflict's id.
        id: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffForm {
    /// One below the other: `-` this device's lines, `+` the other's.
    Unified,
    /// Side by side.
    Side,
}

#[derive(Args, Debug)]
pub(crate) struct Resolve {
    /// Ids, or the beginnings of them.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<String>,
    /// Every open conflict.
    #[arg(long)]
    pub(crate) all: bool,
    /// Which version the note is from now on.
    #[arg(long, value_enum, required_unless_present_any = ["merged", "merge"])]
    pub(crate) keep: Option<Keep>,
    /// A file with the text that the note is from now on.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "keep", "merge"])]
    pub(crate) merged: Option<PathBuf>,
    /// What both sides wrote, where they changed different places; others are left open.
    #[arg(long, conflicts_with = "keep")]
    pub(crate) merge: bool,
    /// The versions that the decision is about, as `show` names them; without it those that the
    /// conflict came up with. If one changed since, nothing is touched.
    #[arg(long, value_name = "MINE,THEIRS", value_parser = seen::parse, conflicts_with = "all")]
    pub(crate) seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Keep {
    /// This device's.
    Mine,
    /// The other's.
    Theirs,
    /// Both, under their two names.
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Keep both versions of a conflict; stop at 10 % deletes.
    Safe,
    /// Merge a conflict; where that cannot be, the newer version wins and the other goes to history; stop at 25 % deletes.
    Balanced,
    /// As balanced, but stop at 50 % deletes and skip the check of the marker file.
    Fast,
}

impl From<Profile> for ProfileName {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Safe => Self::Safe,
            Profile::Balanced => Self::Balanced,
            Profile::Fast => Self::Fast,
        }
    }
}

impl Command {
    pub(crate) fn format(&self) -> Format {
        let json = match self {
            Self::Login(arguments) => arguments.json,
            Self::Logout(arguments) | Self::Status(arguments) | Self::Check(arguments) => {
                arguments.json
            }
            Self::Filters(arguments) => arguments.json,
            Self::Mount(arguments) => arguments.json,
            Self::Unmount(arguments) => arguments.json,
            Self::MountStatus(arguments) => arguments.json,
            Self::Settings(arguments) => arguments.json,
            Self::Pause(arguments) => arguments.json,
            Self::Resume(arguments) => arguments.json,
            Self::Setup(arguments) => arguments.json,
            Self::Bisync(arguments) => arguments.json,
            Self::Conflicts(arguments) => arguments.json,
            Self::Explain(arguments) => arguments.json,
            Self::History(arguments) => arguments.json,
            Self::Restore(arguments) => arguments.json,
            Self::Undo(arguments) => arguments.json,
            Self::Confirm(arguments) => arguments.json,
            Self::Credentials(arguments) => arguments.json,
            Self::Rclone(arguments) => arguments.json,
            Self::Doctor(arguments) => arguments.json,
            Self::BisyncService(arguments) => arguments.json,
        };
        if json { Format::Json } else { Format::Words }
    }
}

/// What standard output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Words,
    Json,
}

#[cfg(test)]
mod documents;
#[cfg(test)]
mod tests;
