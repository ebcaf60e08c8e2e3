import axe from "axe-core";
import { describe, expect, it } from "vitest";

import { type FixtureName, fixtureNames } from "../src/fixtures";
import { pagePlaces } from "../src/fixtures/pages";
import type { Place } from "../src/places";
import { type Screen, screenOf } from "../src/screen";
import { openWindow, views } from "./window";

const screens: Record<FixtureName, Screen["name"] | Place | "conflict"> = {
  starting: "starting",
  cannotRun: "cannotRun",
  detect: "detect",
  detectLacking: "detect",
  detectPassphrase: "detect",
  signedOut: "signIn",
  signedOutReason: "signIn",
  signedOutFolder: "signIn",
  signedOutPassphrase: "signIn",
  signingIn: "signingIn",
  awaitingBrowser: "awaitingBrowser",
  codeExpired: "awaitingBrowser",
  noSubscription: "subscriptionRequired",
  setUp: "setUp",
  firstRun: "overview",
  idle: "overview",
  syncing: "overview",
  paused: "overview",
  switchedOff: "overview",
  pausedBattery: "overview",
  pausedMetered: "overview",
  late: "overview",
  offline: "overview",
  attention: "overview",
  halt: "overview",
  rootMissing: "overview",
  preview: "overview",
  expired: "overview",
  rcloneMissing: "overview",
  rcloneTooOld: "overview",
  rcloneInstalling: "overview",
  keyringLocked: "keyringLocked",
  keyringLockedLater: "overview",
  passphraseNeeded: "overview",
  failedRun: "overview",
  manyProblems: "overview",
  twoFolders: "overview",
  folders: "folders",
  foldersChecked: "folders",
  foldersDiffer: "folders",
  foldersCarrying: "folders",
  foldersHalt: "folders",
  conflictsNone: "conflicts",
  conflicts: "conflicts",
  conflictsFolders: "conflicts",
  conflictEdited: "conflict",
  conflictClean: "conflict",
  conflictRemoved: "conflict",
  conflictTwice: "conflict",
  conflictPicture: "conflict",
  conflictGone: "conflict",
  history: "history",
  historyEmpty: "history",
  historyFault: "history",
  mounts: "mounts",
  mountsNone: "mounts",
  mountsMissing: "mounts",
  account: "account",
  accountLapsed: "account",
  settings: "settings",
  settingsFilled: "settings",
  settingsSignedOut: "settings",
  diagnostics: "diagnostics",
  diagnosticsTrouble: "diagnostics",
  diagnosticsOwnRclone: "diagnostics",
  setUpAgain: "setUp",
  setUpPreview: "setUp",
  setUpWarnings: "setUp",
  setUpRefused: "setUp",
  setUpChoices: "setUp",
  setUpChoicesDrive: "setUp",
  setUpSummary: "setUp",
  setUpInstall: "setUp",
  setUpOwnRclone: "setUp",
  setUpDone: "overview",
  setUpDrive: "setUp",
  setUpDriveSummary: "setUp",
  driveOnly: "overview",
  driveOnlyFolders: "folders",
  conflictsBulk: "conflicts",
  conflictsSettled: "conflicts",
  conflictColumn: "conflict",
  conflictBase: "conflict",
  conflictMerge: "conflict",
  conflictMergeClean: "conflict",
  filtersEffect: "folders",
  filtersError: "folders",
  historyText: "history",
  historyRestored: "history",
  historyUndo: "history",
  mountsUnmount: "mounts",
  settingsChanged: "settings",
};

