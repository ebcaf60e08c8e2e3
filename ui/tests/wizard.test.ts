import { cleanup } from "@testing-library/svelte";
import { expect, it } from "vitest";

import { answersOf } from "../src/fixtures/answers";
import { offeredDrive, wholePath } from "../src/paths";
import { screenOf } from "../src/screen";
import { fill, now, openWindow, type OpenWindow, settle, views } from "./window";

const value = (window: OpenWindow, name: string) => (window.find("textbox", name) as HTMLInputElement).value;
const screen = (window: OpenWindow) => window.root.querySelector("[data-screen]")?.getAttribute("data-screen");

it("reads paths as people type them", () => {
  expect(wholePath(" ~/Notes ", "/home/ana/Notes")).toBe("/home/ana/Notes");
  expect(wholePath("~", "/home/ana/Notes")).toBe("/home/ana");
  expect(wholePath("~\\Notes", "C:\\Users\\Ana\\Notes")).toBe("C:\\Users\\Ana\\Notes");
  for (const path of ["/srv/notes", "~ben/Notes", "Notes", "/a/~/b"]) {
    expect(wholePath(path, "/home/ana/Notes")).toBe(path);
  }
  expect(wholePath("~/Notes", null)).toBe("~/Notes");
  expect(offeredDrive("/home/ana/Notes", "Basic Memory")).toBe("/home/ana/Basic Memory");
  expect(offeredDrive(null, "Basic Memory")).toBe("");
});

it("sets up the folder that was looked at, though it was typed with a tilde", async () => {
  const window = await openWindow("setUp");
  await fill(window.find("textbox", "Notes folder"), "~/Notes");
  for (let page = 0; page < 3; page += 1) await window.press("button", "Continue");
  await window.press("button", "Start syncing");
  expect(window.sent()).toEqual([{ type: "setUp", folder: "/home/ana/Notes", profile: "balanced" }]);
});

it("says that it looks, looks once, and shows no preview of another folder than the one in the field", async () => {
  const window = await openWindow("setUp");
  const send = window.bridge.send.bind(window.bridge);
  let answer = () => {};
  window.bridge.send = async (request) => {
    const reply = await send(request);
    if (request.type === "previewSetUp") await new Promise<void>((done) => (answer = done));
    return reply;
  };
  const looks = () => window.bridge.sent.filter(({ type }) => type === "previewSetUp").length;
  await window.press("button", "Continue");
  expect(window.find("button", "Looking…").getAttribute("aria-disabled")).toBe("true");
  expect(window.text()).toContain("Nothing is changed.");
  await window.press("button", "Looking…");
  expect(looks()).toBe(1);

  await fill(window.find("textbox", "Notes folder"), "/home/ana/Other");
  answer();
  await settle();
  expect(window.text()).toContain("Choose your notes folder");
  await window.press("button", "Continue");
  answer();
  await settle();
  expect(window.text()).toContain("/home/ana/Other");
  expect(window.text()).toContain("What the first sync would do");
});

it("sets up folder and drive in one, or neither, and starts at login before", async () => {
  const window = await openWindow("setUpChoicesDrive");
  await window.press("checkbox", /^Start when I log in/);
  await window.press("button", "Continue");
  let atLogin: boolean | null = null;
  const refusal = { code: "folder_not_empty", message: "/home/ana/Cloud is not empty", hint: "Choose an empty folder.", field: "mount" };
  window.bridge.answer = () => {
    throw refusal;
  };
  await window.press("button", "Start syncing");
  await settle();
  expect(screen(window)).toBe("setUp");
  expect(window.root.querySelector("[role=alert]")?.textContent).toContain("/home/ana/Cloud is not empty");
  expect(window.bridge.atLogin).toBe(false);

  window.bridge.answer = () => null;
  window.bridge.react = () => {
    atLogin = window.bridge.atLogin;
    return views.firstRun;
  };
  await window.press("button", "Start syncing");
  await settle();
  const [first, second, ...others] = window.sent();
  expect(first).toEqual({
    type: "setUp",
    folder: "/home/ana/Notes",
    profile: "balanced",
    mount: { folder: "/home/ana/Cloud", profile: "balanced" },
  });
  expect([second, others]).toEqual([first, []]);
  expect(atLogin).toBe(true);
  expect(window.bridge.atLogin).toBe(true);
  expect(screen(window)).toBe("overview");
  expect(window.text()).toContain("Your folder is set up");
});

it("finds out before the summary whether a drive can be shown where it is wanted", async () => {
  const window = await openWindow("setUpChoicesDrive");
  const answers = answersOf("setUp", now);
  window.bridge.answer = (request) => {
    if (request.type !== "previewMount") return answers(request);
    expect(request).toEqual({ type: "previewMount", folder: "/home/ana/Cloud", notes: "/home/ana/Notes" });
    throw { code: "folder_nested", message: "This folder and /home/ana/Notes overlap", hint: null, field: "folder" };
  };
  await window.press("button", "Continue");
  expect(window.text()).toContain("How should it work?");
  expect(window.find("textbox", "Where to show it").getAttribute("aria-invalid")).toBe("true");
  expect(window.root.querySelectorAll("[role=alert]")).toHaveLength(1);
  window.bridge.answer = answers;
  await window.press("button", "Continue");
  expect(window.text()).toContain("This is what will change");
});

