//! The model test: correct decisions survive every scenario, planted errors do not.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]
#![expect(
    clippy::print_stderr,
    reason = "the tables are what a person runs this for"
)]

mod mutants;
mod scenarios;

/// A number that a person set in the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own setting, which only a person gives"
)]
fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

#[test]
fn every_file_here_is_part_of_the_tests() {
    let main = include_str!("main.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            name == "main" || main.contains(&format!("mod {name};")),
            "{name} is forgotten"
        );
    }
}
