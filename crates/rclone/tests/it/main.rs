#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod cycles;
mod failures;
mod finding;
mod installing;
mod ladders;
mod listings;
mod mounts;
mod proxy;
mod remote_control;
mod secrets;
mod sessions;
mod stopping;

#[test]
fn every_file_in_here_is_a_module() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let declared = include_str!("main.rs").contains(&format!("mod {module};"));
        assert!(module == "main" || declared, "{name} is forgotten");
    }
}
