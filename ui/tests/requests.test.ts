import { render } from "@testing-library/svelte";
import { expect, it } from "vitest";

import type { HaltView } from "../src/bindings/HaltView";
import App from "../src/App.svelte";
import { FakeBridge } from "../src/fake";
import { fill, now, openWindow, settle, views } from "./window";

const minute = 60_000;

it("turns sync off and follows the view, not the click", async () => {
  const window = await openWindow("idle");
  const toggle = window.find("switch", "Sync") as HTMLInputElement;
  expect(toggle.checked).toBe(true);

  await window.press("switch", "Sync");
  expect(window.sent()).toEqual([{ type: "setSync", on: false }]);

  await window.push(views.switchedOff);
  expect(toggle.isConnected).toBe(true);
  expect(toggle.checked).toBe(false);

  await window.press("switch", "Sync");
  expect(window.sent()).toEqual([
    { type: "setSync", on: false },
    { type: "setSync", on: true },
  ]);
});

it("puts the switch back where the engine refused", async () => {
  const window = await openWindow("idle");
  window.bridge.refusal = { code: "Busy", message: "Sync is busy.", hint: "Try again.", field: null };
  await window.press("switch", "Sync");
  expect((window.find("switch", "Sync") as HTMLInputElement).checked).toBe(true);
  expect(window.root.querySelector("[role=alert]")?.textContent).toContain("Sync is busy.");

  window.bridge.refusal = null;
  await window.press("button", "Sync now");
  expect(window.root.querySelector("[role=alert]")).toBeNull();
});

it("shows what any failed call said", async () => {
  const window = await openWindow("idle");
  window.bridge.refusal = "command send not allowed";
  await window.press("button", "Open notes folder");
  expect(window.root.querySelector("[role=alert]")?.textContent).toContain(
    "Command send not allowed.",
  );
  await window.press("button", "Dismiss");
  expect(window.root.querySelector("[role=alert]")).toBeNull();
});

it("sends the plain actions of the overview", async () => {
  const window = await openWindow("idle");
  await window.press("button", "Sync now");
  await window.press("button", "Open notes folder");
  await window.press("button", "Preview changes");
  expect(window.sent()).toEqual([
    { type: "syncNow", pair: null, run: "sync" },
    { type: "openFolder", pair: null },
    { type: "syncNow", pair: "pair_0198a6c2", run: "dryRun" },
  ]);
});

it.each([
  ["30 minutes", now + 30 * minute],
  ["1 hour", now + 60 * minute],
  ["Until tomorrow", new Date(2026, 2, 15, 8).getTime()],
])("pauses for %s", async (label, untilMs) => {
  const window = await openWindow("idle");
  window.root.querySelector<HTMLElement>("summary")?.click();
  await settle();
  await window.press("button", label);
  expect(window.sent()).toEqual([{ type: "pauseUntil", untilMs }]);
});

it("changes a folder's profile, and shows the old one again when refused", async () => {
  const window = await openWindow("idle");
  const select = window.find("combobox", "Profile") as HTMLSelectElement;
  select.value = "safe";
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await settle();
  expect(window.sent()).toEqual([
    { type: "setProfile", pair: "pair_0198a6c2", profile: "safe" },
  ]);

  window.bridge.refusal = { code: "Busy", message: "Not now.", hint: null, field: null };
  select.value = "fast";
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await settle();
  expect(select.value).toBe("balanced");
});

it("goes on after a halt only when asked, and only where that is a way out", async () => {
  const window = await openWindow("halt");
  expect(() => window.find("button", "Show what would change")).toThrow();
  await window.push(views.foldersHalt);
  await window.press("button", "Show what would change");
  await window.press("button", "Bring them back");
  await window.press("button", "Go on and remove 140");
  expect(window.sent()).toEqual([
    { type: "syncNow", pair: "pair_0198a6c2", run: "dryRun" },
    { type: "restoreHalted", pair: "pair_0198a6c2" },
    { type: "confirmHalt", pair: "pair_0198a6c2" },
  ]);

  await window.push(views.rootMissing);
  expect(() => window.find("button", /^Go on/)).toThrow();
});

it("compares again, without overwriting, where sync lost its place", async () => {
  const [pair] = views.halt.pairs;
  if (!pair?.halt) throw new Error("the fixture has no halt");
  const lost: HaltView = {
    ...pair.halt,
    code: "ListingsLost",
    canConfirm: false,
    actions: ["compareAgain"],
  };
  const window = await openWindow({ ...views.halt, pairs: [{ ...pair, halt: lost }] });
  await window.press("button", "Compare again");
  expect(window.sent()).toEqual([{ type: "syncNow", pair: pair.id, run: "resync" }]);
});

