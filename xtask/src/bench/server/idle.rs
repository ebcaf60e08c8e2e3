use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bench::process::memory_mb;
use crate::bench::report::{Goal, Row};

use super::contenders::Contender;

use super::world::World;

const SOON: Duration = Duration::from_secs(10);

/// What the server weighs while this many readers wait for events.
pub(super) fn measure(world: &World, server: &Contender, streams: usize) -> Result<Row> {
    let pid = server.pid().context("the server is a process")?;
    let before = memory_mb(pid)?;
    let tokens = std::fs::read_to_string(world.base.join("tokens.txt"))?;
    let tokens: Vec<&str> = tokens.lines().collect();
    let open: Vec<BufReader<TcpStream>> = (0..streams)
        .map(|number| open(server.port, tokens[number % tokens.len()]))
        .collect::<Result<_>>()?;
    let weight = memory_mb(pid)?;
    println!(
        "{} idle streams: {before:.1} MB before, {weight:.1} MB with them",
        open.len()
    );
    Ok(Row::new("idle_streams_mb", weight, "MB")
        .peer("the same server before", before)
        .goal(Goal::AtMost(50.0)))
}

fn open(port: u16, token: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(SOON))?;
    write!(
        stream,
        "GET /tenant/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\
         Accept: text/event-stream\r\n\r\n"
    )?;
    let mut reader = BufReader::with_capacity(512, stream);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    ensure!(
        status.contains(" 200 "),
        "a stream was refused: {}",
        status.trim()
    );
    Ok(reader)
}
