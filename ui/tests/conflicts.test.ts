import { expect, it } from "vitest";

import type { ConflictDetail } from "../src/bindings/ConflictDetail";
import type { Reply } from "../src/bindings/Reply";
import type { Request } from "../src/bindings/Request";
import { conflictDetail } from "../src/fixtures/conflicts";
import { fill, now, openWindow, type OpenWindow, settle, views } from "./window";

const seen = {
  mine: "0cc175b9c0f1b6a831c399e269772661",
  theirs: "92eb5ffee6ae2fec3ad71c777531578f",
};

async function key(window: OpenWindow, pressed: string): Promise<void> {
  const target = document.activeElement ?? window.root;
  target.dispatchEvent(new KeyboardEvent("keydown", { key: pressed, bubbles: true, cancelable: true }));
  await settle();
}

it.each([
  ["Keep this device's", "keepMine"],
  ["Keep ana-phone's", "keepTheirs"],
  ["Keep both notes", "keepBoth"],
])("settles by %s what was seen, and offers to undo", async (label, type) => {
  const window = await openWindow("conflictEdited");
  await window.press("button", label);
  expect(window.sent()).toEqual([
    { type: "resolveConflicts", choices: [{ id: "conflict_1", choice: { type }, seen }] },
  ]);
  expect(window.root.querySelector("[data-screen=conflicts]")).not.toBeNull();
  await window.press("button", "Undo");
  expect(window.sent().at(-1)).toEqual({ type: "undoResolution", undo: "undo_bulk" });
});

it("names what keeping means where one side removed the note", async () => {
  const window = await openWindow("conflictRemoved");
  await window.press("button", "Remove it here too");
  expect(window.sent()).toMatchObject([
    { choices: [{ choice: { type: "keepTheirs" }, seen: { theirs: null } }] },
  ]);
});

it("tells when a version changed meanwhile, and sends what is seen now", async () => {
  const window = await openWindow("conflictEdited");
  window.bridge.answer = (request) => {
    const conflict = conflictDetail("conflict_1", now);
    if (request.type !== "readConflict" || conflict === null) return null;
    return { type: "conflict", conflict: { ...conflict, theirs: { ...conflict.theirs, md5: "newer" } } };
  };
  await window.push({ ...views.attention });
  expect(window.text()).toContain("A version changed while you were looking.");
  await window.press("button", "Keep ana-phone's");
  expect(window.sent()).toMatchObject([{ choices: [{ seen: { theirs: "newer" } }] }]);
});

it("stays at a conflict that the engine found changed", async () => {
  const window = await openWindow("conflictEdited");
  const { answer } = window.bridge;
  window.bridge.answer = (request) =>
    request.type === "resolveConflicts"
      ? { type: "resolved", undo: "", stale: ["conflict_1"] }
      : answer(request);
  await window.press("button", "Keep this device's");
  expect(window.root.querySelector("[data-screen=conflict]")).not.toBeNull();
  expect(window.text()).toContain("1 note has changed since you looked and was left as it is");
});

it("saves a merge once each place is chosen, and shows it before", async () => {
  const window = await openWindow("conflictMerge");
  const save = window.find("button", "Save this as the note") as HTMLButtonElement;
  const result = window.find("textbox", "Result") as HTMLTextAreaElement;
  expect(save.disabled).toBe(true);
  expect(result.value).toContain("- caraway, if you like it");

  const radios = [...window.root.querySelectorAll<HTMLInputElement>("input[type=radio]")];
  radios.find((radio) => radio.name === "place-0" && radio.value === "theirs")?.click();
  radios.find((radio) => radio.name === "place-1" && radio.value === "both")?.click();
  await settle();
  expect(result.value).toContain("- 560 g water, lukewarm\n- 14 g salt\n- caraway");
  expect(result.value).toContain("Bake for 50 minutes at 230 °C, falling.\nScore the loaves crosswise.\nBake for an hour");
  await window.press("button", "Save this as the note");
  expect(window.sent()).toEqual([
    {
      type: "resolveConflicts",
      choices: [{ id: "conflict_1", choice: { type: "merged", text: result.value }, seen }],
    },
  ]);
});

