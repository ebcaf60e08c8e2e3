//! Other tray apps that keep folders the same, where somebody has installed them.
//!
//! They start with a home of their own in which nothing is set up, so their numbers are those of a
//! first start; a window that they open by themselves is counted with them.

use std::path::Path;

use anyhow::Result;

use crate::bench::report::Row;
use crate::bench::samples::median;
use crate::demo::desktop::Desktop;
use crate::demo::device::Device;
use crate::run;

use super::memory;
use super::starts::Starts;

const ROUNDS: usize = 5;

struct Neighbor {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// A file below the home that keeps its first questions away.
    settings: Option<(&'static str, &'static str)>,
}

const NEIGHBORS: [Neighbor; 2] = [
    Neighbor {
        name: "Syncthing Tray",
        program: "syncthingtray",
        arguments: &[],
        settings: Some((
            ".config/syncthingtray.ini",
            "[tray]\nconnections\\1\\label=Local\nconnections\\1\\syncthingUrl=http://127.0.0.1:1\n\
             connections\\size=1\n",
        )),
    },
    Neighbor {
        name: "Nextcloud",
        program: "nextcloud",
        arguments: &["--background"],
        settings: None,
    },
];

/// Rows for those that are here; the others are named on the screen.
pub(super) fn rows(
    device: &Device,
    desktop: &Desktop,
    starts: &mut Starts<'_>,
    base: &Path,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for neighbor in NEIGHBORS {
        let Neighbor {
            name,
            program,
            arguments,
            settings,
        } = neighbor;
        let Some(path) = run::find(program) else {
            println!("{name} is not installed: no rows of it");
            continue;
        };
        if let Some((file, text)) = settings {
            let file = device.home().join(file);
            std::fs::create_dir_all(file.parent().unwrap_or(device.home()))?;
            std::fs::write(file, text)?;
        }
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(starts.measure(&path, arguments)?);
        }
        let private = memory::of(device, desktop, &path, arguments, base)?;
        let key = program.to_owned();
        rows.push(Row::new(
            format!("{key}_start_to_icon_ms"),
            median(&times),
            "ms",
        ));
        rows.push(Row::new(format!("{key}_private_mib"), private, "MiB"));
    }
    Ok(rows)
}
