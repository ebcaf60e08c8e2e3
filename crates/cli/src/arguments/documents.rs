//! The documents name no command that is none, and the guide names all that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory};

use super::Arguments;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every command line of ours in a document: in blocks, and in code within the text.
fn commands(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, part) in document.split("```").enumerate() {
        let is_block = at % 2 == 1;
        if is_block {
            let lines = part.lines().map(|line| match line.split_once(" #") {
                Some((command, _)) => command.trim_end(),
                None => line,
            });
            found.extend(lines.map(str::to_owned));
        } else {
            let spans = part.split('`').skip(1).step_by(2);
            found.extend(spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    found.retain(|line| line.starts_with("bm-cloud "));
    found
}

/// What a shell makes of a line without escapes.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.collect()
}

fn parse(line: &str) -> Result<ArgMatches, clap::Error> {
    Arguments::command().try_get_matches_from(words(line))
}

fn subcommands(matches: &ArgMatches) -> Vec<String> {
    match matches.subcommand() {
        Some((name, below)) => [vec![name.to_owned()], subcommands(below)].concat(),
        None => Vec::new(),
    }
}

/// Each command without others below it, as the words that lead to it.
fn ends(command: &clap::Command) -> Vec<Vec<String>> {
    let below: Vec<Vec<String>> = command
        .get_subcommands()
        .flat_map(|one| {
            let name = vec![one.get_name().to_owned()];
            ends(one)
                .into_iter()
                .map(move |rest| [name.clone(), rest].concat())
        })
        .collect();
    if below.is_empty() {
        return vec![Vec::new()];
    }
    below
}

#[test]
fn every_command_that_a_document_names_is_one() {
    let folder = fs::read_dir(root().join("docs")).unwrap();
    let documents = folder
        .map(|entry| entry.unwrap().path())
        .chain(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)))
        .filter(|path| path.extension().is_some_and(|it| it == "md"));
    let mut named = 0;
    let mut wrong = Vec::new();
    for path in documents {
        for line in commands(&fs::read_to_string(&path).unwrap()) {
            named += 1;
            match parse(&line).map_err(|error| error.kind()) {
                Ok(_) | Err(ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {}
                Err(kind) => wrong.push(format!("{}: {line}: {kind}", path.display())),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(named > 80, "{named}");
}

#[test]
fn the_guide_names_every_command() {
    let guide = fs::read_to_string(root().join("docs/guide.md")).unwrap();
    let named: BTreeSet<Vec<String>> = commands(&guide)
        .iter()
        .filter_map(|line| parse(line).ok())
        .map(|matches| subcommands(&matches))
        .collect();
    let all: BTreeSet<Vec<String>> = ends(&Arguments::command()).into_iter().collect();
    assert!(all.len() > 30, "{all:?}");
    let missing: Vec<&Vec<String>> = all.difference(&named).collect();
    assert_eq!(missing, Vec::<&Vec<String>>::new());
}
