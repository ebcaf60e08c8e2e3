use crate::tidy::Finding;
use crate::tidy::metadata::{Kind, Package, Workspace};
use crate::tidy::tree::Tree;

/// What the project promises to be built with.
const CARD: &[&str] = &[
    "tauri",
    "tokio",
    "reqwest",
    "oauth2",
    "keyring",
    "notify",
    "serde",
    "tauri-plugin-autostart",
    "tracing",
    "open",
];

/// Promised packages that no program of ours depends on and calls.
pub(crate) fn card(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let used = |name: &&&str| {
        workspace.packages.iter().any(|package| {
            package.dependencies.iter().any(|it| {
                it.name == **name
                    && it.kind == Kind::Normal
                    && mentions(&sources(package, workspace, tree), &it.word)
            })
        })
    };
    CARD.iter()
        .filter(|name| !used(name))
        .map(|name| Finding::Broken(format!("`{name}` is not used by any program")))
        .collect()
}

/// Dependencies that a package lists and never names in its sources.
pub(crate) fn unused(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let sources = sources(package, workspace, tree);
        let unused: Vec<&str> = package
            .dependencies
            .iter()
            .filter(|dependency| !mentions(&sources, &dependency.word))
            .map(|dependency| dependency.name.as_str())
            .collect();
        if !unused.is_empty() {
            let text = format!(
                "{} lists but does not use: {}",
                package.name,
                unused.join(", ")
            );
            findings.push(Finding::Broken(text));
        }
    }
    findings
}

/// The Rust files of one package: those below its folder that are not below another's.
fn sources<'a>(package: &Package, workspace: &Workspace, tree: &'a Tree) -> Vec<&'a str> {
    let inner: Vec<&str> = workspace
        .packages
        .iter()
        .map(|other| other.folder.as_str())
        .filter(|folder| folder.len() > package.folder.len())
        .collect();
    tree.files
        .iter()
        .filter(|(path, _)| path.starts_with(&package.folder) && path.ends_with(".rs"))
        .filter(|(path, _)| !inner.iter().any(|folder| path.starts_with(folder)))
        .map(|(_, text)| text.as_str())
        .collect()
}

/// Whether a source calls something of the package: the bare word in prose is no use of it.
fn mentions(sources: &[&str], word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    sources.iter().any(|text| {
        text.match_indices(word).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            !before.ends_with(is_part)
                && !after.starts_with(is_part)
                && (before.ends_with("use ")
                    || ["::", " as ", "!("]
                        .iter()
                        .any(|sign| after.starts_with(sign)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::metadata::Dependency;

    fn workspace() -> Workspace {
        let package = |name: &str, folder: &str, dependency: &str| Package {
            name: name.to_owned(),
            folder: folder.to_owned(),
            roots: Vec::new(),
            dependencies: vec![Dependency::called(dependency, Kind::Normal)],
        };
        Workspace {
            packages: vec![
                package("app", "", "tauri-plugin-autostart"),
                package("engine", "crates/engine/", "open"),
            ],
            ..Workspace::default()
        }
    }

    #[test]
    fn tells_a_used_dependency_from_a_word_in_prose() {
        let tree = Tree::of(&[
            (
                "src-tauri/lib.rs",
                "builder.plugin(tauri_plugin_autostart::init(a, b))",
            ),
            (
                "crates/engine/src/lib.rs",
                "// the folder is open\nfn reopen() {}",
            ),
        ]);
        let expected = vec![Finding::Broken(
            "engine lists but does not use: open".to_owned(),
        )];
        assert_eq!(unused(&workspace(), &tree), expected);
    }

    #[test]
    fn does_not_take_one_packages_source_for_anothers() {
        let tree = Tree::of(&[
            ("src-tauri/lib.rs", "open::that(link)"),
            ("crates/engine/src/lib.rs", "tauri_plugin_autostart::init()"),
        ]);
        assert_eq!(unused(&workspace(), &tree).len(), 2);
    }

    #[test]
    fn wants_every_package_of_the_card_called() {
        let tree = Tree::of(&[("crates/engine/src/lib.rs", "open::that(link)?;")]);
        let missing = card(&workspace(), &tree);
        assert_eq!(missing.len(), CARD.len() - 1);
        assert!(!missing.contains(&Finding::Broken("`open` is not used by any program".into())));
    }
}
