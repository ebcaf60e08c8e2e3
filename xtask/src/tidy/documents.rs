use std::collections::BTreeSet;

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

/// Notes that the demonstration copies: they speak of their own folders, not of ours.
const SAMPLES: &str = "examples/notes/";
const REGISTRY: &str = "https://registry.npmjs.org/";

/// Paths that documents name and that are not there.
pub(crate) fn paths(tree: &Tree) -> Vec<Finding> {
    let tops: BTreeSet<&str> = tree
        .files
        .keys()
        .filter_map(|path| path.split_once('/'))
        .map(|(top, _)| top)
        .collect();
    let mut findings = Vec::new();
    for (document, text) in tree.matching("", ".md") {
        if document.starts_with(SAMPLES) {
            continue;
        }
        for name in quoted(text) {
            let top = name.split('/').next().unwrap_or_default();
            if looks_like_a_path(name) && tops.contains(top) && !tree.has(name) {
                findings.push(Finding::Broken(format!("{document} names `{name}`")));
            }
        }
        for link in linked(text) {
            if !tree.has(&beside(document, link)) {
                findings.push(Finding::Broken(format!("{document} links to {link}")));
            }
        }
    }
    findings
}

/// Paths of somebody's machine, and mirrors of a package registry, in what is published.
pub(crate) fn machine_paths(tree: &Tree) -> Vec<Finding> {
    // Written apart so that this file does not find itself.
    let homes = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/Use", "rs/"),
    ];
    let mut findings = Vec::new();
    for (path, text) in &tree.files {
        for (number, line) in text.lines().enumerate() {
            if let Some(home) = homes.iter().find(|home| starts_a_path(line, home)) {
                findings.push(Finding::Broken(format!(
                    "{path}:{} has `{home}`",
                    number + 1
                )));
            }
            let resolved = line.trim_start().strip_prefix("\"resolved\": \"");
            if path.ends_with("package-lock.json")
                && resolved.is_some_and(|address| !address.starts_with(REGISTRY))
            {
                findings.push(Finding::Broken(format!(
                    "{path}:{} is a mirror",
                    number + 1
                )));
            }
        }
    }
    findings
}

fn starts_a_path(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "-_.}:/".contains(letter))
    })
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn linked(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|link| link.split('#').next().unwrap_or_default())
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:"))
}

fn looks_like_a_path(name: &str) -> bool {
    name.contains('/')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter))
}

/// Where a link leads from the folder of its document.
fn beside(document: &str, link: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_and_links_that_lead_nowhere() {
        let document = "See `crates/guard` and `crates/gone/src`, not `text/markdown`.\n\
                        [a](../README.md#top) [b](adr/none.md) [c](https://example.org/x)";
        let tree = Tree::of(&[
            ("README.md", ""),
            ("crates/guard/src/lib.rs", ""),
            ("docs/guide.md", document),
        ]);
        assert_eq!(
            paths(&tree),
            [
                Finding::Broken("docs/guide.md names `crates/gone/src`".to_owned()),
                Finding::Broken("docs/guide.md links to adr/none.md".to_owned()),
            ]
        );
    }

    #[test]
    fn leaves_the_sample_notes_alone() {
        let tree = Tree::of(&[
            ("examples/notes/a.md", "[map](missing.png)"),
            ("examples/README.md", "[notes](notes/a.md)"),
        ]);
        assert_eq!(paths(&tree), []);
    }

    #[test]
    fn finds_paths_of_a_machine_but_not_their_look_alikes() {
        let home = concat!("/ro", "ot/");
        let tree = Tree::of(&[
            ("a.rs", &format!("let p = \"{home}x\";")),
            ("b.rs", &format!("let p = folder.join(\"a{home}x\");")),
        ]);
        let expected = format!("a.rs:1 has `{home}`");
        assert_eq!(machine_paths(&tree), [Finding::Broken(expected)]);
    }

    #[test]
    fn a_lock_file_names_the_registry_and_no_mirror() {
        let tree = Tree::of(&[(
            "ui/package-lock.json",
            "  \"resolved\": \"https://registry.npmjs.org/a.tgz\",\n  \"resolved\": \"https://mirror.example/a.tgz\",\n",
        )]);
        let expected = "ui/package-lock.json:2 is a mirror".to_owned();
        assert_eq!(machine_paths(&tree), [Finding::Broken(expected)]);
    }
}
