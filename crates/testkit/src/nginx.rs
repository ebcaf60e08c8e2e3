use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Child, free_port, program, scratch, wait_until};

const SOON: Duration = Duration::from_secs(20);

/// A running nginx with a configuration of the test's.
#[must_use]
pub struct Nginx {
    pub url: String,
    pub port: u16,
    child: Child,
    _folder: TempDir,
}

/// Starts nginx. `http` is what stands in its `http` block, where `{port}` is a free port, for the
/// `listen 127.0.0.1:{port}` of the server that is waited for.
///
/// # Panics
/// If it is not installed, refuses the configuration or does not come up.
pub async fn nginx(http: &str) -> Nginx {
    let folder = scratch();
    let port = free_port();
    let at = folder.path().display();
    let http = http.replace("{port}", &port.to_string());
    let temporary: String = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
        .map(|name| format!("  {name}_temp_path {at}/{name};\n"))
        .concat();
    // One process that stays the user it is: it can write to the scratch folder.
    let config = format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n{temporary}{http}\n}}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, config).expect("a scratch folder is writable");
    let mut child = program("nginx")
        .arg("-p")
        .arg(folder.path())
        .args(["-e", "stderr", "-c"])
        .arg(file)
        .spawn();
    wait_until(SOON, async || {
        assert!(child.ended().is_none(), "nginx ended: {}", child.stderr());
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    })
    .await;
    Nginx {
        url: format!("http://127.0.0.1:{port}"),
        port,
        child,
        _folder: folder,
    }
}

impl Nginx {
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// What it wrote to its error log up to now.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.stderr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nginx_answers_as_configured() {
        let nginx = nginx("server { listen 127.0.0.1:{port}; location / { return 204; } }").await;
        let answer = reqwest::get(&nginx.url).await.unwrap();
        assert_eq!(answer.status(), 204);
    }
}
