use crate::*;

fn text(base: &str, mine: &str, theirs: &str) -> Option<String> {
    merge(base, mine, theirs).text
}

#[test]
fn changes_of_different_places_join() {
    let merged = text("a\nb\nc\n", "a!\nb\nc\n", "a\nb\nc?\n");
    assert_eq!(merged.as_deref(), Some("a!\nb\nc?\n"));
}

#[test]
fn neighboring_changes_are_left_to_a_person() {
    assert_eq!(text("a\nb\n", "a!\nb\n", "a\nb?\n"), None);
    assert_eq!(text("a\n", "a\nmine\n", "a\ntheirs\n"), None);
}

#[test]
fn an_overlap_shows_all_three_and_the_rest_is_filled_in() {
    let merged = merge("a\nb\nc\nd\n", "a!\nb\nc\nD\n", "a\nb\nc\nd?\nmore");
    let agreed = |text: &str, from| Chunk::Agreed {
        text: text.into(),
        from,
    };
    assert_eq!(
        merged.chunks,
        [
            agreed("a!\n", Origin::Mine),
            agreed("b\nc\n", Origin::Both),
            Chunk::Overlap {
                base: "d\n".into(),
                mine: "D\n".into(),
                theirs: "d?\nmore".into(),
            }
        ]
    );
    assert_eq!(merged.text, None);
}

#[test]
fn an_edit_within_a_deleted_part_is_kept_for_a_person() {
    assert_eq!(text("a\nb\nc\n", "", "a\nb!\nc\n"), None);
}

#[test]
fn windows_endings_stay_and_a_change_of_endings_is_no_change_of_lines() {
    let merged = text("a\r\nb\r\nc\r\n", "a!\r\nb\r\nc\r\n", "a\r\nb\r\nc?");
    assert_eq!(merged.as_deref(), Some("a!\r\nb\r\nc?"));
    let converted = text("a\nb\nc\n", "a\r\nb\r\nc\r\n", "a\nb\nc!\n");
    assert_eq!(converted.as_deref(), Some("a\r\nb\r\nc!\r\n"));
}

#[test]
fn front_matter_joins_by_key_where_lines_would_not() {
    let base = "---\ntitle: A\nstatus: open\ntags:\n- one\n---\nbody\n";
    let mine = "---\ntitle: A\nstatus: done\ntags:\n- one\n---\nbody\n";
    let theirs = "---\ntitle: B\nstatus: open\ntags:\n- one\n- two\n---\nbody\nmore\n";
    assert_eq!(
        text(base, mine, theirs).as_deref(),
        Some("---\ntitle: B\nstatus: done\ntags:\n- one\n- two\n---\nbody\nmore\n")
    );
}

#[test]
fn keys_added_by_both_are_sorted_and_different_values_are_left() {
    let base = "---\ntitle: A\n---\n";
    let mine = "---\ntitle: A\nzone: 1\n---\n";
    let theirs = "---\ntitle: A\narea: 2\n---\n";
    let merged = "---\ntitle: A\narea: 2\nzone: 1\n---\n";
    assert_eq!(text(base, mine, theirs).as_deref(), Some(merged));
    assert_eq!(text(base, theirs, mine).as_deref(), Some(merged));
    assert_eq!(text(base, mine, merged).as_deref(), Some(merged));
    let other = "---\ntitle: A\nzone: 2\n---\n";
    assert_eq!(text(base, mine, other), None);
}

#[test]
fn unusual_front_matter_is_merged_by_lines() {
    for odd in [
        "---\na: 1\na: 2\n---\n",
        "---\n# comment\na: 1\n---\n",
        "---\na: 1\n\n---\n",
        "---\n- a\n---\n",
        "---\na: 1\n",
        "---\n\"a\": 1\n---\n",
    ] {
        let mine = odd.replace("a", "a b");
        let merged = merge(odd, &mine, odd).text;
        assert_eq!(merged.as_deref(), Some(mine.as_str()), "{odd:?}");
    }
    let (one, other) = ("---\na: 1\nb: 2\n---\n", "---\nb: 2\na: 1\n---\n");
    assert_eq!(text(one, one, other).as_deref(), Some(other));
}