it("saves the text that was written by hand, and can go back to the choices", async () => {
  const window = await openWindow("conflictMerge");
  const result = window.find("textbox", "Result") as HTMLTextAreaElement;
  await fill(result, "# Rye\n");
  expect((window.find("button", "Save this as the note") as HTMLButtonElement).disabled).toBe(false);
  await window.press("button", "Back to the choices");
  expect(result.value).toContain("# Rye, second attempt");
  await fill(result, "# Rye\n");
  await window.press("button", "Save this as the note");
  expect(window.sent()).toMatchObject([{ choices: [{ choice: { type: "merged", text: "# Rye\n" } }] }]);
});

it("asks in each place where no earlier version is known", async () => {
  const window = await openWindow("conflictTwice");
  await window.press("button", "Merge…");
  expect(window.text()).toContain("No earlier common version is known");
  expect((window.find("button", "Save this as the note") as HTMLButtonElement).disabled).toBe(true);
});

/** The open conflict with another version on the other side. */
function changed(changes: Partial<ConflictDetail> = {}) {
  return (request: Request): Reply | null => {
    const conflict = conflictDetail("conflict_1", now);
    if (request.type !== "readConflict" || conflict === null) return null;
    const theirs = { ...conflict.theirs, md5: "newer" };
    return { type: "conflict", conflict: { ...conflict, theirs, ...changes } };
  };
}

const result = (window: OpenWindow) => window.find("textbox", "Result") as HTMLTextAreaElement;
const canSave = (window: OpenWindow) => !(window.find("button", "Save this as the note") as HTMLButtonElement).disabled;

it("never saves a merge over a version that it was not made of", async () => {
  const window = await openWindow("conflictMerge");
  await fill(result(window), "# By hand\n");
  window.bridge.answer = changed();
  await window.push({ ...views.attention });
  expect(window.text()).toContain("A version changed while you were merging.");
  expect(result(window).value).toBe("# By hand\n");
  expect(canSave(window)).toBe(false);

  await window.press("button", "Save mine as it is");
  expect(canSave(window)).toBe(true);
  await window.press("button", "Save this as the note");
  expect(window.sent()).toMatchObject([
    { choices: [{ choice: { type: "merged", text: "# By hand\n" }, seen: { theirs: "newer" } }] },
  ]);
});

it("takes newer versions into a merge, with what was chosen and written before", async () => {
  const window = await openWindow("conflictMerge");
  const radios = () => [...window.root.querySelectorAll<HTMLInputElement>("input[type=radio]")];
  radios().find((radio) => radio.name === "place-0" && radio.value === "mine")?.click();
  await settle();
  await fill(result(window), "# By hand\n");
  const merge = conflictDetail("conflict_1", now)?.merge ?? null;
  const chunks = merge?.chunks.map((chunk, at) => (at === 4 && chunk.type === "overlap" ? { ...chunk, theirs: "Newer.\n" } : chunk));
  window.bridge.answer = changed({ merge: { clean: false, chunks: chunks ?? [] } });
  await window.push({ ...views.attention });
  await window.press("button", "Take the newest in");
  expect(result(window).value).toContain("- 620 g water");
  expect(window.text()).toContain("1 place left to choose.");
  await window.press("button", "Bring back what you wrote");
  expect(result(window).value).toBe("# By hand\n");
});

it("keeps a merge through failing reads, and when somebody goes elsewhere meanwhile", async () => {
  const window = await openWindow("conflictMerge");
  const { answer } = window.bridge;
  await fill(result(window), "# By hand\n");
  window.bridge.answer = (request) => {
    if (request.type === "readConflict") throw { code: "offline", message: "No connection", hint: null, field: null };
    return answer(request);
  };
  await window.push({ ...views.attention });
  expect(window.text()).toContain("No connection.");
  expect(result(window).value).toBe("# By hand\n");

  window.bridge.answer = answer;
  await key(window, "Escape");
  await window.press("button", "Overview");
  window.bridge.showPlace("conflicts/conflict_1");
  await settle();
  await window.press("button", "Go on with your merge…");
  expect(result(window).value).toBe("# By hand\n");
});

it("keeps what was written for a conflict that was settled elsewhere", async () => {
  const window = await openWindow("conflictMerge");
  await fill(result(window), "# By hand\n");
  window.bridge.answer = changed({ state: "resolved", undo: "undo_9" });
  await window.push({ ...views.attention });
  expect(result(window).value).toBe("# By hand\n");
  expect(canSave(window)).toBe(false);
  await window.press("button", "Undo");
  expect(window.sent()).toEqual([{ type: "undoResolution", undo: "undo_9" }]);
});

