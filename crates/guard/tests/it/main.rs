#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bucket;
mod cloud;
mod faults;
mod live;
mod multipart;
mod proxy;
mod random;
mod raw;
mod rclone;
mod sessions;
mod streaming;
mod watcher;

#[test]
fn every_file_here_is_a_module() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let is_declared = include_str!("main.rs").contains(&format!("mod {module};"));
        assert!(
            is_declared || module == "main",
            "{name} is not part of the tests"
        );
    }
}
