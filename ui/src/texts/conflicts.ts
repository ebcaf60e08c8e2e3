import type { Simple } from "../conflict/choices";
import type { ConflictKind } from "../bindings/ConflictKind";
import { count } from "../format";
import { form, some } from "./words";

/** What a path names: notes are Markdown, all else are files. */
type Thing = "note" | "file";
const thing = (path: string): Thing => (/\.(md|markdown)$/i.test(path) ? "note" : "file");

const kind: Record<ConflictKind, (thing: Thing) => string> = {
  bothEdited: (it) => `This ${it} was changed here and on another device.`,
  editedHereRemovedThere: (it) => `You changed this ${it}; on another device it was removed.`,
  removedHereEditedThere: (it) => `You removed this ${it}; on another device it was changed.`,
  createdTwice: (it) => `Two different ${it}s were created under this name.`,
};

const simple: Record<Simple, string> = {
  keepMine: "Keep mine",
  keepTheirs: "Keep theirs",
  keepBoth: "Keep both",
};

const bulkTitle: Record<Simple, (amount: number) => string> = {
  keepMine: (amount) => `Keep this device's version of ${some(amount, "note", "notes")}`,
  keepTheirs: (amount) => `Keep the other version of ${some(amount, "note", "notes")}`,
  keepBoth: (amount) => `Keep both versions of ${some(amount, "note", "notes")}`,
};

const possessive = (device: string | null) => (device === null ? "the other device's" : `${device}'s`);

export const conflict = {
  kind: (of: ConflictKind, path: string) => kind[of](thing(path)),
  simple,
  bulkTitle,
  inbox: "Each of these notes has two versions. Nothing is lost: both stay until you decide.",
  waiting: (amount: number) => `${some(amount, "conflict", "conflicts")} to review`,
  reviewAll: "Review conflicts",
  none: "No conflicts to review",
  noneText: "When a note changes in two places at once, both versions wait for you here.",
  keys: "Keys: ↑ ↓ move, Enter opens, 1 mine, 2 theirs, 3 both, M merge, N not now, U undo, Space selects.",
  showAll: (amount: number) => `Show all ${count(amount)}`,
  settled: "Settled",
  putOff: "Put off until the next start",
  mergedItself: "Merged by itself, both versions are in the history",
  here: "This device",
  otherDevice: "Other device",
  removed: "removed",
  removedHere: (path: string) => `The ${thing(path)} was removed.`,
  review: "Review",
  reviewThis: (path: string) => `Review ${path}`,
  notNow: "Not now",
  notNowThis: (path: string) => `Not now: ${path}`,
  recall: "Back to the list",
  recallThis: (path: string) => `Back to the list: ${path}`,
  undoThis: (path: string) => `Undo for ${path}`,
  select: (path: string) => `Select ${path}`,
  selectAll: "Select all",
  selected: (amount: number) => `${count(amount)} selected`,
  bulk: "Selected conflicts",
  bulkText: "The versions that are not kept go to the history. One undo brings all of it back.",
  forThis: (path: string) => `For ${path}`,
  leave: "Leave for later",
  apply: (amount: number) => `Settle ${some(amount, "conflict", "conflicts")}`,
  resolved: (amount: number) => `${some(amount, "conflict", "conflicts")} settled.`,
  stale: (amount: number) =>
    `${some(amount, "note has", "notes have")} changed since you looked and ${form(amount, "was left as it is", "were left as they are")}:`,

  back: "All conflicts",
  gone: "This conflict was settled elsewhere.",
  goneText: "The list shows what is left.",
  reading: "Reading both versions",
  changed: "A version changed while you were looking.",
  changedText: "What you see now is the newest.",
  differences: "What differs",
  look: "How to show the differences",
  looks: { sides: "Side by side", column: "One column", base: "Earlier version" },
  version: "Version",
  line: "Line",
  mineShort: "this device",
  frontMatter: "Front matter, key by key",
  sameKeys: (keys: number) => `${some(keys, "key is", "keys are")} the same`,
  reordered: "The keys stand in another order.",
  same: (lines: number) => `${some(lines, "line is", "lines are")} the same`,
  noText: "These files cannot be shown as text, or are too large. Look at them in the folder.",
  copy: "The other version is beside it:",
  openFolder: "Open folder",
  decide: "Decide",
  keepMine: "Keep this device's",
  keepRemoved: "Keep it removed",
  keepTheirs: (device: string | null) => `Keep ${possessive(device)}`,
  removeHere: "Remove it here too",
  keepBoth: (path: string) => `Keep both ${thing(path)}s`,
  merge: "Merge…",
  safe: "What is not kept goes to the history, and you can undo your choice.",

  mergeTitle: "Merge both versions",
  mergeClean: "The changes do not touch each other. Read the result, change what you like, then save it.",
  mergeOverlaps: (amount: number) =>
    `Everything that fits together is filled in. ${some(amount, "place", "places")} changed on both sides: choose there.`,
  mergeWithoutBase: (amount: number) =>
    `No earlier common version is known, so each difference is yours to choose: ${some(amount, "place", "places")}.`,
  place: (at: number, all: number) => `Place ${count(at)} of ${count(all)}`,
  bothLines: "Both, one after the other",
  nothingHere: "(nothing here)",
  result: "Result",
  toChoose: (amount: number) => `${some(amount, "place", "places")} left to choose.`,
  mergeReady: "This is what will be saved.",
  byHand: "You changed the text by hand; it is saved as it stands here.",
  startOver: "Back to the choices",
  saveMerge: "Save this as the note",
};
