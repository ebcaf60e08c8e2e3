#![expect(
    clippy::disallowed_methods,
    reason = "rclone, in a tree of files, is the judge"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

const PATHS: [&str; 30] = [
    "n.md",
    "N.MD",
    "a.md",
    "b.txt",
    ".hidden",
    ".DS_Store",
    "Thumbs.db",
    "x,y.md",
    "sp ace.md",
    "br[1].md",
    "cu{r}ly.md",
    "star*.md",
    "q?.md",
    "plus+(1)^$|.md",
    "ünï.md",
    "half.md.1a2b.rclone-part",
    "a/n.md",
    "a/b.md",
    "a/b/n.md",
    "a/b/c/d.md",
    "a/a/a.md",
    "b/n.md",
    "b/a/x.md",
    "ab/n.md",
    ".git/config",
    "p/.git/config",
    "node_modules/m/i.js",
    "p/node_modules/m/i.js",
    "p/__pycache__/n.pyc",
    "p/.conflict-1",
];

/// What rclone itself takes in of a tree.
fn by_rclone(tree: &Path, filters: &Filters) -> BTreeSet<String> {
    let rules = tree.with_extension("filters");
    fs::write(&rules, filters.rclone_text()).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "rclone is the judge of its own rules"
    )]
    let output = Command::new(testkit::rclone())
        .args(["lsf", "-R", "--files-only", "--config", "", "--filter-from"])
        .arg(&rules)
        .arg(tree)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn by_us(filters: &Filters) -> BTreeSet<String> {
    PATHS
        .iter()
        .filter(|path| filters.includes(path))
        .map(|&path| path.to_owned())
        .collect()
}

fn tree() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    for path in PATHS {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    (dir, tree)
}

#[test]
fn agrees_with_rclone_on_known_rules() {
    let (_dir, tree) = tree();
    for text in [
        "",
        Filters::DEFAULT_TEXT,
        "- *.md",
        "- /n.md",
        "- n.md",
        "- a/",
        "- /a/",
        "- a/**",
        "- a/*",
        "- a**",
        "- **a",
        "- /**/n.md",
        "- **/n.md",
        "+ *.md\n- *",
        "+ /a/b/**\n- *",
        "+ /a/b/**\n- **",
        "+ a/\n- *",
        "+ /a/*.md\n- /a/**\n",
        "+ a/b/\n- a/**",
        "- a/b/\n+ a/**\n- *",
        "- {a,b}/**",
        "- {a/b,b/a}/**",
        "- *.{md,txt}",
        "+ {a,ab}/n.md\n- *.md",
        "+ /{a/b,p}/**\n- *",
        "- [ab].*",
        "- [^ab]*",
        "- [a-m]*.md",
        "- [[:upper:]]*",
        "- q\\?.md\n- star\\*.md\n- br\\[1\\].md\n- cu\\{r\\}ly.md",
        "- ?.md",
        "- x,y.md",
        "- plus+(1)^$|.md",
        "- \u{fc}n?.md",
        "# comment\n; comment\n\n  - n.md  \n",
        "- *\n!\n- n.md",
        "- /",
        "- *",
        "- **",
        "- /*",
        "+ /*.md\n- /**",
        "- .*",
        "- .*/**",
        "+ .git/**\n- .*/**",
        "- //n.md",
    ] {
        let filters = Filters::parse(text).unwrap();
        assert_eq!(by_us(&filters), by_rclone(&tree, &filters), "{text}");
    }
}

