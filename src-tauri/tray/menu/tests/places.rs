use super::*;

#[test]
fn a_safety_stop_is_named_and_leads_to_its_folder() {
    let mut view = signed_in();
    view.pairs[0].halt = Some(HaltView {
        code: "TooManyDeletes".to_owned(),
        message: "140 of 900 notes would be deleted".to_owned(),
        hint: "Look at them first.".to_owned(),
        can_confirm: true,
        evidence: Vec::new(),
        evidence_count: 140,
        actions: Vec::new(),
    });
    let shown = text(&view);
    assert!(
        shown.contains("  > Stopped: 140 of 900 notes would be deleted…\n"),
        "{shown}"
    );
    assert!(shown.contains("Notes · stopped\n"), "{shown}");

    let work = PairView::new("pair_2", "/home/ana/Work", "b", ProfileName::Safe);
    view.pairs.push(work);
    assert!(
        text(&view).contains("  > Stopped: 140 of 900"),
        "{}",
        text(&view)
    );
    view.pairs[1].halt = view.pairs[0].halt.clone();
    let shown = text(&view);
    assert!(shown.contains("  > 2 folders stopped…\n"), "{shown}");
    assert!(!shown.contains("Stopped: "), "{shown}");
}

#[test]
fn drives_can_be_opened_and_taken_away() {
    let drive = |id: &str, state| MountView {
        id: id.to_owned(),
        folder: format!("/home/ana/{id}"),
        profile: MountProfileName::Balanced,
        state,
        waiting: 0,
        waiting_bytes: 0,
        message: None,
        hint: None,
    };
    let view = View {
        mounts: vec![
            drive("Archive", MountState::Mounted),
            drive("Old", MountState::Unmounted),
            drive("New", MountState::Starting),
        ],
        ..signed_in()
    };
    let shown = text(&view);
    let start = shown.find("  > Mounts >").unwrap();
    let end = shown[start..].find("\n---").unwrap();
    insta::assert_snapshot!(shown[start..start + end], @r"
    > Mounts >
          Archive
        > Open
        > Unmount
      ---
          Old · not mounted
        > Mount
      ---
          New · starting
        - Open
        > Unmount
    ");
}

#[test]
fn a_drive_that_failed_is_named_and_leads_to_the_drives() {
    let drive = |id: &str, state| MountView {
        id: id.to_owned(),
        folder: format!("/home/ana/{id}"),
        profile: MountProfileName::Balanced,
        state,
        waiting: 2,
        waiting_bytes: 9,
        message: None,
        hint: None,
    };
    let mut view = View {
        pairs: Vec::new(),
        notes_folder: None,
        headline: "The drive Archive is not available".to_owned(),
        status: Status::Attention,
        mounts: vec![drive("Archive", MountState::Failed)],
        ..signed_in()
    };
    // Drives follow no switch.
    insta::assert_snapshot!(text(&view), @r"
        The drive Archive is not available
      > Open window…
    ---
      > Archive is not available…
    ---
      > Mounts >
            Archive · failed · 2 waiting
          > Mount
    ---
      > ana@example.org · Plus
    ---
      > Settings…
    [ ] Start at login
      > Help >
          > Documentation
          > Set up again…
          > Export diagnostics…
            Basic Memory 0.1.0
    ---
      > Quit and stop syncing
    ");
    view.mounts.push(drive("Old", MountState::Failed));
    let shown = text(&view);
    assert!(
        shown.contains("  > 2 drives are not available…\n"),
        "{shown}"
    );
}

#[test]
fn a_folder_stays_in_reach_while_nobody_is_signed_in() {
    let view = View {
        status: Status::SignedOut,
        headline: "Sign in again".to_owned(),
        notes_folder: Some("/home/ana/Notes".to_owned()),
        ..View::starting("laptop")
    };
    let shown = text(&view);
    let beginning = "    Sign in again\n  > Sign in…\n  > Open notes folder\n---\n";
    assert!(shown.starts_with(beginning), "{shown}");
}

#[test]
fn folders_of_one_name_are_told_apart_and_many_are_counted() {
    let folders = |paths: &[&str]| {
        let pair = |(number, path): (usize, &&str)| {
            PairView::new(&format!("pair_{number}"), path, "b", ProfileName::Safe)
        };
        let view = View {
            pairs: paths.iter().enumerate().map(pair).collect(),
            ..signed_in()
        };
        let Menu(items) = menu(&view, around(StartAtLogin::Off));
        let below = items.into_iter().find_map(|item| match item {
            Item::Submenu {
                branch: Branch::Folders,
                items,
                ..
            } => Some(items),
            Item::Submenu { .. }
            | Item::Fact(_)
            | Item::Command { .. }
            | Item::Toggle { .. }
            | Item::Choice { .. }
            | Item::Separator => None,
        });
        let lines = lines(&below.unwrap(), "");
        let heads = lines.into_iter().filter(|line| {
            let is_head = line.starts_with("    ");
            is_head || line.contains("more")
        });
        heads.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let ana = "/home/ana/Notes";
    assert_eq!(
        folders(&[ana, "/home/ana/Work/Notes", "/srv/a_b & c"]),
        ["Notes in ana", "Notes in Work", "a_b & c"]
    );
    assert_eq!(folders(&[ana, "/b", "/c", "/d"]), ["Notes", "b", "c", "d"]);
    assert_eq!(
        folders(&[ana, "/b", "/c", "/d", "/e"]),
        ["Notes", "b", "c", "> 2 more folders…"]
    );
}
