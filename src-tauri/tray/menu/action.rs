use engine::view::ProfileName;
use time::{Duration, OffsetDateTime, Time, UtcOffset};

/// What a click does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Shows the window.
    Open(Page),
    /// Opens a pair's folder, or the first one.
    OpenFolder(Option<String>),
    /// Opens a mount's folder.
    OpenMount(String),
    ToggleSync,
    Pause(Pause),
    SyncNow(Option<String>),
    SetProfile {
        pair: String,
        profile: ProfileName,
    },
    /// Mounts again what was mounted before.
    Mount(String),
    Unmount(String),
    OpenSignInPage,
    CopySignInLink,
    CancelSignIn,
    OpenDocumentation,
    ToggleLogin,
    Quit,
}

/// A page of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// Wherever the window is, or the first.
    Any,
    /// Where a person signs in: on the first page.
    SignIn,
    /// Where a passphrase is asked for: on the first page.
    Passphrase,
    Folders,
    /// Where a folder that has stopped goes on: on the page of the folders.
    Stopped,
    Conflicts,
    Account,
    Settings,
    Mounts,
    /// Where a drive is that is not available: on the page of the mounts.
    Drives,
    Diagnostics,
    /// Where the problems are: on the page of the diagnostics.
    Problems,
    SetUp,
}

/// How long a pause lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    HalfHour,
    Hour,
    UntilTomorrow,
}

impl Action {
    /// Names the action as long as the app runs; equal actions have equal names.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Open(page) => format!("open-window:{page:?}"),
            Self::OpenFolder(None) => "open-folder".to_owned(),
            Self::OpenFolder(Some(pair)) => format!("open-folder:{pair}"),
            Self::OpenMount(mount) => format!("open-mount:{mount}"),
            Self::ToggleSync => "toggle-sync".to_owned(),
            Self::Pause(Pause::HalfHour) => "pause:30-minutes".to_owned(),
            Self::Pause(Pause::Hour) => "pause:1-hour".to_owned(),
            Self::Pause(Pause::UntilTomorrow) => "pause:until-tomorrow".to_owned(),
            Self::SyncNow(None) => "sync-now".to_owned(),
            Self::SyncNow(Some(pair)) => format!("sync-now:{pair}"),
            Self::SetProfile { pair, profile } => format!("profile:{}:{pair}", name(*profile)),
            Self::Mount(mount) => format!("mount:{mount}"),
            Self::Unmount(mount) => format!("unmount:{mount}"),
            Self::OpenSignInPage => "open-sign-in-page".to_owned(),
            Self::CopySignInLink => "copy-sign-in-link".to_owned(),
            Self::CancelSignIn => "cancel-sign-in".to_owned(),
            Self::OpenDocumentation => "documentation".to_owned(),
            Self::ToggleLogin => "toggle-login".to_owned(),
            Self::Quit => "quit".to_owned(),
        }
    }
}

impl Page {
    /// The page's name in a link to the window.
    pub(crate) fn place(self) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::SignIn | Self::Passphrase => Some("overview"),
            Self::Folders | Self::Stopped => Some("folders"),
            Self::Conflicts => Some("conflicts"),
            Self::Mounts | Self::Drives => Some("mounts"),
            Self::Account => Some("account"),
            Self::Settings => Some("settings"),
            Self::Diagnostics | Self::Problems => Some("diagnostics"),
            Self::SetUp => Some("setUp"),
        }
    }
}

impl Pause {
    pub(crate) const ALL: [Self; 3] = [Self::HalfHour, Self::Hour, Self::UntilTomorrow];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::HalfHour => "30 minutes",
            Self::Hour => "1 hour",
            Self::UntilTomorrow => "Until tomorrow",
        }
    }

    /// When it ends (Unix milliseconds); tomorrow begins at eight where the person is, by the clock
    /// of that day.
    pub(crate) fn until_ms(self, now_ms: i64, offset_at: &dyn Fn(i64) -> UtcOffset) -> i64 {
        const MINUTE_MS: i64 = 60_000;
        const MORNING: Duration = Duration::hours(8);
        match self {
            Self::HalfHour => now_ms + 30 * MINUTE_MS,
            Self::Hour => now_ms + 60 * MINUTE_MS,
            Self::UntilTomorrow => {
                let now = OffsetDateTime::from_unix_timestamp(now_ms.div_euclid(1000))
                    .unwrap_or(OffsetDateTime::UNIX_EPOCH)
                    .to_offset(offset_at(now_ms));
                let midnight = (now + Duration::DAY).replace_time(Time::MIDNIGHT);
                let morning = midnight + MORNING;
                let then = offset_at(morning.unix_timestamp() * 1000);
                morning.replace_offset(then).unix_timestamp() * 1000
            }
        }
    }
}

fn name(profile: ProfileName) -> &'static str {
    match profile {
        ProfileName::Safe => "safe",
        ProfileName::Balanced => "balanced",
        ProfileName::Fast => "fast",
    }
}
