//! A launch agent of macOS.

use std::path::PathBuf;

use super::MARK;
use super::plan::{Command, Encoding, Facts, Step, Verb};

const LABEL: &str = "com.basicmemory.cloud.bisync";

pub(super) fn file(facts: &Facts) -> PathBuf {
    facts
        .home
        .join("Library/LaunchAgents")
        .join(format!("{LABEL}.plist"))
}

pub(super) fn plist(facts: &Facts) -> String {
    let program = escaped(&facts.program.to_string_lossy());
    let environment: String = facts
        .environment
        .iter()
        .map(|(name, value)| {
            let (name, value) = (escaped(name), escaped(value));
            format!("    <key>{name}</key>\n    <string>{value}</string>\n")
        })
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- {MARK} -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
    <string>bisync</string>
    <string>--watch</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
{environment}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>Crashed</key>
    <true/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>30</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
</dict>
</plist>
"#
    )
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The agent is loaded at login because of where its file is.
pub(super) fn steps(facts: &Facts, verb: Verb) -> Vec<Step> {
    let (domain, path) = (domain(facts), file(facts).to_string_lossy().into_owned());
    let service = format!("{domain}/{LABEL}");
    let launchctl = |words: &[&str]| Command::new("launchctl", words.iter().copied());
    match verb {
        Verb::Install => vec![Step::Write {
            text: plist(facts),
            encoding: Encoding::Utf8,
        }],
        Verb::Start => vec![
            Step::Try(launchctl(&["bootstrap", &domain, &path])),
            Step::Run(launchctl(&["kickstart", &service])),
        ],
        Verb::Stop => vec![Step::Run(launchctl(&["bootout", &service]))],
        Verb::Uninstall => vec![Step::Try(launchctl(&["bootout", &service])), Step::Remove],
    }
}

pub(super) fn question(facts: &Facts) -> (Command, &'static str) {
    let service = format!("{}/{LABEL}", domain(facts));
    (
        Command::new("launchctl", ["print", &service]),
        "state = running",
    )
}

fn domain(facts: &Facts) -> String {
    format!("gui/{}", facts.uid)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Platform;
    use super::*;

    #[test]
    fn an_agent_says_what_to_run_and_when() {
        insta::assert_snapshot!(plist(&Facts::example(Platform::Launchd)), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
        <!-- Made by bm-cloud bisync-service -->
        <plist version="1.0">
        <dict>
          <key>Label</key>
          <string>com.basicmemory.cloud.bisync</string>
          <key>ProgramArguments</key>
          <array>
            <string>/opt/Basic 100%/bm-cloud</string>
            <string>bisync</string>
            <string>--watch</string>
          </array>
          <key>EnvironmentVariables</key>
          <dict>
            <key>BM_CLOUD_DEVICE</key>
            <string>Ana's &quot;&lt;big&gt;&quot; $desk &amp; co</string>
          </dict>
          <key>RunAtLoad</key>
          <true/>
          <key>KeepAlive</key>
          <dict>
            <key>Crashed</key>
            <true/>
          </dict>
          <key>ThrottleInterval</key>
          <integer>30</integer>
          <key>ProcessType</key>
          <string>Background</string>
          <key>Umask</key>
          <integer>63</integer>
        </dict>
        </plist>
        "#);
    }

    #[tokio::test]
    async fn a_parser_of_property_lists_reads_what_was_meant() {
        let read = "import json, plistlib, sys\n\
                    print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
        let mut python = testkit::program("python3")
            .args(["-c", read])
            .input(plist(&Facts::example(Platform::Launchd)))
            .spawn();
        let told = python.success(std::time::Duration::from_secs(30)).await;
        let expected = serde_json::json!({
            "Label": LABEL,
            "ProgramArguments": ["/opt/Basic 100%/bm-cloud", "bisync", "--watch"],
            "EnvironmentVariables": { "BM_CLOUD_DEVICE": "Ana's \"<big>\" $desk & co" },
            "RunAtLoad": true,
            "KeepAlive": { "Crashed": true },
            "ThrottleInterval": 30,
            "ProcessType": "Background",
            "Umask": 0o77,
        });
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_start_loads_the_agent_first() {
        let steps = steps(&Facts::example(Platform::Launchd), Verb::Start);
        let service = "gui/501/com.basicmemory.cloud.bisync";
        assert_eq!(
            steps[1],
            Step::Run(Command::new("launchctl", ["kickstart", service]))
        );
    }
}
