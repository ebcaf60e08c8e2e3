//! Ways to get rclone on a machine, best first. What is offered is a pure plan over what the
//! machine has; nothing runs before a person chose a way, and what runs is what they were shown.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use crate::find::{Binary, find};
use crate::install::InstallError;
use crate::supervisor::{Environment, Exit, Recipe, capture};
use crate::version::{FLOOR, Version};

const PATIENCE: Duration = Duration::from_secs(900);
const SHORT: Duration = Duration::from_secs(15);
const OFFICIAL: &str = "curl -fsSL https://rclone.org/install.sh | bash";

/// Where rclone can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A copy for this app alone, from the Python index: [`crate::install`].
    Private,
    Homebrew,
    Snap,
    Apt,
    /// The script of rclone's makers.
    Official,
    Winget,
    Chocolatey,
    Scoop,
}

impl Way {
    const ALL: [Self; 8] = [
        Self::Private,
        Self::Homebrew,
        Self::Snap,
        Self::Apt,
        Self::Official,
        Self::Winget,
        Self::Chocolatey,
        Self::Scoop,
    ];

    /// A stable name for scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Homebrew => "homebrew",
            Self::Snap => "snap",
            Self::Apt => "apt",
            Self::Official => "official",
            Self::Winget => "winget",
            Self::Chocolatey => "chocolatey",
            Self::Scoop => "scoop",
        }
    }

    /// The way with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    /// The program, and what it is told.
    fn command(self) -> Option<(&'static str, &'static [&'static str])> {
        Some(match self {
            Self::Private => return None,
            Self::Homebrew => ("brew", &["install", "rclone"]),
            Self::Snap => ("snap", &["install", "rclone"]),
            Self::Apt => ("apt-get", &["install", "-y", "rclone"]),
            Self::Official => ("bash", &["-c", OFFICIAL]),
            Self::Winget => (
                "winget",
                &[
                    "install",
                    "--exact",
                    "--id",
                    "Rclone.Rclone",
                    "--accept-package-agreements",
                    "--accept-source-agreements",
                ],
            ),
            Self::Chocolatey => ("choco", &["install", "rclone", "-y"]),
            Self::Scoop => ("scoop", &["install", "rclone"]),
        })
    }

    fn rights(self) -> Rights {
        match self {
            Self::Private | Self::Homebrew | Self::Winget | Self::Scoop => Rights::Own,
            Self::Snap | Self::Apt | Self::Official | Self::Chocolatey => Rights::Administrator,
        }
    }
}

/// Whose rights a way needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    Own,
    Administrator,
}

/// Whose rights this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Person,
    Administrator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Linux,
    MacOs,
    Windows,
}

impl Platform {
    /// The ways of this platform, as the ladders of the first specification have them, after a
    /// copy of our own.
    fn ladder(self) -> &'static [Way] {
        match self {
            Self::MacOs => &[Way::Private, Way::Homebrew, Way::Official],
            Self::Linux => &[Way::Private, Way::Snap, Way::Apt, Way::Official],
            Self::Windows => &[Way::Private, Way::Winget, Way::Chocolatey, Way::Scoop],
        }
    }
}

/// What the plan depends on.
#[derive(Clone, Debug)]
pub struct Machine {
    pub platform: Platform,
    pub standing: Standing,
    /// Programs by name, with where they are.
    pub tools: BTreeMap<String, PathBuf>,
    /// What the distribution's own package would be.
    pub apt_offers: Option<Version>,
}

const TOOLS: [&str; 11] = [
    "python3",
    "python",
    "brew",
    "snap",
    "apt-get",
    "apt-cache",
    "bash",
    "curl",
    "winget",
    "choco",
    "scoop",
];