#[test]
fn agrees_with_rclone_on_random_rules() {
    let (_dir, tree) = tree();
    let piece = prop_oneof![
        Just("a"),
        Just("b"),
        Just("n"),
        Just("p"),
        Just("/"),
        Just("/"),
        Just("*"),
        Just("**"),
        Just("?"),
        Just(".md"),
        Just("."),
        Just("{a,b}"),
        Just("{n,a/b}"),
        Just("[a-n]"),
        Just("[^a]"),
        Just("c"),
    ];
    let glob = prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
    let rule =
        (prop_oneof![Just('+'), Just('-')], glob).prop_map(|(sign, glob)| format!("{sign} {glob}"));
    let text = prop::collection::vec(rule, 1..5).prop_map(|rules| rules.join("\n"));
    let mut runner = TestRunner::deterministic();
    let mut compared = 0;
    for _ in 0..40 {
        let text = text.new_tree(&mut runner).unwrap().current();
        let Ok(filters) = Filters::parse(&text) else {
            assert!(text.contains("***"), "{text}");
            continue;
        };
        compared += 1;
        assert_eq!(by_us(&filters), by_rclone(&tree, &filters), "{text}");
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn takes_lines_of_a_gitignore() {
    for (line, out, kept) in [
        (
            "node_modules/",
            vec!["node_modules/x", "p/node_modules/x/y"],
            vec!["node_modules"],
        ),
        (
            "*.log",
            vec!["a.log", "a/b.log", "x.log/inner"],
            vec!["a.logs"],
        ),
        (
            "build",
            vec!["build", "a/build", "build/x", "a/build/x"],
            vec!["builds", "rebuild"],
        ),
        ("/build", vec!["build", "build/x"], vec!["a/build"]),
        ("doc/tmp", vec!["doc/tmp", "doc/tmp/x"], vec!["a/doc/tmp"]),
        ("**/tmp", vec!["tmp", "a/b/tmp/x"], vec!["tmpx"]),
        ("out/**", vec!["out/a", "out/a/b"], vec!["out", "a/out/a"]),
        ("[!a].md", vec!["b.md"], vec!["a.md"]),
        ("{x}.md", vec!["{x}.md"], vec!["x.md"]),
        ("sp ace.md", vec!["sp ace.md"], vec!["ace.md"]),
        (
            "a/**/b",
            vec!["a/b", "a/b/x", "a/x/b", "a/x/y/b/z"],
            vec!["b", "a/xb", "p/a/b", "ab"],
        ),
        (
            "/**/tmp",
            vec!["tmp", "a/tmp", "a/b/tmp/x"],
            vec!["tmpx", "a/xtmp"],
        ),
        ("a/**/**/b", vec!["a/b", "a/x/y/b"], vec!["p/a/b"]),
        (
            "out/**/",
            vec!["out/a/b", "out/a/b/c"],
            vec!["out/a", "a/out/b/c"],
        ),
        ("x**y.md", vec!["xy.md", "x1y.md"], vec!["x/y.md"]),
        ("\\*.md", vec!["*.md"], vec!["a.md"]),
        ("\\a.md", vec!["a.md"], vec!["\\a.md"]),
        ("\\{a\\}.md", vec!["{a}.md"], vec!["\\a\\.md", "a.md"]),
        ("\\[!a\\].md", vec!["[!a].md"], vec!["[^a].md"]),
        ("[{}].md", vec!["{.md", "}.md"], vec!["a.md"]),
        ("[[:digit:]!].md", vec!["1.md", "!.md"], vec!["a.md"]),
        ("\u{feff}*.log", vec!["a.log"], vec!["a.md"]),
    ] {
        let filters = Filters::parse(line).unwrap();
        for path in out {
            assert!(!filters.includes(path), "{line} leaves out {path}");
        }
        for path in kept {
            assert!(filters.includes(path), "{line} keeps {path}");
        }
    }
}

#[test]
fn names_the_line_it_cannot_use() {
    for (text, line, reason) in [
        ("- a\n-b", 2, "a space must follow"),
        ("\n\n+b", 3, "a space must follow"),
        ("- a***", 1, "two stars"),
        ("- [a", 1, "without its `]`"),
        ("- a]", 1, "without its `[`"),
        ("- {a", 1, "without its `}`"),
        ("- a}", 1, "without its `{`"),
        ("- {a,{b}}", 1, "braces within braces"),
        ("- {{a.*}}", 1, "braces within braces"),
        ("- \\d", 1, "backslash"),
        ("- a\\", 1, "backslash"),
        ("- []a]", 1, "empty set"),
        ("- [z-a]", 1, "not valid"),
        ("- [[:what:]]", 1, "no set is named"),
        ("- [[:alpha]", 1, "no set is named"),
        ("/", 1, "names nothing"),
        ("a\n!/", 2, "names nothing"),
        ("a\\", 1, "backslash"),
        ("a/**/b/**/c/**/d/**/e/**/f", 1, "more than 4 times"),
        // What may be taken in needs its folders.
        ("![a/b]c", 1, "without its `]`"),
        ("!\\[a/b]c", 1, "without its `[`"),
    ] {
        let error = Filters::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text}");
        assert!(error.reason.contains(reason), "{text}: {error}");
    }
}

#[test]
fn the_default_leaves_out_what_is_no_note() {
    let filters = Filters::parse(Filters::DEFAULT_TEXT).unwrap();
    for path in [
        ".git/HEAD",
        "p/.git/x/y",
        "a/.DS_Store",
        "x.pyc",
        "node_modules/a/b.md",
        "desktop.ini",
    ] {
        assert!(!filters.includes(path), "{path}");
    }
    assert!(!filters.includes_folder(".git") && !filters.includes_folder("p/node_modules/x"));
    for path in ["n.md", ".obsidian/app.json", "img/a b.png", "git/x"] {
        assert!(filters.includes(path), "{path}");
    }
    assert!(filters.includes_folder("a/b"));
}

#[test]
fn unfinished_downloads_never_take_part_whatever_the_text_says() {
    for text in ["", "!", "+ **", "- a\n!\n+ *"] {
        assert!(
            !Filters::parse(text)
                .unwrap()
                .includes("a/n.md.12ab.rclone-part"),
            "{text}"
        );
    }
}

#[test]
fn the_last_line_in_the_way_of_a_gitignore_decides() {
    let filters = Filters::parse("*.log\nbuild/\n!keep.log\n!/build/notes/\nold.log").unwrap();
    for (path, included) in [
        ("a.log", false),
        ("keep.log", true),
        ("deep/keep.log", true),
        ("build/x.md", false),
        ("build/notes/x.md", true),
        ("old.log", false),
        ("note.md", true),
    ] {
        assert_eq!(filters.includes(path), included, "{path}");
    }
    let (_dir, tree) = tree();
    let mixed = Filters::parse("*.md\n!n.md\n- a/**\nb.txt\n!b.txt\n/a").unwrap();
    assert_eq!(by_us(&mixed), by_rclone(&tree, &mixed));
    assert!(mixed.includes("n.md") && mixed.includes("b.txt") && !mixed.includes("a.md"));
}

#[test]
fn names_every_line_that_cannot_be_used_and_takes_in_the_others() {
    let (filters, errors) = Filters::check(["-a", "*.log", "- [z-a]", "two\nlines", "{", "!x]"]);
    let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [1, 3, 4, 6]);
    assert!(!filters.includes("a.log") && filters.includes("a"));
    let many = vec!["a"; MOST_LINES + 1];
    assert_eq!(Filters::check(many).1[0].line, MOST_LINES + 1);
}

