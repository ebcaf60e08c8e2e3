//! `git merge-file` as the judge: where it and we both call a merge clean, the texts agree.
//!
//! We call fewer merges clean: lines that repeat can be lined up in several ways, and front matter
//! that git merges line by line we may leave to a person. It is no fault that git leaves more front
//! matter to a person than we do.

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[expect(clippy::disallowed_methods, reason = "the judge is another program")]
fn git(folder: &Path, [base, mine, theirs]: [&str; 3]) -> Option<String> {
    for (name, text) in [("base", base), ("mine", mine), ("theirs", theirs)] {
        std::fs::write(folder.join(name), text).expect("a scratch folder takes files");
    }
    let output = Command::new("git")
        .args(["merge-file", "-p", "mine", "base", "theirs"])
        .current_dir(folder)
        .output()
        .expect("git is installed");
    let clean = output.status.success();
    clean.then(|| String::from_utf8(output.stdout).expect("text stays text"))
}

/// A note: paragraphs, lists and blank lines, some of them alike.
fn note() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        3 => Just(String::new()),
        1 => Just("## Tasks".to_owned()),
        1 => Just("- [ ] call".to_owned()),
        6 => "[a-e]{2} [a-e]{2} [a-e]{2}",
    ];
    prop::collection::vec(line, 0..30)
}

fn edited(lines: &[String], edits: &[(prop::sample::Index, u8, String)]) -> Vec<String> {
    let mut lines = lines.to_vec();
    for (at, kind, text) in edits {
        if lines.is_empty() {
            lines.push(text.clone());
            continue;
        }
        let at = at.index(lines.len());
        match kind {
            0 => lines[at].clone_from(text),
            1 => lines.insert(at, text.clone()),
            2 => drop(lines.remove(at)),
            _ => lines.push(text.clone()),
        }
    }
    lines
}

#[test]
fn agrees_with_git_wherever_both_are_clean() {
    let folder = tempfile::tempdir().unwrap();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let edit = (any::<prop::sample::Index>(), 0..4_u8, "[f-h]{2} [f-h]{2}");
    let edits = || prop::collection::vec(edit.clone(), 0..4);
    let cases = (note(), edits(), edits());
    let (mut both, mut only_git, mut only_we, mut differ) = (0, 0, 0, Vec::new());
    for _ in 0..400 {
        let (base, mine, theirs) = cases.new_tree(&mut runner).unwrap().current();
        let [base, mine, theirs] = [base.clone(), edited(&base, &mine), edited(&base, &theirs)]
            .map(|lines| {
                lines
                    .into_iter()
                    .map(|line| line + "\n")
                    .collect::<String>()
            });
        let judged = git(folder.path(), [&base, &mine, &theirs]);
        let ours = merge::merge(&base, &mine, &theirs).text;
        match (judged, ours) {
            (Some(judged), Some(ours)) if judged == ours => both += 1,
            (Some(judged), Some(ours)) => differ.push((base, mine, theirs, judged, ours)),
            (Some(_), None) => only_git += 1,
            (None, Some(_)) => only_we += 1,
            (None, None) => {}
        }
    }
    assert!(
        differ.is_empty(),
        "{} differ, such as {:#?}",
        differ.len(),
        differ[0]
    );
    assert!(
        both >= 200,
        "clean in both: {both}, only git {only_git}, only we {only_we}"
    );
    assert!(
        only_git + only_we <= both / 10,
        "only git {only_git}, only we {only_we}"
    );
}
