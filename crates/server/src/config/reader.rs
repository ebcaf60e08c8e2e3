//! Takes single settings out of the layers and collects what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use url::Url;

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File,
    Environment,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {}\n  hint: {}",
            self.key, self.what, self.remedy
        )
    }
}

pub(super) struct Reader<'l> {
    leaves: &'l BTreeMap<String, Leaf>,
    known: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl<'l> Reader<'l> {
    pub(super) fn new(leaves: &'l BTreeMap<String, Leaf>) -> Self {
        Self {
            leaves,
            known: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Adds the settings nobody asked for to the problems.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        for key in self.leaves.keys() {
            if !self.known.contains(key) {
                self.problems.push(Problem {
                    key: key.clone(),
                    what: "there is no such setting".to_owned(),
                    remedy: format!("remove it, or correct its name ({})", environment_name(key)),
                });
            }
        }
        self.problems
    }

    pub(super) fn problem(&mut self, key: &str, what: &str, remedy: &str) {
        self.problems.push(Problem {
            key: key.to_owned(),
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    /// A setting the deployment cannot do without.
    pub(super) fn needed<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        // A value that is there but wrong is a problem already.
        if value.is_none() && self.leaf(key).is_none() {
            let remedy = format!("set it in the file, or {}", environment_name(key));
            self.problem(key, "is not set", &remedy);
        }
        value
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.known.insert(key.to_owned());
        match &self.leaf(key)?.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                self.problem(key, "is not a text", "write it between quotes");
                None
            }
        }
    }

    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, example: &str) -> Option<T> {
        let text = self.text(key)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(
                key,
                &format!("{text:?} cannot be read"),
                &format!("write it like {example}"),
            );
        }
        parsed
    }

    pub(super) fn address(&mut self, key: &str) -> Option<SocketAddr> {
        self.parsed(key, "127.0.0.1:8765")
    }

    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// An address of a service: http or https, without a query.
    pub(super) fn url(&mut self, key: &str) -> Option<Url> {
        let url: Url = self.parsed(key, "https://cloud.example.org")?;
        let fit = matches!(url.scheme(), "http" | "https") && url.has_host();
        if !fit || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            let what = format!("{url} is not the address of a service");
            self.problem(
                key,
                &what,
                "write scheme, host and, if needed, port and path only",
            );
            return None;
        }
        Some(url)
    }

    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let number: u64 = self.parsed(key, "25")?;
        if range.contains(&number) {
            return Some(number);
        }
        let remedy = format!("choose from {} to {}", range.start(), range.end());
        self.problem(key, &format!("{number} is out of bounds"), &remedy);
        None
    }

    pub(super) fn seconds(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<Duration> {
        self.number(key, range).map(Duration::from_secs)
    }

    pub(super) fn hours(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<Duration> {
        self.number(key, range)
            .map(|hours| Duration::from_secs(hours * 3600))
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let chosen = choices.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let remedy = format!("choose one of: {}", names.join(", "));
            self.problem(key, &format!("{text:?} is not known"), &remedy);
        }
        chosen.map(|(_, value)| *value)
    }

    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        self.known.insert(key.to_owned());
        let listed = match &self.leaf(key)?.value {
            Value::String(text) => Some(
                text.split(',')
                    .map(|part| part.trim().to_owned())
                    .filter(|part| !part.is_empty())
                    .collect(),
            ),
            Value::Array(values) => values
                .iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        };
        if listed.is_none() {
            self.problem(
                key,
                "is not a list of texts",
                "write it like [\"a\", \"b\"]",
            );
        }
        listed
    }

    /// A secret, given itself or by the file that holds it.
    pub(super) fn secret(&mut self, key: &str) -> Option<SecretString> {
        let file_key = format!("{key}_file");
        let (given, file) = (self.text(key), self.path(&file_key));
        match (given, file) {
            (Some(_), Some(_)) => {
                let remedy = format!("keep one of {key} and {file_key}");
                self.problem(key, "is given twice", &remedy);
                None
            }
            (Some(text), None) => Some(text.into()),
            (None, Some(file)) => self.secret_in(&file_key, &file),
            (None, None) => None,
        }
    }

    /// Like `needed`, for a secret.
    pub(super) fn needed_secret(&mut self, key: &str) -> Option<SecretString> {
        let secret = self.secret(key);
        let file_key = format!("{key}_file");
        if secret.is_none() && self.leaf(key).is_none() && self.leaf(&file_key).is_none() {
            let remedy = format!("set {file_key}, or {}", environment_name(&file_key));
            self.problem(key, "is not set", &remedy);
        }
        secret
    }

    fn secret_in(&mut self, key: &str, file: &Path) -> Option<SecretString> {
        let name = file.display();
        match std::fs::read_to_string(file) {
            Err(error) => {
                let what = format!("{name} could not be read: {error}");
                self.problem(key, &what, "name a file that this user can read");
                None
            }
            Ok(text) if text.trim().is_empty() => {
                self.problem(key, &format!("{name} is empty"), "write the secret into it");
                None
            }
            Ok(text) => Some(text.trim().into()),
        }
    }

    /// The names directly below a table, such as those of a ring or a list of tables.
    pub(super) fn names_below(&self, table: &str) -> Vec<String> {
        let start = format!("{table}.");
        let names: BTreeSet<&str> = self
            .leaves
            .keys()
            .filter_map(|key| key.strip_prefix(&start)?.split('.').next())
            .collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Whether it is written as one text, as in the environment.
    pub(super) fn is_text(&self, key: &str) -> bool {
        self.leaf(key).is_some_and(|leaf| leaf.value.is_string())
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.leaf(key).is_some()
    }

    fn leaf(&self, key: &str) -> Option<&'l Leaf> {
        self.leaves.get(key)
    }
}

fn environment_name(key: &str) -> String {
    format!("BM_SERVER__{}", key.to_ascii_uppercase().replace('.', "__"))
}