it("shows what was settled, with its undo and nothing to decide", async () => {
  const window = await openWindow("conflictEdited");
  window.bridge.answer = changed({ state: "resolved", undo: "undo_9" });
  await window.push({ ...views.attention });
  expect(window.root.querySelector("[aria-keyshortcuts]")).toBeNull();
  await key(window, "1");
  expect(window.sent()).toEqual([]);
  await window.press("button", "Undo");
  expect(window.sent()).toEqual([{ type: "undoResolution", undo: "undo_9" }]);
});

it("stays open when the newest view leaves it out", async () => {
  const window = await openWindow("conflictMerge");
  await fill(result(window), "# By hand\n");
  await window.push({ ...views.attention, conflicts: [] });
  expect(result(window).value).toBe("# By hand\n");
});

it("decides once, however often a key is pressed", async () => {
  const window = await openWindow("conflictEdited");
  const target = document.activeElement ?? window.root;
  for (const pressed of ["1", "1", "2"]) {
    target.dispatchEvent(new KeyboardEvent("keydown", { key: pressed, bubbles: true, cancelable: true }));
  }
  await settle();
  expect(window.sent()).toHaveLength(1);
});

it("keeps the line ends of a note that is merged by hand", async () => {
  const window = await openWindow("conflictEdited");
  const chunks = [{ type: "agreed" as const, text: "a\r\nb\r\n", from: "both" as const }];
  window.bridge.answer = changed({ merge: { clean: true, chunks } });
  await window.push({ ...views.attention });
  await key(window, "m");
  await fill(result(window), "a\nb\nc\n");
  await window.press("button", "Save this as the note");
  expect(window.sent()).toMatchObject([{ choices: [{ choice: { text: "a\r\nb\r\nc\r\n" } }] }]);
});

it("tells what a merge leaves out of what either side wrote", async () => {
  const window = await openWindow("conflictMergeClean");
  expect(window.text()).toContain("Everything that either side wrote is in the result.");
  await fill(result(window), result(window).value.replace("due: 2026-04-01\n", ""));
  expect(window.text()).toContain("1 line written there is not in the result");
});

it("takes keys while the view of the differences has the focus", async () => {
  const window = await openWindow("conflictEdited");
  window.find("radio", "One column").focus();
  await key(window, "1");
  expect(window.sent()).toMatchObject([{ choices: [{ choice: { type: "keepMine" } }] }]);
});

it("says so where only the ends of lines differ", async () => {
  const window = await openWindow("conflictEdited");
  const detail = conflictDetail("conflict_1", now);
  if (!detail) throw new Error("the fixture has no such conflict");
  const diff = detail.diff.filter(({ kind }) => kind === "same");
  const mine = { ...detail.mine, text: "a\r\nb\r\n", md5: "other" };
  window.bridge.answer = changed({ diff, mine, theirs: { ...detail.theirs, text: "a\nb\n" } });
  await window.push({ ...views.attention });
  expect(window.text()).toContain("The words are the same in both versions.");
});

it("shows a long difference piece by piece", async () => {
  const window = await openWindow("conflictEdited");
  const diff = Array.from({ length: 5000 }, (_, at) => ({
    kind: "mine" as const,
    mineLine: at + 1,
    theirsLine: null,
    beside: null,
    text: `line ${at}`,
    marks: [],
  }));
  window.bridge.answer = changed({ diff });
  await window.push({ ...views.attention });
  const rows = () => window.root.querySelectorAll("tbody tr").length;
  expect(rows()).toBe(1000);
  await window.press("button", "Show 1,000 more lines");
  expect(rows()).toBe(2000);
});

it("offers no merge of notes that a field cannot hold, and says what to do", async () => {
  const window = await openWindow("conflictEdited");
  const detail = conflictDetail("conflict_1", now);
  if (!detail) throw new Error("the fixture has no such conflict");
  window.bridge.answer = changed({ mine: { ...detail.mine, size: 300_000 } });
  await window.push({ ...views.attention });
  expect(window.text()).toContain("too long to be merged here");
  await key(window, "m");
  expect(window.text()).not.toContain("Merge both versions");
});

