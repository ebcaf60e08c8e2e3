import { cleanup } from "@testing-library/svelte";
import { afterEach, expect, it, vi } from "vitest";

import { answersOf } from "../src/fixtures/answers";
import { fill, now, openWindow, settle, views } from "./window";

afterEach(() => void vi.useRealTimers());

it("gets rclone in the way that was chosen, but not before the last page was agreed to", async () => {
  const window = await openWindow("detectLacking");
  await window.press("radio", /^brew install rclone/);
  await window.press("button", "Continue");
  expect(window.sent()).toEqual([]);

  await window.push({ ...views.setUp, rclone: views.detectLacking.rclone });
  await fill(window.find("textbox", "Notes folder"), "/home/ana/Notes");
  await window.press("button", "Continue");
  await window.press("button", "Continue");
  expect((window.find("radio", /^brew install rclone/) as HTMLInputElement).checked).toBe(true);
  await window.press("button", "Continue");
  expect(window.text()).toContain("rclone is installed for you with “brew install rclone”.");
  expect(window.sent()).toEqual([]);

  await window.press("button", "Start syncing");
  expect(window.sent()).toEqual([
    { type: "installRcloneWith", way: "brew" },
    { type: "setUp", folder: "/home/ana/Notes", profile: "balanced" },
  ]);
});

it("takes an rclone of the person's own once it was tested, and not before the last page was agreed to", async () => {
  const window = await openWindow("detectLacking");
  await window.press("radio", /^An rclone that is already on this computer/);
  await fill(window.find("textbox", "Program"), "/opt/no");
  await window.press("button", "Continue");
  expect(window.root.querySelectorAll("[role=alert]")).toHaveLength(1);
  expect(window.text()).toContain("There is no program /opt/no. Choose the program rclone itself.");
  expect(window.root.querySelector("[data-screen=detect]")).not.toBeNull();

  window.bridge.picked = "anything";
  await window.press("button", "Choose…");
  expect(window.text()).toContain("It is rclone 1.75.2 and can be used.");
  await window.press("button", "Continue");
  expect(window.text()).toContain("Sign in to your notes");

  await window.push({ ...views.setUp, rclone: views.detectLacking.rclone });
  await fill(window.find("textbox", "Notes folder"), "/home/ana/Notes");
  for (let page = 0; page < 3; page += 1) await window.press("button", "Continue");
  expect(window.text()).toContain("The rclone at /opt/rclone/rclone (1.75.2) is used; nothing is installed.");
  expect(window.sent()).toEqual([]);
  await window.press("button", "Start syncing");
  expect(window.sent().map(({ type }) => type)).toEqual(["useRclone", "setUp"]);
});

it("offers a person's own rclone where there is no way to install one", async () => {
  const window = await openWindow("setUp");
  window.bridge.answer = (request) =>
    request.type === "listInstallWays" ? { type: "installWays", ways: [] } : answersOf("setUp", now)(request);
  await window.push({ ...views.setUp, rclone: views.detectLacking.rclone });
  await fill(window.find("textbox", "Notes folder"), "/home/ana/Notes");
  await window.press("button", "Continue");
  await window.press("button", "Continue");
  const choice = window.find("radio", /^An rclone that is already/) as HTMLInputElement;
  expect(choice.checked).toBe(true);
});

it("offers the notes that are there already, and says who syncs here", async () => {
  const window = await openWindow("detect");
  expect(window.text()).toContain("Sync service is part of this app");
  expect(window.text()).toContain("Other vaults of Obsidian: /home/ana/Documents/Work");
  await window.press("button", "Continue");
  await window.push(views.setUp);
  expect((window.find("textbox", "Notes folder") as HTMLInputElement).value).toBe("/home/ana/Notes");
});

it("sets nothing up where rclone could not be installed, and says why", async () => {
  const window = await openWindow("setUpInstall");
  window.bridge.answer = (request) => {
    if (request.type !== "installRcloneWith") return null;
    throw { code: "pip", message: "The download failed.", hint: "Look at the network.", field: null };
  };
  await window.press("button", "Start syncing");
  expect(window.sent()).toEqual([{ type: "installRcloneWith", way: "private" }]);
  expect(window.root.querySelector("[role=alert]")?.textContent).toContain("The download failed.");
  expect(window.find("button", "Start syncing").getAttribute("aria-disabled")).toBeNull();
});

it("sets up once, however often the button is pressed", async () => {
  const window = await openWindow("setUpInstall");
  let installed = () => {};
  const send = window.bridge.send.bind(window.bridge);
  window.bridge.send = async (request) => {
    const reply = await send(request);
    if (request.type === "installRcloneWith") await new Promise<void>((done) => (installed = done));
    return reply;
  };
  await window.press("button", "Start syncing");
  expect(window.text()).toContain("Installing rclone.");
  await window.press("button", "Working…");
  expect(window.sent()).toHaveLength(1);
  installed();
  await settle();
  expect(window.sent().map(({ type }) => type)).toEqual(["installRcloneWith", "setUp"]);
});

