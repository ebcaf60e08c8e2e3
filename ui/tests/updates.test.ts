import { render } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import App from "../src/App.svelte";
import { FakeBridge } from "../src/fake";
import { now, openWindow, settle, views } from "./window";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
});

afterEach(() => {
  vi.useRealTimers();
});

async function start(bridge: FakeBridge, readTime = () => now): Promise<HTMLElement> {
  const { container } = render(App, { props: { bridge, readTime } });
  await settle();
  return container;
}

it("keeps the focus on the same control while views arrive", async () => {
  const window = await openWindow("idle");
  const button = window.find("button", "Sync now");
  button.focus();
  await window.push(views.syncing);
  await window.push(views.attention);
  expect(document.activeElement).toBe(button);
});

it("moves the focus to the list when the focused conflict leaves it", async () => {
  const window = await openWindow("conflicts");
  window.find("button", "Not now: Journal/2026-03-13.md").focus();
  const [first] = views.attention.conflicts;
  if (!first) throw new Error("the fixture has no conflict");
  await window.push({ ...views.attention, conflicts: [first], openConflictCount: 1 });
  expect(document.activeElement).toBe(window.find("heading", "Notes"));
});

it("moves the focus to the heading of a new screen", async () => {
  const window = await openWindow("signedOut");
  window.find("button", "Sign in").focus();
  await window.push(views.awaitingBrowser);
  expect(document.activeElement).toBe(window.find("heading", "Enter this code in your browser"));
});

it("lets the age of the headline grow without a new view", async () => {
  let time = now;
  const root = await start(new FakeBridge(views.idle), () => time);
  expect(root.textContent).toContain("checked 12 s ago");
  time = now + 3 * 60_000;
  await vi.advanceTimersByTimeAsync(1000);
  expect(root.textContent).toContain("checked 3 min ago");
});

it("reads a status out once it stays, and no amount that grows in it", async () => {
  const window = await openWindow("idle");
  const told: string[] = [];
  const region = window.root.querySelector(".shell > [role=status]");
  if (!region) throw new Error("nothing is read out");
  new MutationObserver(() => told.push(region.textContent ?? "")).observe(region, {
    characterData: true,
    childList: true,
    subtree: true,
  });
  const waiting = (amount: number) => window.push({ ...views.offline, headline: `Connection lost · ${amount} changes waiting` });

  // A note that is carried at once is no news.
  await window.push(views.syncing);
  await vi.advanceTimersByTimeAsync(400);
  await window.push(views.idle);
  await vi.advanceTimersByTimeAsync(3000);
  expect(told).toEqual([]);

  await waiting(4);
  await vi.advanceTimersByTimeAsync(3000);
  await waiting(5);
  await vi.advanceTimersByTimeAsync(3000);
  await window.push(views.syncing);
  await vi.advanceTimersByTimeAsync(3000);
  await window.push({ ...views.syncing, headline: "Syncing 4 of 40" });
  await vi.advanceTimersByTimeAsync(3000);
  await window.push(views.attention);
  await vi.advanceTimersByTimeAsync(3000);
  await window.push({ ...views.attention, headline: "4 conflicts to review", openConflictCount: 4 });
  await vi.advanceTimersByTimeAsync(3000);
  expect(told).toEqual([
    "Connection lost · 4 changes waiting",
    "Syncing",
    "3 conflicts to review",
    "4 conflicts to review",
  ]);
});

it("says nothing again on another page", async () => {
  const window = await openWindow("idle");
  const region = window.root.querySelector(".shell > [role=status]");
  await window.press("button", "History");
  await vi.advanceTimersByTimeAsync(3000);
  expect(window.root.querySelector(".shell > [role=status]")).toBe(region);
  expect(region?.textContent).toBe("");
  expect(window.root.querySelectorAll("main [data-status] [role=status], main [data-status][role=status]")).toHaveLength(0);
});

it("counts the code down to its end, and tells that once", async () => {
  let time = now;
  const root = await start(new FakeBridge(views.awaitingBrowser), () => time);
  expect(root.textContent).toContain("good for 4:38");
  time = now + 4 * 60_000 + 37_000;
  await vi.advanceTimersByTimeAsync(1000);
  expect(root.textContent).toContain("good for 0:01");
  const status = root.querySelector("[role=status]");
  expect(status?.textContent).toBe("");
  time += 1000;
  await vi.advanceTimersByTimeAsync(1000);
  expect(root.querySelector("h1")?.textContent).toBe("This code has expired");
  expect(status?.textContent).toBe("This code has expired");
});

it("tells why there is no view yet, and tries again", async () => {
  const bridge = new FakeBridge(views.idle);
  const view = vi
    .spyOn(bridge, "view")
    .mockRejectedValueOnce({ code: "Starting", message: "Sync did not start.", hint: null, field: null });
  const root = await start(bridge);
  expect(root.querySelector("[role=alert]")?.textContent).toContain("Sync did not start.");
  root.querySelector("button")?.click();
  await settle();
  expect(view).toHaveBeenCalledTimes(2);
  expect(root.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe("overview");
});

it("does not let an older answer replace a newer view", async () => {
  const bridge = new FakeBridge(views.idle);
  let answer: (view: typeof views.idle) => void = () => {};
  vi.spyOn(bridge, "view").mockReturnValue(new Promise((resolve) => (answer = resolve)));
  const root = await start(bridge);
  bridge.push(views.syncing);
  await settle();
  answer(views.idle);
  await settle();
  expect(root.textContent).toContain("Syncing 3 of 40");
});

it("hides a preview that was read, and shows the next one", async () => {
  const window = await openWindow("preview");
  await window.press("button", "Hide");
  expect(window.text()).not.toContain("What the next run would do");
  const pairs = views.preview.pairs.map((pair) => ({
    ...pair,
    preview: pair.preview && { ...pair.preview, number: 132 },
  }));
  await window.push({ ...views.preview, pairs });
  expect(window.text()).toContain("What the next run would do");
});

it("stops following the engine when the window closes", async () => {
  const bridge = new FakeBridge(views.idle);
  const { unmount } = render(App, { props: { bridge, readTime: () => now } });
  await settle();
  expect(bridge.followers).toBe(1);
  unmount();
  expect(bridge.followers).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

it("keeps still while a pass only looks, and shows one that carries", async () => {
  const bridge = new FakeBridge(views.idle);
  const root = await start(bridge);
  const pass = (phase: string) => ({
    ...views.idle,
    pairs: views.idle.pairs.map((pair) => ({
      ...pair,
      running: { number: 9, phase, done: 0, total: 0, file: null, bytesDone: 0, bytesTotal: 0 },
    })),
  });
  bridge.push(pass("verify"));
  await settle();
  expect(root.querySelector("progress")).toBeNull();
  bridge.push(pass("bisync"));
  await settle();
  expect(root.querySelector("progress")).not.toBeNull();
});
