use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A program that runs beside us. It ends with us, however we end, unless it is let go.
pub(crate) struct Companion {
    name: String,
    child: Option<Child>,
    lines: Receiver<String>,
    log: PathBuf,
}

/// What a program reads from its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input<'a> {
    Nothing,
    Text(&'a str),
}

impl Companion {
    /// Starts a [`tied`] command; its standard error goes to `log`.
    pub(crate) fn start(
        name: &str,
        command: &mut Command,
        input: Input<'_>,
        log: &Path,
    ) -> Result<Self> {
        let file =
            File::create(log).with_context(|| format!("could not make {}", log.display()))?;
        command
            .stdin(input.into_stdio()?)
            .stdout(Stdio::piped())
            .stderr(file);
        let mut child = command
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let output = child.stdout.take().context("the output was asked for")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output)
                .lines()
                .map_while(std::io::Result::ok)
            {
                // Nobody has to listen; the pipe is drained all the same.
                drop(sender.send(line));
            }
        });
        Ok(Self {
            name: name.to_owned(),
            child: Some(child),
            lines,
            log: log.to_path_buf(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// The next line of standard output.
    pub(crate) fn line(&self, deadline: Duration) -> Result<String> {
        self.lines
            .recv_timeout(deadline)
            .map_err(|_| anyhow::anyhow!("{} said nothing{}", self.name, self.last_words()))
    }

    /// Waits for the end, and gives what was left of standard output.
    pub(crate) fn finish(mut self, deadline: Duration) -> Result<(ExitStatus, Vec<String>)> {
        let mut child = self.child.take().context("a companion is finished once")?;
        let until = Instant::now() + deadline;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok((status, self.lines.iter().collect()));
            }
            if Instant::now() > until {
                self.child = Some(child);
                bail!("{} does not end{}", self.name, self.last_words());
            }
            pause();
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Asks it to end and waits a little before insisting.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if matches!(child.try_wait(), Ok(None)) {
            drop(Command::new("kill").arg(child.id().to_string()).status());
            let until = Instant::now() + Duration::from_secs(5);
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
                pause();
            }
            drop(child.kill());
        }
        drop(child.wait());
    }

    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(15)..];
        if last.is_empty() {
            String::new()
        } else {
            format!("; its log ends with\n  {}", last.join("\n  "))
        }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Input<'_> {
    pub(crate) fn into_stdio(self) -> Result<Stdio> {
        let Input::Text(text) = self else {
            return Ok(Stdio::null());
        };
        // Short enough for the pipe's own memory: nobody has to read it yet.
        let (reader, mut writer) = std::io::pipe()?;
        writer.write_all(text.as_bytes())?;
        Ok(Stdio::from(reader))
    }
}

/// A command for a program that the kernel ends when this process ends.
pub(crate) fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

/// Asks again and again until there is an answer, or the time is up.
pub(crate) fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let until = Instant::now() + deadline;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() > until {
            bail!("waited {} s for {what}", deadline.as_secs());
        }
        pause();
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(30));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_and_the_end_of_a_companion() {
        let folder = std::env::temp_dir().join(format!("xtask-child-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = tied("sh");
        command.args(["-c", "echo one; echo two; echo trouble >&2; exit 3"]);
        let companion =
            Companion::start("sh", &mut command, Input::Nothing, &folder.join("sh.log")).unwrap();
        assert_eq!(companion.line(Duration::from_secs(10)).unwrap(), "one");
        assert_eq!(companion.line(Duration::from_secs(10)).unwrap(), "two");
        assert!(
            companion
                .line(Duration::from_secs(10))
                .unwrap_err()
                .to_string()
                .contains("trouble")
        );
        let (status, rest) = companion.finish(Duration::from_secs(10)).unwrap();
        assert_eq!((status.code(), rest), (Some(3), Vec::new()));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_dropped_companion_is_gone() {
        let log = std::env::temp_dir().join(format!("xtask-drop-{}.log", std::process::id()));
        let mut command = tied("sleep");
        command.arg("600");
        let companion = Companion::start("sleep", &mut command, Input::Nothing, &log).unwrap();
        let process = PathBuf::from(format!("/proc/{}", companion.pid()));
        assert!(process.exists());
        drop(companion);
        assert!(!process.exists());
        std::fs::remove_file(&log).unwrap();
    }
}
