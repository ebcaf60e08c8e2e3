use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::child::{self, Companion, Input};
use crate::http;

use super::world::{AUDIENCE, Core, World, free_port, wait_for_port};

const SOON: Duration = Duration::from_secs(60);
const KEY_ID: &str = "bench";
const MASTER: &str = "5f2c1d8e9b7a40316f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0918";

/// Something that answers the same requests.
pub(super) struct Contender {
    pub(super) who: &'static str,
    pub(super) port: u16,
    process: Option<Companion>,
}

impl Contender {
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Companion::pid)
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The product, as a deployment with `PostgreSQL` runs it. The first one shapes the database.
    pub(super) fn server(world: &World, name: &'static str, core: Core) -> Result<Self> {
        let port = free_port()?;
        let folder = world.base.join(name);
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("config.toml");
        std::fs::write(
            &config,
            settings(world, port, &folder.join("state").to_string_lossy()),
        )?;
        let mut command = world.pinned(core, world.repo.binary("bm-server"));
        command.args(["serve", "--config"]).arg(&config);
        let log = folder.join("bm-server.log");
        let process = Companion::start(name, &mut command, Input::Nothing, &log)?;
        process.line(SOON).context("bm-server did not start")?;
        let contender = Self {
            who: name,
            port,
            process: Some(process),
        };
        if core == Core::Measured {
            world.add_members()?;
        }
        let url = contender.url();
        child::wait_for("bm-server to be ready", SOON, || {
            Ok(http::get(&format!("{url}/healthz"))
                .ok()
                .filter(|answer| answer.status == 200))
        })?;
        Ok(contender)
    }

    /// What the seed documents build the server with.
    pub(super) fn seeds_stack(world: &World) -> Result<Self> {
        let port = free_port()?;
        let mut command = world.pinned(Core::Measured, world.repo.made("peers/venv/bin/python"));
        command
            .args([
                "-m",
                "uvicorn",
                "app:app",
                "--host",
                "127.0.0.1",
                "--no-access-log",
            ])
            .args(["--log-level", "warning", "--app-dir"])
            .arg(world.repo.at("benches/seeds_stack"))
            .args(["--port", &port.to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("BENCH_ISSUER", world.issuer())
            .env("BENCH_AUDIENCE", AUDIENCE)
            .env("BENCH_PUBLIC_KEY", world.base.join("public.pem"))
            .env("BENCH_MASTER", MASTER)
            .env(
                "BENCH_DATABASE",
                format!(
                    "postgresql+asyncpg://bm@127.0.0.1:{}/postgres",
                    world.database_port
                ),
            );
        let log = world.base.join("seeds-stack.log");
        let process = Companion::start("the seeds' stack", &mut command, Input::Nothing, &log)?;
        wait_for_port("the seeds' stack", port)?;
        Ok(Self {
            who: "the seeds' stack",
            port,
            process: Some(process),
        })
    }

    /// Our way through without token, database and signature.
    pub(super) fn bare(world: &World) -> Result<Self> {
        let program = world.repo.binary("examples/bare_proxy");
        let mut command = world.pinned(Core::Measured, program);
        command.arg(format!("127.0.0.1:{}", world.instance));
        let log = world.base.join("bare-proxy.log");
        let process = Companion::start("bare proxy", &mut command, Input::Nothing, &log)?;
        let ready: Value = serde_json::from_str(&process.line(SOON)?)?;
        let port = ready["url"].as_str().and_then(|url| url.rsplit(':').next());
        Ok(Self {
            who: "bare proxy",
            port: port.context("the ready line has a url")?.parse()?,
            process: Some(process),
        })
    }

    pub(super) fn nginx(world: &World) -> Result<Self> {
        let port = free_port()?;
        let http = format!(
            "keepalive_requests 100000000;\n\
             upstream instance {{ server 127.0.0.1:{}; keepalive 64; keepalive_requests 100000000; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://instance; \
             proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}",
            world.instance
        );
        let process = world.nginx("nginx", Core::Measured, &http, port)?;
        Ok(Self {
            who: "nginx proxy_pass",
            port,
            process: Some(process),
        })
    }

    /// The instance itself, with nothing in between.
    pub(super) fn direct(world: &World) -> Self {
        Self {
            who: "nothing in between",
            port: world.instance,
            process: None,
        }
    }
}

fn settings(world: &World, port: u16, state: &str) -> String {
    let issuer = world.issuer();
    let database = world.database_port;
    format!(
        r#"mode = "development"
public_url = "http://127.0.0.1:{port}"
[listen]
address = "127.0.0.1:{port}"
[state]
folder = "{state}"
[database]
kind = "postgres"
url = "postgres://bm@127.0.0.1:{database}/postgres"
max_connections = 16
[storage]
kind = "embedded"
address = "127.0.0.1:0"
endpoint_url = "http://127.0.0.1:1"
[sign_in]
issuer = "{issuer}"
client_id = "{AUDIENCE}"
device_authorization_endpoint = "{issuer}/device"
token_endpoint = "{issuer}/token"
[[sign_in.issuers]]
kind = "connect"
names = ["{issuer}"]
keys_url = "{issuer}/jwks"
audiences = ["{AUDIENCE}"]
client_ids = ["{AUDIENCE}"]
max_life_s = 86400
leeway_s = 30
[signing]
current = "{KEY_ID}"
[signing.keys]
{KEY_ID} = "{MASTER}"
[limits]
requests_per_minute = 1000000
burst = 1000000
[log]
level = "error"
"#
    )
}
