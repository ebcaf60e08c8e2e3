use tauri_build::{AppManifest, Attributes};

fn main() {
    let commands = AppManifest::new().commands(&[
        "view",
        "send",
        "open_link",
        "pick_folder",
        "pick_file",
        "pick_program",
        "engine_runs",
        "starts_at_login",
        "set_start_at_login",
        "tray_host",
        "quit",
    ]);
    let attributes = Attributes::new()
        .app_manifest(commands)
        .capabilities_path_pattern("./src-tauri/capabilities/**/*.json");
    tauri_build::try_build(attributes).expect("tauri.conf.json, icons and capabilities are sound");
}
