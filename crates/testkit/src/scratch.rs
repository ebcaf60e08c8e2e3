use std::net::{Ipv4Addr, TcpListener};

use tempfile::TempDir;

/// A folder of its own, mode 0700, gone with the value; its path is short enough for sockets.
///
/// # Panics
/// If the machine's folder for temporary files is not writable.
#[must_use]
pub fn scratch() -> TempDir {
    tempfile::Builder::new()
        .prefix("bm")
        .rand_bytes(6)
        .tempdir()
        .expect("the folder for temporary files is writable")
}

/// A loopback port that was free a moment ago, for programs that cannot choose one themselves.
///
/// # Panics
/// If the loopback interface gives no port.
#[must_use]
pub fn free_port() -> u16 {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface gives a port");
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}
