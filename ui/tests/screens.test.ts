import axe from "axe-core";
import { describe, expect, it } from "vitest";

import { type FixtureName, fixtureNames } from "../src/fixtures";
import { screenOf } from "../src/screen";
import { openWindow, views } from "./window";

const screens: Record<FixtureName, ReturnType<typeof screenOf>["name"]> = {
  starting: "starting",
  cannotRun: "cannotRun",
  signedOut: "signIn",
  signedOutReason: "signIn",
  signedOutFolder: "signIn",
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
  failedRun: "overview",
  manyProblems: "overview",
  twoFolders: "overview",
};

/** What a person must be able to read in each state. */
const words: Record<FixtureName, string[]> = {
  starting: ["Starting"],
  cannotRun: ["another account's sync holds this folder", "stay as they are"],
  signedOut: ["Sign in to your notes", "Server address"],
  signedOutReason: ["The server ended this device's session."],
  signedOutFolder: ["Sign in again", "4 changes wait to be uploaded", "revoked on another device"],
  signingIn: ["Asking cloud.basicmemory.com for a code"],
  awaitingBrowser: ["WDJB-MJHT", "https://auth.basicmemory.com/device", "good for 4:38"],
  codeExpired: ["QRTK-ZBNP", "The code is no longer good"],
  noSubscription: ["Subscription required", "https://basicmemory.com/subscribe", "ana@example.org"],
  setUp: ["Choose your notes folder", "Safe", "Balanced", "Fast"],
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
  offline: ["Connection lost · 4 changes waiting"],
  attention: [
    "2 conflicts to review",
    "2 to review",
    "Rye, second attempt (conflict ana-phone 2026-03-14 09.12.44).md",
    "2 settled conflicts",
    "This name cannot exist on Windows",
  ],
  halt: ["Sync of “Notes” is halted", "140 of 900 notes would be deleted in the cloud.", "put them back"],
  rootMissing: ["The notes folder is not available.", "goes on when it returns"],
  preview: ["What the next run would do", "Remove in cloud Inbox/untitled 3.md", "1,200 notes are"],
  expired: ["Read-only since 11 Mar", "https://basicmemory.com/subscribe", "Ended 11 Mar"],
  rcloneMissing: ["rclone is missing", "Install the app's own copy"],
  rcloneTooOld: ["rclone 1.60.1 is too old", "at least 1.74.2"],
  rcloneInstalling: ["Installing rclone. Sync starts when it is ready."],
  keyringLocked: ["Your keyring is locked", "You are not signed out"],
  keyringLockedLater: ["The system keyring is locked.", "you stay signed in"],
  failedRun: ["answered with an error (503)", "tried again by itself", "Encrypted file"],
  manyProblems: ["and 104 more", "and 103 more"],
  twoFolders: ["Work notes", "C:\\Users\\Ana\\Documents\\Work notes", "Nothing had changed"],
};

describe.each(fixtureNames)("the view %s", (name) => {
  it("chooses its screen", () => {
    expect(screenOf(views[name]).name).toBe(screens[name]);
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
  expect(screenOf(lapsed).name).toBe("subscriptionRequired");
});
