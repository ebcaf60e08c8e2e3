import { expect, it, vi } from "vitest";

import type { Reply } from "../src/bindings/Reply";
import type { Request } from "../src/bindings/Request";
import type { VersionView } from "../src/bindings/VersionView";
import { fill, now, openWindow, type OpenWindow, settle, views } from "./window";

const input = (window: OpenWindow, name: string) => window.find("spinbutton", name) as HTMLInputElement;

/** Presses where the focus is, as the keyboard does. */
async function pressFocused(): Promise<void> {
  (document.activeElement as HTMLElement).click();
  await settle();
}

it.each([
  ["mountsUnmount", "Wait", "Unmount"],
  ["historyUndo", "Cancel", "Undo this sync…"],
] as const)("asks with the focus on the way back, and leaves it where it was: %s", async (name, no, before) => {
  const window = await openWindow(name);
  expect(document.activeElement).toBe(window.find("button", no));
  await pressFocused();
  expect(document.activeElement).toBe(window.find("button", before));
  expect(window.sent()).toEqual([]);
});

it("takes a question back with Escape", async () => {
  const window = await openWindow("account");
  await window.press("button", "Revoke the keys of ana-phone");
  expect(document.activeElement).toBe(window.find("button", "Cancel"));
  document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  await settle();
  expect(document.activeElement).toBe(window.find("button", "Revoke the keys of ana-phone"));
});

it("drops a question whose reason is gone", async () => {
  const window = await openWindow("mountsUnmount");
  const mounts = views.mountsUnmount.mounts.map((mount) => ({ ...mount, waiting: 0, waitingBytes: 0 }));
  await window.push({ ...views.mountsUnmount, mounts });
  expect(window.text()).not.toContain("not in the cloud yet");
  await window.push(views.mountsUnmount);
  expect(window.text()).not.toContain("not in the cloud yet");
  expect(window.find("button", "Unmount")).toBeTruthy();
});

it.each([
  ["preview", "Hide", "Notes"],
  ["historyRestored", "Dismiss", "History"],
] as const)("keeps the focus near what was put away: %s", async (name, button, heading) => {
  const window = await openWindow(name);
  window.find("button", button).focus();
  await pressFocused();
  expect(document.activeElement).toBe(window.find("heading", heading));
});

it("leaves the focus on a control that an update moves", async () => {
  const window = await openWindow("mounts");
  const card = [...window.root.querySelectorAll<HTMLElement>("section.card")].find((one) => one.textContent?.includes("Notes drive"));
  const again = [...(card?.querySelectorAll("button") ?? [])].find((one) => one.textContent?.trim() === "Mount again");
  again?.focus();
  await window.push({ ...views.mounts, mounts: [...views.mounts.mounts].reverse() });
  expect(again?.isConnected).toBe(true);
  expect(document.activeElement).toBe(again);
});

it("goes to the name of a folder whose focused control is disabled", async () => {
  const window = await openWindow("mountsUnmount");
  window.find("button", "Open").focus();
  const mounts = views.mountsUnmount.mounts.map((mount) => ({ ...mount, state: "reconnecting" as const }));
  await window.push({ ...views.mountsUnmount, mounts });
  expect(document.activeElement).toBe(window.find("heading", "Archive"));
});

it("does not fetch the focus back where a person let go of it", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const window = await openWindow("preview");
    const hide = window.find("button", "Hide");
    hide.focus();
    hide.blur();
    await vi.advanceTimersByTimeAsync(1);
    await window.push(views.idle);
    expect(document.activeElement).toBe(document.body);
  } finally {
    vi.useRealTimers();
  }
});

it("begins another page at its top", async () => {
  const window = await openWindow("settings");
  document.documentElement.scrollTop = 900;
  window.find("button", "History").focus();
  await window.press("button", "History");
  expect(document.documentElement.scrollTop).toBe(0);
  expect(document.activeElement).toBe(window.find("button", "History"));
});

it("asks for the same thing once, however often it is pressed", async () => {
  const window = await openWindow("idle");
  const done: ((reply: Reply) => void)[] = [];
  window.bridge.send = (request: Request) => {
    window.bridge.sent.push(request);
    return new Promise((resolve) => done.push(resolve));
  };
  const button = window.find("button", "Sync now");
  button.click();
  button.click();
  await settle();
  expect(window.sent()).toEqual([{ type: "syncNow", pair: null, run: "sync" }]);
  done[0]?.({ type: "run", number: 140 });
  await settle();
  button.click();
  await settle();
  expect(window.sent()).toHaveLength(2);
});

it("says a refusal again when the same is pressed again, where it is seen", async () => {
  const window = await openWindow("history");
  window.bridge.refusal = { code: "not_found", message: "This version is gone", hint: null, field: null };
  await window.press("button", "Restore this version of Inbox/untitled 3.md");
  const first = window.root.querySelector("main > .floating[role=alert]");
  expect(first?.textContent).toContain("This version is gone.");
  await window.press("button", "Restore this version of Inbox/untitled 3.md");
  const second = window.root.querySelector("main > .floating[role=alert]");
  expect(second).not.toBeNull();
  expect(second).not.toBe(first);
});

