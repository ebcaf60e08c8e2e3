use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::load::Sample;

/// What a row has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    RatioAtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    peer: Option<&'static str>,
    peer_value: Option<f64>,
    ratio: Option<f64>,
    goal: Option<f64>,
    /// Null where the machine cannot show it.
    ok: Option<bool>,
}

impl Row {
    pub(super) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self {
            name,
            value,
            unit,
            peer: None,
            peer_value: None,
            ratio: None,
            goal: None,
            ok: None,
        }
    }

    /// Requests in a second next to those of a peer.
    pub(super) fn ratio(name: &'static str, value: f64, peer: &'static str, of: f64) -> Self {
        Self {
            ratio: Some(value / of),
            ..Self::new(name, value, "req/s").peer(peer, of)
        }
    }

    pub(super) fn peer(self, peer: &'static str, value: f64) -> Self {
        Self {
            peer: Some(peer),
            peer_value: Some(value),
            ..self
        }
    }

    pub(super) fn goal(self, goal: Goal) -> Self {
        let (goal, ok) = match goal {
            Goal::RatioAtLeast(goal) => (goal, self.ratio.is_some_and(|ratio| ratio >= goal)),
            Goal::AtMost(goal) => (goal, self.value <= goal),
        };
        Self {
            goal: Some(goal),
            ok: Some(ok),
            ..self
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    rows: &'a [Row],
}

/// Writes the rows as JSON and gives them as a Markdown table.
pub(super) fn write(file: &Path, rows: &[Row]) -> Result<String> {
    std::fs::write(file, serde_json::to_string_pretty(&Report { rows })?)?;
    let mut table = String::from(
        "| row | value | next to | ratio | goal | reached |\n| --- | ---: | --- | ---: | ---: | --- |\n",
    );
    for row in rows {
        let number =
            |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
        let peer = match (row.peer, row.peer_value) {
            (Some(peer), Some(value)) => format!("{peer}: {value:.2}"),
            (None, _) | (_, None) => String::new(),
        };
        let reached = match row.ok {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not judged here",
        };
        writeln!(
            table,
            "| {} | {:.2} {} | {peer} | {} | {} | {reached} |",
            row.name,
            row.value,
            row.unit,
            number(row.ratio),
            number(row.goal),
        )?;
    }
    Ok(table)
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

    #[test]
    fn a_row_says_whether_it_reached_its_goal() {
        let ratio = |value| Row::ratio("a", value, "b", 10.0).goal(Goal::RatioAtLeast(20.0));
        assert_eq!(ratio(200.0).ok, Some(true));
        assert_eq!(ratio(199.0).ok, Some(false));
        let most = |value| Row::new("a", value, "ms").goal(Goal::AtMost(1.0));
        assert_eq!(most(1.0).ok, Some(true));
        assert_eq!(most(1.1).ok, Some(false));
        assert_eq!(Row::new("a", 1.0, "ms").ok, None);
        assert_eq!(
            Row::ratio("a", f64::NAN, "b", 1.0)
                .goal(Goal::RatioAtLeast(0.0))
                .ok,
            Some(false)
        );
    }

    #[test]
    fn the_written_rows_have_the_agreed_fields() {
        let row = Row::new("a", 1.5, "ms");
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"name":"a","value":1.5,"unit":"ms","peer":null,"peer_value":null,"ratio":null,"goal":null,"ok":null}"#
        );
    }
}
