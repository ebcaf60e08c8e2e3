import { expect, it, vi } from "vitest";

import { fill, now, openWindow, settle, views } from "./window";

it("goes from page to page, and tells which one is open", async () => {
  const window = await openWindow("idle");
  for (const [name, screen] of [
    ["History", "history"],
    ["Settings", "settings"],
    ["Overview", "overview"],
  ] as const) {
    await window.press("button", name);
    expect(window.root.querySelector("[data-screen]")?.getAttribute("data-screen")).toBe(screen);
    expect(window.find("button", name).getAttribute("aria-current")).toBe("page");
  }
});

it("reviews conflicts from the overview, with the focus on the new page", async () => {
  const window = await openWindow("attention");
  window.find("button", "Review conflicts").focus();
  await window.press("button", "Review conflicts");
  expect(document.activeElement).toBe(window.find("heading", "Conflicts"));
});

it("checks rules while they are typed, and saves them only without a fault", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const window = await openWindow("folders");
    const [field] = window.root.querySelectorAll("textarea");
    if (!field) throw new Error("no field for rules");
    await fill(field, "- *.tmp\n-Archive");
    await vi.advanceTimersByTimeAsync(300);
    await settle();
    expect(window.text()).toContain("Line 2: -Archive: a space must follow the - or +");
    await window.press("button", "Save rules");
    expect(window.find("button", "Save rules").getAttribute("aria-disabled")).toBe("true");
    expect(window.sent()).toEqual([]);

    await fill(field, "- *.tmp\n- Archive/**\n");
    await vi.advanceTimersByTimeAsync(300);
    await settle();
    expect(window.text()).toContain("1,192 files are in sync and 12 are left out");
    expect(window.text()).toContain("2 files no longer in sync");
    await window.press("button", "Save rules");
    expect(window.sent()).toEqual([
      { type: "setFilters", pair: "pair_0198a6c2", lines: ["- *.tmp", "- Archive/**"] },
    ]);
  } finally {
    vi.useRealTimers();
  }
});

it("leaves a person alone at once, without saving what is half edited", async () => {
  const window = await openWindow("settingsChanged");
  await window.press("button", "1 hour");
  const { settings } = views.idle;
  const snoozedUntilMs = now + 60 * 60_000;
  expect(window.sent()).toEqual([{ type: "changeSettings", settings: { ...settings, snoozedUntilMs } }]);

  await window.push({ ...views.idle, settings: { ...settings, snoozedUntilMs } });
  expect(window.text()).toContain("No notifications until 13:20.");
  expect(window.text()).toContain("Not saved yet");
  await window.press("button", "Save");
  expect(window.sent()[1]).toEqual({
    type: "changeSettings",
    settings: { ...settings, limits: { ...settings.limits, uploadKibS: 256 }, snoozedUntilMs },
  });
  await window.press("button", "Tell me again");
  expect(window.sent()[2]).toEqual({ type: "changeSettings", settings: { ...settings, snoozedUntilMs: null } });
});

it("tells what a folder's profile means, and compares everything anew when asked", async () => {
  const window = await openWindow("foldersChecked");
  const summaries = [...window.root.querySelectorAll("summary")];
  summaries.find((one) => one.textContent === "Advanced")?.click();
  await settle();
  expect(window.text()).toContain("More than 25 % at once wait for you");
  await window.press("button", "Compare everything anew");
  expect(window.sent()).toEqual([{ type: "syncNow", pair: "pair_0198a6c2", run: "resync" }]);
});

it("compares both sides when asked", async () => {
  const window = await openWindow("foldersChecked");
  await window.press("button", "Compare both sides");
  expect(window.sent()).toEqual([{ type: "syncNow", pair: "pair_0198a6c2", run: "check" }]);
});

it("restores a version, and takes the restore back", async () => {
  const window = await openWindow("history");
  await window.press("button", "Restore this version of Inbox/untitled 3.md");
  await window.press("button", "Undo");
  expect(window.sent()).toEqual([
    { type: "restoreVersion", id: "version_4" },
    { type: "restoreVersion", id: "version_undo" },
  ]);
});

it("undoes the last sync only after a second question", async () => {
  const window = await openWindow("history");
  await window.press("button", "Undo this sync…");
  await window.press("button", "Cancel");
  expect(window.sent()).toEqual([]);
  await window.press("button", "Undo this sync…");
  await window.press("button", "Undo this sync");
  expect(window.sent()).toEqual([{ type: "undoLastSync", pair: "pair_0198a6c2" }]);
});

it("finds the versions of one note", async () => {
  const window = await openWindow("history");
  await fill(window.find("searchbox", "Note to look for"), "Nowhere.md");
  await window.press("button", "Find");
  expect(window.text()).toContain("No older version of “Nowhere.md”");
});

it("saves changed settings, and keeps a draft while views arrive", async () => {
  const window = await openWindow("settings");
  const upload = window.find("spinbutton", "Upload limit (KB/s)") as HTMLInputElement;
  await fill(upload, "512");
  await window.push({ ...views.settings });
  expect(upload.value).toBe("512");
  await window.press("button", "Save");
  expect(window.sent()).toMatchObject([
    { type: "changeSettings", settings: { limits: { uploadKibS: 512, downloadKibS: null } } },
  ]);
});

