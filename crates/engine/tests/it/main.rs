//! The engine as front ends use it, against the real server and the real rclone.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod accounts;
mod background;
mod choosing;
mod conflicts;
mod device;
mod halts;
mod history;
mod killed;
mod lane;
mod lapse;
mod leaving;
mod looking;
mod member;
mod mounts;
mod storm;
mod stream;
mod tenancy;
mod traced;
mod turns;
mod waiting;

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