#[test]
fn a_comparison_numbers_lines_and_marks_words() {
    let lines = diff("same\nthe old word\n", "same\nthe new word\nadded\n");
    let shown: Vec<_> = lines
        .iter()
        .map(|line| {
            let marked = line
                .marks
                .iter()
                .map(|mark| line.text[mark.start as usize..mark.end as usize].to_owned());
            let marked: Vec<String> = marked.collect();
            (
                line.kind,
                line.mine_line,
                line.theirs_line,
                marked.join("|"),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (DiffKind::Same, Some(1), Some(1), String::new()),
            (DiffKind::Mine, Some(2), None, "old".into()),
            (DiffKind::Theirs, None, Some(2), "new".into()),
            (DiffKind::Theirs, None, Some(3), String::new()),
        ]
    );
}

/// The marked parts of the first version's line and of the second's.
fn marked(mine: &str, theirs: &str) -> Vec<Vec<String>> {
    let lines = diff(mine, theirs);
    let of = |line: &DiffLine| {
        let parts = line.marks.iter();
        parts
            .map(|mark| line.text[mark.start as usize..mark.end as usize].to_owned())
            .collect()
    };
    lines.iter().map(of).collect()
}

#[test]
fn a_mark_never_cuts_what_is_seen_as_one_character() {
    assert_eq!(
        marked(
            "Lunch with \u{1f469}\u{200d}\u{1f467}",
            "Lunch with \u{1f469}\u{200d}\u{1f466}"
        ),
        [
            ["\u{1f469}\u{200d}\u{1f467}"],
            ["\u{1f469}\u{200d}\u{1f466}"]
        ]
    );
    assert_eq!(
        marked("the cafe\u{301} is open", "the cafe is open"),
        [["cafe\u{301}"], ["cafe"]]
    );
}

#[test]
fn words_are_marked_in_writings_without_spaces_too() {
    assert_eq!(marked("明天早上去买茶", "明天晚上去买茶"), [["早"], ["晚"]]);
}

#[test]
fn a_long_paragraph_has_its_changed_words_marked() {
    let long = |word: &str| format!("{word} {}", "and so on ".repeat(1000));
    assert_eq!(marked(&long("yes"), &long("no")), [["yes"], ["no"]]);
}

#[test]
fn lines_without_a_common_word_are_not_marked_and_endings_are_no_difference() {
    assert!(
        diff("one two\n", "three four\n")
            .iter()
            .all(|line| line.marks.is_empty())
    );
    let same = |line: &DiffLine| line.kind == DiffKind::Same;
    assert!(diff("a\r\nb\r\n", "a\nb").iter().all(same));
    assert_eq!(diff("", ""), []);
}

/// The keys that differ with their lines, how many are the same, and whether the order is.
fn head(mine: &str, theirs: &str) -> Option<(Vec<String>, u32, bool)> {
    let head = crate::head_diff(mine, theirs)?;
    let shown = |line: &crate::DiffLine| {
        let sign = match line.kind {
            DiffKind::Same => ' ',
            DiffKind::Mine => '-',
            DiffKind::Theirs => '+',
        };
        format!("{sign}{}", line.text)
    };
    let keys = head.keys.iter().map(|key| {
        let lines: Vec<String> = key.lines.iter().map(shown).collect();
        format!("{}: {}", key.key, lines.join(" | "))
    });
    Some((keys.collect(), head.same, head.reordered))
}

#[test]
fn front_matter_is_compared_by_key_in_any_order() {
    let mine =
        "---\ntitle: Plan\nstatus: planted\ntags:\n  - garden\n  - spring\nowner: ana\n---\ntext\n";
    let theirs = "---\ntags:\n  - garden\nstatus: planned\ntitle: Plan\ndue: May\n---\ntext\n";
    let keys = [
        "status: -status: planted | +status: planned",
        "tags:  tags: |    - garden | -  - spring",
        "owner: -owner: ana",
        "due: +due: May",
    ]
    .map(str::to_owned);
    assert_eq!(head(mine, theirs), Some((keys.to_vec(), 1, true)));
    let found = crate::head_diff(mine, theirs).unwrap();
    assert_eq!((found.mine_lines, found.theirs_lines), (8, 7));
    let status: Vec<_> = found.keys[0]
        .lines
        .iter()
        .map(|line| (line.mine_line, line.theirs_line, line.marks.as_slice()))
        .collect();
    let marks = [std::ops::Range { start: 8, end: 15 }];
    let expected = [
        (Some(3), None, marks.as_slice()),
        (None, Some(4), marks.as_slice()),
    ];
    assert_eq!(status, expected);
}

#[test]
fn front_matter_in_another_order_alone_is_told_as_that() {
    let mine = "---\na: 1\nb: 2\n---\ntext\n";
    let theirs = "---\nb: 2\na: 1\n---\nother text\n";
    assert_eq!(head(mine, theirs), Some((Vec::new(), 2, true)));
    assert_eq!(head(mine, mine), None);
    for unusual in [
        "text\n",
        "---\na: 1\na: 2\n---\n",
        "---\n# why\na: 1\n---\n",
    ] {
        assert_eq!(head(mine, unusual), None, "{unusual:?}");
    }
}

#[test]
fn a_line_of_front_matter_stands_beside_none_of_the_text() {
    let mine = "---\na: 1\n---\ntext\n";
    let theirs = "---\nb: 1\n---\na: 1\ntext\n";
    let beside: Vec<_> = diff(mine, theirs)
        .into_iter()
        .filter(|line| line.kind == DiffKind::Same)
        .map(|line| (line.mine_line.unwrap(), line.theirs_line.unwrap()))
        .collect();
    assert_eq!(beside, [(1, 1), (3, 3), (4, 5)]);
}

#[test]
fn two_copies_of_a_line_of_which_each_side_deleted_another_one_are_left_to_a_person() {
    assert_eq!(text("a\nb\na\n", "b\na\n", "a\nb\n"), None);
    let base = "---\nk: v\n---\n- c\nk: v";
    let mine = "---\nl: 1\nk: 2\n---\n- c\nk: v";
    assert_eq!(text(base, mine, "---\nk: v\n---\n"), None);
}

/// The lines that stand beside each other, and those that stand alone; marked words in brackets.
fn rows(mine: &str, theirs: &str) -> Vec<String> {
    let lines = diff(mine, theirs);
    let shown = |line: &DiffLine| {
        let mut text = line.text.clone();
        for mark in line.marks.iter().rev() {
            text.insert(mark.end as usize, ']');
            text.insert(mark.start as usize, '[');
        }
        text
    };
    let changed = lines.iter().filter(|line| line.kind != DiffKind::Same);
    let row = |line: &DiffLine| {
        let of = |other: &&DiffLine| line.beside.is_some() && other.theirs_line == line.beside;
        match (line.kind, changed.clone().find(of)) {
            (DiffKind::Mine, Some(other)) => {
                assert_eq!(other.beside, line.mine_line);
                Some(format!("{} | {}", shown(line), shown(other)))
            }
            (DiffKind::Mine, None) => Some(format!("{} <", shown(line))),
            (DiffKind::Theirs, _) if line.beside.is_none() => Some(format!("> {}", shown(line))),
            (DiffKind::Theirs | DiffKind::Same, _) => None,
        }
    };
    changed.clone().filter_map(row).collect()
}

#[test]
fn an_edited_task_stands_beside_itself_whatever_was_added_above_it() {
    let mine = "\
## Today
- [x] water the beans
- [ ] order compost
";
    let theirs = "\
## Today
- [ ] call the bank
- [ ] water the beans and the peas
- [ ] buy stamps
- [ ] order two bags of compost
";
    assert_eq!(
        rows(mine, theirs),
        [
            "- [[x]] water the beans | - [[ ]] water the beans[ and the peas]",
            "- [ ] order compost | - [ ] order [two bags of ]compost",
            "> - [ ] call the bank",
            "> - [ ] buy stamps",
        ]
    );
}

#[test]
fn an_edited_paragraph_is_found_below_a_new_one_and_unlike_ones_are_not_marked() {
    let mine = "\
# Saturday
Called Marta about the fence; she has time on Monday.
The first seedlings are up.
";
    let theirs = "\
# Saturday
It rained until noon, so the shelf got its second coat of paint.
Called Marta about the fence; she has time on Tuesday, after six.
Jonas brought his ladder back.
";
    assert_eq!(
        rows(mine, theirs),
        [
            "Called Marta about the fence; she has time on [Monday]. | \
             Called Marta about the fence; she has time on [Tuesday, after six].",
            "The first seedlings are up. | Jonas brought his ladder back.",
            "> It rained until noon, so the shelf got its second coat of paint.",
        ]
    );
}

#[test]
fn rows_of_a_table_stand_beside_the_rows_that_they_were() {
    let mine = "\
| what | rows | sown |
| --- | --- | --- |
| Beans | 2 | April |
| Carrots | 3 | March |
";
    let theirs = "\
| what | rows | sown | bed |
| --- | --- | --- | --- |
| Peas | 1 | May | north |
| Beans | 4 | April | south |
| Carrots | 3 | March | south |
";
    assert_eq!(
        rows(mine, theirs),
        [
            "| what | rows | sown | | | what | rows | sown |[ bed |]",
            "| --- | --- | --- | | | --- | --- | --- |[ --- |]",
            "| Beans | [2] | April | | | Beans | [4] | April |[ south |]",
            "| Carrots | 3 | March | | | Carrots | 3 | March |[ south |]",
            "> | Peas | 1 | May | north |",
        ]
    );
}

#[test]
fn a_paragraph_that_was_split_stands_beside_its_longer_half() {
    let mine = "The fence needs new posts on the north side, and the gate hangs. Ask Marta.\n";
    let theirs = "Ask Marta.\nThe fence needs new posts on the north side, and the gate hangs.\n";
    assert_eq!(
        rows(mine, theirs),
        [
            "The fence needs new posts on the north side, and the gate hangs.[ Ask Marta.] | \
             The fence needs new posts on the north side, and the gate hangs.",
            "> Ask Marta.",
        ]
    );
}

#[test]
fn blanks_alone_are_marked() {
    assert_eq!(rows("a\n\nb\n", "a\n  \nb\n"), [" | [  ]"]);
    assert_eq!(rows("code:  \n", "code:\n"), ["code:[  ] | code:"]);
}