it("counts what each choice does to many, and names a removal", async () => {
  const window = await openWindow("conflicts");
  await window.press("checkbox", "Select all");
  await window.press("button", "Keep theirs");
  expect(window.root.querySelector("[data-sum]")?.textContent).toBe("1 as on the other · 1 removed");
  const choice = window.find("combobox", "For Journal/2026-03-13.md") as HTMLSelectElement;
  expect(choice.selectedOptions[0]?.textContent).toBe("Remove it here too");
});

it("goes on at the next row when one was settled or put off", async () => {
  const window = await openWindow("conflicts");
  const without = (id: string) => ({
    ...views.attention,
    conflicts: views.attention.conflicts.filter((conflict) => conflict.id !== id),
  });
  await key(window, "ArrowDown");
  await key(window, "n");
  await window.push(without("conflict_1"));
  await settle();
  expect(document.activeElement?.textContent).toContain("2026-03-13.md");
});

it("offers no undo for a conflict of a drive, which is decided in the cloud", async () => {
  const [mount] = views.mounts.mounts;
  if (!mount) throw new Error("the fixture has no drive");
  const conflicts = views.attention.conflicts.map((conflict) => ({ ...conflict, pair: mount.id }));
  const window = await openWindow({ ...views.attention, mounts: [mount], conflicts });
  const detail = conflictDetail("conflict_1", now);
  window.bridge.answer = (request) => {
    if (request.type === "readConflict" && detail) return { type: "conflict", conflict: detail };
    return request.type === "resolveConflicts" ? { type: "resolved", undo: "undo_1", stale: [] } : null;
  };
  window.bridge.showPlace("conflicts/conflict_1");
  await settle();
  expect(window.text()).toContain("What is not kept stays in the cloud as an earlier version");
  await window.press("button", "Keep this device's");
  expect(window.text()).toContain("1 conflict settled.");
  expect([...window.root.querySelectorAll(".note button")].map((one) => one.textContent)).toEqual(["Dismiss"]);
});

it("settles many at once, with exceptions, one request and one undo", async () => {
  const window = await openWindow("conflicts");
  await window.press("checkbox", "Select all");
  await window.press("button", "Keep mine");
  const exception = window.find("combobox", "For Journal/2026-03-13.md") as HTMLSelectElement;
  exception.value = "leave";
  exception.dispatchEvent(new Event("change", { bubbles: true }));
  await settle();
  await window.press("button", "Settle 1 conflict");
  expect(window.sent()).toEqual([
    {
      type: "resolveConflicts",
      choices: [{ id: "conflict_1", choice: { type: "keepMine" }, seen }],
    },
  ]);
  expect(window.text()).toContain("1 conflict settled.");
});

it("undoes a settled conflict from the list", async () => {
  const window = await openWindow("conflicts");
  await window.press("button", "Undo for Projects/Garden/Plan.md");
  expect(window.sent()).toEqual([{ type: "undoResolution", undo: "undo_3" }]);
});

it("is worked by the keyboard alone", async () => {
  const window = await openWindow("conflicts");
  await key(window, "ArrowDown");
  expect(document.activeElement?.textContent).toContain("Rye, second attempt.md");
  await key(window, "ArrowDown");
  expect(document.activeElement?.textContent).toContain("2026-03-13.md");
  await key(window, " ");
  expect(window.text()).toContain("1 selected");
  await key(window, "3");
  expect(window.sent()).toEqual([]);
  await key(window, "1");
  await key(window, "u");
  await key(window, "ArrowUp");
  await key(window, "n");
  expect(window.sent().map(({ type }) => type)).toEqual([
    "resolveConflicts",
    "undoResolution",
    "dismissConflict",
  ]);
});

it("closes merge and conflict by Escape, one after the other", async () => {
  const window = await openWindow("conflictEdited");
  await key(window, "m");
  expect(window.text()).toContain("Merge both versions");
  await key(window, "Escape");
  expect(window.root.querySelector("[data-screen=conflict]")).not.toBeNull();
  await key(window, "Escape");
  expect(window.root.querySelector("[data-screen=conflicts]")).not.toBeNull();
  expect(window.sent()).toEqual([]);
});

it("takes no key that is typed into the merge", async () => {
  const window = await openWindow("conflictMerge");
  window.find("textbox", "Result").focus();
  await key(window, "1");
  await key(window, "n");
  expect(window.sent()).toEqual([]);
});

it("opens where something outside the window points", async () => {
  const window = await openWindow("attention");
  window.bridge.showPlace("conflicts/conflict_1");
  await settle();
  expect(window.root.querySelector("h1")?.textContent).toContain("Rye, second attempt.md");
});