it("keeps rules that are being written while other rules arrive, and on another page", async () => {
  const window = await openWindow("folders");
  const field = () => window.root.querySelector("textarea") as HTMLTextAreaElement;
  const arrived = { ...views.folders, pairs: views.folders.pairs.map((pair) => ({ ...pair, filters: ["- *.bak"] })) };
  await fill(field(), "- Drafts/**");
  await window.push(arrived);
  expect(field().value).toBe("- Drafts/**");
  await window.press("button", "Settings");
  await window.press("button", "Folders");
  expect(field().value).toBe("- Drafts/**");
  await window.press("button", "Save rules");
  expect(window.sent()).toEqual([{ type: "setFilters", pair: "pair_0198a6c2", lines: ["- Drafts/**"] }]);
  expect(() => window.find("button", "Save rules")).toThrow();
  // As the engine has them is how they are shown.
  const saved = { ...arrived, pairs: arrived.pairs.map((pair) => ({ ...pair, filters: ["- /Drafts/**"] })) };
  await window.push(saved);
  expect(field().value).toBe("- /Drafts/**");
});

it("takes over rules that were changed elsewhere while none are being written", async () => {
  const window = await openWindow("foldersChecked");
  const pairs = views.foldersChecked.pairs.map((pair) => ({ ...pair, filters: ["- *.bak"] }));
  await window.push({ ...views.foldersChecked, pairs });
  expect(window.root.querySelector("textarea")?.value).toBe("- *.bak");
});

it("saves what was edited here together with what was changed elsewhere", async () => {
  const window = await openWindow("settings");
  const { settings } = views.settings;
  await fill(input(window, "Upload limit (KB/s)"), "512");
  await window.push({ ...views.settings, settings: { ...settings, onMetered: "run", historyDays: 90 } });
  await window.press("button", "Overview");
  await window.press("button", "Settings");
  expect(input(window, "Upload limit (KB/s)").value).toBe("512");
  expect(window.text()).toContain("Not saved yet");
  await window.press("button", "Save");
  expect(window.sent()).toEqual([
    {
      type: "changeSettings",
      settings: { ...settings, limits: { uploadKibS: 512, downloadKibS: null }, onMetered: "run", historyDays: 90 },
    },
  ]);
});

it("lets a number be cleared and written anew", async () => {
  const window = await openWindow("settings");
  const days = input(window, "Keep for (days)");
  await fill(days, "");
  expect(days.value).toBe("");
  expect(days.validity.valid).toBe(false);
  await fill(days, "4");
  await fill(days, "45");
  expect(days.value).toBe("45");
  await fill(days, "");
  days.dispatchEvent(new FocusEvent("blur"));
  await settle();
  expect(days.value).toBe("45");
  await window.press("button", "Discard changes");
  expect(days.value).toBe("30");
  expect(document.activeElement?.textContent).not.toBe("Discard changes");
});

