//! How a sign-in can go, apart from what the account has.

use testkit::{Server, scratch};

use crate::device::{ANA, Device, SOON, Said, code};

#[tokio::test]
async fn an_interrupted_login_leaves_nothing() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    let device = Device::new("laptop");
    let mut login = device.start(&["login", "--server", &server.url, "--no-browser", "--json"]);
    let code = code(&mut login).await;
    login.signal(rustix::process::Signal::INT);
    let said = Said::of(&mut login).await;
    assert_eq!(said.code, Some(130), "{said:#?}");
    let status = device.run(&["status"]).await;
    assert_eq!(status.code, Some(4), "{status:#?}");
    // The person consents too late: nobody waits for it.
    server.approve(&code, ANA).await;
    assert_eq!(device.run(&["status"]).await.code, Some(4));
}

#[tokio::test]
async fn a_declined_login_says_so() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    let device = Device::new("laptop");
    let mut login = device.start(&["login", "--server", &server.url, "--no-browser", "--json"]);
    let code = code(&mut login).await;
    server.deny(&code).await;
    let said = Said::of(&mut login).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(
        said.err
            .contains("✗ The sign-in was declined in the browser\n"),
        "{said:#?}"
    );
    assert!(said.err.contains("hint: "), "{said:#?}");
}

#[tokio::test]
async fn code_and_link_are_for_people_on_standard_error() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    let mut login = device.start(&["login", "--server", &server.url, "--no-browser"]);
    let link = login.line(SOON, |line| line.contains("?user_code=")).await;
    let code = link.rsplit('=').next().unwrap();
    assert!(
        login.stderr().contains(&format!("\n    {code}\n")),
        "{}",
        login.stderr()
    );
    server.approve(code, ANA).await;
    let said = Said::of(&mut login).await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{said:#?}");
}

#[tokio::test]
async fn without_a_server_the_command_line_is_wrong() {
    let device = Device::new("laptop");
    let said = device.run(&["login"]).await;
    assert_eq!(said.code, Some(2), "{said:#?}");
    assert!(
        said.err
            .contains("hint: Name it: bm-cloud login --server URL"),
        "{said:#?}"
    );
    let unknown = device.run(&["sync"]).await;
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
}

#[tokio::test]
async fn the_environment_may_name_the_server() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop").with("BM_CLOUD_SERVER", &server.url);
    let mut login = device.start(&["login", "--no-browser", "--json"]);
    let code = code(&mut login).await;
    server.approve(&code, ANA).await;
    assert_eq!(Said::of(&mut login).await.code, Some(0));
}

#[tokio::test]
async fn signing_in_anew_keeps_the_folder() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.write("a.md", "one");
    device.set_up(&server, "safe").await;
    let mut login = device.start(&["login", "--force", "--no-browser", "--json"]);
    let code = code(&mut login).await;
    server.approve(&code, ANA).await;
    let said = Said::of(&mut login).await;
    assert_eq!(said.code, Some(0), "{said:#?}");
    let said = device.ok(&["bisync"]).await;
    assert!(said.out.starts_with("Up to date · 1 note"), "{said:#?}");
}