it("shows all of many, and settles all of them at once", async () => {
  const [first] = views.attention.conflicts;
  if (!first) throw new Error("the fixture has no conflict");
  let all = Array.from({ length: 8 }, (_, index) => ({ ...first, id: `c${index}`, path: `Note ${index}.md` }));
  const held = () => ({ ...views.attention, conflicts: all.slice(0, 3), openConflictCount: all.length });
  const window = await openWindow(held());
  window.bridge.answer = (request) => {
    if (request.type === "listConflicts") return { type: "conflicts", conflicts: all };
    if (request.type !== "resolveConflicts") return null;
    const ids = new Set(request.choices.map(({ id }) => id));
    all = all.filter(({ id }) => !ids.has(id));
    return { type: "resolved", undo: "undo_bulk", stale: [] };
  };
  window.bridge.showPlace("conflicts");
  await settle();
  expect(window.text()).toContain("and 5 more");

  await window.press("button", "Show all 8");
  const rows = () => window.root.querySelectorAll("[data-conflict]").length;
  expect(rows()).toBe(8);
  expect(document.activeElement?.textContent).toContain("Note 3.md");
  expect(window.text()).not.toContain("and 5 more");

  // What another front end settled goes, though no view ever held it.
  all = all.slice(0, 6);
  await window.push(held());
  expect(rows()).toBe(6);

  window.root.querySelector<HTMLInputElement>(".bar input")?.click();
  await settle();
  await window.press("button", "Keep both");
  await window.press("button", /^Settle 6/);
  const last = window.sent().at(-1);
  expect(last?.type === "resolveConflicts" && last.choices.length).toBe(6);
  await window.push(held());
  expect(rows()).toBe(0);
});

it("opens a conflict that only the whole list has", async () => {
  const [first] = views.attention.conflicts;
  if (!first) throw new Error("the fixture has no conflict");
  const rest = { ...first, id: "rest", path: "Far down.md" };
  const window = await openWindow({ ...views.attention, openConflictCount: 4 });
  const detail = conflictDetail("conflict_1", now);
  window.bridge.answer = (request) => {
    if (request.type === "listConflicts") return { type: "conflicts", conflicts: [...views.attention.conflicts, rest] };
    return request.type === "readConflict" && detail ? { type: "conflict", conflict: detail } : null;
  };
  window.bridge.showPlace("conflicts");
  await settle();
  await window.press("button", "Show all 4");
  await window.press("button", "Review Far down.md");
  expect(window.root.querySelector("h1")?.textContent).toContain("Far down.md");
});

it("puts a conflict back on the list that was put off", async () => {
  const window = await openWindow("conflicts");
  await window.press("button", "Back to the list: Inbox/Ideas.md");
  expect(window.sent()).toEqual([{ type: "recallConflict", id: "conflict_4" }]);
});

it("compares front matter by key beside each other, and line by line in one column", async () => {
  const window = await openWindow("conflictClean");
  const rows = () =>
    [...window.root.querySelectorAll("table.sides tbody tr")].map((row) =>
      [...row.querySelectorAll("td:not(.number)")].map((cell) => cell.textContent?.trim()).join(" | "),
    );
  expect(rows()).toEqual([
    "Front matter, key by key",
    "status: planted | status: planned",
    " | due: 2026-04-01",
    "2 keys are the same",
    " | ",
    "# Plan | # Plan",
    " | ",
    "Beans along the fence. | Beans along the fence.",
    " | Peas behind them, from April.",
  ]);
  await window.press("radio", "One column");
  expect(window.root.querySelectorAll("table.column tbody tr")).toHaveLength(12);
});

it("says so where the order of the keys is all that differs", async () => {
  const window = await openWindow("conflictClean");
  const detail = conflictDetail("conflict_clean", now);
  if (!detail?.frontMatter) throw new Error("the fixture has no front matter");
  const frontMatter = { ...detail.frontMatter, keys: [], same: 3, reordered: true };
  window.bridge.answer = (request) =>
    request.type === "readConflict" ? { type: "conflict", conflict: { ...detail, frontMatter } } : null;
  await window.push(structuredClone(views.conflictClean));
  expect(window.text()).toContain("The keys stand in another order.");
  expect(window.text()).not.toContain("status: planted");
});
