use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Tally {
    pub(crate) const PASS: Self = Self {
        passed: 1,
        failed: 0,
    };
    pub(crate) const FAIL: Self = Self {
        passed: 0,
        failed: 1,
    };

    /// A runner that failed although it counted no failure failed as a whole.
    pub(crate) fn or_failed(self, succeeded: Succeeded) -> Self {
        match succeeded {
            Succeeded::No if self.failed == 0 => Self { failed: 1, ..self },
            Succeeded::Yes | Succeeded::No => self,
        }
    }
}

/// Whether a runner exited with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Succeeded {
    Yes,
    No,
}

/// Reads nextest's summary line.
pub(crate) fn nextest(output: &str) -> Tally {
    let plain = without_colors(output);
    let summary = plain
        .lines()
        .rfind(|line| line.trim_start().starts_with("Summary ["))
        .and_then(|line| line.split_once("run: "));
    summary.map_or(Tally::default(), |(_, counts)| counted(counts.split(',')))
}

/// Adds up the `test result:` lines of `cargo test`.
pub(crate) fn libtest(output: &str) -> Tally {
    let plain = without_colors(output);
    let mut tally = Tally::default();
    for line in plain
        .lines()
        .filter_map(|line| line.strip_prefix("test result: "))
    {
        let counts = line.split_once(". ").map_or("", |(_, counts)| counts);
        tally += counted(counts.split(';'));
    }
    tally
}

/// Reads the `Tests` line of vitest.
pub(crate) fn vitest(output: &str) -> Tally {
    let plain = without_colors(output);
    let line = plain
        .lines()
        .rev()
        .find_map(|line| line.trim_start().strip_prefix("Tests  "));
    line.map_or(Tally::default(), |counts| counted(counts.split('|')))
}

/// Sums phrases such as `3 passed (1 slow)` and `2 timed out`.
fn counted<'a>(phrases: impl Iterator<Item = &'a str>) -> Tally {
    let mut tally = Tally::default();
    for phrase in phrases {
        let Some((number, what)) = phrase.trim().split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        if what.starts_with("passed") {
            tally.passed += number;
        } else if ["failed", "timed out", "exec failed"]
            .iter()
            .any(|word| what.starts_with(word))
        {
            tally.failed += number;
        }
    }
    tally
}

fn without_colors(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter == '\u{1b}' {
            rest.find(char::is_ascii_alphabetic);
        } else {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_nextest_summary_with_every_kind_of_failure() {
        let output = "noise\n     Summary [   9.1s] 14/15 tests run: 9 passed (1 slow), 2 failed, 1 exec failed, 2 timed out, 1 skipped\n";
        assert_eq!(
            nextest(output),
            Tally {
                passed: 9,
                failed: 5
            }
        );
    }

    #[test]
    fn adds_up_the_results_of_several_test_binaries() {
        let output = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                      test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        assert_eq!(
            libtest(output),
            Tally {
                passed: 4,
                failed: 2
            }
        );
    }

    #[test]
    fn reads_vitest_through_its_colors() {
        let output = "\u{1b}[2m Test Files \u{1b}[22m 1 failed (2)\n\u{1b}[2m      Tests \u{1b}[22m 1 failed | 11 passed (12)\n";
        assert_eq!(
            vitest(output),
            Tally {
                passed: 11,
                failed: 1
            }
        );
    }

    #[test]
    fn counts_a_runner_that_died_without_a_summary_as_one_failure() {
        assert_eq!(
            nextest("error: could not compile").or_failed(Succeeded::No),
            Tally::FAIL
        );
        let counted = Tally {
            passed: 4,
            failed: 2,
        };
        assert_eq!(counted.or_failed(Succeeded::No), counted);
        assert_eq!(Tally::PASS.or_failed(Succeeded::Yes), Tally::PASS);
    }
}
