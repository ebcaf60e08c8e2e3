//! Which paths of a vault sync: rclone's filter files, read the way rclone reads them.
//!
//! Mirror and guard show rclone only what these let through, so it needs no filter of its own.
//! Bare lines, in the way of `.gitignore`, are accepted and translated. Unlike rclone, a letter and
//! its accent are one whether a name has them composed or not: macOS writes what nobody types. Pure.

mod effect;
mod glob;

use std::borrow::Cow;

use regex::Regex;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::plan::RESERVED;

pub(crate) use effect::effect;

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

/// What some editors begin a text with.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// More lines than this are a mistake, and would make every look at a path slow.
const MOST_LINES: usize = 500;

enum Line<'l> {
    /// `- pattern` or `+ pattern`, in rclone's way.
    Rule(Verdict, &'l str),
    /// `pattern` or `!pattern`, in the way of `.gitignore`.
    Ignore(Verdict, &'l str),
    NoSpace,
}

impl<'l> Line<'l> {
    fn of(line: &'l str) -> Self {
        if let Some(pattern) = line.strip_prefix("- ") {
            return Self::Rule(Verdict::Exclude, pattern);
        }
        if let Some(pattern) = line.strip_prefix("+ ") {
            return Self::Rule(Verdict::Include, pattern);
        }
        if line.starts_with(['-', '+']) {
            return Self::NoSpace;
        }
        match line.strip_prefix('!') {
            Some(pattern) => Self::Ignore(Verdict::Include, pattern),
            None => Self::Ignore(Verdict::Exclude, line),
        }
    }
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

    /// Everything syncs but what never does.
    pub(crate) fn all() -> Self {
        Self::fresh()
    }

    /// Those of a new pair.
    pub(crate) fn standard() -> Self {
        Self::of_lines(Self::DEFAULT_TEXT.lines()).expect("the default lines can be used")
    }

    /// The lines of a new pair.
    pub(crate) fn default_lines() -> Vec<String> {
        Self::DEFAULT_TEXT.lines().map(str::to_owned).collect()
    }

    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Result<Self, FilterError> {
        Self::of_lines(text.lines())
    }

    /// # Errors
    /// [`FilterError`] names the first line that rclone, or we, could not use.
    pub(crate) fn of_lines<'l>(
        lines: impl IntoIterator<Item = &'l str>,
    ) -> Result<Self, FilterError> {
        let (filters, errors) = Self::check(lines);
        errors.into_iter().next().map_or(Ok(filters), Err)
    }

    /// What the usable lines say, and every line that is none.
    pub(crate) fn check<'l>(lines: impl IntoIterator<Item = &'l str>) -> (Self, Vec<FilterError>) {
        let mut filters = Self::fresh();
        let mut errors = Vec::new();
        let mut block = Vec::new();
        for (index, raw) in lines.into_iter().enumerate() {
            let line = raw.trim_start_matches(BYTE_ORDER_MARK).trim();
            let line = &*composed(line);
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line == "!" {
                (filters, block) = (Self::fresh(), Vec::new());
                continue;
            }
            let added = match Line::of(line) {
                _ if index >= MOST_LINES => Err(format!("more than {MOST_LINES} lines")),
                _ if line.contains(['\n', '\r']) => Err("a line break within a line".to_owned()),
                Line::Rule(verdict, pattern) => {
                    filters.end_block(&mut block);
                    filters.add(verdict, pattern)
                }
                Line::Ignore(verdict, pattern) => glob::from_gitignore(pattern).and_then(|them| {
                    let mut trial = Self::fresh();
                    them.iter().try_for_each(|it| trial.add(verdict, it))?;
                    block.push((verdict, them));
                    Ok(())
                }),
                Line::NoSpace => Err("a space must follow the `-` or `+`".to_owned()),
            };
            if let Err(reason) = added {
                errors.push(FilterError {
                    line: index + 1,
                    text: line.to_owned(),
                    reason,
                });
            }
        }
        filters.end_block(&mut block);
        (filters, errors)
    }

    /// Takes in lines in the way of `.gitignore`, of which the last that matches decides, while of
    /// rclone's it is the first.
    fn end_block(&mut self, block: &mut Vec<(Verdict, Vec<String>)>) {
        for (verdict, patterns) in block.drain(..).rev() {
            for pattern in patterns {
                self.add(verdict, &pattern)
                    .expect("the pattern was tried when its line was read");
            }
        }
    }

    /// Whether a file takes part in sync. The path is relative to the vault. What is named as sync
    /// names its own never does.
    pub(crate) fn includes(&self, path: &str) -> bool {
        let path = &*composed(path);
        let folders = path
            .rsplit_once('/')
            .is_none_or(|(folder, _)| self.includes_folder(folder));
        folders && !path.starts_with(RESERVED) && first_match(&self.file_rules, path)
    }

    /// Whether anything below a folder may take part.
    pub(crate) fn includes_folder(&self, path: &str) -> bool {
        let path = format!("{}/", composed(path));
        !path.starts_with(RESERVED)
            && path
                .match_indices('/')
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

fn composed(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
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