it("puts one conflict off by its own button", async () => {
  const window = await openWindow("conflicts");
  await window.press("button", "Not now: Journal/2026-03-13.md");
  expect(window.sent()).toEqual([{ type: "dismissConflict", id: "conflict_2" }]);
});

it("installs rclone from the note that says it is missing", async () => {
  const window = await openWindow("rcloneMissing");
  await window.press("button", "Install rclone");
  expect(window.sent()).toEqual([{ type: "installRclone" }]);
});

it("signs out only after a second question", async () => {
  const window = await openWindow("account");
  await window.press("button", "Sign out");
  expect(document.activeElement).toBe(window.find("button", "Stay"));
  await window.press("button", "Stay");
  expect(window.sent()).toEqual([]);
  await window.press("button", "Sign out");
  await window.press("button", "Sign out");
  expect(window.sent()).toEqual([{ type: "signOut" }]);
});

it("signs in at the address that was typed, and shows a refused address at its field", async () => {
  const window = await openWindow("signedOut");
  const address = window.find("textbox", "Server address") as HTMLInputElement;
  expect(address.value).toBe("https://cloud.basicmemory.com");
  address.value = " http://127.0.0.1:8765 ";
  address.dispatchEvent(new Event("input", { bubbles: true }));
  window.bridge.refusal = {
    code: "ServerUnreachable",
    message: "No server answers there.",
    hint: "Check the address.",
    field: "serverUrl",
  };
  await window.press("button", "Sign in");
  expect(window.sent()).toEqual([
    { type: "signIn", serverUrl: "http://127.0.0.1:8765", openBrowser: true, keep: "withSetUp" },
  ]);
  expect(address.getAttribute("aria-invalid")).toBe("true");
  const help = document.getElementById(address.getAttribute("aria-describedby") ?? "");
  expect(help?.textContent).toContain("No server answers there. Check the address.");
  expect(window.root.querySelectorAll("[role=alert]")).toHaveLength(1);
});

it("offers the server that the app was started for", async () => {
  const bridge = new FakeBridge(views.signedOut);
  bridge.offeredServer = "http://127.0.0.1:8765";
  const { getByLabelText, getByRole, findByRole } = render(App, { props: { bridge, readTime: () => now } });
  await findByRole("main");
  await settle();
  getByRole("button", { name: "Continue" }).click();
  await settle();
  expect((getByLabelText("Server address") as HTMLInputElement).value).toBe(bridge.offeredServer);
});

it("offers a folder for the notes, and sets nothing up before it was agreed to", async () => {
  const bridge = new FakeBridge(views.setUp);
  bridge.offeredFolder = "/home/ana/Notes";
  const { getByLabelText, findByRole } = render(App, { props: { bridge, readTime: () => now } });
  await findByRole("main");
  await settle();
  expect((getByLabelText("Notes folder") as HTMLInputElement).value).toBe("/home/ana/Notes");
  expect(bridge.sent).toEqual([]);
});

it("opens the page with the code in it, and cancels", async () => {
  const window = await openWindow("awaitingBrowser");
  await window.press("button", "Open the page");
  expect(window.bridge.opened).toEqual([
    "https://auth.basicmemory.com/device?user_code=WDJB-MJHT",
  ]);
  await window.press("button", "Cancel sign-in");
  expect(window.sent()).toEqual([{ type: "cancelSignIn" }]);
});

it("copies the code", async () => {
  const written: string[] = [];
  Object.defineProperty(navigator, "clipboard", {
    configurable: true,
    value: { writeText: (text: string) => Promise.resolve(void written.push(text)) },
  });
  const window = await openWindow("awaitingBrowser");
  await window.press("button", "Copy code");
  expect(written).toEqual(["WDJB-MJHT"]);
  expect(window.find("button", "Copied")).toBeTruthy();
});

it("leads to the subscription page and asks again", async () => {
  const window = await openWindow("noSubscription");
  await window.press("button", "Open subscription page");
  await window.press("button", "Check again");
  expect(window.bridge.opened).toEqual(["https://basicmemory.com/subscribe"]);
  expect(window.sent()).toEqual([{ type: "checkSubscription" }]);
});