/** What a person must be able to read in each state. */
const words: Record<FixtureName, string[]> = {
  starting: ["Starting"],
  cannotRun: ["another program of this installation", "stop the other program first", "tried again by itself", "stay as they are"],
  detect: ["Keep your notes the same everywhere", "rclone 1.75.2", "system keyring", "Drives are possible (FUSE)", "Tray shows the icon", "Notes folder /home/ana/Notes A vault of Obsidian", "Sync service is part of this app", "All that was looked at"],
  detectLacking: [
    "rclone is missing",
    "Notes folder not found",
    "The app's own copy",
    "An rclone that is already on this computer",
    "brew install rclone",
    "administrator's rights",
    "installed at the end of the set-up",
    "package fuse3",
    "Drives are not possible here: the program fusermount3 is missing",
    "encrypted file",
    "sends this account's key to https://old.example.org",
    "before the first one is made",
  ],
  detectPassphrase: ["Where this device's keys are kept", "No keyring answers", "Nobody can restore it"],
  signedOut: ["Sign in to your notes", "Server address", "Your sign-in is in memory only"],
  signedOutReason: ["The server ended this device's session."],
  signedOutFolder: ["Sign in again", "4 changes wait to be uploaded", "revoked on another device"],
  signedOutPassphrase: ["Your passphrase is needed", "kept in memory only", "Server address"],
  signingIn: ["Asking cloud.basicmemory.com for a code", "signing in changes nothing on this device"],
  awaitingBrowser: ["WDJB-MJHT", "https://auth.basicmemory.com/device", "good for 4:38", "signing in changes nothing on this device"],
  codeExpired: ["This code has expired", "QRTK-ZBNP", "Nothing has changed on this device", "Get a new code"],
  noSubscription: ["Subscription required", "https://basicmemory.com/subscribe", "ana@example.org"],
  setUp: ["Choose your notes folder", "nothing changes on this device"],
  firstRun: ["Not checked yet".toLowerCase(), "Comparing both sides", "No run yet"],
  idle: [
    "Up to date",
    "checked 12 s ago",
    "/home/ana/Notes",
    "1,204",
    "3 uploaded, 1 downloaded, 1 removed in cloud",
    "Uploaded Journal/2026-03-14.md",
    "Plus, renews 24 Apr",
    "ana@example.org",
  ],
  syncing: ["Syncing 3 of 40", "checked 2 min ago", "Carrying changes", "3 of 40"],
  paused: ["Paused until 12:46", "checked 4 min ago"],
  switchedOff: ["Sync is off"],
  pausedBattery: ["Paused on battery", "checked 38 min ago"],
  pausedMetered: ["Paused on a metered connection", "checked 52 min ago"],
  late: ["Not checked for 34 minutes", "Something changed each time that the two sides were compared. It is tried again by itself."],
  offline: ["Connection lost · 4 changes waiting"],
  attention: [
    "3 conflicts to review",
    "3 to review",
    "Recipes/Bread/Rye, second attempt.md",
    "Review conflicts",
    "Another name here differs only in case or accents; rename one of them.",
    "Open “Notes”",
  ],
  halt: ["Sync of “Notes” has stopped", "140 of 900 notes would be removed in the cloud. Everything else goes on.", "Go on and remove 140", "Bring them back"],
  rootMissing: ["The notes folder is missing", "sync goes on by itself", "Choose folder…"],
  preview: ["What the next run would do", "Remove in cloud Inbox/untitled 3.md", "1,200 notes are"],
  expired: ["Read-only since 11 Mar", "https://basicmemory.com/subscribe", "Ended 11 Mar", "All your notes are files in your folder"],
  rcloneMissing: ["rclone is missing", "rclone was not found. Choose Install"],
  rcloneTooOld: ["rclone 1.60.1 is too old", "is too old, 1.74.2 is needed."],
  rcloneInstalling: ["Installing rclone. Sync starts when it is ready."],
  keyringLocked: ["Your keyring is locked", "You are not signed out"],
  keyringLockedLater: ["The system keyring is locked.", "you stay signed in", "Try again"],
  passphraseNeeded: ["Sync waits for your passphrase", "you stay signed in", "kept in memory only"],
  failedRun: ["does not protect a note from being overwritten", "conditional writes (If-Match)"],
  manyProblems: ["Show all problems", "and 103 more"],
  twoFolders: ["Work notes", "C:\\Users\\Ana\\Documents\\Work notes", "Nothing had changed"],
  folders: ["How careful should sync be?", "What sync leaves out", "C:\\Users\\Ana\\Documents\\Work notes"],
  foldersChecked: ["All 1,204 notes are the same on both sides.", "Receipt", "b3c1f0a9", "after change 4,711"],
  foldersDiffer: ["14 notes differ", "Only in cloud Reading/The Peregrine.md", "and 10 more", "1,190 notes are the same", "The next sync carries what differs"],
  foldersCarrying: ["3 of 40", "1.4 MB of 18 MB", "Projects/Garden/Seed list.md"],
  foldersHalt: ["140 of 900 notes", "Archive/2019/Winter reading.md", "and 137 more"],
  conflictsNone: ["No conflicts to review", "both versions wait for you here"],
  conflicts: ["2 to review", "3 h ago", "This device", "removed", "Settled", "Merged by itself", "2.3 KB", "Back to the list"],
  conflictsFolders: ["Work notes", "and 100 more"],
  conflictEdited: ["changed here and on another device", "Keep ana-phone's", "Merge…", "lines are the same"],
  conflictClean: ["status: planted", "Front matter, key by key", "2 keys are the same", "Earlier version"],
  conflictRemoved: ["on another device it was removed", "Remove it here too", "The note was removed."],
  conflictTwice: ["Two different notes", "Keep both notes"],
  conflictPicture: ["This file was changed", "Keep both files", "(conflict ana-phone 2026-03-14 09.12.44)", "Open folder", "cannot be shown as text", "1.4 MB", "1.9 MB"],
  conflictGone: ["This conflict was settled elsewhere."],
  history: ["stays here for 30 days", "46 MB of 1 GB used", "Today", "Same as now", "· workstation", "Undo this sync…"],
  historyEmpty: ["Nothing in the history yet"],
  historyFault: ["The sync state is damaged."],
  mounts: ["Mounted", "3 files (402 KB) on the way", "The folder is not empty.", "Mount another drive"],
  mountsNone: ["Mount a drive", "only while you are online"],
  mountsMissing: ["The program fusermount3 is missing", "fuse3"],
  account: ["old workstation", "Could not be revoked yet", "never used", "This device", "ana@example.org", "Plus, renews 24 Apr"],
  accountLapsed: ["Read-only since 11 Mar", "Renew"],
  settings: ["Start when I log in", "Upload limit", "Quiet hours"],
  settingsFilled: ["From", "Quiet hours", "No notifications until 20:20.", "Tell me again"],
  settingsSignedOut: ["Back", "Sign in", "Upload limit"],
  diagnostics: ["System keyring", "1.75.2", "6 things looked at, all in order"],
  diagnosticsOwnRclone: ["You chose the rclone at /opt/rclone/rclone, which goes before any other.", "Forget this choice"],
  diagnosticsTrouble: ["The first 10 of 112 problems", "the system allows 8192", "Problem", "Repair"],
  setUpAgain: ["Choose your notes folder", "Leave as it is", "nothing changes on this device"],
  setUpPreview: ["Only here312", "Only in the cloud5", "The same1,204", "Different3", "78 GB free"],
  setUpWarnings: ["which syncs already.", "Nextcloud syncs it too", "on a network disk", "1519 files take part"],
  setUpRefused: ["Give the folder's whole path."],
  setUpChoices: ["How careful should sync be?", "Also show my cloud as a drive", "Start when I log in"],
  setUpChoicesDrive: ["Also show my cloud as a drive", "Where to show it", "How current", "shows within 10 seconds"],
  setUpSummary: [
    "The folder /home/ana/Notes is kept in sync",
    "312 notes go up",
    "5 notes come down",
    "3 notes that differ are kept in both versions",
    "This device keeps your sign-in, and gets keys of its own",
    "Nothing has changed so far",
  ],
  setUpInstall: ["The app's own copy of rclone is installed", "nothing changes on this device"],
  setUpOwnRclone: ["An rclone that is already on this computer", "It is rclone 1.75.2 and can be used."],
  setUpDrive: ["Choose where the drive appears", "Mount the drive”, nothing changes"],
  setUpDriveSummary: ["Your cloud is shown as a drive at /home/ana/Cloud", "works with the profile Balanced", "does not start when you log in", "keys of its own", "Mount the drive"],
  driveOnly: ["Your cloud is shown as a drive", "No folder is in sync", "Set up a folder…"],
  driveOnlyFolders: ["No folder is in sync", "Set up a folder…"],
  setUpDone: ["Your folder is set up", "The icon in the panel", "sign out on the page Account"],
  conflictsBulk: ["Keep both: 2 notes", "1 in both versions · 1 left for later", "Leave for later", "Settle 1 conflict"],
  conflictsSettled: ["2 conflicts settled.", "Undo"],
  conflictColumn: ["this device", "Let it rest for a day"],
  conflictBase: ["Earlier version", "- 580 g water, lukewarm"],
  conflictMerge: ["2 places changed on both sides", "Place 1 of 2", "2 places left to choose."],
  conflictMergeClean: ["The changes do not touch each other", "This is what will be saved."],
  filtersEffect: ["Save rules", "Discard changes"],
  filtersError: ["Save rules"],
  historyText: ["The first seedlings are up."],
  historyRestored: ["Inbox/untitled 3.md is restored."],
  historyUndo: ["Take back what the sync of 12:19 did here?"],
  mountsUnmount: ["3 files are not in the cloud yet", "Unmount anyway", "Wait"],
  settingsChanged: ["Not saved yet", "Discard changes"],
};

