//! From what was seen to what a person is told.

use super::{
    CLOSE_CONFIG, ConfigSeen, Facts, FolderSeen, INSTALL_RCLONE, LinkingSeen, MEND_ENDPOINT,
    NamesSeen, REVOKE_ORPHANS, REVOKE_UPSTREAM, ServerSeen, StorageSeen,
};
use crate::doctor::configs::OpenTo;
use crate::view::{
    CredentialState, CredentialView, Finding, FindingLevel, RcloneView, SecretStoreView,
};

/// What the server calls a key that was asked for without a name, as upstream's set-up does each
/// time it runs.
const UPSTREAM_KEY: &str = "CLI mount credentials";

/// S3 refuses signatures from a clock further away than 15 minutes.
const SKEW_ERROR_S: u64 = 15 * 60;
const SKEW_WARNING_S: u64 = 60;
const LOW_SPACE: u64 = 1 << 30;
const NO_SPACE: u64 = 100 << 20;

/// All findings, in a fixed order.
pub(crate) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = vec![rclone(&facts.rclone), server(&facts.server)];
    found.extend(skew(&facts.server));
    found.extend(session(facts));
    found.extend(storage(&facts.storage));
    found.push(secret_store(facts.secrets));
    found.extend(configs(facts));
    found.extend(orphans(facts));
    found.extend(upstream_keys(facts));
    found.push(drives(&facts.drives));
    found.extend(watches(facts));
    found.extend(facts.folders.iter().flat_map(folder));
    found
}

/// Keys that this device made and does not use.
pub(crate) fn orphaned(facts: &Facts) -> Vec<&CredentialView> {
    let exported = format!("rclone on {}", facts.device);
    let knows_itself = facts.keys.iter().any(|key| key.this_device);
    unused(facts)
        .into_iter()
        .filter(|key| key.name == exported || knows_itself && key.name == facts.device)
        .collect()
}

/// Keys of upstream set-ups that no configuration here has. They may be another computer's.
pub(crate) fn abandoned(facts: &Facts) -> Vec<&CredentialView> {
    if facts.configs.iter().any(ConfigSeen::is_encrypted) {
        return Vec::new();
    }
    unused(facts)
        .into_iter()
        .filter(|key| key.name == UPSTREAM_KEY && key.state == CredentialState::Active)
        .collect()
}

/// Keys that neither this device nor a configuration here has.
fn unused(facts: &Facts) -> Vec<&CredentialView> {
    let remotes: Vec<_> = facts
        .configs
        .iter()
        .flat_map(ConfigSeen::cloud_remotes)
        .collect();
    let in_a_config = |key: &CredentialView| {
        facts.access_keys.iter().any(|(id, access_key)| {
            let used = |it: &crate::rclone_config::Remote| {
                it.option("access_key_id") == Some(access_key.as_str())
            };
            *id == key.id && remotes.iter().any(used)
        })
    };
    facts
        .keys
        .iter()
        .filter(|key| !key.this_device && !in_a_config(key))
        .collect()
}

fn finding(code: &str, level: FindingLevel, message: impl Into<String>) -> Finding {
    Finding {
        code: code.to_owned(),
        level,
        message: message.into(),
        hint: None,
        repair: None,
    }
}

impl Finding {
    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    fn repair(self, code: &str) -> Self {
        Self {
            repair: Some(code.to_owned()),
            ..self
        }
    }
}

fn rclone(view: &RcloneView) -> Finding {
    match view {
        RcloneView::Ready { version, path } => finding(
            "rclone",
            FindingLevel::Ok,
            format!("rclone {version} ({path})"),
        ),
        RcloneView::Missing { message, .. } | RcloneView::TooOld { message, .. } => {
            finding("rclone", FindingLevel::Error, message)
                .hint("The repair puts a copy in place that is this app's alone.")
                .repair(INSTALL_RCLONE)
        }
        RcloneView::Unknown | RcloneView::Installing => {
            finding("rclone", FindingLevel::Note, "rclone is being looked for")
        }
    }
}