it("sets up the folder that was picked with the choices that were made, and nothing before", async () => {
  const window = await openWindow("setUp");
  window.bridge.picked = "/home/ana/Notes";
  await window.press("button", "Choose…");
  expect((window.find("textbox", "Notes folder") as HTMLInputElement).value).toBe(
    "/home/ana/Notes",
  );

  window.bridge.picked = null;
  await window.press("button", "Choose…");
  await window.press("button", "Continue");
  await window.press("button", "Continue");
  await window.press("radio", /^Safe/);
  await window.press("checkbox", /^Start when I log in/);
  await window.press("button", "Continue");
  expect(window.text()).toContain("Sync works with the profile Safe.");
  expect(window.text()).toContain("The app starts when you log in");
  expect(window.sent()).toEqual([]);
  expect(window.bridge.atLogin).toBe(false);

  await window.press("button", "Start syncing");
  expect(window.sent()).toEqual([{ type: "setUp", folder: "/home/ana/Notes", profile: "safe" }]);
  expect(window.bridge.atLogin).toBe(true);
});

it("goes back through the set-up and keeps what was chosen", async () => {
  const window = await openWindow("setUpSummary");
  await window.press("button", "Back");
  await window.press("button", "Back");
  await window.press("button", "Back");
  expect((window.find("textbox", "Notes folder") as HTMLInputElement).value).toBe(
    "/home/ana/Notes",
  );
  expect(window.sent()).toEqual([]);
});

it("mounts the cloud too where that was wanted, after the folder", async () => {
  const window = await openWindow("setUpChoicesDrive");
  await window.press("button", "Continue");
  expect(window.text()).toContain("shown as a drive at /home/ana/Cloud");
  await window.press("button", "Start syncing");
  expect(window.sent()).toEqual([
    {
      type: "setUp",
      folder: "/home/ana/Notes",
      profile: "balanced",
      mount: { folder: "/home/ana/Cloud", profile: "balanced" },
    },
  ]);
});

it("shows at the field why a folder is unfit, and stays on its page", async () => {
  const window = await openWindow("setUp");
  window.bridge.refusal = { code: "Nested", message: "It is inside another folder.", hint: null, field: "folder" };
  await fill(window.find("textbox", "Notes folder"), "/home/ana/Notes/Inner");
  await window.press("button", "Continue");
  expect(window.find("textbox", "Notes folder").getAttribute("aria-invalid")).toBe("true");
  expect(window.text()).toContain("It is inside another folder.");
});

it("keeps a half-typed folder through view pushes", async () => {
  const window = await openWindow("setUp");
  const folder = window.find("textbox", "Notes folder") as HTMLInputElement;
  folder.focus();
  folder.value = "/home/ana/No";
  folder.dispatchEvent(new Event("input", { bubbles: true }));
  await window.push({ ...views.setUp, rclone: { type: "installing" } });
  expect(document.activeElement).toBe(folder);
  expect(folder.value).toBe("/home/ana/No");
});

it("leaves a lapsed person's notes one click away", async () => {
  const window = await openWindow("accountLapsed");
  await window.press("button", "Open notes folder");
  expect(window.sent()).toEqual([{ type: "openFolder", pair: null }]);

  await window.push({ ...views.expired, pairs: [], mounts: views.mounts.mounts });
  expect(window.text()).not.toContain("files in your folder");
});

it("says what to do where no engine starts, to copy or to quit", async () => {
  const written: string[] = [];
  Object.defineProperty(navigator, "clipboard", {
    configurable: true,
    value: { writeText: (text: string) => Promise.resolve(void written.push(text)) },
  });
  const window = await openWindow("cannotRun");
  await window.press("button", "Copy this message");
  expect(written.join()).toContain("already syncing\nUse the tray app, or stop the other program first.");
  await window.press("button", "Quit");
  expect(window.bridge.ended).toBe(true);

  await window.push(views.idle);
  expect(window.root.querySelector("[data-screen=overview]")).not.toBeNull();
});

it.each([
  ["here", "Sync stops until the app is started again"],
  ["elsewhere", "Sync keeps running"],
] as const)("ends the app from its settings, and says what becomes of sync: %s", async (runs, effect) => {
  const window = await openWindow("idle");
  window.bridge.runs = runs;
  await window.press("button", "Settings");
  expect(window.text()).toContain(effect);
  await window.press("button", "Quit");
  expect(window.bridge.ended).toBe(true);
});

it("tells a person who signs in again that the notes stay", async () => {
  const window = await openWindow({ ...views.awaitingBrowser, pairs: views.signedOutFolder.pairs });
  expect(window.text()).toContain("4 changes wait to be uploaded");
  expect(window.text()).not.toContain("changes nothing in your folders");
});
