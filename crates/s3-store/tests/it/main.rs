//! The store as its clients see it: signed HTTP requests, real rclone, and kill -9.

#![expect(clippy::unwrap_used, reason = "a failed test panics where it fails")]

mod client;
mod conditions;
mod crash;
mod events;
mod keys;
mod listing;
mod multipart;
mod objects;
mod rclone;
mod scope;
mod served;
mod versions;

#[test]
fn every_test_file_is_compiled_in() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || main.contains(&format!("mod {module};")),
            "{name} is forgotten"
        );
    }
}