describe.each(fixtureNames)("the view %s", (name) => {
  it("chooses its screen", () => {
    const person = name.startsWith("detect") ? "new" : "looked";
    const screen = screenOf(views[name], person).name;
    const behind = name === "settingsSignedOut" ? "signIn" : "overview";
    expect(screen).toBe(name in pagePlaces ? behind : screens[name]);
  });

  it("says what a person must know", async () => {
    const window = await openWindow(name);
    expect(window.root.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe(
      screens[name],
    );
    const text = window.text();
    const unsaid = words[name].filter((part) => !text.includes(part));
    expect(unsaid).toEqual([]);
  });

  it("has no accessibility finding", async () => {
    const window = await openWindow(name);
    const results = await axe.run(window.root, {
      rules: { "color-contrast": { enabled: false } },
      resultTypes: ["violations"],
    });
    expect(results.violations.map(({ id, nodes }) => [id, nodes.map((n) => n.html)])).toEqual([]);
  });

  it("names every control and has one first heading", async () => {
    const window = await openWindow(name);
    expect(window.root.querySelectorAll("h1")).toHaveLength(1);
    const nameless = [...window.root.querySelectorAll("button, summary")].filter(
      (control) => (control.getAttribute("aria-label") ?? control.textContent ?? "").trim() === "",
    );
    expect(nameless).toEqual([]);
  });

  it("carries no inline style, which the content policy would refuse", async () => {
    const window = await openWindow(name);
    expect(window.root.querySelectorAll("[style], style, script")).toHaveLength(0);
  });
});

it("asks for a subscription before a folder, whatever else the account has", () => {
  const { setUp } = views;
  const lapsed = { ...setUp, subscription: setUp.subscription && { ...setUp.subscription, current: false } };
  expect(screenOf(lapsed, "looked").name).toBe("subscriptionRequired");
});
