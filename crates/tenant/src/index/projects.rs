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

/// Whether a folder is what its name's permalink would be: any other cannot be made a project,
/// because the project of its name would have another folder.
pub(super) fn can_be_project(folder: &str, generation: Generation) -> bool {
    let keeps = |letter: char| match generation {
        _ if is_latin(letter) || is_ideograph(letter) || letter == '-' => true,
        Generation::V0_15 => false,
        Generation::V0_24 => letter == '.',
    };
    let parted = |by: char| folder.split(by).all(|word| !word.is_empty());
    let mut neighbors = folder.chars().zip(folder.chars().skip(1));
    parted('-')
        && parted('.')
        && folder.chars().all(keeps)
        && !neighbors.any(|(one, next)| {
            is_latin(one) && is_ideograph(next) || is_ideograph(one) && is_latin(next)
        })
        && folder
            .rsplit_once('.')
            .is_none_or(|(_, end)| is_no_extension(end))
}

fn is_latin(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit()
}

fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{3000}'..='\u{303f}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// Basic Memory cuts off what its machine's table of file types knows. Tables have one digit (of
/// manuals) and three.
fn is_no_extension(end: &str) -> bool {
    let is_number = end.bytes().all(|byte| byte.is_ascii_digit());
    end == "0" || is_number && end.len() == 2 || end.contains('-') || !end.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_is_its_own_permalink_becomes_a_project() {
        use Generation::{V0_15, V0_24};
        for both in ["main", "work-2026", "a", "中文", "中文-notes"] {
            assert!(can_be_project(both, V0_15), "{both}");
            assert!(can_be_project(both, V0_24), "{both}");
        }
        for current in ["version-2.0.0", "v1.10", "v2.0-beta", "中文.a-b"] {
            assert!(!can_be_project(current, V0_15), "{current}");
            assert!(can_be_project(current, V0_24), "{current}");
        }
        for neither in [
            "",
            ".",
            "..",
            "Main",
            "my notes",
            ".obsidian",
            "a--b",
            "-a",
            "über",
            "a_b",
            "a.",
            "notes.md",
            "a.123",
            "中文notes",
            "한국",
        ] {
            assert!(!can_be_project(neither, V0_15), "{neither}");
            assert!(!can_be_project(neither, V0_24), "{neither}");
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
