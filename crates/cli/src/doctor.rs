//! `bm-cloud doctor`: what is wrong, why, and what helps.

use std::path::PathBuf;

use clap::Args;
use engine::view::{Finding, FindingLevel};
use engine::{Connection, Reply, Request};
use serde_json::json;

use crate::commands;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Mend what this repair mends; findings name theirs, and say what it would do.
    #[arg(long, value_name = "NAME", conflicts_with = "export")]
    repair: Option<String>,
    /// Pack the findings and how things are into a new file for whoever helps you. It holds no
    /// keys and no notes' names.
    #[arg(long, value_name = "FILE.zip")]
    export: Option<PathBuf>,
    /// Print JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(context: &Context, arguments: &Doctor) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| {
            if let Some(code) = &arguments.repair {
                return repair(context, connection, code).await;
            }
            if let Some(file) = &arguments.export {
                return export(context, connection, file.clone()).await;
            }
            examine(context, connection).await
        })
        .await
}

async fn examine(context: &Context, connection: &Connection) -> Result<Exit, Failure> {
    let findings = findings(context, connection).await?;
    let output = &context.output;
    for finding in &findings {
        for line in lines(finding) {
            output.data(&line);
        }
    }
    let sick = findings
        .iter()
        .any(|finding| finding.level == FindingLevel::Error);
    output.json(&json!({ "ok": !sick, "findings": findings }));
    Ok(if sick { Exit::Failed } else { Exit::Done })
}

async fn repair(context: &Context, connection: &Connection, code: &str) -> Result<Exit, Failure> {
    let code = code.to_owned();
    context.ask(connection, Request::Repair { code }).await?;
    // An installation goes on after its request; what is found next waits for it.
    context.wait(connection, crate::setup::known_rclone).await?;
    examine(context, connection).await
}

async fn export(
    context: &Context,
    connection: &Connection,
    file: PathBuf,
) -> Result<Exit, Failure> {
    let file = std::path::absolute(&file).map_err(|error| {
        let message = format!("{} cannot be used: {error}", file.display());
        Failure::new("file_unusable", message)
    })?;
    let reply = context
        .ask(connection, Request::ExportDiagnostics { file })
        .await?;
    let Reply::Exported { path, .. } = reply else {
        return Err(Failure::unexpected());
    };
    context
        .output
        .good(&format!("{path} is ready; look into it before you send it"));
    context.output.json(&json!({ "ok": true, "path": path }));
    Ok(Exit::Done)
}

async fn findings(context: &Context, connection: &Connection) -> Result<Vec<Finding>, Failure> {
    let Reply::Diagnosis { findings } = context.ask(connection, Request::Diagnose).await? else {
        return Err(Failure::unexpected());
    };
    Ok(findings)
}

fn lines(finding: &Finding) -> Vec<String> {
    let sign = match finding.level {
        FindingLevel::Ok => '✓',
        FindingLevel::Note => '·',
        FindingLevel::Warning => '!',
        FindingLevel::Error => '✗',
    };
    let mut lines = vec![format!("{sign} {}", finding.message)];
    let told = finding.hint.clone();
    let hint = told.and_then(|told| commands::hint(&finding.code, Some(told)));
    lines.extend(hint.map(|hint| format!("  hint: {hint}")));
    lines.extend(
        finding
            .repair
            .iter()
            .map(|repair| format!("  repair: bm-cloud doctor --repair {repair}")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_tells_its_way_out() {
        let finding = Finding {
            code: "config_permissions".into(),
            level: FindingLevel::Warning,
            message: "Others can read it".into(),
            hint: Some("Close it.".into()),
            repair: Some("config_permissions".into()),
        };
        let expected = [
            "! Others can read it",
            "  hint: Close it.",
            "  repair: bm-cloud doctor --repair config_permissions",
        ];
        assert_eq!(lines(&finding), expected);
    }

    #[test]
    fn what_is_well_has_no_way_out() {
        let finding = Finding {
            code: "rclone".into(),
            level: FindingLevel::Ok,
            message: "rclone 1.75.2".into(),
            hint: None,
            repair: None,
        };
        assert_eq!(lines(&finding), ["✓ rclone 1.75.2"]);
    }
}
