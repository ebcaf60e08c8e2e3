//! What agents see: the tenant's own Basic Memory, asked through the server.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::child;
use crate::demo::device::Device;
use crate::demo::notes;
use crate::demo::report::Report;
use crate::demo::server::Server;
use crate::http;
use crate::repo::Repo;

const GENERATION: &str = "0.24";
const MEMORY: &str = "peers/basic-memory-0.24.1";
/// The folder at the top of the bucket that is a project, and a note in it.
const PROJECT: &str = "projects";
const NOTE: &str = "Kitchen shelf.md";
/// Nobody has this word in a note.
const WORD: &str = "tessellated";
/// From nothing: Python has to import all of it.
const FIRST_START: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(60);

/// The environment that has Basic Memory, where it could be installed.
pub(crate) fn installed(repo: &Repo) -> Option<PathBuf> {
    let folder = repo.made(MEMORY);
    // The last thing that an installation writes.
    folder.join("installed-from").is_file().then_some(folder)
}

/// The words that make the server start instances with it.
pub(crate) fn flags(repo: &Repo, memory: Option<&std::path::Path>) -> Vec<String> {
    let text = |path: PathBuf| path.display().to_string();
    match memory {
        None => vec!["--instances".to_owned(), "none".to_owned()],
        Some(memory) => vec![
            "--instances".to_owned(),
            "local".to_owned(),
            "--generation".to_owned(),
            GENERATION.to_owned(),
            "--basic-memory".to_owned(),
            text(memory.to_owned()),
            "--rclone".to_owned(),
            text(repo.rclone()),
        ],
    }
}

/// A line written on the laptop is found by a search in the cloud.
pub(crate) fn play(
    repo: &Repo,
    server: &Server,
    laptop: &Device,
    email: &str,
    report: &mut Report,
) -> Result<()> {
    let token = server.token(email, &repo.made("demo/logs"))?;
    let cloud = Cloud { server, token };
    let project = report.step(
        "Her own Basic Memory in the cloud has the notes",
        |details| {
            let start = Instant::now();
            let project = child::wait_for("the project", FIRST_START, || cloud.project())?;
            child::wait_for("the index", FIRST_START, || {
                Ok(cloud
                    .finds(&project, "balcony")?
                    .filter(|found| !found.is_empty()))
            })?;
            details.say(format!(
                "project `{PROJECT}` answers through /proxy after {} ms",
                start.elapsed().as_millis()
            ));
            Ok(project)
        },
    )?;
    report.step(
        &format!("A line that she adds to `{PROJECT}/{NOTE}` is found by a search there"),
        |details| {
            let line = format!("- Ask about the {WORD} tiles behind the shelf.");
            notes::append(&laptop.folder(), &format!("{PROJECT}/{NOTE}"), &line)?;
            let saved = Instant::now();
            laptop.json(&["bisync"])?;
            let carried = saved.elapsed().as_millis();
            let found = child::wait_for("the search", SOON, || {
                Ok(cloud
                    .finds(&project, WORD)?
                    .filter(|found| !found.is_empty()))
            })?;
            details.say(format!("+ {line}"));
            details.say(format!(
                "in the bucket after {carried} ms, found after {} ms: {}",
                saved.elapsed().as_millis(),
                found.join(", ")
            ));
            Ok(())
        },
    )
}

struct Cloud<'a> {
    server: &'a Server,
    token: String,
}

impl Cloud<'_> {
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<http::Answer> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str())];
        let url = format!("{}/proxy{path}", self.server.url());
        http::send_json(method, &url, &headers, body)
    }

    /// The id of the project, once the tenant's Basic Memory is awake and has it.
    fn project(&self) -> Result<Option<String>> {
        let answer = self.ask("GET", "/v2/projects/", &Value::Null)?;
        if answer.status != 200 {
            return Ok(None);
        }
        let listed = answer.json()?;
        let projects = listed["projects"].as_array().context("no projects")?;
        let ours = projects.iter().find(|project| project["name"] == PROJECT);
        Ok(ours.and_then(|project| Some(project["external_id"].as_str()?.to_owned())))
    }

    /// The notes that a search finds; `None` while none can be made.
    fn finds(&self, project: &str, text: &str) -> Result<Option<Vec<String>>> {
        let path = format!("/v2/projects/{project}/search/");
        let answer = self.ask("QUERY", &path, &json!({ "text": text }))?;
        if answer.status != 200 {
            return Ok(None);
        }
        let found = answer.json()?;
        let results = found["results"].as_array().context("no results")?;
        let path = |result: &Value| Some(result["file_path"].as_str()?.to_owned());
        Ok(Some(results.iter().filter_map(path).collect()))
    }
}
