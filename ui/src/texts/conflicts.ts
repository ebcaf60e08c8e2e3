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
  keepMine: (amount) => `Keep mine: ${some(amount, "note", "notes")}`,
  keepTheirs: (amount) => `Keep theirs: ${some(amount, "note", "notes")}`,
  keepBoth: (amount) => `Keep both: ${some(amount, "note", "notes")}`,
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
  keys: "Keys: ↑ ↓ move, Enter opens, 1 this device's, 2 the other, 3 both, M merge, N not now, U undo, Space selects.",
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
  lookAt: "Look",
  lookThis: (path: string) => `Look at ${path}`,
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
  bulkSum: {
    keepMine: (amount: number) => `${count(amount)} as on this device`,
    keepTheirs: (amount: number) => `${count(amount)} as on the other`,
    keepBoth: (amount: number) => `${count(amount)} in both versions`,
    removed: (amount: number) => `${count(amount)} removed`,
    leave: (amount: number) => `${count(amount)} left for later`,
  },
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
  changedSince: "changed since",
  endings: {
    windows: "Windows line ends",
    plain: "plain line ends",
    mixed: "line ends of both kinds",
  },
  endingsDiffer: (here: string, there: string) => `This device has ${here}, the other version ${there}.`,
  closed: {
    mine: "Only this device's version ends with a line end.",
    theirs: "Only the other version ends with a line end.",
  },
  onlyEndings: "The words are the same in both versions.",
  more: (rows: number) => `Show ${some(rows, "more line", "more lines")}`,
  same: (lines: number) => `${some(lines, "line is", "lines are")} the same`,
  differences: "What differs",
  look: "How to show the differences",
  looks: { sides: "Side by side", column: "One column", base: "Earlier version" },
  version: "Version",
  line: "Line",
  mineShort: "here",
  frontMatter: "Front matter, key by key",
  sameKeys: (keys: number) => `${some(keys, "key is", "keys are")} the same`,
  reordered: "The keys stand in another order.",
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
  effect: {
    keepMine: (path: string, device: string | null) =>
      `The ${thing(path)} is what you have here; ${possessive(device)} goes to the history.`,
    keepRemoved: (path: string, device: string | null) =>
      `The ${thing(path)} stays removed, there too; ${possessive(device)} goes to the history.`,
    keepTheirs: (path: string, device: string | null) =>
      `The ${thing(path)} is ${possessive(device)}; what you have here goes to the history.`,
    keepRestored: (path: string, device: string | null) =>
      `The ${thing(path)} is ${possessive(device)}, and is here again.`,
    keepAlone: (path: string) => `The ${thing(path)} stays as you have it here, and comes back on the other devices.`,
    removeHere: (path: string) => `The ${thing(path)} goes to the history, as it did there.`,
    keepBoth: (path: string, device: string | null) =>
      `The ${thing(path)} is ${possessive(device)}; what you have here stays beside it as another ${thing(path)}:`,
    merge: "You see the result and change what you like before anything is saved.",
  },
  tooLong: "These notes are too long to be merged here. Keep both, and join them in your editor.",
  dialogKeys: "Keys: 1, 2, 3 decide, M merge, N not now, Esc back to the list.",
  undoable: "Each choice can be undone.",
  undoableInCloud: "What is not kept stays in the cloud as an earlier version; the history has it.",
  settledHere: "This conflict is settled.",
  settledText: "These are the versions that it was about.",
  settling: "One moment: what is being synced is finished first.",

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
  bringBack: "Bring back what you wrote",
  saveMerge: "Save this as the note",
  leaveMerge: "Back to both versions",
  goOn: "Go on with your merge…",
  after: (line: string) => `after “${line}”`,
  atBegin: "at the beginning",
  outdated: "A version changed while you were merging.",
  outdatedText: "What you made here lacks the newest change. Nothing of it is lost:",
  takeIn: "Take the newest in",
  insist: "Save mine as it is",
  insisted: "The newest change is not in it, and goes to the history.",
  lost: "This conflict was settled meanwhile.",
  lostText: "What you wrote is below, to be copied. If you undo what was settled, you can save it.",
  unreadable: "The newest versions cannot be read now.",
  unreadableText: "What you wrote stays here.",
  complete: "Everything that either side wrote is in the result.",
  missing: {
    mine: (lines: number) => `${some(lines, "line", "lines")} written here ${form(lines, "is", "are")} not in the result`,
    theirs: (lines: number) =>
      `${some(lines, "line", "lines")} written there ${form(lines, "is", "are")} not in the result`,
  },
};
