use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::bench::process::{cpu_seconds, memory_mb};
use crate::bench::samples::median;
use crate::run::{self, Show};

use super::contenders::Contender;
use super::world::{Core, World};

const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) connections: u32,
    pub(super) duration: Duration,
}

/// What one contender did under one load.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) who: &'static str,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    /// The contender's own time on a core for each request, without database and instance.
    pub(super) cpu_us: f64,
    pub(super) memory_mb: f64,
}

impl Sample {
    pub(super) fn median(samples: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| median(&samples.iter().map(value).collect::<Vec<_>>());
        Self {
            who: samples.first().map_or("nobody", |sample| sample.who),
            per_second: of(|sample| sample.per_second),
            p50_ms: of(|sample| sample.p50_ms),
            cpu_us: of(|sample| sample.cpu_us),
            memory_mb: of(|sample| sample.memory_mb),
        }
    }
}

impl Load {
    pub(super) fn warm_up(self, world: &World, contender: &Contender) -> Result<()> {
        let short = Self {
            duration: WARM_UP,
            ..self
        };
        short.run(world, contender).map(drop)
    }

    pub(super) fn run(self, world: &World, contender: &Contender) -> Result<Sample> {
        let before = contender.pid().map(cpu_seconds).transpose()?;
        let output = run::require(&mut self.wrk(world, contender), Show::OnFailure)?;
        let (per_second, p50_ms) = read(&output)?;
        let after = contender.pid().map(cpu_seconds).transpose()?;
        let spent = after.unwrap_or_default() - before.unwrap_or_default();
        Ok(Sample {
            who: contender.who,
            per_second,
            p50_ms,
            cpu_us: spent * 1e6 / (per_second * self.duration.as_secs_f64()),
            memory_mb: contender.pid().map_or(Ok(0.0), memory_mb)?,
        })
    }

    /// Loads two at once; what they do together in a second.
    pub(super) fn run_beside(self, world: &World, both: [&Contender; 2]) -> Result<f64> {
        std::thread::scope(|scope| {
            let runs = both.map(|contender| {
                let mut command = self.wrk(world, contender);
                scope.spawn(move || {
                    let output = run::require(&mut command, Show::OnFailure)?;
                    read(&output).map(|(per_second, _)| per_second)
                })
            });
            let mut sum = 0.0;
            for run in runs {
                sum += run
                    .join()
                    .unwrap_or_else(|_| bail!("wrk could not be run"))?;
            }
            Ok(sum)
        })
    }

    fn wrk(self, world: &World, contender: &Contender) -> Command {
        let mut command = world.pinned(Core::Other, "wrk");
        command
            .args(["-t1", "--latency", "--timeout", "10s"])
            .arg(format!("-c{}", self.connections))
            .arg(format!("-d{}s", self.duration.as_secs()))
            .arg("-s")
            .arg(world.base.join("members.lua"))
            .arg(contender.url());
        command
    }
}

/// Requests in a second and the median latency in ms; refuses a run with any failed request.
fn read(output: &str) -> Result<(f64, f64)> {
    let mut lines = output.lines().map(str::trim);
    if let Some(line) = lines
        .clone()
        .find(|line| line.starts_with("Non-2xx") || line.starts_with("Socket errors"))
    {
        bail!("not every request was answered well: {line}");
    }
    let p50 = lines
        .clone()
        .find_map(|line| line.strip_prefix("50%"))
        .context("wrk told no median")?;
    let per_second = lines
        .find_map(|line| line.strip_prefix("Requests/sec:"))
        .context("wrk told no rate")?;
    Ok((per_second.trim().parse()?, milliseconds(p50.trim())?))
}

fn milliseconds(text: &str) -> Result<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1000.0)
    } else {
        bail!("`{text}` is no duration")
    };
    Ok(number.parse::<f64>()? * factor)
}

/// Every contender under every load.
pub(super) fn loads(loads: &[(&str, &[Sample])]) -> String {
    let mut table = String::from(
        "| load | who | req/s | P50 ms | CPU us | MB |\n| --- | --- | ---: | ---: | ---: | ---: |\n",
    );
    for (load, samples) in loads {
        for sample in *samples {
            table.push_str(&format!(
                "| {load} | {} | {:.0} | {:.2} | {:.1} | {:.0} |\n",
                sample.who, sample.per_second, sample.p50_ms, sample.cpu_us, sample.memory_mb
            ));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "  Latency Distribution\n     50%  640.00us\n     75%    1.20ms\n\
                        Requests/sec:   7057.25\nTransfer/sec: 1MB\n";

    #[test]
    fn reads_what_wrk_tells() {
        assert_eq!(read(GOOD).unwrap(), (7057.25, 0.64));
        assert_eq!(milliseconds("1.5s").unwrap(), 1500.0);
        assert!(read("Requests/sec: 1.0").is_err());
    }

    #[test]
    fn a_run_with_refused_requests_is_no_result() {
        let bad = format!("{GOOD}Non-2xx or 3xx responses: 3\n");
        assert!(read(&bad).unwrap_err().to_string().contains("responses: 3"));
    }

    #[test]
    fn the_median_is_of_each_value_by_itself() {
        let sample = |per_second, p50_ms| Sample {
            who: "a",
            per_second,
            p50_ms,
            ..Sample::default()
        };
        let samples = [sample(1.0, 9.0), sample(3.0, 7.0), sample(2.0, 8.0)];
        assert_eq!(Sample::median(&samples), sample(2.0, 8.0));
    }
}
