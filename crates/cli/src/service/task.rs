//! A task of Windows' scheduler. Its shape is that of the task schema 1.2.

use std::path::PathBuf;

use super::MARK;
use super::launchd::escaped;
use super::plan::{Command, Encoding, Facts, Step, Verb};

const NAME: &str = "Basic Memory Cloud";

pub(super) fn file(facts: &Facts) -> PathBuf {
    facts.own.join("bisync-service.xml")
}

/// A task has no environment of its own; it sees the person's.
pub(super) fn xml(facts: &Facts) -> String {
    let program = escaped(&facts.program.to_string_lossy());
    let user = escaped(&facts.user);
    format!(
        r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Keeps notes and the cloud the same. {MARK}.</Description>
    <URI>\{NAME}</URI>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>3</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>bisync --watch</Arguments>
    </Exec>
  </Actions>
</Task>
"#
    )
}

pub(super) fn steps(facts: &Facts, verb: Verb) -> Vec<Step> {
    let path = file(facts).to_string_lossy().into_owned();
    let schtasks = |words: &[&str]| Command::new("schtasks", words.iter().copied());
    match verb {
        Verb::Install => vec![
            Step::Write {
                text: xml(facts),
                encoding: Encoding::Utf16,
            },
            Step::Run(schtasks(&["/Create", "/F", "/TN", NAME, "/XML", &path])),
        ],
        Verb::Start => vec![Step::Run(schtasks(&["/Run", "/TN", NAME]))],
        Verb::Stop => vec![Step::Run(schtasks(&["/End", "/TN", NAME]))],
        Verb::Uninstall => vec![
            Step::Try(schtasks(&["/End", "/TN", NAME])),
            Step::Try(schtasks(&["/Delete", "/F", "/TN", NAME])),
            Step::Remove,
        ],
    }
}

/// The state's word is that of the system's language; another than this one counts as stopped.
pub(super) fn question() -> (Command, &'static str) {
    let words = ["/Query", "/FO", "LIST", "/TN", NAME];
    (Command::new("schtasks", words), "Running")
}

#[cfg(test)]
mod tests {
    use super::super::plan::Platform;
    use super::*;

    /// The sequence of the documented schema: a task's parts have to come in this order.
    #[tokio::test]
    async fn a_parser_of_xml_finds_the_parts_in_the_order_of_the_schema() {
        let read = "import json, sys, xml.etree.ElementTree as tree\n\
                    task = tree.fromstring(sys.stdin.buffer.read().decode('utf-16'))\n\
                    space = '{http://schemas.microsoft.com/windows/2004/02/mit/task}'\n\
                    name = lambda it: it.tag.removeprefix(space)\n\
                    print(json.dumps([[name(task)] + [name(it) for it in task],\
                    [[name(it), it.text] for it in task.find(f'.//{space}Exec')],\
                    task.find(f'.//{space}Principal/{space}UserId').text]))";
        let xml = xml(&Facts::example(Platform::Tasks));
        let wide = std::iter::once(0xFEFF).chain(xml.encode_utf16());
        let bytes: Vec<u8> = wide.flat_map(u16::to_le_bytes).collect();
        let mut python = testkit::program("python3")
            .args(["-c", read])
            .input(bytes)
            .spawn();
        let told = python.success(std::time::Duration::from_secs(30)).await;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let parts = [
            "Task",
            "RegistrationInfo",
            "Triggers",
            "Principals",
            "Settings",
            "Actions",
        ];
        let exec = [
            ["Command", "/opt/Basic 100%/bm-cloud"],
            ["Arguments", "bisync --watch"],
        ];
        assert_eq!(told, serde_json::json!([parts, exec, "DESK\\ana"]));
    }

    #[test]
    fn a_task_starts_at_the_persons_logon_and_has_no_time_limit() {
        insta::assert_snapshot!(xml(&Facts::example(Platform::Tasks)), @r#"
        <?xml version="1.0" encoding="UTF-16"?>
        <Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
          <RegistrationInfo>
            <Description>Keeps notes and the cloud the same. Made by bm-cloud bisync-service.</Description>
            <URI>\Basic Memory Cloud</URI>
          </RegistrationInfo>
          <Triggers>
            <LogonTrigger>
              <Enabled>true</Enabled>
              <UserId>DESK\ana</UserId>
            </LogonTrigger>
          </Triggers>
          <Principals>
            <Principal id="Author">
              <UserId>DESK\ana</UserId>
              <LogonType>InteractiveToken</LogonType>
              <RunLevel>LeastPrivilege</RunLevel>
            </Principal>
          </Principals>
          <Settings>
            <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
            <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
            <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
            <StartWhenAvailable>true</StartWhenAvailable>
            <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
            <RestartOnFailure>
              <Interval>PT1M</Interval>
              <Count>3</Count>
            </RestartOnFailure>
          </Settings>
          <Actions Context="Author">
            <Exec>
              <Command>/opt/Basic 100%/bm-cloud</Command>
              <Arguments>bisync --watch</Arguments>
            </Exec>
          </Actions>
        </Task>
        "#);
    }
}
