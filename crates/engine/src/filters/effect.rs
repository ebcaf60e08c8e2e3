use super::{FilterError, Filters};
use crate::view::{FilterEffect, FilterError as FilterErrorView};

/// Paths of one kind that an effect names.
const PATHS: usize = 100;

/// What changes for `names` (files on either side) when `new` takes the place of `old`.
pub(crate) fn effect<'n>(
    old: &Filters,
    new: &Filters,
    errors: &[FilterError],
    names: impl IntoIterator<Item = &'n String>,
) -> FilterEffect {
    let mut effect = FilterEffect {
        errors: errors.iter().map(error_view).collect(),
        ..FilterEffect::default()
    };
    for name in names {
        let (before, now) = (old.includes(name), new.includes(name));
        if now {
            effect.shown += 1;
        } else {
            effect.hidden += 1;
        }
        match (before, now) {
            (true, false) => {
                effect.newly_hidden_count += 1;
                push(&mut effect.newly_hidden, name);
            }
            (false, true) => {
                effect.newly_shown_count += 1;
                push(&mut effect.newly_shown, name);
            }
            (true, true) | (false, false) => {}
        }
    }
    effect
}

fn push(paths: &mut Vec<String>, name: &str) {
    if paths.len() < PATHS {
        paths.push(name.to_owned());
    }
}

fn error_view(error: &FilterError) -> FilterErrorView {
    FilterErrorView {
        line: u32::try_from(error.line).unwrap_or(u32::MAX),
        message: format!("`{}`: {}", error.text, error.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_becomes_hidden_and_shown() {
        let names: Vec<String> = ["a.md", "a.log", "b.tmp"].map(str::to_owned).to_vec();
        let old = Filters::parse("*.tmp").unwrap();
        let (new, errors) = Filters::check(["*.log", "-x"]);
        let found = effect(&old, &new, &errors, &names);
        let expected = FilterEffect {
            errors: vec![FilterErrorView {
                line: 2,
                message: "`-x`: a space must follow the `-` or `+`".into(),
            }],
            hidden: 1,
            shown: 2,
            newly_hidden: vec!["a.log".into()],
            newly_hidden_count: 1,
            newly_shown: vec!["b.tmp".into()],
            newly_shown_count: 1,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn names_a_hundred_paths_and_counts_the_rest() {
        let names: Vec<String> = (0..150).map(|number| format!("{number}.log")).collect();
        let all = Filters::parse("").unwrap();
        let none = Filters::parse("*.log").unwrap();
        let found = effect(&all, &none, &[], &names);
        assert_eq!(
            (found.newly_hidden.len(), found.newly_hidden_count),
            (PATHS, 150)
        );
    }
}
