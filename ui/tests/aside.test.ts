import { expect, it } from "vitest";

import type { FixtureName } from "../src/fixtures";
import { openWindow, settle, views } from "./window";

it.each([
  "detect",
  "signedOutReason",
  "signedOutFolder",
  "signingIn",
  "awaitingBrowser",
  "keyringLocked",
  "noSubscription",
  "setUp",
] satisfies FixtureName[])("shows the settings and the diagnostics over %s, with a way back", async (name) => {
  const window = await openWindow(views[name]);
  const screen = () => window.root.querySelector("[data-screen]")?.getAttribute("data-screen");
  const before = screen();
  for (const place of ["settings", "diagnostics"]) {
    window.bridge.showPlace(place);
    await settle();
    expect(screen()).toBe(place);
    await window.press("button", "Back");
    expect(screen()).toBe(before);
  }
});

it("begins with the page that the window was opened for, though nobody is signed in", async () => {
  const window = await openWindow("settingsSignedOut");
  expect(window.find("heading", "Settings")).toBeTruthy();
  // The tray's command for signing in.
  window.bridge.showPlace("overview");
  await settle();
  expect(window.find("button", "Sign in")).toBeTruthy();
});

it("shows the account before a folder is set up, to sign out there", async () => {
  const window = await openWindow("noSubscription");
  window.bridge.showPlace("account");
  await settle();
  await window.press("button", "Sign out");
  await window.press("button", "Sign out");
  expect(window.sent()).toContainEqual({ type: "signOut" });
  await window.push(views.signedOutReason);
  expect(window.root.querySelector("[data-screen=account]")).toBeNull();
});

it.each(["starting", "cannotRun"] satisfies FixtureName[])("fills no page while %s: no engine answers", async (name) => {
  const window = await openWindow(views[name]);
  window.bridge.showPlace("settings");
  await settle();
  expect(window.root.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe(name);
});
