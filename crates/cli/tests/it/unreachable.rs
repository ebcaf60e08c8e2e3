//! Servers that are down, and addresses that are none.

use std::io::{Read, Write};
use std::net::TcpListener;

use testkit::{Server, free_port, scratch};

use crate::device::{ANA, Device};

#[tokio::test]
async fn while_the_server_is_down_edits_wait() {
    let state = scratch();
    let mut server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.write("a.md", "a\n");
    device.set_up(&server, "safe").await;
    server.kill();
    device.write("edit.md", "waits\n");
    let said = device.run(&["bisync", "--json"]).await;
    assert_eq!(said.code, Some(6), "{said:#?}");
    assert!(said.err.contains("cannot be reached\nhint: "), "{said:#?}");
    let status = device.run(&["status"]).await;
    assert_eq!(status.code, Some(6), "{status:#?}");
    assert!(status.out.contains("Mode: Cloud (enabled)"), "{status:#?}");
    assert!(status.out.contains("1 note known equal"), "{status:#?}");
    let login = device.run(&["login"]).await;
    assert_eq!(login.code, Some(6), "{login:#?}");
    let _server = server.restart().await;
    let said = device.ok(&["bisync", "--json"]).await;
    assert_eq!(said.count("uploaded"), 1, "{said:#?}");
}

#[tokio::test]
async fn a_login_where_nothing_listens_says_try_later() {
    let device = Device::new("laptop");
    let url = format!("http://127.0.0.1:{}", free_port());
    let said = device
        .run(&["login", "--server", &url, "--no-browser", "--json"])
        .await;
    assert_eq!(said.code, Some(6), "{said:#?}");
    assert_eq!(said.last_json()["code"], "unreachable");
    assert!(
        said.err
            .contains("hint: Check the network and the server's address."),
        "{said:#?}"
    );
}

#[tokio::test]
async fn a_login_at_a_wrong_address_says_which_and_why() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            assert!(read > 0, "somebody asks");
            let page = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>";
            stream.write_all(page.as_bytes()).unwrap();
        }
    });
    let device = Device::new("laptop");
    for url in [
        stranger.as_str(),
        "ftp://example.org",
        "http://example.org",
        "not a url",
        "",
    ] {
        let said = device
            .run(&["login", "--server", url, "--no-browser", "--json"])
            .await;
        assert_eq!(said.code, Some(1), "{url}: {said:#?}");
        assert_eq!(said.last_json()["ok"], false);
        assert!(said.err.contains("hint: "), "{url}: {said:#?}");
    }
    assert_eq!(device.run(&["status"]).await.code, Some(4));
}
