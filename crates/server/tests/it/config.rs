//! The configuration from the command line.

use std::time::Duration;

use testkit::{Child, program};

const SOON: Duration = Duration::from_secs(20);

fn bm_server(arguments: &[&str], environment: &[(&str, &str)]) -> Child {
    let mut program = program(env!("CARGO_BIN_EXE_bm-server")).args(arguments);
    for (name, value) in environment {
        program = program.env(name, value);
    }
    program.spawn()
}

#[tokio::test]
async fn the_check_names_every_problem_with_its_way_out() {
    let mut check = bm_server(
        &["config", "check"],
        &[
            ("BM_SERVER__LISTEN__ADDRESS", "nowhere"),
            ("BM_SERVER__POLAR__WEBHOOK_SECRET", "polar_whs_hidden"),
        ],
    );
    assert_eq!(check.exit(SOON).await.code(), Some(2));
    let said = check.stderr();
    for text in [
        "public_url: is not set\n  hint: set it in the file, or BM_SERVER__PUBLIC_URL",
        "listen.address: \"nowhere\" cannot be read\n  hint: write it like 127.0.0.1:8765",
        "sign_in.issuers: is empty, so nobody can sign in",
    ] {
        assert!(said.contains(text), "{text}\nin\n{said}");
    }
    assert!(!said.contains("hidden"), "{said}");
}

#[tokio::test]
async fn the_print_masks_secrets_and_the_defaults_explain_themselves() {
    let mut print = bm_server(
        &["config", "print"],
        &[("BM_SERVER__POLAR__WEBHOOK_SECRET", "polar_whs_hidden")],
    );
    assert!(print.exit(SOON).await.success());
    let printed = print.stdout();
    assert!(printed.contains("polar.webhook_secret = \"********\"  # environment"));
    assert!(printed.contains("polar.products = []  # default: every product opens an account"));
    assert!(printed.contains("listen.address = \"127.0.0.1:8765\"  # default"));
    assert!(!printed.contains("hidden"));

    let mut defaults = bm_server(&["config", "defaults"], &[]);
    assert!(defaults.exit(SOON).await.success());
    assert!(defaults.stdout().contains("[listen]"));
}

#[tokio::test]
async fn a_file_that_is_no_configuration_is_named() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"[listen\n").unwrap();
    let name = file.path().to_str().unwrap();
    let mut check = bm_server(&["config", "check", "--config", name], &[]);
    assert_eq!(check.exit(SOON).await.code(), Some(2));
    let said = check.stderr();
    assert!(
        said.contains(&format!("because: {name} could not be read")),
        "{said}"
    );
}

#[tokio::test]
async fn what_went_wrong_is_told_in_words_even_where_stacks_are_asked_for() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut dev = bm_server(
        &["dev", "--port", &port, "--state", state],
        &[("RUST_BACKTRACE", "1")],
    );
    assert_eq!(dev.exit(SOON).await.code(), Some(1));
    let said = dev.stderr();
    let told = format!("error: could not start\n  because: port {port} is not free");
    assert!(said.contains(&told), "{said}");
    assert!(said.contains("\nhint: stop what listens there"), "{said}");
    assert!(!said.contains("backtrace"), "{said}");
}

#[tokio::test]
async fn the_built_in_sign_in_does_not_start_beside_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut dev = bm_server(
        &["dev", "--port", "0", "--state", state],
        &[("BM_SERVER__PUBLIC_URL", "https://cloud.example.org")],
    );
    assert_eq!(dev.exit(SOON).await.code(), Some(2));
    assert!(
        dev.stderr().contains("BM_SERVER__PUBLIC_URL is set"),
        "{}",
        dev.stderr()
    );
}
