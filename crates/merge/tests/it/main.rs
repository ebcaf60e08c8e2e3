//! The merge against another program's.

mod git;

#[test]
fn every_file_of_this_folder_is_part_of_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let text = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || text.contains(&format!("mod {module};")),
            "{name}"
        );
    }
}
