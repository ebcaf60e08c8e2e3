//! `bm-cloud` as a person and a script use it, against the real server and the real rclone.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod accounts;
mod deciding;
mod device;
mod disk;
mod doctor;
mod drives;
mod filters;
mod keys;
mod killed;
mod lapses;
mod leaks;
mod passphrases;
mod recorder;
mod restoring;
mod service;
mod shapes;
mod sign_in;
mod surroundings;
mod syncing;
mod unreachable;
mod upstream;
mod watching;

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
