mod arrows;
mod documents;
mod files;
mod metadata;
mod packages;
mod tree;

use std::process::ExitCode;

use anyhow::Result;

use crate::repo::Repo;
use crate::tally::Tally;
use crate::tidy::metadata::Workspace;
use crate::tidy::tree::Tree;

/// Something that a rule has to say about the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Broken(String),
    Worth(String),
}

/// Checks every rule and prints what breaks one.
pub(crate) fn run(repo: &Repo) -> Result<ExitCode> {
    let tally = stage(repo)?;
    println!("tidy: {} rules hold, {} broken", tally.passed, tally.failed);
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The same as a stage of the tests: each rule counts as one.
pub(crate) fn stage(repo: &Repo) -> Result<Tally> {
    let tree = Tree::read(repo)?;
    let workspace = Workspace::read(repo)?;
    let rules: [(&str, Vec<Finding>); 11] = [
        ("dependency arrows", arrows::direct(&workspace)),
        ("packages out of reach", arrows::reach(&workspace)),
        ("packages of the card", packages::card(&workspace, &tree)),
        ("unused dependencies", packages::unused(&workspace, &tree)),
        ("file sizes", files::sizes(&tree)),
        ("crate roots", files::roots(&workspace, &tree)),
        ("forgotten test files", files::forgotten_tests(&tree)),
        ("clippy lists", files::clippy_lists(&tree)),
        ("paths in documents", documents::paths(&tree)),
        ("machine paths", documents::machine_paths(&tree)),
        ("bridge", files::bridge(&tree)),
    ];
    let mut tally = Tally::default();
    for (rule, findings) in rules {
        let mut kept = Tally::PASS;
        for finding in findings {
            match finding {
                Finding::Broken(text) => {
                    println!("{rule}: {text}");
                    kept = Tally::FAIL;
                }
                Finding::Worth(text) => println!("{rule} (worth a look): {text}"),
            }
        }
        tally += kept;
    }
    Ok(tally)
}
