//! `bm-cloud mount`, `unmount` and `mount-status`: the cloud as a drive.

use std::path::{Path, PathBuf};

use engine::view::{MountProfileName, MountState, MountSupport, MountView};
use engine::{Connection, Request, View};
use serde_json::json;

use crate::arguments::{Mount, MountProfile, Unmount};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) async fn run(context: &Context, arguments: &Mount) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| {
            let folder = folder(context, connection, arguments.folder.as_deref())?;
            let profile = profile(connection, &folder, arguments.profile);
            let request = Request::Mount {
                folder: folder.clone(),
                profile,
            };
            context.ask(connection, request).await?;
            let mounted = context.wait(connection, |view| settled(view, &folder));
            let mount = match mounted.await {
                Ok(mount) => mount?,
                Err(failure) => {
                    if !connection.is_shared() {
                        take_away(context, connection, &folder).await;
                    }
                    return Err(failure);
                }
            };
            let output = &context.output;
            output.json(&json!({ "ok": true, "mount": mount }));
            output.data(&format!(
                "Mounted at {} ({})",
                mount.folder,
                profile_words(mount.profile)
            ));
            if connection.is_shared() {
                return Ok(Exit::Done);
            }
            output.say("It stays while this command runs; end it with Ctrl-C.");
            Ok(stay(context, connection, &folder).await)
        })
        .await
}

/// Shows the mount until a signal or another command ends it.
async fn stay(context: &Context, connection: &Connection, folder: &Path) -> Exit {
    let away = context.wait(connection, |view| {
        let mount = find(view, folder)?;
        matches!(mount.state, MountState::Unmounted | MountState::Failed).then(|| mount.clone())
    });
    match away.await {
        Ok(mount) => {
            say_end(context, &mount);
            match mount.state {
                MountState::Failed => Exit::Failed,
                MountState::Starting
                | MountState::Mounted
                | MountState::Reconnecting
                | MountState::Unmounting
                | MountState::Unmounted => Exit::Done,
            }
        }
        Err(_) => {
            context.output.say("Unmounting");
            take_away(context, connection, folder).await;
            Exit::Done
        }
    }
}

/// Unmounts when this command ends; what still uses the folder is not waited for.
async fn take_away(context: &Context, connection: &Connection, folder: &Path) {
    let Some(id) = find(&connection.view(), folder).map(|mount| mount.id.clone()) else {
        return;
    };
    if connection
        .send(Request::Unmount { id: id.clone() })
        .await
        .is_err()
    {
        return;
    }
    let ended = connection.wait_for(|view| {
        let mount = view.mounts.iter().find(|mount| mount.id == id);
        mount.is_none_or(|mount| unmount_ended(mount).is_some())
    });
    if let Some(view) = ended.await
        && let Some(mount) = find(&view, folder)
    {
        say_end(context, mount);
    }
}

pub(crate) async fn unmount(context: &Context, arguments: &Unmount) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| {
            let view = connection.view();
            let chosen: Vec<&MountView> = match &arguments.folder {
                Some(folder) => {
                    let folder = absolute(folder)?;
                    let mount = find(&view, &folder).ok_or_else(|| {
                        let message = format!("{} is not a mount", folder.display());
                        Failure::new("not_found", message)
                            .hint("`bm-cloud mount-status` lists them.")
                    })?;
                    vec![mount]
                }
                None => view.mounts.iter().collect(),
            };
            let mut ended = Vec::new();
            for mount in chosen {
                let id = mount.id.clone();
                let request = Request::Unmount { id: id.clone() };
                context.ask(connection, request).await?;
                let mount = context
                    .wait(connection, |view| {
                        let mount = view.mounts.iter().find(|mount| mount.id == id)?;
                        unmount_ended(mount)
                    })
                    .await??;
                say_end(context, &mount);
                ended.push(mount);
            }
            if ended.is_empty() {
                context.output.say("Nothing is mounted.");
            }
            context.output.json(&json!({ "ok": true, "mounts": ended }));
            Ok(Exit::Done)
        })
        .await
}

pub(crate) async fn status(context: &Context) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| {
            let view = connection.view();
            let exit = Exit::gravest(view.mounts.iter().map(exit_of));
            let output = &context.output;
            output.json(&json!({
                "ok": exit == Exit::Done,
                "exitCode": exit.code(),
                "support": view.mount_support,
                "mounts": view.mounts,
            }));
            for line in lines(&view) {
                output.data(&line);
            }
            Ok(exit)
        })
        .await
}

fn exit_of(mount: &MountView) -> Exit {
    match mount.state {
        MountState::Mounted | MountState::Unmounted => Exit::Done,
        MountState::Starting | MountState::Reconnecting | MountState::Unmounting => Exit::TryLater,
        MountState::Failed => Exit::Failed,
    }
}