#[test]
fn what_sync_names_its_own_never_takes_part() {
    for text in ["", "!", "+ **", "!.basic-memory-sync"] {
        let filters = Filters::parse(text).unwrap();
        for path in [".basic-memory-sync", ".basic-memory-p1/history/a.md"] {
            assert!(!filters.includes(path), "{text}: {path}");
        }
        assert!(!filters.includes_folder(".basic-memory-p1"), "{text}");
        assert!(
            !filters.includes_folder(".basic-memory-p1/history"),
            "{text}"
        );
        for path in [
            ".basic-memory",
            "a/.basic-memory-sync",
            ".basic-memory/config.json",
        ] {
            assert!(filters.includes(path), "{text}: {path}");
        }
    }
}

#[test]
fn an_accent_is_part_of_its_letter_however_it_was_written() {
    let (composed, apart) = ("\u{fc}bung", "u\u{308}bung");
    for line in [composed, apart] {
        for text in [
            format!("{line}/"),
            format!("- /{line}/**"),
            "?bung/".to_owned(),
        ] {
            let filters = Filters::parse(&text).unwrap();
            for name in [composed, apart] {
                assert!(!filters.includes(&format!("{name}/a.md")), "{text}: {name}");
                assert!(!filters.includes_folder(name), "{text}: {name}");
            }
            assert!(
                filters.includes("ubung/a.md") != text.starts_with('?'),
                "{text}"
            );
        }
    }
}
