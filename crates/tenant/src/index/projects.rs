//! Which folder is which project: one map, by the rule that a project's folder is the permalink of
//! its name below the root.

use std::collections::BTreeMap;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::generation::Generation;
use crate::upstream::{CallError, Caller};

/// How requests name a project: by permalink before `/v2`, by id since.
pub(super) type Projects = BTreeMap<String, String>;

/// The projects by their folder below `data`.
pub(super) async fn list(
    caller: &Caller,
    generation: Generation,
    data: &Path,
) -> Result<Projects, CallError> {
    let path = match generation {
        Generation::V0_15 => "/projects/projects",
        Generation::V0_24 => "/v2/projects/",
    };
    let answer = caller.json(Method::GET, path, None).await?;
    let listed = answer["projects"].as_array().ok_or(CallError::Malformed)?;
    Ok(listed
        .iter()
        .filter_map(|project| named(project, generation, data))
        .collect())
}

fn named(project: &Value, generation: Generation, data: &Path) -> Option<(String, String)> {
    let folder = Path::new(project["path"].as_str()?)
        .strip_prefix(data)
        .ok()?;
    let folder = folder
        .to_str()
        .filter(|folder| !folder.is_empty())?
        .to_owned();
    let name = match generation {
        Generation::V0_15 => folder.clone(),
        Generation::V0_24 => project["external_id"].as_str()?.to_owned(),
    };
    Some((folder, name))
}

/// Makes a folder a project.
pub(super) async fn create(
    caller: &Caller,
    generation: Generation,
    folder: &str,
) -> Result<(), CallError> {
    let path = match generation {
        Generation::V0_15 => "/projects/projects",
        Generation::V0_24 => "/v2/projects/",
    };
    let body = json!({ "name": folder, "path": format!("/{folder}"), "set_default": false });
    caller.json(Method::POST, path, Some(&body)).await.map(drop)
}

/// Whether a folder is what its name's permalink would be: any other cannot be a project, because
/// the project of its name would have another folder.
pub(super) fn can_be_project(folder: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    folder
        .split('-')
        .all(|word| !word.is_empty() && word.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_is_its_own_permalink_becomes_a_project() {
        for good in ["main", "work-2026", "a"] {
            assert!(can_be_project(good), "{good}");
        }
        for bad in [
            "",
            "Main",
            "my notes",
            ".obsidian",
            "a--b",
            "-a",
            "über",
            "a_b",
        ] {
            assert!(!can_be_project(bad), "{bad}");
        }
    }

    #[test]
    fn projects_elsewhere_are_not_ours() {
        let project = json!({ "name": "Main", "path": "/data/main", "external_id": "7" });
        let data = Path::new("/data");
        let pair = |name: &str| Some(("main".to_owned(), name.to_owned()));
        assert_eq!(named(&project, Generation::V0_15, data), pair("main"));
        assert_eq!(named(&project, Generation::V0_24, data), pair("7"));
        assert_eq!(named(&project, Generation::V0_24, Path::new("/x")), None);
        assert_eq!(
            named(&json!({ "path": "/data" }), Generation::V0_15, data),
            None
        );
    }
}