impl Machine {
    /// Looks at this machine. `path_variable` is the value of `PATH`.
    pub async fn look(path_variable: Option<&OsStr>) -> Self {
        let folders: Vec<PathBuf> = path_variable
            .iter()
            .flat_map(std::env::split_paths)
            .filter(|folder| folder.is_absolute())
            .collect();
        let ends: &[&str] = if cfg!(windows) {
            &[".exe", ".cmd", ".bat"]
        } else {
            &[""]
        };
        let place = |name: &str| {
            let files = folders.iter().flat_map(|folder| {
                ends.iter()
                    .map(move |end| folder.join(format!("{name}{end}")))
            });
            files.into_iter().find(|file| file.is_file())
        };
        let tools: BTreeMap<String, PathBuf> = TOOLS
            .into_iter()
            .chain(["sudo"])
            .filter_map(|name| Some((name.to_owned(), place(name)?)))
            .collect();
        let apt_offers = match tools.get("apt-cache") {
            Some(apt_cache) => apt_offer(apt_cache).await,
            None => None,
        };
        Self {
            platform: if cfg!(windows) {
                Platform::Windows
            } else if cfg!(target_os = "macos") {
                Platform::MacOs
            } else {
                Platform::Linux
            },
            standing: standing(),
            tools,
            apt_offers,
        }
    }

    fn has(&self, tool: &str) -> bool {
        self.tools.contains_key(tool)
    }
}

#[cfg(unix)]
fn standing() -> Standing {
    if rustix::process::geteuid().is_root() {
        Standing::Administrator
    } else {
        Standing::Person
    }
}

/// Windows asks for itself.
#[cfg(not(unix))]
fn standing() -> Standing {
    Standing::Person
}

/// One rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub way: Way,
    /// What would be run; empty for the private copy.
    pub command: Vec<String>,
    pub rights: Rights,
}

/// The ways that this machine has, best first. Ways that would give an rclone that is too old are
/// not among them.
#[must_use]
pub fn ladder(machine: &Machine) -> Vec<Candidate> {
    let rungs = machine.platform.ladder().iter().copied();
    rungs.filter_map(|way| candidate(machine, way)).collect()
}

fn candidate(machine: &Machine, way: Way) -> Option<Candidate> {
    let Some((tool, words)) = way.command() else {
        let python = machine.has("python3") || machine.has("python");
        return python.then_some(Candidate {
            way,
            command: Vec::new(),
            rights: Rights::Own,
        });
    };
    let usable = match way {
        Way::Apt => machine.apt_offers.is_some_and(|offered| offered >= FLOOR),
        Way::Official => machine.has("curl"),
        Way::Private | Way::Homebrew | Way::Snap | Way::Winget | Way::Chocolatey | Way::Scoop => {
            true
        }
    };
    let place = machine.tools.get(tool).filter(|_| usable)?;
    let raised = match (way.rights(), machine.standing, machine.platform) {
        (Rights::Administrator, Standing::Person, Platform::Linux | Platform::MacOs) => {
            // Never asks: this has no terminal of its own.
            Some(vec![
                machine.tools.get("sudo")?.display().to_string(),
                "-n".to_owned(),
            ])
        }
        (Rights::Own | Rights::Administrator, _, _) => None,
    };
    let mut command = raised.unwrap_or_default();
    command.push(place.display().to_string());
    command.extend(words.iter().map(|word| (*word).to_owned()));
    Some(Candidate {
        way,
        command,
        rights: way.rights(),
    })
}

/// Goes one way, other than the private copy, and looks at what came of it among `search`.
///
/// # Errors
/// [`InstallError::ToolFailed`] with the last that the program said; [`InstallError::Unfit`] if
/// there is no rclone new enough afterwards.
pub async fn climb(candidate: &Candidate, search: &[PathBuf]) -> Result<Binary, InstallError> {
    let tool = candidate.way.name().to_owned();
    let failed = |message: String| InstallError::ToolFailed {
        tool: tool.clone(),
        message,
    };
    let [program, args @ ..] = candidate.command.as_slice() else {
        return Err(failed("there is nothing to run".to_owned()));
    };
    let recipe = Recipe {
        program: program.as_ref(),
        args: args.iter().map(Into::into).collect(),
        environment: Environment::Inherited,
        config: None,
    };
    let captured = capture(recipe, PATIENCE).await;
    let (exit, stdout, stderr) = captured.map_err(|error| failed(error.to_string()))?;
    if exit != Exit::Code(0) {
        let said = [stdout, stderr].concat();
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        return Err(failed(last.unwrap_or("it said nothing").trim().to_owned()));
    }
    Ok(find(search).await?)
}

