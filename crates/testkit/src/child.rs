use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;
use std::{io, thread};

use serde_json::Value;
use tempfile::TempDir;

use crate::{scratch, wait_for};

/// A program to start: `program(&path).arg("x").spawn()`.
#[must_use]
pub struct Program {
    command: Command,
    input: Vec<u8>,
}

/// Names a program to start. Its input is empty unless [`Program::input`] says otherwise.
pub fn program(path: impl AsRef<Path>) -> Program {
    #[expect(
        clippy::disallowed_methods,
        reason = "children of tests start here alone"
    )]
    let command = Command::new(path.as_ref());
    Program {
        command,
        input: Vec::new(),
    }
}

impl Program {
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn env_clear(mut self) -> Self {
        self.command.env_clear();
        self
    }

    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// What the program reads on its standard input, followed by the end.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Starts the program, with its output going to files.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn(mut self) -> Child {
        let folder = scratch();
        let output = |name: &str| File::create(folder.path().join(name)).expect("a file is made");
        self.command
            .stdout(output("stdout"))
            .stderr(output("stderr"));
        let input = if self.input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        };
        self.command.stdin(input);
        let mut process = spawn_lastingly(self.command);
        if let Some(mut stdin) = process.stdin.take() {
            stdin
                .write_all(&self.input)
                .expect("the program reads its input");
        }
        Child { process, folder }
    }
}

/// A running program that ends with this value, and with the test even if that is killed.
#[must_use]
pub struct Child {
    process: std::process::Child,
    folder: TempDir,
}

impl Child {
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// All that it wrote to its standard output up to now.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.written("stdout")
    }

    /// All that it wrote to its standard error up to now.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.written("stderr")
    }

    /// Waits for a whole line on either output that `fits`.
    ///
    /// # Panics
    /// If the program ends or `deadline` passes first; with all it wrote.
    pub async fn line(&mut self, deadline: Duration, fits: impl Fn(&str) -> bool) -> String {
        self.find(deadline, &["stdout", "stderr"], |line| {
            fits(line).then(|| line.to_owned())
        })
        .await
    }

    /// Waits for the first line on its standard output that is a JSON object.
    ///
    /// # Panics
    /// As [`Child::line`].
    pub async fn json_line(&mut self, deadline: Duration) -> Value {
        let object = |line: &str| serde_json::from_str(line).ok().filter(Value::is_object);
        self.find(deadline, &["stdout"], object).await
    }

    async fn find<T>(
        &mut self,
        deadline: Duration,
        outputs: &[&str],
        fits: impl Fn(&str) -> Option<T>,
    ) -> T {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            let ended = self.ended().is_some();
            for output in outputs {
                let text = self.written(output);
                let mut whole = text
                    .split_inclusive('\n')
                    .filter_map(|l| l.strip_suffix('\n'));
                if let Some(found) = whole.find_map(&fits) {
                    return found;
                }
            }
            let late = tokio::time::Instant::now() > end;
            let wrote = || format!("{}\n{}", self.stdout(), self.stderr());
            assert!(
                !ended && !late,
                "no such line (ended: {ended}):\n{}",
                wrote()
            );
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process
            .try_wait()
            .expect("our own child can be waited for")
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If `deadline` passes first.
    #[track_caller]
    pub fn exit(&mut self, deadline: Duration) -> impl Future<Output = ExitStatus> {
        wait_for(deadline, async || self.ended())
    }

    /// Waits until it ends by itself with success; what it wrote to its standard output.
    ///
    /// # Panics
    /// If it fails, with all it wrote, or if `deadline` passes first.
    pub async fn success(&mut self, deadline: Duration) -> String {
        let status = self.exit(deadline).await;
        let output = self.stdout();
        assert!(status.success(), "{status}:\n{output}\n{}", self.stderr());
        output
    }

    /// Asks it to end (SIGTERM).
    #[cfg(unix)]
    pub fn terminate(&mut self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Ends it at once (SIGKILL) and reaps it.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.process.kill().expect("our own child can be killed");
            self.process
                .wait()
                .expect("our own child can be waited for");
        }
    }

    #[cfg(unix)]
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        if self.ended().is_none() {
            let pid = rustix::process::Pid::from_child(&self.process);
            rustix::process::kill_process(pid, signal).expect("our own child can be signalled");
        }
    }

    fn written(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).expect("the output file stays");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let error = self.stderr();
            let tail: Vec<&str> = error.lines().rev().take(30).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            #[expect(
                clippy::print_stderr,
                reason = "a failed test shows what its child said"
            )]
            {
                eprintln!("--- child {} said last:\n{}", self.pid(), tail.join("\n"));
            }
        }
    }
}

type Job = (Command, mpsc::SyncSender<io::Result<std::process::Child>>);

/// Starts the command from a thread that lasts as long as the process: the parent-death signal
/// comes when the *thread* that started a child ends.
fn spawn_lastingly(mut command: Command) -> std::process::Child {
    let name = command.get_program().to_owned();
    static SPAWNER: OnceLock<mpsc::SyncSender<Job>> = OnceLock::new();
    die_with_us(&mut command);
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::sync_channel::<Job>(16);
        thread::Builder::new()
            .name("child-spawner".to_owned())
            .spawn(move || {
                for (mut command, answer) in queue {
                    answer.send(command.spawn()).ok();
                }
            })
            .expect("a thread starts");
        jobs
    });
    let (answer, answered) = mpsc::sync_channel(1);
    spawner.send((command, answer)).expect("the spawner lasts");
    let started = answered.recv().expect("the spawner answers");
    started.unwrap_or_else(|error| panic!("could not start {}: {error}", name.display()))
}

#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

    let parent = Some(getpid());
    #[expect(
        unsafe_code,
        reason = "only the child itself can ask for its parent-death signal"
    )]
    // SAFETY: between fork and exec the closure only makes system calls.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            if getppid() == parent {
                Ok(())
            } else {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_command: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn captures_output_and_exit() {
        let mut child = program("sh")
            .args(["-c", "cat; echo '{\"a\":1}'; echo bad >&2; exit 3"])
            .input("in\n")
            .spawn();
        assert_eq!(child.json_line(SOON).await, serde_json::json!({"a": 1}));
        assert_eq!(child.exit(SOON).await.code(), Some(3));
        assert_eq!(
            (child.stdout().as_str(), child.stderr().as_str()),
            ("in\n{\"a\":1}\n", "bad\n")
        );
    }

    #[tokio::test]
    async fn ends_with_its_value() {
        let child = program("sleep").arg("600").spawn();
        let process = Path::new("/proc").join(child.pid().to_string());
        assert!(process.exists());
        drop(child);
        assert!(!process.exists());
    }
}