fn server(server: &ServerSeen) -> Finding {
    match server {
        ServerSeen::SignedOut => {
            finding("signed_out", FindingLevel::Warning, "Nobody is signed in").hint("Sign in.")
        }
        ServerSeen::Unreachable { message, hint } => {
            let finding = finding("server_unreachable", FindingLevel::Error, message);
            match hint {
                Some(hint) => finding.hint(hint),
                None => finding,
            }
        }
        ServerSeen::Reached { url, .. } => {
            finding("server", FindingLevel::Ok, format!("{url} answers"))
        }
    }
}

fn skew(server: &ServerSeen) -> Option<Finding> {
    let ServerSeen::Reached {
        ahead_s: Some(ahead_s),
        ..
    } = server
    else {
        return None;
    };
    let level = match ahead_s.unsigned_abs() {
        ..SKEW_WARNING_S => return None,
        SKEW_WARNING_S..SKEW_ERROR_S => FindingLevel::Warning,
        SKEW_ERROR_S.. => FindingLevel::Error,
    };
    let way = if *ahead_s > 0 { "ahead of" } else { "behind" };
    let message = format!(
        "This computer's clock is {} s {way} the server's",
        ahead_s.unsigned_abs()
    );
    let hint = "Let the system set its clock from the network; the cloud refuses wrong times.";
    Some(finding("clock_skew", level, message).hint(hint))
}

fn session(facts: &Facts) -> Option<Finding> {
    let (message, hint) = facts.session.as_ref()?;
    let finding = finding("session", FindingLevel::Error, message);
    Some(match hint {
        Some(hint) => finding.hint(hint),
        None => finding,
    })
}

fn storage(storage: &StorageSeen) -> Option<Finding> {
    match storage {
        StorageSeen::Unknown => None,
        StorageSeen::Reached => Some(finding(
            "storage",
            FindingLevel::Ok,
            "The cloud storage answers",
        )),
        StorageSeen::Unreachable { endpoint } => {
            let message = format!("The cloud storage at {endpoint} cannot be reached");
            let hint =
                "A firewall may block its port. Sync needs this address besides the server's.";
            Some(finding("storage_unreachable", FindingLevel::Error, message).hint(hint))
        }
    }
}

fn secret_store(store: SecretStoreView) -> Finding {
    match store {
        SecretStoreView::Keyring => finding(
            "secrets",
            FindingLevel::Ok,
            "Secrets are in the system's keyring",
        ),
        SecretStoreView::KeyringLocked => finding(
            "keyring_locked",
            FindingLevel::Warning,
            "The keyring is locked",
        )
        .hint("Unlock it; sync goes on by itself then."),
        SecretStoreView::FileLocked => finding(
            "passphrase_needed",
            FindingLevel::Error,
            "The encrypted file of secrets waits for its passphrase",
        )
        .hint("Enter it in the window, or name a file that holds it: BM_CLOUD_PASSPHRASE_FILE."),
        SecretStoreView::EncryptedFile => finding(
            "secrets_in_file",
            FindingLevel::Note,
            "Secrets are in an encrypted file, not in a keyring",
        ),
    }
}

fn configs(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for config in &facts.configs {
        let path = config.path.display();
        if config.is_encrypted() {
            let message = format!("{path} is encrypted; what is in it is not looked at");
            found.push(finding("config_encrypted", FindingLevel::Note, message));
        }
        for remote in config.astray(&facts.access_keys) {
            let was = remote.option("endpoint").unwrap_or("nothing");
            let right = config.endpoint.as_deref().unwrap_or_default();
            let message = format!(
                "The remote {} in {path} sends this account's key to {was}",
                remote.name
            );
            let hint =
                format!("The repair makes it `endpoint = {right}`; a backup of the file stays.");
            found.push(
                finding("upstream_endpoint", FindingLevel::Warning, message)
                    .hint(hint)
                    .repair(MEND_ENDPOINT),
            );
        }
        found.extend(shown(config));
    }
    found.extend(facts.copies.iter().filter_map(shown));
    found
}