fn lines(view: &View) -> Vec<String> {
    let mut lines = Vec::new();
    match &view.mount_support {
        MountSupport::Ready { .. } => {}
        MountSupport::Missing { message, hint } => {
            lines.push(format!("Drives are not possible here: {message}"));
            lines.push(format!("hint: {hint}"));
        }
    }
    if view.mounts.is_empty() {
        lines.push("Nothing is mounted; `bm-cloud mount` shows the cloud as a drive.".to_owned());
    }
    for mount in &view.mounts {
        lines.push(format!("{}  {}", mount.folder, state_words(mount.state)));
        lines.push(format!("  profile  {}", profile_words(mount.profile)));
        if mount.waiting > 0 {
            lines.push(format!(
                "  waiting  {} ({} bytes) not in the cloud yet",
                files(mount.waiting),
                mount.waiting_bytes
            ));
        }
        lines.extend(mount.message.iter().map(|message| format!("  {message}")));
        let hint = crate::commands::hint("mount", mount.hint.clone());
        lines.extend(hint.map(|hint| format!("  hint: {hint}")));
    }
    lines
}

fn state_words(state: MountState) -> &'static str {
    match state {
        MountState::Starting => "starting",
        MountState::Mounted => "mounted",
        MountState::Reconnecting => "reconnecting",
        MountState::Unmounting => "unmounting",
        MountState::Unmounted => "not mounted",
        MountState::Failed => "failed",
    }
}

fn profile_words(profile: MountProfileName) -> &'static str {
    match profile {
        MountProfileName::Fast => "fast: changes of others after 5 s at most",
        MountProfileName::Balanced => "balanced: changes of others after 10 s at most",
        MountProfileName::Safe => "safe: changes of others after 15 s at most",
    }
}

fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}

fn say_end(context: &Context, mount: &MountView) {
    if mount.state == MountState::Unmounted {
        context.output.say(&format!("Unmounted {}", mount.folder));
    }
    for words in mount.message.iter() {
        context.output.say(words);
    }
    for hint in mount.hint.iter() {
        context.output.say(&format!("hint: {hint}"));
    }
}

/// The mount once it is there, or why it is not.
fn settled(view: &View, folder: &Path) -> Option<Result<MountView, Failure>> {
    let mount = find(view, folder)?;
    let failure = |exit| {
        let message = mount
            .message
            .clone()
            .unwrap_or_else(|| "It did not mount".to_owned());
        let failure = Failure::new("mount_failed", message).exit(exit);
        match &mount.hint {
            Some(hint) => failure.hint(hint.clone()),
            None => failure,
        }
    };
    match mount.state {
        MountState::Mounted => Some(Ok(mount.clone())),
        MountState::Failed => Some(Err(failure(Exit::Failed))),
        MountState::Reconnecting if mount.message.is_some() => Some(Err(failure(Exit::TryLater))),
        MountState::Starting
        | MountState::Reconnecting
        | MountState::Unmounting
        | MountState::Unmounted => None,
    }
}

/// How an unmount ended, once it has.
fn unmount_ended(mount: &MountView) -> Option<Result<MountView, Failure>> {
    match (mount.state, &mount.message) {
        (MountState::Unmounted, _) => Some(Ok(mount.clone())),
        (MountState::Mounted, Some(message)) => {
            let failure = Failure::new("folder_busy", message.clone()).exit(Exit::TryLater);
            Some(Err(match &mount.hint {
                Some(hint) => failure.hint(hint.clone()),
                None => failure,
            }))
        }
        (
            MountState::Starting
            | MountState::Mounted
            | MountState::Reconnecting
            | MountState::Unmounting
            | MountState::Failed,
            _,
        ) => None,
    }
}

fn find<'a>(view: &'a View, folder: &Path) -> Option<&'a MountView> {
    let whole = dunce::canonicalize(folder);
    let is_asked = |mount: &&MountView| {
        let there = Path::new(&mount.folder);
        there == folder || whole.as_deref().is_ok_and(|whole| whole == there)
    };
    view.mounts.iter().find(is_asked)
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(folder).map_err(|error| {
        let message = format!("{} cannot be used: {error}", folder.display());
        Failure::new("folder_unusable", message)
    })
}

/// The folder that was named, else the one known mount, else one in the home folder.
fn folder(
    context: &Context,
    connection: &Connection,
    named: Option<&Path>,
) -> Result<PathBuf, Failure> {
    if let Some(folder) = named {
        return absolute(folder);
    }
    let view = connection.view();
    match (view.mounts.as_slice(), &context.home) {
        ([mount], _) => Ok(PathBuf::from(&mount.folder)),
        ([], Some(home)) => {
            let name = view
                .pairs
                .first()
                .map(|pair| pair.bucket.as_str())
                .filter(|bucket| bucket.starts_with("basic-memory-"))
                .unwrap_or("basic-memory-drive");
            Ok(home.join(name))
        }
        _ => Err(Failure::new("which_folder", "Name the folder to mount in").exit(Exit::Usage)),
    }
}

fn profile(
    connection: &Connection,
    folder: &Path,
    chosen: Option<MountProfile>,
) -> MountProfileName {
    let view = connection.view();
    match (chosen, find(&view, folder)) {
        (Some(profile), _) => profile.into(),
        (None, Some(mount)) => mount.profile,
        (None, None) => MountProfileName::Balanced,
    }
}