it("leads to the setting that was refused", async () => {
  const window = await openWindow("settings");
  const proxy = window.find("textbox", "Proxy") as HTMLInputElement;
  await fill(proxy, "ftp://proxy");
  window.bridge.refusal = { code: "settings", message: "This is no proxy", hint: null, field: "proxy" };
  window.find("button", "Save").focus();
  await window.press("button", "Save");
  expect(proxy.getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(proxy);
  expect(window.root.querySelector(".save [role=alert]")?.textContent).toContain("This is no proxy.");
});

const page = (from: number, next: string | null): Reply => ({
  type: "history",
  next,
  versions: Array.from({ length: 100 }, (_, index): VersionView => ({
    id: `h${from - index}`,
    pair: "pair_0198a6c2",
    path: `Note ${from - index}.md`,
    atMs: now - (10_000 - from + index) * 1000,
    size: 10,
    reason: "replaced",
    device: null,
    current: false,
  })),
});

it("keeps the older versions that were opened when a newer one comes", async () => {
  const window = await openWindow("idle");
  let newest = 1000;
  window.bridge.answer = (request) =>
    request.type === "listHistory" ? page(request.after === null ? newest : newest - 100, "older") : null;
  await window.press("button", "History");
  await window.press("button", "Show older");
  const rows = () => window.root.querySelectorAll("main li").length;
  expect(rows()).toBe(200);
  newest = 1001;
  await window.push({ ...views.idle, history: { ...views.idle.history, versions: 213 } });
  expect(rows()).toBe(201);
  expect(window.text()).toContain("Note 1001.md");
  expect(window.text()).toContain("Note 801.md");
  // So many came that others lie between: what is shown has no hole.
  newest = 2000;
  await window.push({ ...views.idle, history: { ...views.idle.history, versions: 1212 } });
  expect(rows()).toBe(100);
});

it("shows thousands of versions, page by page", async () => {
  const window = await openWindow("idle");
  window.bridge.answer = (request) => {
    if (request.type !== "listHistory") return null;
    const from = Number(request.after ?? 10_000);
    return page(from, from > 7_100 ? `${from - 100}` : null);
  };
  await window.press("button", "History");
  // Asking for a role looks at each of the rows.
  const older = () => window.root.querySelector<HTMLElement>("main > div:last-child > button");
  for (let turn = 1; turn < 30; turn += 1) {
    older()?.click();
    await settle();
  }
  expect(window.root.querySelectorAll("main li")).toHaveLength(3_000);
  expect(older()).toBeNull();
}, 60_000);

it("lists the note that was asked for, not what is half typed", async () => {
  const window = await openWindow("history");
  await fill(window.find("searchbox", "Note to look for"), "Jour");
  await window.press("button", "Show older");
  await window.push({ ...views.idle, history: { ...views.idle.history, versions: 213 } });
  const asked = window.bridge.sent.filter((request) => request.type === "listHistory").map(({ path }) => path);
  expect(asked).toEqual([null, null, null]);
  await window.press("button", "Find");
  expect(window.text()).toContain("No older version of “Jour”");
  await fill(window.find("searchbox", "Note to look for"), "");
  expect(window.text()).toContain("Journal/2026-03-14.md");
});

it("keeps the list where older versions cannot be read, and tries that again", async () => {
  const window = await openWindow("history");
  const rows = () => window.root.querySelectorAll("main li").length;
  const before = rows();
  window.bridge.refusal = { code: "state", message: "the sync state is busy", hint: null, field: null };
  await window.press("button", "Show older");
  expect(window.text()).toContain("The sync state is busy.");
  expect(rows()).toBe(before);
  window.bridge.refusal = null;
  await window.press("button", "Try again");
  expect(window.text()).not.toContain("The sync state is busy.");
});

it("names the folder of a version and of a problem where there are several", async () => {
  const window = await openWindow({ ...views.twoFolders, problems: views.manyProblems.problems, problemCount: 10 });
  window.bridge.answer = (request) => (request.type === "listHistory" ? page(100, null) : null);
  expect(window.text()).toContain("Notes · Another name here differs only in case");
  await window.press("button", "History");
  expect(window.text()).toContain("Replaced by a newer version · Notes · 10 B");
});

it("shows the first of many problems, and all when asked", async () => {
  const [problem] = views.manyProblems.problems;
  if (!problem) throw new Error("the fixture has no problem");
  const problems = Array.from({ length: 100 }, (_, index) => ({ ...problem, path: `Note ${index}.md` }));
  const window = await openWindow({ ...views.manyProblems, problems, problemCount: 500 });
  await window.press("button", "Diagnostics");
  const rows = () => window.root.querySelectorAll("[aria-labelledby=problems] li").length;
  expect(rows()).toBe(10);
  await window.press("button", "Show all 100");
  expect(rows()).toBe(100);
  expect(window.text()).toContain("The first 100 of 500 problems.");
  await window.press("button", "Show fewer");
  expect(rows()).toBe(10);
});

it("shows the check-up of several folders, the gravest first", async () => {
  const window = await openWindow("idle");
  const finding = (code: string, level: "ok" | "note" | "warning" | "error", message: string) => ({ code, level, message, hint: null, repair: null });
  window.bridge.answer = (request) =>
    request.type === "diagnose"
      ? {
          type: "diagnosis",
          findings: [
            finding("folder", "ok", "/home/ana/Notes is fine"),
            finding("folder", "ok", "/home/ana/Work is fine"),
            finding("disk_space", "warning", "Little room"),
            finding("disk_space", "error", "No room"),
          ],
        }
      : null;
  await window.press("button", "Diagnostics");
  expect(window.text()).toContain("Problem No room. Warning Little room.");
  expect(window.text()).toContain("/home/ana/Work is fine.");
});

it("tells of the files that a rule's effect leaves out of its list", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const window = await openWindow("foldersChecked");
    const newlyHidden = Array.from({ length: 100 }, (_, index) => `Note ${index}.md`);
    window.bridge.answer = (request) =>
      request.type === "checkFilters"
        ? { type: "filters", effect: { errors: [], hidden: 140, shown: 9, newlyHidden, newlyHiddenCount: 140, newlyShown: [], newlyShownCount: 0 } }
        : null;
    await fill(window.root.querySelector("textarea") as HTMLElement, "*.md");
    await vi.advanceTimersByTimeAsync(300);
    await settle();
    expect(window.text()).toContain("140 files no longer in sync");
    expect(window.text()).toContain("Show all 100 and 40 more");
  } finally {
    vi.useRealTimers();
  }
});

it("tells on the overview of a drive that does not work, and of no other", async () => {
  const window = await openWindow("idle");
  await window.push(views.mounts);
  expect(window.root.querySelector("[data-screen=overview]")).not.toBeNull();
  expect(window.text()).toContain("The folder is not empty.");
  expect(window.text()).not.toContain("/home/ana/Archive");
});