fn shown(config: &ConfigSeen) -> Option<Finding> {
    let (true, OpenTo::Others { mode }) = (config.shows_secrets(), config.open_to) else {
        return None;
    };
    let path = config.path.display();
    let message = format!("Others on this computer can read the key in {path} ({mode:03o})");
    Some(
        finding("config_permissions", FindingLevel::Warning, message)
            .hint("The repair makes the file yours alone (600).")
            .repair(CLOSE_CONFIG),
    )
}

fn orphans(facts: &Facts) -> Option<Finding> {
    let orphans = orphaned(facts);
    if orphans.is_empty() {
        return None;
    }
    let ids: Vec<&str> = orphans.iter().map(|key| key.id.as_str()).collect();
    let message = match ids.len() {
        1 => "1 key that this device made is used by nothing here".to_owned(),
        count => format!("{count} keys that this device made are used by nothing here"),
    };
    let hint = format!(
        "The repair revokes {}. Not if another computer has the same name.",
        ids.join(", ")
    );
    Some(
        finding("orphaned_keys", FindingLevel::Note, message)
            .hint(hint)
            .repair(REVOKE_ORPHANS),
    )
}

fn upstream_keys(facts: &Facts) -> Option<Finding> {
    let keys = abandoned(facts);
    if keys.is_empty() {
        return None;
    }
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    let message = match ids.len() {
        1 => "1 key that `bm cloud setup` made is in no rclone configuration here".to_owned(),
        count => {
            format!("{count} keys that `bm cloud setup` made are in no rclone configuration here")
        }
    };
    let hint = format!(
        "Each run leaves one. The repair revokes {}. Not if another computer was set up that way \
         and still syncs.",
        ids.join(", ")
    );
    Some(
        finding("upstream_keys", FindingLevel::Note, message)
            .hint(hint)
            .repair(REVOKE_UPSTREAM),
    )
}

fn drives(drives: &Result<String, (String, String)>) -> Finding {
    match drives {
        Ok(driver) => finding(
            "drives",
            FindingLevel::Ok,
            format!("Drives are possible ({driver})"),
        ),
        Err((message, hint)) => {
            let message = format!("Drives are not possible: {message}");
            finding("no_fuse", FindingLevel::Note, message).hint(hint)
        }
    }
}

fn watches(facts: &Facts) -> Option<Finding> {
    let folders: u64 = facts.folders.iter().map(|folder| folder.folders).sum();
    let limit = facts.watches?;
    if folders.saturating_mul(10) < limit.saturating_mul(9) {
        return None;
    }
    let message = format!("{folders} folders are to be watched, the system allows {limit}");
    let hint = format!(
        "sudo sysctl fs.inotify.max_user_watches={}; until then changes are found by the interval.",
        limit.max(folders).saturating_mul(2)
    );
    Some(finding("inotify_limit", FindingLevel::Warning, message).hint(hint))
}

fn folder(folder: &FolderSeen) -> Vec<Finding> {
    let path = folder.path.display();
    if !folder.exists {
        let message = format!("The folder {path} is missing");
        let hint = "Bring it back, or set up another; nothing is deleted meanwhile.";
        return vec![finding("folder_missing", FindingLevel::Error, message).hint(hint)];
    }
    let mut found = Vec::new();
    if let Some(free) = folder.free_bytes.filter(|free| *free < LOW_SPACE) {
        let level = if free < NO_SPACE {
            FindingLevel::Error
        } else {
            FindingLevel::Warning
        };
        let message = format!("Only {} MiB are free on the disk of {path}", free >> 20);
        found.push(finding("disk_space", level, message).hint("Make room before it is full."));
    }
    if folder.linking == Some(LinkingSeen::Copies) {
        let message = format!("The disk of {path} has no hard links; sync works with copies there");
        found.push(finding("no_hard_links", FindingLevel::Note, message));
    }
    if folder.names == Some(NamesSeen::CaseInsensitive) {
        let message = format!("The disk of {path} takes Note.md and note.md for one file");
        found.push(
            finding("case_insensitive", FindingLevel::Note, message)
                .hint("Notes that differ only in capitals are left alone and listed."),
        );
    }
    if found.is_empty() {
        found.push(finding(
            "folder",
            FindingLevel::Ok,
            format!("{path} is fine"),
        ));
    }
    found
}

#[cfg(test)]
mod tests;
