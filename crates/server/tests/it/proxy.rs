//! Members' requests on their way to an instance, over real sockets.

mod audit;
mod bodies;
mod instance;
mod nginx;

mod refused;
mod signed;
mod streams;
mod through;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::support::{Server, text};

pub(crate) use instance::Instance as StandIn;

pub(crate) const ANA: &str = "ana@example.org";
const SOON: Duration = Duration::from_secs(10);

/// Records where the tenant's instance is, as provisioning does.
async fn place_instance(state: &Path, tenant: &str, address: &str, condition: &str) {
    let file = state.join("server.db");
    let mut database = SqliteConnection::connect(&format!("sqlite:{}", file.display()))
        .await
        .unwrap();
    sqlx::query(
        "insert into tenant_instance (tenant_id, address, key_id, state, created_at, updated_at)
         values ($1, $2, 'dev-1', $3, 0, 0)
         on conflict (tenant_id) do update set address = excluded.address, state = excluded.state",
    )
    .bind(tenant)
    .bind(address)
    .bind(condition)
    .execute(&mut database)
    .await
    .unwrap();
    database.close().await.unwrap();
}

async fn tenant_of(server: &Server, token: &str) -> String {
    let (_, info): (_, Value) = server.call(token, "GET", "/tenant/mount/info").await;
    text(&info, "tenant_id")
}

/// A server with one member whose instance is at `address`; the member's token.
pub(crate) async fn member_with_instance(address: &str) -> (Server, String) {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let tenant = tenant_of(&server, &token).await;
    place_instance(server.folder.path(), &tenant, address, "ready").await;
    (server, token)
}

/// The request with this first line, if the stand-in got one.
pub(crate) fn standin_sees(instance: &StandIn, line: &str) -> Option<instance::Seen> {
    instance.seen().into_iter().find(|seen| seen.line == line)
}

/// Sends these bytes on a connection of their own and reads until the other side closes, or the
/// answer is whole.
fn exchange(host: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    // A server may answer and close before it has read everything.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn host(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

/// Like [`exchange`], away from the threads that serve.
pub(crate) async fn exchange_with(url: &str, request: String) -> String {
    let host = host(url).to_owned();
    tokio::task::spawn_blocking(move || exchange(&host, request.as_bytes()))
        .await
        .unwrap()
}

pub(crate) fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status in {answer:?}"))
}
