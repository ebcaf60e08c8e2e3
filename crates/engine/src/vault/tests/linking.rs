//! A folder that is swapped for a link, back and forth, while changes run.

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::*;

#[test]
fn a_folder_swapped_for_a_link_leads_no_write_elsewhere() {
    let rig = Rig::new();
    let outside = rig.dir.path().join("outside");
    write(&outside.join("d/n.md"), "precious");
    let (folder, link) = (rig.vault.join("d"), rig.vault.join("link"));
    rig.write("d/keeps the folder.md", "");
    std::os::unix::fs::symlink(outside.join("d"), &link).unwrap();
    let stop = AtomicBool::new(false);
    let swap = || renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
    let mut outcomes = BTreeSet::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                swap();
                std::thread::yield_now();
            }
        });
        let _stop = StopAtEnd(&stop);
        let mut here: Option<String> = None;
        for round in 0..3000 {
            let text = format!("v{round}");
            let expect = here.as_deref().map_or(Expect::Absent, content);
            let change = match (&here, round % 3) {
                (Some(old), 0) => remove("d/n.md", old),
                (None | Some(_), _) => rig.install("d/n.md", &text, expect),
            };
            let removal = matches!(change, Change::Remove { .. });
            let applied = rig.apply(&change);
            if matches!(applied, Applied::Done { .. }) {
                here = (!removal).then_some(text);
            }
            outcomes.insert(match applied {
                Applied::Done { .. } => "done",
                Applied::UserSaved => "saved",
                Applied::KeptBoth { .. } => "both",
                Applied::Blocked(_) => "blocked",
            });
        }
    });
    assert!(
        outcomes.contains("done") && outcomes.contains("blocked"),
        "{outcomes:?}"
    );
    assert_eq!(
        files(&outside),
        [("d/n.md".to_owned(), "precious".to_owned())].into()
    );
    assert!(!rig.history_texts().contains("precious"));
}
