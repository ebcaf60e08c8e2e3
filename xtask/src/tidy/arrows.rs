use std::collections::BTreeSet;

use crate::tidy::Finding;
use crate::tidy::metadata::{Kind, Workspace};

/// Which of our packages each of our packages may be built with.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("rclone", &[]),
    ("guard", &[]),
    ("merge", &[]),
    ("engine", &["wire", "rclone", "guard", "merge"]),
    ("cli", &["engine", "wire"]),
    ("basic-memory-tray", &["engine"]),
    ("s3-store", &[]),
    ("server", &["wire", "s3-store"]),
    ("tenant", &["wire", "rclone", "guard", "engine"]),
    ("testkit", &[]),
    ("model", &["engine", "guard"]),
    ("xtask", &[]),
];

/// What tests may be built with besides: they run against real peers.
const PEERS_OF_TESTS: &[&str] = &["testkit", "s3-store"];

/// Packages of others that must not be reachable from ours, by whatever way.
const OUT_OF_REACH: &[(&str, &[&str])] = &[
    ("wire", &["tokio", "reqwest", "tauri"]),
    ("rclone", &["tauri", "axum", "sqlx", "s3s"]),
    ("guard", &["tauri", "axum", "sqlx", "s3s"]),
    (
        "merge",
        &["tokio", "reqwest", "tauri", "axum", "sqlx", "s3s"],
    ),
    ("engine", &["tauri", "axum", "sqlx", "s3s", "clap"]),
    ("cli", &["tauri", "axum", "sqlx", "s3s"]),
    ("basic-memory-tray", &["axum", "sqlx", "s3s"]),
    ("server", &["tauri"]),
    ("tenant", &["tauri", "sqlx"]),
    ("xtask", &["tokio", "reqwest", "tauri"]),
];

/// Edges between our packages that the design does not have.
pub(crate) fn direct(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            findings.push(Finding::Broken(format!(
                "`{}` is not in the design; add it to the table in xtask/src/tidy/arrows.rs",
                package.name
            )));
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|it| workspace.is_ours(&it.name))
        {
            let name = dependency.name.as_str();
            let fits = allowed.contains(&name)
                || (dependency.kind == Kind::Dev && PEERS_OF_TESTS.contains(&name));
            if !fits {
                findings.push(Finding::Broken(format!(
                    "{} -> {name} is forbidden",
                    package.name
                )));
            }
        }
    }
    findings
}

/// Packages of others that one of ours must not be built with, however indirectly.
pub(crate) fn reach(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (package, forbidden) in OUT_OF_REACH {
        let reached = reachable(workspace, package);
        for name in forbidden.iter().filter(|name| reached.contains(**name)) {
            findings.push(Finding::Broken(format!(
                "{package} -> … -> {name} is forbidden"
            )));
        }
    }
    findings
}

fn reachable<'a>(workspace: &'a Workspace, from: &'a str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            open.extend(
                workspace
                    .graph
                    .get(name)
                    .into_iter()
                    .flatten()
                    .map(String::as_str),
            );
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::tidy::metadata::{Dependency, Package};

    fn package(name: &str, dependencies: &[(&str, Kind)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|(name, kind)| Dependency::called(name, *kind))
            .collect();
        Package {
            name: name.to_owned(),
            dependencies,
            ..Package::default()
        }
    }

    #[test]
    fn names_the_forbidden_edge() {
        let workspace = Workspace {
            packages: vec![
                package("wire", &[("serde", Kind::Normal)]),
                package("engine", &[("wire", Kind::Normal)]),
                package("guard", &[("engine", Kind::Normal)]),
            ],
            ..Workspace::default()
        };
        let expected = vec![Finding::Broken("guard -> engine is forbidden".to_owned())];
        assert_eq!(direct(&workspace), expected);
    }

    #[test]
    fn lets_tests_use_peers_that_programs_may_not() {
        let with = |kind| Workspace {
            packages: vec![
                package("guard", &[("s3-store", kind)]),
                package("s3-store", &[]),
            ],
            ..Workspace::default()
        };
        assert_eq!(direct(&with(Kind::Dev)), []);
        assert_eq!(direct(&with(Kind::Normal)).len(), 1);
    }

    #[test]
    fn asks_for_a_place_in_the_design_for_a_new_package() {
        let workspace = Workspace {
            packages: vec![package("extras", &[])],
            ..Workspace::default()
        };
        assert_eq!(direct(&workspace).len(), 1);
    }

    #[test]
    fn finds_a_forbidden_package_behind_others() {
        let graph = BTreeMap::from([
            ("cli".to_owned(), BTreeSet::from(["engine".to_owned()])),
            ("engine".to_owned(), BTreeSet::from(["dialogs".to_owned()])),
            ("dialogs".to_owned(), BTreeSet::from(["tauri".to_owned()])),
        ]);
        let workspace = Workspace {
            graph,
            ..Workspace::default()
        };
        assert_eq!(
            reach(&workspace),
            [
                Finding::Broken("engine -> … -> tauri is forbidden".to_owned()),
                Finding::Broken("cli -> … -> tauri is forbidden".to_owned()),
            ]
        );
    }
}