async fn apt_offer(apt_cache: &std::path::Path) -> Option<Version> {
    let recipe = Recipe {
        program: apt_cache,
        args: ["policy", "rclone"].map(Into::into).to_vec(),
        environment: Environment::Inherited,
        config: None,
    };
    let (_, stdout, _) = capture(recipe, SHORT).await.ok()?;
    offered(&stdout)
}

/// The upstream version in what `apt-cache policy` calls the candidate.
fn offered(policy: &str) -> Option<Version> {
    let line = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate:"))?;
    let whole = line.trim();
    let upstream = whole.split_once(':').map_or(whole, |(_, rest)| rest);
    let digits = upstream.split(['+', '-', '~']).next()?;
    let mut numbers = digits.split('.').map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor)), patch) => Some(Version(
            major,
            minor,
            patch.and_then(Result::ok).unwrap_or(0),
        )),
        (Some(_) | None, Some(_) | None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(platform: Platform, standing: Standing, tools: &[&str]) -> Machine {
        let tools = tools
            .iter()
            .map(|name| ((*name).to_owned(), PathBuf::from(format!("/bin/{name}"))));
        Machine {
            platform,
            standing,
            tools: tools.collect(),
            apt_offers: Some(Version(1, 60, 1)),
        }
    }

    fn ways(machine: &Machine) -> Vec<String> {
        let told = |rung: Candidate| format!("{}: {}", rung.way.name(), rung.command.join(" "));
        ladder(machine).into_iter().map(told).collect()
    }

    #[test]
    fn each_platform_has_its_ladder_behind_a_copy_of_our_own() {
        use Platform::{Linux, MacOs, Windows};
        use Standing::{Administrator, Person};
        let all = ["python3", "brew", "snap", "apt-get", "bash", "curl", "sudo"];
        let mac = ways(&machine(MacOs, Person, &all));
        assert_eq!(
            mac[..2],
            ["private: ", "homebrew: /bin/brew install rclone"]
        );
        assert!(mac[2].starts_with("official: /bin/sudo -n /bin/bash -c curl"));
        let linux = ways(&machine(Linux, Administrator, &all));
        assert_eq!(linux.len(), 3, "an old package is no way: {linux:?}");
        assert_eq!(linux[1], "snap: /bin/snap install rclone");
        let newer = Machine {
            apt_offers: Some(FLOOR),
            ..machine(Linux, Person, &["apt-get", "sudo"])
        };
        let apt = ["apt: /bin/sudo -n /bin/apt-get install -y rclone"];
        assert_eq!(ways(&newer), apt);
        let helpless = machine(Linux, Person, &["snap", "apt-get", "bash", "curl"]);
        assert_eq!(ways(&helpless), Vec::<String>::new());
        let tools = ["python", "winget", "choco", "scoop"];
        let windows = ways(&machine(Windows, Person, &tools));
        let names: Vec<_> = windows
            .iter()
            .map(|it| it.split(':').next().unwrap())
            .collect();
        assert_eq!(names, ["private", "winget", "chocolatey", "scoop"]);
    }

    #[test]
    fn the_version_that_a_distribution_offers_is_read() {
        let policy = "rclone:\n  Installed: (none)\n  Candidate: 1.60.1+dfsg-2+b5\n";
        assert_eq!(offered(policy), Some(Version(1, 60, 1)));
        assert_eq!(offered("  Candidate: 2:1.75-1\n"), Some(Version(1, 75, 0)));
        assert_eq!(offered("  Candidate: (none)\n"), None);
    }
}
