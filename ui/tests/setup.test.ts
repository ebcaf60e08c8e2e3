import { afterEach, expect, it, vi } from "vitest";

import { openWindow, settle, views } from "./window";

afterEach(() => void vi.useRealTimers());

it("gets rclone only in the way that was chosen, whose command is shown", async () => {
  const window = await openWindow("detectLacking");
  expect(window.sent()).toEqual([]);
  await window.press("button", "Install with brew install rclone");
  expect(window.sent()).toEqual([{ type: "installRcloneWith", way: "brew" }]);
});

it("tells a desktop without a tray where everything is", async () => {
  const window = await openWindow(views.detect);
  expect(window.text()).toContain("has a place for the icon");
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
    { type: "signIn", serverUrl: "http://127.0.0.1:8765", openBrowser: true },
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
