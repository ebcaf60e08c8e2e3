use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::repo::Repo;
use crate::run::{self, Show};

const LIBRARY: &[&str] = &["lib", "rlib", "cdylib", "staticlib", "proc-macro"];

/// What `cargo metadata` says of our packages and of the graph below them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    /// Names of packages to the names they are built with (no dev-dependencies).
    pub(crate) graph: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the root of the checkout; empty for the root package.
    pub(crate) folder: String,
    /// The roots of its library, or else of its programs.
    pub(crate) roots: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// What sources call it.
    pub(crate) word: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

#[cfg(test)]
impl Dependency {
    pub(crate) fn called(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            word: name.replace('-', "_"),
            kind,
        }
    }
}

impl Workspace {
    pub(crate) fn read(repo: &Repo) -> Result<Self> {
        let host = run::require(
            &mut run::command(repo.root(), ["rustc", "-vV"]),
            Show::OnFailure,
        )?;
        let host = host
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc does not say which host it is for")?;
        let output = run::command(
            repo.root(),
            [
                "cargo",
                "metadata",
                "--quiet",
                "--format-version",
                "1",
                "--filter-platform",
                host,
            ],
        )
        .output()
        .context("could not start cargo metadata")?;
        if !output.status.success() {
            anyhow::bail!(
                "cargo metadata failed\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let raw: Raw = serde_json::from_slice(&output.stdout)
            .context("could not read what cargo metadata says")?;
        Ok(Self::from_raw(&raw))
    }

    pub(crate) fn is_ours(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }

    fn from_raw(raw: &Raw) -> Self {
        let names: BTreeMap<&str, &str> = raw
            .packages
            .iter()
            .map(|package| (&*package.id, &*package.name))
            .collect();
        let name_of = |id: &str| names.get(id).copied().unwrap_or(id).to_owned();
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in &raw.resolve.nodes {
            let below = graph.entry(name_of(&node.id)).or_default();
            for edge in &node.deps {
                if edge
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind.as_deref() != Some("dev"))
                {
                    below.insert(name_of(&edge.pkg));
                }
            }
        }
        let words: BTreeMap<&str, &str> = raw
            .packages
            .iter()
            .filter_map(|package| Some((&*package.name, package.library()?)))
            .collect();
        let packages = raw
            .packages
            .iter()
            .filter(|package| raw.workspace_members.contains(&package.id))
            .map(|package| package.read(&raw.workspace_root, &words))
            .collect();
        Self { packages, graph }
    }
}

#[derive(Deserialize)]
struct Raw {
    packages: Vec<RawPackage>,
    workspace_members: Vec<String>,
    workspace_root: String,
    resolve: RawResolve,
}

#[derive(Deserialize)]
struct RawPackage {
    id: String,
    name: String,
    manifest_path: String,
    dependencies: Vec<RawDependency>,
    targets: Vec<RawTarget>,
}

impl RawPackage {
    fn library(&self) -> Option<&str> {
        let is_library = |kind: &String| LIBRARY.contains(&kind.as_str());
        self.targets
            .iter()
            .find(|target| target.kind.iter().any(is_library))
            .map(|target| target.name.as_str())
    }

    fn read(&self, root: &str, words: &BTreeMap<&str, &str>) -> Package {
        let relative = |path: &str| {
            path.strip_prefix(root)
                .unwrap_or(path)
                .trim_start_matches('/')
                .to_owned()
        };
        let roots_of = |wanted: &[&str]| -> Vec<String> {
            self.targets
                .iter()
                .filter(|target| {
                    target
                        .kind
                        .iter()
                        .any(|kind| wanted.contains(&kind.as_str()))
                })
                .map(|target| relative(&target.src_path))
                .collect()
        };
        let libraries = roots_of(LIBRARY);
        Package {
            name: self.name.clone(),
            folder: relative(&self.manifest_path)
                .trim_end_matches("Cargo.toml")
                .to_owned(),
            roots: if libraries.is_empty() {
                roots_of(&["bin"])
            } else {
                libraries
            },
            dependencies: self.dependencies.iter().map(|it| it.read(words)).collect(),
        }
    }
}

#[derive(Deserialize)]
struct RawDependency {
    name: String,
    kind: Option<String>,
    rename: Option<String>,
}

impl RawDependency {
    fn read(&self, words: &BTreeMap<&str, &str>) -> Dependency {
        let kind = match self.kind.as_deref() {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        };
        let library = words.get(self.name.as_str()).copied().unwrap_or(&self.name);
        let word = self.rename.as_deref().unwrap_or(library).replace('-', "_");
        Dependency {
            name: self.name.clone(),
            word,
            kind,
        }
    }
}

#[derive(Deserialize)]
struct RawTarget {
    name: String,
    kind: Vec<String>,
    src_path: String,
}

#[derive(Deserialize)]
struct RawResolve {
    nodes: Vec<RawNode>,
}

#[derive(Deserialize)]
struct RawNode {
    id: String,
    deps: Vec<RawEdge>,
}

#[derive(Deserialize)]
struct RawEdge {
    pkg: String,
    dep_kinds: Vec<RawKind>,
}

#[derive(Deserialize)]
struct RawKind {
    kind: Option<String>,
}
