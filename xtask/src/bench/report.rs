use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

/// What a row has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    AtMost(f64),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    peer: Option<String>,
    peer_value: Option<f64>,
    ratio: Option<f64>,
    goal: Option<f64>,
    /// Null where the machine cannot show it.
    ok: Option<bool>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
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
    pub(crate) fn ratio(
        name: impl Into<String>,
        value: f64,
        peer: impl Into<String>,
        of: f64,
    ) -> Self {
        Self::new(name, value, "req/s").beside(peer, of)
    }

    pub(crate) fn peer(self, peer: impl Into<String>, value: f64) -> Self {
        Self {
            peer: Some(peer.into()),
            peer_value: Some(value),
            ..self
        }
    }

    /// A peer whose share of this value counts.
    pub(crate) fn beside(self, peer: impl Into<String>, value: f64) -> Self {
        Self {
            ratio: Some(self.value / value),
            ..self.peer(peer, value)
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn goal(self, goal: Goal) -> Self {
        let (goal, ok) = match goal {
            Goal::RatioAtLeast(goal) => (goal, self.ratio.is_some_and(|ratio| ratio >= goal)),
            Goal::RatioAtMost(goal) => (goal, self.ratio.is_some_and(|ratio| ratio <= goal)),
            Goal::AtMost(goal) => (goal, self.value <= goal),
        };
        Self {
            goal: Some(goal),
            ok: Some(ok),
            ..self
        }
    }
}

impl Row {
    /// The row of a Markdown table.
    pub(crate) fn line(&self) -> String {
        let number =
            |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
        let peer = match (&self.peer, self.peer_value) {
            (Some(peer), Some(value)) => format!("{peer}: {value:.2}"),
            (None, _) | (_, None) => String::new(),
        };
        let reached = match self.ok {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not judged here",
        };
        format!(
            "| {} | {:.2} {} | {peer} | {} | {} | {reached} |",
            self.name,
            self.value,
            self.unit,
            number(self.ratio),
            number(self.goal),
        )
    }
}

/// Where a run was made.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
}

impl Machine {
    pub(crate) fn read() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

#[derive(Serialize)]
struct Report<'a, T: Serialize> {
    #[serde(flatten)]
    about: &'a T,
    rows: &'a [Row],
}

/// Writes the rows as JSON, next to what else is to be known of the run, and gives them as a
/// Markdown table.
pub(crate) fn write(file: &Path, about: &impl Serialize, rows: &[Row]) -> Result<String> {
    // Whoever is interrupted leaves a whole file.
    let new = file.with_extension("json.new");
    std::fs::write(&new, serde_json::to_string_pretty(&Report { about, rows })?)?;
    std::fs::rename(&new, file)?;
    let mut table = String::from(
        "| row | value | next to | ratio | goal | reached |\n| --- | ---: | --- | ---: | ---: | --- |\n",
    );
    for row in rows {
        writeln!(table, "{}", row.line())?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_it_reached_its_goal() {
        let ratio = |value| Row::ratio("a", value, "b", 10.0).goal(Goal::RatioAtLeast(20.0));
        assert_eq!(ratio(200.0).ok, Some(true));
        assert_eq!(ratio(199.0).ok, Some(false));
        let share = |value| Row::ratio("a", value, "b", 10.0).goal(Goal::RatioAtMost(0.5));
        assert_eq!(share(5.0).ok, Some(true));
        assert_eq!(share(5.1).ok, Some(false));
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