it("offers a place for the drive", async () => {
  const window = await openWindow("setUp");
  await window.press("radio", /^Only as a drive/);
  expect(value(window, "Where to show it")).toBe("/home/ana/Basic Memory");
});

it("keeps what was chosen while another page is looked at", async () => {
  const window = await openWindow("setUpSummary");
  window.bridge.showPlace("settings");
  await settle();
  await window.press("button", "Back");
  expect(window.text()).toContain("This is what will change");
  expect(window.text()).toContain("The folder /home/ana/Notes is kept in sync");
  // Another person's set-up begins anew.
  const { account } = views.setUp;
  await window.push(views.signedOutReason);
  await window.push({ ...views.setUp, account: { ...account, userId: "user_2" } as typeof account });
  expect(window.text()).toContain("Choose your notes folder");
});

it("takes a server's address without its scheme, and offers it again when the sign-in came to nothing", async () => {
  const window = await openWindow("signedOut");
  await fill(window.find("textbox", "Server address"), "notes.example.org:8765");
  await window.press("button", "Sign in");
  const signIn = { type: "signIn", serverUrl: "notes.example.org:8765", openBrowser: true, keep: "withSetUp" };
  expect(window.sent()).toEqual([signIn]);
  await window.push(views.signingIn);
  await window.push(views.signedOutReason);
  expect(value(window, "Server address")).toBe("notes.example.org:8765");
});

it("leads back from the sign-in to the first page, which keeps how rclone is to be got", async () => {
  const window = await openWindow("detectLacking");
  await window.press("radio", /^brew install rclone/);
  await window.press("button", "Continue");
  await window.press("button", "Back");
  expect(screen(window)).toBe("detect");
  expect((window.find("radio", /^brew install rclone/) as HTMLInputElement).checked).toBe(true);
});

it("leads not back to the choice of a passphrase that holds already", async () => {
  const window = await openWindow("detectPassphrase");
  const fields = window.root.querySelectorAll<HTMLInputElement>("input[type=password]");
  for (const field of fields) await fill(field, "correct horse");
  await window.press("button", "Continue");
  expect(window.text()).toContain("Sign in to your notes");
  expect(() => window.find("button", "Back")).toThrow();
});

it("tells a person who never signed in of a locked keyring, not that they are signed in", async () => {
  expect(screenOf(views.keyringLocked, "new").name).toBe("detect");
  const window = await openWindow(views.keyringLocked);
  expect(window.text()).toContain("which is locked");
  await window.press("button", "Continue");
  expect(screen(window)).toBe("keyringLocked");
  expect(window.text()).not.toContain("not signed out");
  await window.press("button", "Sign in");
  expect(window.sent().map(({ type }) => type)).toEqual(["signIn"]);
});

it("does not deny a subscription that is there where only the cloud does not answer", async () => {
  const window = await openWindow("cloudNotReady");
  expect(window.text()).not.toContain("no active subscription");
  await window.press("button", "Check again");
  expect(window.text()).toContain("Asked just now: it is not ready yet.");
});

it("answers who asks for the subscription again, and says when it ended or whom to ask", async () => {
  const { subscription } = views.noSubscription;
  if (subscription === null) throw new Error("the fixture has no subscription");
  const ended = new Date(2026, 2, 11, 9, 0, 0).getTime();
  const window = await openWindow({
    ...views.noSubscription,
    subscription: { ...subscription, periodEndMs: ended, subscribeUrl: "" },
  });
  expect(window.text()).toContain("It ended on 11 Mar.");
  expect(window.text()).toContain("Ask whoever runs cloud.basicmemory.com for one.");
  expect(() => window.find("button", "Open subscription page")).toThrow();
  await window.press("button", "Check again");
  expect(window.find("status", "").textContent).toContain("Asked just now: it is not active yet.");
});

it("says how to undo start at login too, where the set-up switched it on", async () => {
  const window = await openWindow("setUpDone");
  expect(window.text()).not.toContain("switch off “Start when I log in”");
  cleanup();
  const drive = await openWindow("setUpDriveSummary");
  await drive.press("button", "Back");
  await drive.press("checkbox", /^Start when I log in/);
  await drive.press("button", "Continue");
  await drive.press("button", "Mount the drive");
  await settle();
  await drive.push(views.setUpDriveDone);
  expect(screen(drive)).toBe("mounts");
  expect(drive.text()).toContain("Your drive is set up");
  expect(drive.text()).toContain("switch off “Start when I log in” in Settings");
  await drive.press("button", "Dismiss");
  expect(drive.text()).not.toContain("Your drive is set up");
  expect(screen(drive)).toBe("mounts");
});
