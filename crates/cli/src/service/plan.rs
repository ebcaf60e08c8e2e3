use std::path::PathBuf;

use super::{launchd, systemd, task};

/// Who starts programs at login here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Platform {
    Systemd,
    Launchd,
    Tasks,
}

/// What a plan depends on.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) platform: Platform,
    pub(super) program: PathBuf,
    pub(super) home: PathBuf,
    /// The folder of our own settings.
    pub(super) own: PathBuf,
    pub(super) user: String,
    pub(super) uid: u32,
    pub(super) environment: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Install,
    Start,
    Stop,
    Uninstall,
}

/// A thing to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Write {
        text: String,
        encoding: Encoding,
    },
    Remove,
    Run(Command),
    /// As `Run`, but it is fine if there is nothing to do.
    Try(Command),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    /// Little-endian with its mark, as `schtasks` reads it.
    Utf16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) program: &'static str,
    pub(super) arguments: Vec<String>,
}

impl Command {
    pub(super) fn new<'a>(
        program: &'static str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            program,
            arguments: arguments.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl Platform {
    pub(super) fn of_this_machine() -> Self {
        if cfg!(windows) {
            Self::Tasks
        } else if cfg!(target_os = "macos") {
            Self::Launchd
        } else {
            Self::Systemd
        }
    }

    /// How to run without a login, where that is possible.
    pub(super) fn beyond_login(self) -> Option<&'static str> {
        match self {
            Self::Systemd => Some("To let it run without a login: loginctl enable-linger"),
            Self::Launchd | Self::Tasks => None,
        }
    }
}

impl Verb {
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Install => "The service is installed; it starts at each login",
            Self::Start => "The service is started",
            Self::Stop => "The service is stopped until the next login",
            Self::Uninstall => "The service is removed; your notes stay",
        }
    }
}

impl Facts {
    /// Where the service is described.
    pub(super) fn file(&self) -> PathBuf {
        match self.platform {
            Platform::Systemd => systemd::file(self),
            Platform::Launchd => launchd::file(self),
            Platform::Tasks => task::file(self),
        }
    }

    pub(super) fn steps(&self, verb: Verb) -> Vec<Step> {
        match self.platform {
            Platform::Systemd => systemd::steps(self, verb),
            Platform::Launchd => launchd::steps(self, verb),
            Platform::Tasks => task::steps(self, verb),
        }
    }

    /// What succeeds, and writes `running`, if the service runs.
    pub(super) fn question(&self) -> (Command, &'static str) {
        match self.platform {
            Platform::Systemd => systemd::question(),
            Platform::Launchd => launchd::question(self),
            Platform::Tasks => task::question(),
        }
    }

    #[cfg(test)]
    pub(super) fn example(platform: Platform) -> Self {
        Self {
            platform,
            program: "/opt/Basic 100%/bm-cloud".into(),
            home: "/home/ana".into(),
            own: "/home/ana/.config/basic-memory-cloud".into(),
            user: "DESK\\ana".into(),
            uid: 501,
            environment: vec![(
                "BM_CLOUD_DEVICE".into(),
                "Ana's \"<big>\" $desk & co".into(),
            )],
        }
    }
}
