use std::path::Path;
use std::str::FromStr;

/// Which of the published generations an instance runs: their programs and APIs differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// 0.15: routes by a project's name.
    V0_15,
    /// 0.24: routes below `/v2`, and the method `QUERY`.
    V0_24,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no generation of Basic Memory; there are 0.15 and 0.24")]
pub struct UnknownGeneration(String);

impl Generation {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V0_15 => "0.15",
            Self::V0_24 => "0.24",
        }
    }

    /// The one that a version belongs to: `/v2` came with 0.16.
    fn of_version(version: &str) -> Option<Self> {
        let mut numbers = version.split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(0)), Some(Ok(minor))) => Some(if minor < 16_u32 {
                Self::V0_15
            } else {
                Self::V0_24
            }),
            _ => None,
        }
    }
}

impl FromStr for Generation {
    type Err = UnknownGeneration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "0.15" => Ok(Self::V0_15),
            "0.24" => Ok(Self::V0_24),
            other => Err(UnknownGeneration(other.to_owned())),
        }
    }
}

/// The version of `basic-memory` that a Python environment has.
#[must_use]
pub fn installed_version(environment: &Path) -> Option<String> {
    let lib = std::fs::read_dir(environment.join("lib")).ok()?;
    let packages = lib
        .flatten()
        .map(|entry| entry.path().join("site-packages"));
    packages
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten())
        .find_map(|entry| {
            let name = entry.file_name();
            let version = name
                .to_str()?
                .strip_prefix("basic_memory-")?
                .strip_suffix(".dist-info")?;
            Some(version.to_owned())
        })
}

/// The generation that an environment's version belongs to.
#[must_use]
pub fn generation_of(version: &str) -> Option<Generation> {
    Generation::of_version(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_belong_to_generations() {
        assert_eq!(generation_of("0.15.2"), Some(Generation::V0_15));
        assert_eq!(generation_of("0.24.1"), Some(Generation::V0_24));
        assert_eq!(generation_of("1.0.0"), None);
        assert_eq!("0.24".parse(), Ok(Generation::V0_24));
        assert!("0.24.1".parse::<Generation>().is_err());
    }

    #[test]
    fn the_version_is_read_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path().join("lib/python3.12/site-packages");
        std::fs::create_dir_all(packages.join("basic_memory-0.24.1.dist-info")).unwrap();
        assert_eq!(installed_version(folder.path()).as_deref(), Some("0.24.1"));
        assert_eq!(installed_version(&packages), None);
    }
}
