import { render } from "@testing-library/svelte";
import { tick } from "svelte";

import App from "../src/App.svelte";
import type { Request } from "../src/bindings/Request";
import type { View } from "../src/bindings/View";
import { FakeBridge, trayOf } from "../src/fake";
import { type FixtureName, fixturePlaces, fixtures } from "../src/fixtures";
import { answersOf } from "../src/fixtures/answers";
import { fixtureActs } from "../src/fixtures/pages";

export const now = new Date(2026, 2, 14, 12, 20, 0).getTime();
export const views = fixtures(now);

export interface OpenWindow {
  bridge: FakeBridge;
  root: HTMLElement;
  /** Shows another view, as the engine would. */
  push(view: View): Promise<void>;
  /** The control or region with this role and name. */
  find(role: string, name: string | RegExp): HTMLElement;
  press(role: string, name: string | RegExp): Promise<void>;
  text(): string;
  /** What was asked for, without what pages read by themselves. */
  sent(): Request[];
}

const reads = new Set<Request["type"]>([
  "readConflict",
  "listConflicts",
  "listHistory",
  "listCredentials",
  "diagnose",
  "checkFilters",
  "previewSetUp",
  "previewMount",
  "listInstallWays",
  "findNotes",
  "testRclone",
]);

export async function openWindow(start: FixtureName | View): Promise<OpenWindow> {
  const bridge = new FakeBridge(typeof start === "string" ? views[start] : start);
  if (typeof start === "string") {
    bridge.offeredPlace = fixturePlaces[start] ?? null;
    bridge.answer = answersOf(start, now);
    bridge.tray = trayOf(start);
    bridge.offeredFolder = "/home/ana/Notes";
  }
  const screen = render(App, { props: { bridge, readTime: () => now } });
  await screen.findByRole("main");
  await settle();
  const window: OpenWindow = {
    bridge,
    root: screen.container,
    push: async (view) => {
      bridge.push(view);
      await settle();
    },
    find: (role, name) => screen.getByRole(role, { name }),
    press: async (role, name) => {
      window.find(role, name).click();
      await settle();
    },
    text: () => (screen.container.textContent ?? "").replace(/\s+/g, " ").trim(),
    sent: () => bridge.sent.filter((request) => !reads.has(request.type)),
  };
  for (const act of (typeof start === "string" && fixtureActs[start]) || []) {
    if ("press" in act) await window.press(...act.press);
    else if ("open" in act) screen.getByText(act.open).click();
    else await fill(screen.getByLabelText(act.fill[0]), act.fill[1]);
  }
  return window;
}

/** Writes into a field, and waits until what hangs on it has settled. */
export async function fill(field: HTMLElement, text: string): Promise<void> {
  if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) {
    throw new Error("this is no field");
  }
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
}

/** Lets the promises of the bridge and the DOM that follows them finish. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) {
    await Promise.resolve();
  }
  await tick();
  await tick();
}
