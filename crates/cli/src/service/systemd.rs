//! A unit of the person's own systemd.

use std::path::PathBuf;

use super::MARK;
use super::plan::{Command, Encoding, Facts, Step, Verb};

const UNIT: &str = "basic-memory-cloud.service";

pub(super) fn file(facts: &Facts) -> PathBuf {
    let chosen = facts
        .environment
        .iter()
        .find(|(name, _)| name == "XDG_CONFIG_HOME")
        .map(|(_, path)| PathBuf::from(path));
    let config = chosen.unwrap_or_else(|| facts.home.join(".config"));
    config.join("systemd/user").join(UNIT)
}

/// Ends that a restart does not heal stay ends: a wrong command line, signed out, a halt.
pub(super) fn unit(facts: &Facts) -> String {
    let environment: String = facts
        .environment
        .iter()
        .map(|(name, value)| format!("Environment={}\n", quoted(&format!("{name}={value}"))))
        .collect();
    let program = quoted(&facts.program.to_string_lossy()).replace('$', "$$");
    format!(
        "# {MARK}; `bm-cloud bisync-service uninstall` removes it.\n\
         [Unit]\n\
         Description=Basic Memory Cloud keeps notes and the cloud the same\n\
         StartLimitIntervalSec=600\n\
         StartLimitBurst=5\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={program} bisync --watch\n\
         {environment}\
         Restart=on-failure\n\
         RestartSec=30\n\
         RestartPreventExitStatus=2 4 5\n\
         KillMode=mixed\n\
         TimeoutStopSec=60\n\
         UMask=0077\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n"
    )
}

/// As systemd reads a word: quotes, backslashes and its own percent signs are escaped.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

pub(super) fn steps(facts: &Facts, verb: Verb) -> Vec<Step> {
    match verb {
        Verb::Install => vec![
            Step::Write {
                text: unit(facts),
                encoding: Encoding::Utf8,
            },
            Step::Run(systemctl(&["daemon-reload"])),
            Step::Run(systemctl(&["enable", UNIT])),
        ],
        Verb::Start => vec![Step::Run(systemctl(&["start", UNIT]))],
        Verb::Stop => vec![Step::Run(systemctl(&["stop", UNIT]))],
        Verb::Uninstall => vec![
            Step::Try(systemctl(&["disable", "--now", UNIT])),
            Step::Remove,
            Step::Try(systemctl(&["daemon-reload"])),
        ],
    }
}

pub(super) fn question() -> (Command, &'static str) {
    (systemctl(&["is-active", UNIT]), "active")
}

fn systemctl(words: &[&str]) -> Command {
    Command::new("systemctl", ["--user"].iter().chain(words).copied())
}

#[cfg(test)]
mod tests {
    use super::super::plan::Platform;
    use super::*;

    #[test]
    fn a_unit_starts_the_watch_and_gives_up_where_a_person_is_needed() {
        insta::assert_snapshot!(unit(&Facts::example(Platform::Systemd)), @r#"
        # Made by bm-cloud bisync-service; `bm-cloud bisync-service uninstall` removes it.
        [Unit]
        Description=Basic Memory Cloud keeps notes and the cloud the same
        StartLimitIntervalSec=600
        StartLimitBurst=5

        [Service]
        Type=exec
        ExecStart="/opt/Basic 100%%/bm-cloud" bisync --watch
        Environment="BM_CLOUD_DEVICE=Ana's \"<big>\" $desk & co"
        Restart=on-failure
        RestartSec=30
        RestartPreventExitStatus=2 4 5
        KillMode=mixed
        TimeoutStopSec=60
        UMask=0077

        [Install]
        WantedBy=default.target
        "#);
    }

    #[test]
    fn the_unit_is_where_systemd_looks_for_a_persons_own() {
        let mut facts = Facts::example(Platform::Systemd);
        let file = PathBuf::from("/home/ana/.config/systemd/user/basic-memory-cloud.service");
        assert_eq!(facts.file(), file);
        facts
            .environment
            .push(("XDG_CONFIG_HOME".into(), "/etc/ana".into()));
        assert!(facts.file().starts_with("/etc/ana/systemd/user"));
    }
}
