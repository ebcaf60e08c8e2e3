//! Which paths of a vault sync: rclone's filter files, read the way rclone reads them.
//!
//! Mirror and guard show rclone only what these let through, so it needs no filter of its own.
//! Bare lines, in the way of `.gitignore`, are accepted and translated. Pure.

mod glob;

use regex::Regex;

/// What rclone puts at the end of an unfinished download's name. Never a note.
pub(crate) const PARTIAL_SUFFIX: &str = ".rclone-part";

#[derive(Clone, Debug)]
pub(crate) struct Filters {
    #[cfg(test)]
    rclone_text: String,
    file_rules: Vec<Rule>,
    folder_rules: Vec<Rule>,
}

/// A line that cannot be used. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the filters, `{text}`: {reason}")]
pub(crate) struct FilterError {
    pub line: usize,
    pub text: String,
    pub reason: String,
}

#[derive(Clone, Debug)]
struct Rule {
    verdict: Verdict,
    pattern: Regex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Include,
    Exclude,
}

impl Filters {
    /// The filter file of a new pair.
    pub(crate) const DEFAULT_TEXT: &'static str = "\
# What does not sync. `- pattern` leaves out, `+ pattern` takes in; the first match decides.
# `*` stands for part of a name, `**` for part of a path, a leading `/` for the notes folder.
- .DS_Store
- .git/**
- __pycache__/**
- *.pyc
- .pytest_cache/**
- node_modules/**
- .conflict-*
- Thumbs.db
- desktop.ini
";

    /// # Errors
    /// [`FilterError`] names the first line that rclone, or we, could not use.
    pub(crate) fn parse(text: &str) -> Result<Self, FilterError> {
        let mut filters = Self::fresh();
        for (index, raw) in text.lines().enumerate() {
            let line = raw.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line == "!" {
                filters = Self::fresh();
                continue;
            }
            filters.add_line(line).map_err(|reason| FilterError {
                line: index + 1,
                text: line.to_owned(),
                reason,
            })?;
        }
        Ok(filters)
    }

    /// Whether a file takes part in sync. The path is relative to the vault.
    pub(crate) fn includes(&self, path: &str) -> bool {
        let folders = path
            .rsplit_once('/')
            .is_none_or(|(folder, _)| self.includes_folder(folder));
        folders && first_match(&self.file_rules, path)
    }

    /// Whether anything below a folder may take part.
    pub(crate) fn includes_folder(&self, path: &str) -> bool {
        let path = format!("{path}/");
        path.match_indices('/')
            .all(|(at, _)| first_match(&self.folder_rules, &path[..=at]))
    }

    /// The same rules as rclone's `--filters-file` wants them; rclone itself judges our matching.
    #[cfg(test)]
    pub(crate) fn rclone_text(&self) -> &str {
        &self.rclone_text
    }

    fn fresh() -> Self {
        let mut filters = Self {
            #[cfg(test)]
            rclone_text: String::new(),
            file_rules: Vec::new(),
            folder_rules: Vec::new(),
        };
        filters
            .add(Verdict::Exclude, &format!("*{PARTIAL_SUFFIX}"))
            .expect("the built-in rule is a valid pattern");
        filters
    }

    fn add_line(&mut self, line: &str) -> Result<(), String> {
        if let Some(pattern) = line.strip_prefix("- ") {
            return self.add(Verdict::Exclude, pattern);
        }
        if let Some(pattern) = line.strip_prefix("+ ") {
            return self.add(Verdict::Include, pattern);
        }
        if line.starts_with(['-', '+']) {
            return Err("a space must follow the `-` or `+`".to_owned());
        }
        if line.starts_with('!') {
            return Err(
                "write an exception as `+ pattern`, above the line that leaves it out".to_owned(),
            );
        }
        glob::from_gitignore(line)
            .iter()
            .try_for_each(|pattern| self.add(Verdict::Exclude, pattern))
    }

    fn add(&mut self, verdict: Verdict, pattern: &str) -> Result<(), String> {
        let mut glob = pattern.to_owned();
        let mut for_folders = glob.ends_with('/');
        let mut for_files = !for_folders;
        if for_folders && verdict == Verdict::Exclude {
            glob.push_str("**");
        }
        if glob.contains("**") {
            (for_files, for_folders) = (true, true);
        }
        let rule = |glob: &str| {
            Ok::<_, String>(Rule {
                verdict,
                pattern: glob::to_regex(glob)?,
            })
        };
        if for_files {
            self.file_rules.push(rule(&glob)?);
            // A folder must be entered for what may be taken in below it, and need not be when
            // everything is left out.
            if verdict == Verdict::Include || glob == "*" {
                for folder in glob::folders_of(&glob) {
                    self.folder_rules.push(rule(&folder)?);
                }
            }
        }
        if for_folders {
            self.folder_rules.push(rule(&glob)?);
        }
        #[cfg(test)]
        {
            let sign = if verdict == Verdict::Include {
                '+'
            } else {
                '-'
            };
            self.rclone_text.push_str(&format!("{sign} {pattern}\n"));
        }
        Ok(())
    }
}

fn first_match(rules: &[Rule], path: &str) -> bool {
    rules
        .iter()
        .find(|rule| rule.pattern.is_match(path))
        .is_none_or(|rule| rule.verdict == Verdict::Include)
}

#[cfg(test)]
mod tests;
