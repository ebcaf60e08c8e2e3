//! `bm-cloud setup --dry-run`: what a set-up would find and do.

use std::path::Path;

use engine::view::{ChangeAction, SetUpPreview};
use engine::{Reply, Request};
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) async fn run(context: &Context, folder: &Path) -> Result<Exit, Failure> {
    let preview = context
        .with_engine(async |connection| {
            let request = Request::PreviewSetUp {
                folder: folder.to_owned(),
                instead_of: None,
            };
            let Reply::SetUpPreview { preview } = context.ask(connection, request).await? else {
                return Err(Failure::unexpected());
            };
            Ok(preview)
        })
        .await?;
    context
        .output
        .json(&json!({ "ok": true, "preview": preview }));
    for line in lines(&preview) {
        context.output.data(&line);
    }
    for warning in &preview.warnings {
        context.output.warn(&warning.message);
    }
    Ok(Exit::Done)
}

fn lines(preview: &SetUpPreview) -> Vec<String> {
    let word = |action| match action {
        ChangeAction::Upload => "only here",
        ChangeAction::Download => "only in the cloud",
        ChangeAction::Conflict => "differs, both are kept",
        ChangeAction::RemoveHere | ChangeAction::RemoveInCloud => "removed",
    };
    let mut lines: Vec<String> = preview
        .lines
        .iter()
        .map(|line| format!("{}  {}", word(line.action), line.path))
        .collect();
    let all = preview.only_here + preview.only_in_cloud + preview.differ;
    let hidden = all.saturating_sub(lines.len() as u64);
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    lines.push(format!(
        "{}: {} only here · {} only in the cloud · {} identical · {} differ",
        preview.folder, preview.only_here, preview.only_in_cloud, preview.identical, preview.differ
    ));
    lines.push("Nothing was changed. A set-up joins both sides and deletes nothing.".to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use engine::view::PreviewChange;

    use super::*;

    #[test]
    fn tells_the_counts_and_that_nothing_was_changed() {
        let preview = SetUpPreview {
            folder: "/notes".into(),
            exists: true,
            warnings: Vec::new(),
            free_bytes: 1,
            only_here: 2,
            only_in_cloud: 0,
            identical: 5,
            differ: 0,
            lines: vec![PreviewChange {
                path: "a.md".into(),
                action: ChangeAction::Upload,
            }],
        };
        let expected = [
            "only here  a.md",
            "and 1 more",
            "/notes: 2 only here · 0 only in the cloud · 5 identical · 0 differ",
            "Nothing was changed. A set-up joins both sides and deletes nothing.",
        ];
        assert_eq!(lines(&preview), expected);
    }
}
