use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

/// What the demonstration did, step by step: printed as it happens, kept as a file.
pub(crate) struct Report {
    file: PathBuf,
    start: Instant,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    name: String,
    ok: bool,
    ms: u128,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
}

#[derive(Serialize)]
struct Whole<'a> {
    ok: bool,
    ms: u128,
    steps: &'a [Step],
}

/// Lines to show below a step.
#[derive(Default)]
pub(crate) struct Details(Vec<String>);

impl Details {
    pub(crate) fn say(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }

    pub(crate) fn quote(&mut self, text: &str) {
        self.0.extend(
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .map(str::to_owned),
        );
    }
}

impl Report {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self {
            file,
            start: Instant::now(),
            steps: Vec::new(),
        }
    }

    /// Does one step. What comes after a failed one would only repeat its failure.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Details) -> Result<T>,
    ) -> Result<T> {
        let number = self.steps.len() + 1;
        let start = Instant::now();
        let mut details = Details::default();
        let result = work(&mut details);
        let ms = start.elapsed().as_millis();
        match &result {
            Ok(_) => println!("[{number:2}] {name} … {}", spoken(ms)),
            Err(error) => {
                println!("[{number:2}] FAILED: {name} … {}", spoken(ms));
                details.quote(&format!("{error:#}"));
            }
        }
        for line in &details.0 {
            println!("       {line}");
        }
        let Details(details) = details;
        self.steps.push(Step {
            name: name.to_owned(),
            ok: result.is_ok(),
            ms,
            details,
        });
        result
    }

    /// Writes the file and prints the summary.
    pub(crate) fn close(&self) -> Result<()> {
        let ok = self.steps.iter().all(|step| step.ok);
        let ms = self.start.elapsed().as_millis();
        let whole = Whole {
            ok,
            ms,
            steps: &self.steps,
        };
        let mut text = serde_json::to_string_pretty(&whole)?;
        text.push('\n');
        std::fs::write(&self.file, text)
            .with_context(|| format!("could not write {}", self.file.display()))?;
        let good = self.steps.iter().filter(|step| step.ok).count();
        println!();
        println!(
            "{good} of {} steps went well in {}; target/demo/report.json has them all",
            self.steps.len(),
            spoken(ms)
        );
        Ok(())
    }
}

fn spoken(ms: u128) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_makes_the_report_not_ok() {
        let file = std::env::temp_dir().join(format!("xtask-report-{}.json", std::process::id()));
        let mut report = Report::new(file.clone());
        report.step("One", |_| Ok(())).unwrap();
        let failed = report.step("Two", |_| -> Result<()> { anyhow::bail!("no luck") });
        assert!(failed.is_err());
        report.close().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(whole["ok"], false);
        assert_eq!(whole["steps"][0]["ok"], true);
        assert_eq!(whole["steps"][1]["name"], "Two");
        assert_eq!(whole["steps"][1]["details"][0], "no luck");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn tells_times_as_a_person_would() {
        assert_eq!(spoken(412), "412 ms");
        assert_eq!(spoken(12_345), "12.3 s");
        assert_eq!(spoken(395_000), "6 min 35 s");
    }
}
