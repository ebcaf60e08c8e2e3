//! Finding out what is wrong, mending it, and packing what helps others to help.

use std::path::{Path, PathBuf};

use super::credentials::unwritten;
use super::export::back_up;
use super::session::refusal;
use super::{Answer, Core, Input};
use crate::diagnostics;
use crate::doctor::{
    CLOSE_CONFIG, ConfigSeen, Facts, INSTALL_RCLONE, MEND_ENDPOINT, Question, REVOKE_ORPHANS,
    REVOKE_UPSTREAM, abandoned, findings, gather, mended_endpoint, orphaned,
};
use crate::engine::model::render;
use crate::engine::run::try_rclone;
use crate::private_file::{self, Existing};
use crate::{Refusal, Reply};

impl Core {
    pub(super) fn diagnose(&self, answer: Answer) {
        let question = self.question();
        self.beside(answer, async {
            let facts = look(question).await;
            Ok(Reply::Diagnosis {
                findings: findings(&facts),
            })
        });
    }

    /// Mends what a finding names; what cannot be mended by a program is refused.
    pub(super) fn repair(&mut self, code: &str, answer: Answer) {
        if code == INSTALL_RCLONE {
            self.install_rclone();
            return self.reply(answer, Ok(Reply::Done));
        }
        let (question, code) = (self.question(), code.to_owned());
        self.beside(answer, async move {
            let (account, clock) = (question.account.clone(), question.config.clock.clone());
            let facts = look(question).await;
            match code.as_str() {
                MEND_ENDPOINT => {
                    for config in &facts.configs {
                        mend_endpoint(config, &facts, clock.now()).await?;
                    }
                }
                CLOSE_CONFIG => {
                    let files = facts.configs.iter().chain(&facts.copies);
                    for config in files.filter(|it| it.shows_secrets()) {
                        close(&config.path).map_err(|error| unwritten(&config.path, &error))?;
                    }
                }
                REVOKE_ORPHANS | REVOKE_UPSTREAM => {
                    let account = account.ok_or_else(super::requests::signed_out)?;
                    let keys = match code.as_str() {
                        REVOKE_UPSTREAM => abandoned(&facts),
                        _ => orphaned(&facts),
                    };
                    for key in keys {
                        let revoked = account.revoke_credential(&key.id).await;
                        revoked.map_err(|error| refusal(&error))?;
                    }
                }
                _ => {
                    let message = format!("There is no repair called {code:?}");
                    return Err(Refusal::new("no_repair", message)
                        .field("code")
                        .hint("A check-up names the repairs there are."));
                }
            }
            Ok(Reply::Done)
        });
    }

    pub(super) fn export_diagnostics(&mut self, file: &Path, answer: Answer) {
        let file = match self.fit_for_secrets(file) {
            Ok(file) => file,
            Err(refusal) => return self.reply(answer, Err(refusal)),
        };
        let view = render(&self.model, self.config.clock.now_ms());
        let (question, settings) = (self.question(), self.model.settings.clone());
        self.beside(answer, async move {
            let findings = findings(&look(question).await);
            let packed = diagnostics::pack(view, &settings, &findings)
                .map_err(|error| unwritten(&file, &error))?;
            private_file::write_bytes(file.clone(), packed, Existing::Refuse)
                .await
                .map_err(|error| unwritten(&file, &error))?;
            Ok(Reply::Exported {
                path: file.display().to_string(),
                backup: None,
            })
        });
    }

    fn question(&self) -> Question {
        let pairs: Vec<(String, PathBuf)> = self
            .model
            .pairs
            .iter()
            .map(|pair| (pair.settings.id.clone(), pair.settings.folder.clone()))
            .collect();
        Question {
            config: self.config.clone(),
            account: self.account.clone(),
            secrets: self.secrets.clone(),
            rclone: Err(self.model.rclone.clone()),
            pairs,
        }
    }

    pub(super) fn beside(
        &self,
        answer: Answer,
        work: impl Future<Output = Result<Reply, Refusal>> + Send + 'static,
    ) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let input = Input::Answered(Box::new(work.await), answer);
            if inputs.send(input).await.is_err() {
                tracing::debug!("the engine stopped before it answered");
            }
        });
    }
}

/// What is known of rclone may be old: it is looked for again.
async fn look(mut question: Question) -> Facts {
    question.rclone = try_rclone(&question.config).await;
    gather(question).await
}

async fn mend_endpoint(
    config: &ConfigSeen,
    facts: &Facts,
    now: std::time::SystemTime,
) -> Result<(), Refusal> {
    let astray = config.astray(&facts.access_keys);
    let Some(endpoint) = config.endpoint.as_deref().filter(|_| !astray.is_empty()) else {
        return Ok(());
    };
    let failed = |error: std::io::Error| unwritten(&config.path, &error);
    let path = config.path.canonicalize().map_err(failed)?;
    back_up(&path, &config.text, now).await.map_err(failed)?;
    let mended = mended_endpoint(&config.text, &astray, endpoint).into_bytes();
    private_file::write_bytes(path, mended, Existing::Replace)
        .await
        .map_err(failed)
}

#[cfg(unix)]
fn close(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "shaped as on Unix")]
fn close(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
