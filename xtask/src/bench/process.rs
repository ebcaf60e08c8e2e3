//! What the kernel tells of a running program.

use std::path::Path;

use anyhow::{Context, Result};

/// Ticks of the kernel's process clocks in a second (`USER_HZ`, the same on all Linux).
const TICKS: f64 = 100.0;

/// The time on a core so far, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = read_proc(pid, "stat")?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: Vec<f64> = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse().context("ticks are numbers"))
        .collect::<Result<_>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// What it holds in memory now.
pub(crate) fn memory_mb(pid: u32) -> Result<f64> {
    let status = read_proc(pid, "status")?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("the kernel tells a process's memory")?;
    Ok(kilobytes.parse::<f64>()? / 1024.0)
}

/// A process and everything below it.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let children = std::fs::read_dir(tasks)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            let ids = text.split_whitespace().filter_map(|id| id.parse().ok());
            ids.collect::<Vec<u32>>()
        });
    let below: Vec<u32> = children.flat_map(tree).collect();
    std::iter::once(pid).chain(below).collect()
}

fn read_proc(pid: u32, name: &str) -> Result<String> {
    let file = Path::new("/proc").join(pid.to_string()).join(name);
    std::fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))
}
