//! What `bm-server serve` is told: documented defaults, a file, the environment, in that order.
//!
//! Reading never stops at the first problem; each one names its key and the way out.

mod print;
mod reader;
mod sections;
mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::config::{Config, File, FileFormat};

pub use print::print;
use reader::{Leaf, Reader};
pub use reader::{Origin, Problem};
pub(crate) use settings::{
    AdminAccess, Database, DeploymentMode, FlySource, InstanceSource, Jobs, LocalSource, Storage,
    StorageService,
};
pub use settings::{Log, LogFormat, Settings};

/// The defaults, as documentation and as the first layer.
pub const DEFAULTS: &str = include_str!("../config.default.toml");
const PREFIX: &str = "BM_SERVER__";

/// Why a layer could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{} could not be read", file.display())]
    File {
        file: PathBuf,
        #[source]
        source: ::config::ConfigError,
    },
    #[error("the defaults are damaged")]
    Defaults(#[source] ::config::ConfigError),
}

/// The layers laid over each other, not yet judged.
#[derive(Clone, Debug, Default)]
pub struct Layers(BTreeMap<String, Leaf>);

impl Layers {
    /// Reads the defaults, the file if there is one, and the `BM_SERVER__` variables of the
    /// environment.
    pub fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self::default();
        let defaults = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        let defaults = defaults.build().map_err(ConfigError::Defaults)?;
        layers.lay(defaults, Origin::Default);
        if let Some(file) = file {
            let found = Config::builder()
                .add_source(File::from(file).format(FileFormat::Toml))
                .build()
                .map_err(|source| ConfigError::File {
                    file: file.to_owned(),
                    source,
                })?;
            layers.lay(found, Origin::File);
        }
        for (name, value) in environment {
            let Some(key) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if !value.is_empty() {
                let key = key.to_ascii_lowercase().replace("__", ".");
                layers.put(key, serde_json::Value::String(value), Origin::Environment);
            }
        }
        Ok(layers)
    }

    /// Judges the whole, and gives the settings or every problem.
    pub fn settings(&self) -> Result<Settings, Vec<Problem>> {
        let mut reader = Reader::new(&self.0);
        let settings = sections::read(&mut reader);
        let problems = reader.finish();
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            Some(_) | None => Err(problems),
        }
    }

    fn lay(&mut self, layer: Config, origin: Origin) {
        let tree: serde_json::Value = layer.try_deserialize().unwrap_or_default();
        self.flatten(String::new(), tree, origin);
    }

    fn flatten(&mut self, path: String, value: serde_json::Value, origin: Origin) {
        use serde_json::Value;
        let below = |name: &str| match path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.flatten(below(&name), value, origin);
                }
            }
            Value::Array(tables) if tables.iter().any(Value::is_object) => {
                for (index, table) in tables.into_iter().enumerate() {
                    self.flatten(below(&index.to_string()), table, origin);
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {
                self.put(path, value, origin);
            }
        }
    }

    fn put(&mut self, key: String, value: serde_json::Value, origin: Origin) {
        self.0.insert(key, Leaf { value, origin });
    }
}

#[cfg(test)]
mod tests;
