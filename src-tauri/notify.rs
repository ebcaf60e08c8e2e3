//! Shows the engine's notices as the desktop's notifications, and takes them back.
//!
//! Whether and when a person is told something is decided in the engine.

#[cfg(target_os = "linux")]
mod click;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod native;

use std::collections::BTreeMap;

use engine::view::{NoticeCause, NoticeView};

#[cfg(target_os = "linux")]
pub(crate) use self::linux::Notifier;
#[cfg(not(target_os = "linux"))]
pub(crate) use self::native::Notifier;

/// What to do so that the desktop shows these notices and no others.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Takes the place of the notification of the same cause.
    Show(NoticeView),
    Withdraw(NoticeCause),
}

/// `told` has the id of the newest notice of each cause, also of those that a person closed.
fn steps(told: &BTreeMap<NoticeCause, String>, notices: &[NoticeView]) -> Vec<Step> {
    let over = told
        .keys()
        .filter(|cause| !notices.iter().any(|notice| notice.cause == **cause))
        .map(|cause| Step::Withdraw(*cause));
    let new = notices
        .iter()
        .filter(|notice| told.get(&notice.cause) != Some(&notice.id))
        .map(|notice| Step::Show(notice.clone()));
    over.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use engine::view::{NoticeAction, NoticeLevel};

    use super::*;

    fn notice(cause: NoticeCause, id: &str) -> NoticeView {
        NoticeView {
            id: id.to_owned(),
            cause,
            level: NoticeLevel::Warning,
            title: "2 conflicts to review".to_owned(),
            body: String::new(),
            actions: vec![NoticeAction::OpenConflicts],
        }
    }

    #[test]
    fn a_notice_is_shown_once_and_withdrawn_with_its_cause() {
        let first = notice(NoticeCause::ConflictNew, "conflict.new@1");
        let mut told = BTreeMap::new();
        assert_eq!(
            steps(&told, std::slice::from_ref(&first)),
            [Step::Show(first.clone())]
        );
        told.insert(first.cause, first.id.clone());
        assert_eq!(steps(&told, std::slice::from_ref(&first)), []);
        let again = notice(NoticeCause::ConflictNew, "conflict.new@2");
        assert_eq!(
            steps(&told, std::slice::from_ref(&again)),
            [Step::Show(again.clone())]
        );
        let other = notice(NoticeCause::Halt, "halt@3");
        assert_eq!(
            steps(&told, std::slice::from_ref(&other)),
            [Step::Withdraw(NoticeCause::ConflictNew), Step::Show(other)]
        );
    }
}
