//! Where tenants' instances run, and how.

use std::time::Duration;

use super::super::reader::Reader;
use super::super::settings::{FlySource, InstanceSource, Instances, LocalSource};
use super::trimmed;
use crate::instances::LocalRun;

const MIB: u64 = 1024 * 1024;

#[derive(Clone, Copy)]
enum Kind {
    None,
    Fixed,
    Local,
    Fly,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Instances> {
    let kinds = [
        ("none", Kind::None),
        ("fixed", Kind::Fixed),
        ("local", Kind::Local),
        ("fly", Kind::Fly),
    ];
    let kind = reader.choice("instances.kind", &kinds);
    let address = reader.url("instances.address");
    let s3_endpoint = reader.url("instances.s3_endpoint");
    let sync_every = reader.seconds("instances.sync_every_s", 10..=86_400);
    // All that is written is judged, whichever kind is in force.
    let local = local(reader);
    let fly = fly(reader, matches!(kind, Some(Kind::Fly)));
    let source = match kind? {
        Kind::None => InstanceSource::None,
        Kind::Fixed => InstanceSource::Fixed(reader.needed("instances.address", address)?),
        Kind::Local => {
            if !reader.is_set("state.folder") {
                let remedy = "name a folder, in which instances have theirs";
                reader.problem("state.folder", "is not set, but instances run here", remedy);
            }
            InstanceSource::Local(local?)
        }
        Kind::Fly => InstanceSource::Fly(fly?),
    };
    Some(Instances {
        source,
        s3_endpoint: s3_endpoint.as_ref().map(trimmed),
        sync_every: sync_every?,
    })
}

fn local(reader: &mut Reader<'_>) -> Option<LocalSource> {
    let program = reader.path("instances.local.program");
    let words = ["auto", "mount", "replica", "tigrisfs"].map(|word| (word, word));
    let files = reader.choice("instances.local.files", &words);
    let generations = ["0.15", "0.24"].map(|word| (word, word));
    let generation = reader.choice("instances.local.generation", &generations);
    let basic_memory = reader.path("instances.local.basic_memory");
    let rclone = reader.path("instances.local.rclone");
    let path = reader.text("instances.local.path");
    let idle = reader.seconds("instances.local.idle_s", 0..=31_536_000);
    let hold = reader.seconds("instances.local.hold_s", 1..=60);
    let start = reader.seconds("instances.local.start_s", 1..=600);
    let memory_mib = reader.number("instances.local.memory_mib", 64..=1_048_576);
    let open_files = reader.number("instances.local.open_files", 64..=1_048_576);
    let log_mib = reader.number("instances.local.log_mib", 1..=1024);
    let run = LocalRun {
        files: files?.to_owned(),
        generation: generation?.to_owned(),
        basic_memory,
        rclone,
        idle: Some(idle?).filter(|idle| *idle > Duration::ZERO),
        hold: hold?,
        start: start?,
        memory_bytes: memory_mib? * MIB,
        open_files: open_files?,
        log_bytes: log_mib? * MIB,
        ..LocalRun::new(path?.into())
    };
    Some(LocalSource { program, run })
}

fn fly(reader: &mut Reader<'_>, in_force: bool) -> Option<FlySource> {
    let api_url = reader.url("instances.fly.api_url");
    let mut text = |key: &str| {
        let text = reader.text(key);
        match in_force {
            true => reader.needed(key, text),
            false => text,
        }
    };
    let organization = text("instances.fly.organization");
    let image = text("instances.fly.image");
    let app_prefix = text("instances.fly.app_prefix");
    let network = reader.text("instances.fly.network");
    let regions = reader.list("instances.fly.regions");
    let token = match in_force {
        true => reader.needed_secret("instances.fly.token"),
        false => reader.secret("instances.fly.token"),
    };
    let cpus = reader.number("instances.fly.cpus", 1..=16);
    let memory_mib = reader.number("instances.fly.memory_mib", 256..=32_768);
    if in_force && regions.as_ref().is_some_and(Vec::is_empty) {
        let remedy = "name at least one, nearest first";
        reader.problem("instances.fly.regions", "is empty", remedy);
    }
    if let Some(prefix) = &app_prefix
        && !is_prefix(prefix)
    {
        let remedy = "use 1 to 20 lower-case letters, digits and hyphens, a letter first";
        reader.problem(
            "instances.fly.app_prefix",
            "cannot begin an app's name",
            remedy,
        );
    }
    Some(FlySource {
        api_url: trimmed(&api_url?),
        token: token?,
        organization: organization?,
        image: image?,
        app_prefix: app_prefix?,
        network,
        regions: regions?,
        cpus: u32::try_from(cpus?).ok()?,
        memory_mib: u32::try_from(memory_mib?).ok()?,
    })
}

fn is_prefix(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=20).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(plain)
}
