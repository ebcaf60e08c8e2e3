use std::fmt::Write;

use crate::bench::sync::contest::Row;
use crate::bench::sync::proxy::Counts;

/// The rows as a Markdown table, as they go into a document.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| store | files | pass | who | median | requests | of these |\n\
         | --- | ---: | --- | --- | ---: | ---: | --- |\n",
    );
    let mut order: Vec<&Row> = rows.iter().collect();
    let place = |pass: &str| {
        [
            "first sync",
            "first upload",
            "first download",
            "no change",
            "one edit",
        ]
        .iter()
        .position(|it| *it == pass)
    };
    order.sort_by_key(|row| (row.store, row.files, place(row.pass)));
    for row in order {
        let total: u64 = row.requests.values().sum();
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} s | {total} | {} |",
            row.store,
            row.files,
            row.pass,
            row.who,
            seconds(row.median_ms),
            spoken(&row.requests)
        )
        .expect("writing to a string does not fail");
    }
    text
}

fn seconds(ms: u128) -> f64 {
    u32::try_from(ms).map_or(f64::INFINITY, |ms| f64::from(ms) / 1000.0)
}

fn spoken(counts: &Counts) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_contestants_for_one_pass_side_by_side() {
        let row = |who, pass, median_ms| Row {
            store: "embedded",
            files: 10,
            who,
            pass,
            median_ms,
            all_ms: vec![median_ms],
            requests: Counts::from([("LIST".to_owned(), 2), ("PUT".to_owned(), 1)]),
        };
        let rows = [
            row("a", "one edit", 1500),
            row("a", "no change", 10),
            row("b", "no change", 20),
        ];
        let lines: Vec<String> = markdown(&rows).lines().skip(2).map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "| embedded | 10 | no change | a | 0.01 s | 3 | 2 LIST, 1 PUT |",
                "| embedded | 10 | no change | b | 0.02 s | 3 | 2 LIST, 1 PUT |",
                "| embedded | 10 | one edit | a | 1.50 s | 3 | 2 LIST, 1 PUT |",
            ]
        );
    }
}
