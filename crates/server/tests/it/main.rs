//! The whole server over real sockets, as clients meet it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod admin_command;
mod backup;
mod compatibility;
mod config;
mod deployment;
mod device_flow;
mod events;
#[cfg(target_os = "linux")]
mod instances;
mod kill;
mod openapi;
mod ops;
mod page;
mod polar;
mod policy;
mod process;
mod proxy;
#[cfg(target_os = "linux")]
mod published;
mod refusals;
mod schema;
mod secrets;
mod spec13;
mod storage;
mod support;
mod tenants;
mod tokens;

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