it("takes over settings that were changed elsewhere", async () => {
  const window = await openWindow("settings");
  await window.push(views.settingsFilled);
  const upload = window.find("spinbutton", "Upload limit (KB/s)") as HTMLInputElement;
  expect(upload.value).toBe("512");
  expect(window.find("button", "Save").getAttribute("aria-disabled")).toBe("true");
});

it("starts at login when asked", async () => {
  const window = await openWindow("settings");
  await window.press("switch", "Start when I log in");
  expect(window.bridge.atLogin).toBe(true);
});

it("asks before it unmounts what still holds files", async () => {
  const window = await openWindow("mountsUnmount");
  expect(window.sent()).toEqual([]);
  expect(document.activeElement).toBe(window.find("button", "Wait"));
  await window.press("button", "Unmount anyway");
  expect(window.sent()).toEqual([{ type: "unmount", id: "mount_1" }]);
});

it("unmounts at once what holds nothing", async () => {
  const window = await openWindow("mounts");
  [...window.root.querySelectorAll<HTMLElement>("[data-state=mounted] button")]
    .find((button) => button.textContent?.trim() === "Unmount")
    ?.click();
  await settle();
  expect(window.sent()).toEqual([{ type: "unmount", id: "mount_1" }]);
});

it("revokes the keys of another device after a second question", async () => {
  const window = await openWindow("account");
  await window.press("button", "Revoke the keys of ana-phone");
  expect(window.text()).toContain("ana-phone loses access at once.");
  await window.press("button", "Revoke");
  expect(window.sent()).toEqual([{ type: "revokeCredential", id: "key_2" }]);
});

it("repairs what a program can mend, and looks again", async () => {
  const window = await openWindow("diagnosticsTrouble");
  await window.press("button", /^Repair: Others on this computer/);
  expect(window.sent()).toEqual([{ type: "repair", code: "config_permissions" }]);
});

it("saves a report where the person wants it", async () => {
  const window = await openWindow("diagnostics");
  window.bridge.picked = "/home/ana";
  await window.press("button", "Save report…");
  expect(window.sent()).toMatchObject([{ type: "exportDiagnostics" }]);
  expect(window.text()).toContain("The report is in /home/ana/");
});

it("forgets an rclone of the person's own, and keeps the focus where it was shown", async () => {
  const window = await openWindow("diagnosticsOwnRclone");
  const forget = window.find("button", "Forget this choice");
  forget.focus();
  await window.press("button", "Forget this choice");
  expect(window.sent()).toEqual([{ type: "useRclone", path: null }]);
  await window.push(views.diagnostics);
  expect(window.text()).not.toContain("You chose the rclone");
  expect(document.activeElement).toBe(window.find("heading", "This device"));
});

it("says where another rclone is used than the one that was chosen, and why it cannot be forgotten", async () => {
  const chosenRclone = "/opt/rclone/rclone";
  const window = await openWindow({ ...views.idle, chosenRclone });
  await window.press("button", "Diagnostics");
  expect(window.text()).toContain("You chose the rclone at /opt/rclone/rclone. Another one is used now.");
  const message = "This program was started with /usr/bin/rclone";
  window.bridge.refusal = { code: "rclone_named", message, hint: "Start it without that.", field: "rclone" };
  await window.press("button", "Forget this choice");
  const alert = window.root.querySelector("[role=alert]");
  expect(alert?.textContent).toContain("This program was started with /usr/bin/rclone.");
});

it("explains why a note is not synced", async () => {
  const window = await openWindow("diagnostics");
  await fill(window.find("textbox", "Path of the file"), " draft.tmp ");
  await window.press("button", "Explain");
  expect(window.sent()).toEqual([{ type: "explain", path: "draft.tmp" }]);
  expect(window.text()).toContain("Left out by a rule. The filter - *.tmp leaves it out.");
});

it("lists what is only good to know among the problems, and calls nobody for it", async () => {
  const remark = {
    pair: "pair_0198a6c2",
    path: "Ideas/why?.md",
    code: "name_not_everywhere",
    message: "Windows cannot hold this name; rename it if you use Windows too",
  };
  const window = await openWindow({ ...views.idle, problems: [remark], problemCount: 0 });
  expect(window.text()).not.toContain("why?.md");
  await window.press("button", "Diagnostics");
  expect(window.find("heading", "Problems")).toBeTruthy();
  expect(window.text()).toContain("Windows cannot hold this name");
  expect(window.root.querySelector("#problems ~ .badge")).toBeNull();
});

it.each([
  ["the first drive", "mountsNone", "/home/ana/Basic Memory"],
  ["no other", "mounts", ""],
] as const)("offers a place for %s", async (_, page, place) => {
  const { root } = await openWindow(page);
  expect(root.querySelector<HTMLInputElement>("#mount-folder")?.value).toBe(place);
});
