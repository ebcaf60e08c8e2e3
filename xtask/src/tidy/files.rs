use crate::tidy::Finding;
use crate::tidy::metadata::Workspace;
use crate::tidy::tree::Tree;

const LONGEST: usize = 600;
const SHORTEST_INTRODUCTION: usize = 3;

/// Source files that nobody reads in one go.
pub(crate) fn sizes(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &tree.files {
        let is_source = [".rs", ".ts", ".svelte"]
            .iter()
            .any(|end| path.ends_with(end));
        let lines = text.lines().count();
        if !is_source || lines <= LONGEST {
            continue;
        }
        let text = format!("{path} has {lines} lines; split it before {LONGEST}");
        findings.push(if is_test(path) {
            Finding::Worth(text)
        } else {
            Finding::Broken(text)
        });
    }
    findings
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.contains(".test.")
        || path.ends_with("/tests.rs")
}

/// Crates that do not say what they are.
pub(crate) fn roots(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in workspace.packages.iter().flat_map(|package| &package.roots) {
        let Some(text) = tree.files.get(root) else {
            continue;
        };
        let introduction = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        if introduction < SHORTEST_INTRODUCTION {
            findings.push(Finding::Broken(format!(
                "{root} should begin with {SHORTEST_INTRODUCTION} lines or more of `//!`: \
                 what it is, what it must not know"
            )));
        }
    }
    findings
}

/// Files beside a test binary's root that it does not compile.
pub(crate) fn forgotten_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (main, text) in tree.matching("", "tests/it/main.rs") {
        let folder = main.trim_end_matches("main.rs");
        for (path, _) in tree.matching(folder, ".rs") {
            let inside = path.trim_start_matches(folder);
            let module = match inside.split_once('/') {
                Some((module, "mod.rs")) => module,
                Some(_) => continue,
                None => inside.trim_end_matches(".rs"),
            };
            let named = text
                .lines()
                .any(|line| line.trim_start_matches("pub ").trim() == format!("mod {module};"));
            if module != "main" && !named {
                findings.push(Finding::Broken(format!("{path} is not named in {main}")));
            }
        }
    }
    findings
}

/// Lists of a crate that leave out what the root list has: a crate's own file replaces it.
pub(crate) fn clippy_lists(tree: &Tree) -> Vec<Finding> {
    let Some(root) = tree.files.get("clippy.toml") else {
        return vec![Finding::Broken("clippy.toml is missing".to_owned())];
    };
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| line.starts_with("allow-") || line.starts_with("{ path"))
            .collect()
    };
    let mut findings = Vec::new();
    for (path, text) in tree.matching("", "/clippy.toml") {
        let own = lines(text);
        for line in lines(root) {
            if !own.contains(&line) {
                findings.push(Finding::Broken(format!("{path} lacks a root line: {line}")));
            }
        }
    }
    findings
}

/// Files of the window that talk to the app other than through the bridge.
pub(crate) fn bridge(tree: &Tree) -> Vec<Finding> {
    tree.matching("ui/src/", "")
        .filter(|(path, _)| [".ts", ".svelte"].iter().any(|end| path.ends_with(end)))
        .filter(|(path, _)| !path.ends_with("/bridge.ts") && !is_test(path))
        .filter(|(_, text)| text.contains("@tauri-apps/api"))
        .map(|(path, _)| {
            Finding::Broken(format!(
                "{path} imports @tauri-apps/api; only bridge.ts may"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::metadata::Package;

    #[test]
    fn long_sources_fail_and_long_tests_are_worth_a_look() {
        let long = "line\n".repeat(LONGEST + 1);
        let tree = Tree::of(&[
            ("crates/guard/src/lib.rs", &long),
            ("crates/guard/tests/it/faults.rs", &long),
            ("docs/guide.md", &long),
        ]);
        let [Finding::Broken(broken), Finding::Worth(worth)] = &*sizes(&tree) else {
            panic!("one of each was expected")
        };
        assert!(broken.contains("src/lib.rs") && worth.contains("faults.rs"));
    }

    #[test]
    fn a_crate_root_introduces_itself() {
        let package = |root: &str| Package {
            roots: vec![root.to_owned()],
            ..Package::default()
        };
        let workspace = Workspace {
            packages: vec![package("a/src/lib.rs"), package("b/src/lib.rs")],
            ..Workspace::default()
        };
        let tree = Tree::of(&[
            ("a/src/lib.rs", "//! One.\n//!\n//! Two.\n"),
            ("b/src/lib.rs", "//! One.\nuse x;\n"),
        ]);
        assert_eq!(roots(&workspace, &tree).len(), 1);
    }

    #[test]
    fn finds_the_test_file_nobody_compiles() {
        let tree = Tree::of(&[
            ("crates/a/tests/it/main.rs", "mod named;\nmod folder;\n"),
            ("crates/a/tests/it/named.rs", ""),
            ("crates/a/tests/it/folder/mod.rs", ""),
            ("crates/a/tests/it/folder/part.rs", ""),
            ("crates/a/tests/it/lost.rs", ""),
        ]);
        let text = "crates/a/tests/it/lost.rs is not named in crates/a/tests/it/main.rs";
        assert_eq!(forgotten_tests(&tree), [Finding::Broken(text.to_owned())]);
    }

    #[test]
    fn a_crates_clippy_list_repeats_the_root_list() {
        let root =
            "allow-unwrap-in-tests = true\ndisallowed-methods = [\n    { path = \"a::b\" },\n]\n";
        let tree = Tree::of(&[
            ("clippy.toml", root),
            ("crates/a/clippy.toml", root),
            ("crates/b/clippy.toml", "allow-unwrap-in-tests = true\n"),
        ]);
        let text = "crates/b/clippy.toml lacks a root line: { path = \"a::b\" },";
        assert_eq!(clippy_lists(&tree), [Finding::Broken(text.to_owned())]);
    }

    #[test]
    fn only_the_bridge_talks_to_the_app() {
        let import = "import { invoke } from '@tauri-apps/api/core'";
        let tree = Tree::of(&[("ui/src/bridge.ts", import), ("ui/src/App.svelte", import)]);
        assert_eq!(bridge(&tree).len(), 1);
    }
}
