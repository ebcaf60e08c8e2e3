//! What a person hears who does not see the window.

use crate::desktop::Desktop;
use crate::person::{at_work, save};
use crate::reader::Reader;
use crate::webdriver::Window;

#[tokio::test]
async fn the_first_page_is_told_and_walked_through() {
    let mut desktop = Desktop::start().await;
    let reader = Reader::start(&mut desktop).await;
    let window = Window::open(&desktop).await;
    window.screen("detect").await;

    // What was found is another on each machine.
    let is_found = |line: &str| ["Found ", "Note "].iter().any(|it| said(line, it));
    let wanted = "
    list “Steps”
    list item “Start” current
    list item “Sign in”
    list item “Subscription”
    list item “Folder”
    list item “First sync”
    list item “Choices”
    list item “Summary”
    heading “Keep your notes the same everywhere”
    region “This computer”
    heading “This computer”
    unknown “All that was looked at”
    region “Where this device's keys are kept”
    heading “Where this device's keys are kept”
    panel “Where this device's keys are kept”
    radio button “In a file that only you can read Nothing to type. Whoever can read all your files can read this one.” checked
    radio button “In a file with a passphrase You are asked for it after each start of the app.”
    button “Continue”
    ";
    reader.tells(wanted, (4, is_found)).await;
    let stops = [
        "unknown “All that was looked at”",
        "radio button “In a file that only you can read Nothing to type. Whoever can read all your files can read this one.” checked",
        "button “Continue”",
    ];
    reader.walks(&window, &stops).await;
    window.close().await;
}

#[tokio::test]
async fn the_overview_and_a_conflict_are_told_and_walked_through() {
    let (mut desktop, _server, _state, folder, other) = at_work().await;
    let reader = Reader::start(&mut desktop).await;
    let window = Window::open(&desktop).await;
    window.screen("overview").await;
    window.headline("Up to date").await;
    let is_age = |line: &str| said(line, "Uploaded Start here.md ");
    let wanted = "
    region “Pages”
    button “Overview” current
    button “Folders”
    button “Conflicts”
    button “History”
    button “Mounts”
    button “Account”
    button “Settings”
    button “Diagnostics”
    heading “Up to date”
    switch “Sync” checked
    panel “Actions”
    button “Sync now”
    button “Open notes folder”
    unknown “Pause”
    region “Notes”
    heading “Notes”
    combo box “Profile Safe”
    menu item “Safe” selected
    menu item “Balanced”
    menu item “Fast”
    button “Preview changes”
    region “Recent activity”
    heading “Recent activity”
    ";
    let ages = reader.tells(wanted, (1, is_age)).await;
    assert_eq!(ages.len(), 1, "{ages:#?}");
    let stops = [
        "button “Overview” current",
        "button “Folders”",
        "button “Conflicts”",
        "button “History”",
        "button “Mounts”",
        "button “Account”",
        "button “Settings”",
        "button “Diagnostics”",
        "switch “Sync” checked",
        "button “Sync now”",
        "button “Open notes folder”",
        "unknown “Pause”",
        "combo box “Profile Safe”",
        "button “Preview changes”",
    ];
    reader.walks(&window, &stops).await;

    window.find("#sync-switch").await.click().await;
    window.headline("Sync is off").await;
    save(&folder, "Start here.md", "# Start here, on the laptop\n");
    other.save("Start here.md", "# Start here, at the desk\n");
    other.sync().await;
    window.find("#sync-switch").await.click().await;
    window.headline("1 conflict to review").await;
    window.button("Review conflicts").await.click().await;
    window.screen("conflicts").await;
    window.button("Review").await.click().await;
    window.screen("conflict").await;
    window.find(".versions").await;
    let wanted = "
    region “Pages”
    button “Overview”
    button “Folders”
    button “Conflicts 1 to review” current
    button “History”
    button “Mounts”
    button “Account”
    button “Settings”
    button “Diagnostics”
    button “All conflicts”
    heading “Start here.md”
    heading “This device”
    heading “desk”
    region “What differs”
    heading “What differs”
    panel “How to show the differences”
    radio button “Side by side” checked
    radio button “One column”
    radio button “Earlier version”
    table “Side by side”
    panel “Decide”
    button “Keep this device's”
    button “Keep desk's”
    button “Keep both notes”
    button “Merge…”
    button “Not now”
    ";
    reader.tells(wanted, (0, |_| false)).await;
    // From the heading, where a new page begins.
    let stops = [
        "radio button “Side by side” checked",
        "button “Keep this device's”",
        "button “Keep desk's”",
        "button “Keep both notes”",
        "button “Merge…”",
        "button “Not now”",
    ];
    reader.walks(&window, &stops).await;
    window.close().await;
}

/// Whether an item of a list begins with these words.
fn said(line: &str, words: &str) -> bool {
    let words = format!("list item “{words}");
    line.starts_with(&words)
}