it("mounts a drive alone, with a summary before and no folder touched", async () => {
  const window = await openWindow("setUpDriveSummary");
  expect(window.text()).not.toContain("Sync works with the profile");
  expect(window.sent()).toEqual([]);
  await window.press("button", "Mount the drive");
  expect(window.sent()).toEqual([{ type: "mount", folder: "/home/ana/Cloud", profile: "balanced" }]);
  expect(window.bridge.sent.some(({ type }) => type === "previewSetUp")).toBe(false);
  await window.push(views.driveOnly);
  expect(window.root.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe("mounts");
});

it("leads from a drive alone to a folder", async () => {
  const window = await openWindow("driveOnly");
  expect(() => window.find("button", "Sync now")).toThrow();
  await window.press("button", "Set up a folder…");
  expect(window.text()).toContain("Choose your notes folder");
  await window.press("button", "Leave as it is");
  expect(window.text()).toContain("No folder is in sync");
});

it("says after the set-up where the icon is and how to undo it, until that is dismissed", async () => {
  const window = await openWindow("setUpSummary");
  await window.press("button", "Start syncing");
  await window.push(views.firstRun);
  expect(window.text()).toContain("Your folder is set up");
  expect(window.text()).toContain("The icon in the panel");
  await window.press("button", "Dismiss");
  expect(window.text()).not.toContain("Your folder is set up");
});

it("leaves nothing behind when the set-up is left before its last page, and begins anew then", async () => {
  const names = ["noSubscription", "setUp", "setUpPreview", "setUpChoices", "setUpSummary", "setUpInstall"] as const;
  for (const name of names) {
    const window = await openWindow(name);
    expect(window.text()).toContain("you are signed out, and nothing on this device has changed");
    if (name !== "noSubscription") expect(window.text()).toContain("nothing changes on this device");
    await window.press("button", "Cancel set-up");
    expect(window.sent()).toEqual([{ type: "signOut" }]);
    expect(window.bridge.atLogin).toBe(false);
    await window.push(views.detect);
    expect(window.root.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe("detect");
    cleanup();
  }
});

it("goes on with the sign-in that waits when the window is opened again", async () => {
  const window = await openWindow("setUpSummary");
  cleanup();
  const again = await openWindow("setUp");
  expect(again.text()).toContain("Choose your notes folder");
  expect([...window.sent(), ...again.sent()]).toEqual([]);
});

it("says sign out, not cancel, where the sign-in was there before the set-up", async () => {
  const window = await openWindow({ ...views.setUp, account: views.idle.account });
  expect(() => window.find("button", "Cancel set-up")).toThrow();
  await window.press("button", "Sign out");
  expect(window.sent()).toEqual([{ type: "signOut" }]);
});

it("changes nothing at login where the set-up was refused", async () => {
  const window = await openWindow("setUpChoices");
  await window.press("checkbox", /^Start when I log in/);
  await window.press("button", "Continue");
  window.bridge.refusal = { code: "keyring_locked", message: "the keyring is locked", hint: "Unlock the keyring.", field: null };
  await window.press("button", "Start syncing");
  await settle();
  expect(window.root.querySelector("[role=alert]")?.textContent).toContain("keyring is locked");
  expect(window.bridge.atLogin).toBe(false);
  window.bridge.refusal = null;
  await window.press("button", "Start syncing");
  expect(window.bridge.atLogin).toBe(true);
});

it("opens the encrypted file with its passphrase, and shows at the field when it is wrong", async () => {
  const window = await openWindow("passphraseNeeded");
  const field = window.root.querySelector<HTMLInputElement>("#passphrase");
  if (field === null) throw new Error("no field for the passphrase");
  expect(field.type).toBe("password");
  window.bridge.refusal = { code: "wrong_passphrase", message: "This is not the passphrase.", hint: null, field: "passphrase" };
  await fill(field, "correct horse");
  await window.press("button", "Open");
  expect(field.getAttribute("aria-invalid")).toBe("true");
  expect(field.value).toBe("");
  expect(window.root.querySelectorAll("[role=alert]")).toHaveLength(1);

  window.bridge.refusal = null;
  await fill(field, "correct horse battery");
  await window.press("button", "Open");
  expect(window.sent()).toEqual([
    { type: "openSecrets", passphrase: "correct horse" },
    { type: "openSecrets", passphrase: "correct horse battery" },
  ]);
  await window.push(views.idle);
  expect(window.text()).not.toContain("Your passphrase is needed");
});

it("lets a person begin anew who lost the passphrase, and not by one press", async () => {
  const window = await openWindow("passphraseNeeded");
  const details = window.root.querySelector("details:has(button)");
  expect((details as HTMLDetailsElement | null)?.open).toBe(false);
  await window.press("button", "Sign out and begin anew");
  expect(window.sent()).toEqual([{ type: "forgetSecrets" }]);
});

it("takes a new passphrase only when it was written twice alike, and none where none is wanted", async () => {
  const plain = await openWindow("detectPassphrase");
  await plain.press("radio", /^In a file that only you can read/);
  await plain.press("button", "Continue");
  expect(plain.sent()).toEqual([]);
  expect(plain.text()).toContain("Sign in to your notes");
  cleanup();

  const window = await openWindow("detectPassphrase");
  const [first, second] = window.root.querySelectorAll<HTMLInputElement>("input[type=password]");
  if (!first || !second) throw new Error("two fields for the passphrase");
  await fill(first, "correct horse");
  await fill(second, "correct hose");
  await window.press("button", "Continue");
  expect(window.text()).toContain("The two are not the same.");
  expect(window.sent()).toEqual([]);
  await fill(second, "correct horse");
  await window.press("button", "Continue");
  expect(window.sent()).toEqual([{ type: "openSecrets", passphrase: "correct horse" }]);
  expect(window.text()).toContain("Sign in to your notes");
});

it("tells a desktop without a tray where everything is", async () => {
  const window = await openWindow(views.detect);
  expect(window.text()).toContain("Tray shows the icon");
  window.bridge.tray = "missing";
  await window.push(views.idle);
  await window.press("button", "Settings");
  expect(window.text()).toContain("No panel here shows tray icons");
});

it("goes on by itself once the subscription is active", async () => {
  vi.useFakeTimers();
  const bridge = (await openWindowWithTimers("noSubscription")).bridge;
  const asked = () => bridge.sent.filter(({ type }) => type === "checkSubscription").length;
  expect(asked()).toBe(0);
  bridge.react = (view, request) => (request.type === "checkSubscription" ? views.setUp : view);
  await vi.advanceTimersByTimeAsync(5_100);
  await settle();
  expect(asked()).toBe(1);
  expect(document.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe("setUp");
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked()).toBe(1);
});

it("asks for a new code when the old one is spent", async () => {
  const window = await openWindow("codeExpired");
  await window.press("button", "Get a new code");
  expect(window.sent()).toEqual([
    { type: "cancelSignIn" },
    { type: "signIn", serverUrl: "http://127.0.0.1:8765", openBrowser: true, keep: "withSetUp" },
  ]);
});

it("opens the set-up again without changing anything", async () => {
  const window = await openWindow("settings");
  await window.press("button", "Open the set-up");
  expect(window.root.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe("setUp");
  await window.press("button", "Leave as it is");
  expect(window.root.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe("overview");
  expect(window.sent()).toEqual([]);
});

async function openWindowWithTimers(name: "noSubscription") {
  const opening = openWindow(name);
  await vi.advanceTimersByTimeAsync(100);
  return opening;
}

it("takes another folder for one that is missing, after the preview and the summary", async () => {
  const [pair] = views.rootMissing.pairs;
  if (!pair?.halt) throw new Error("the fixture has no halt");
  const halt = { ...pair.halt, actions: ["chooseFolder" as const] };
  const missing = { ...pair, profile: "safe" as const, halt };
  const window = await openWindow({ ...views.rootMissing, pairs: [missing] });
  window.bridge.answer = answersOf("rootMissing", now);
  window.bridge.picked = null;
  await window.press("button", "Choose folder…");
  expect(window.root.querySelector("[data-screen=setUp]")).toBeNull();

  window.bridge.picked = "/home/ana/Documents/Notes";
  await window.press("button", "Choose folder…");
  const field = window.find("textbox", "Notes folder") as HTMLInputElement;
  expect(field.value).toBe("/home/ana/Documents/Notes");
  await window.press("button", "Continue");
  expect(window.text()).toContain("Only here312");
  await window.press("button", "Continue");
  await window.press("button", "Continue");
  expect(window.text()).toContain("Sync of /media/ana/stick/Notes ends.");
  expect(window.text()).toContain("The folder /home/ana/Documents/Notes is kept in sync");
  expect(window.sent()).toEqual([]);
  await window.press("button", "Start syncing");
  expect(window.sent()).toEqual([
    { type: "setUp", folder: "/home/ana/Documents/Notes", profile: "safe", insteadOf: pair.id },
  ]);
});

it("adds a folder when the set-up is opened again, whatever was picked for another before", async () => {
  const [pair] = views.rootMissing.pairs;
  if (!pair?.halt) throw new Error("the fixture has no halt");
  const missing = { ...pair, halt: { ...pair.halt, actions: ["chooseFolder" as const] } };
  const window = await openWindow({ ...views.rootMissing, pairs: [missing] });
  window.bridge.answer = answersOf("rootMissing", now);
  window.bridge.picked = "/home/ana/Other";
  await window.press("button", "Choose folder…");
  await window.press("button", "Leave as it is");
  window.bridge.showPlace("setUp");
  await settle();
  await fill(window.find("textbox", "Notes folder"), "/home/ana/More");
  for (let page = 0; page < 3; page += 1) await window.press("button", "Continue");
  expect(window.text()).not.toContain("ends. What is in that folder");
  await window.press("button", "Start syncing");
  expect(window.sent()).toEqual([{ type: "setUp", folder: "/home/ana/More", profile: "balanced" }]);
});
