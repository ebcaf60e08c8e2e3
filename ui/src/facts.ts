import type { Finding } from "./bindings/Finding";
import type { RcloneView } from "./bindings/RcloneView";
import type { View } from "./bindings/View";
import type { NotesFolder } from "./bindings/NotesFolder";
import type { EngineRuns, TrayHost } from "./bridge";
import { sentence } from "./format";
import { never } from "./never";
import { texts } from "./texts";

/** Something that this computer has, lacks, or has in another form. */
export interface Fact {
  state: "found" | "note" | "missing";
  name: string;
  words: string;
  hint: string | null;
}

/** What the view and the desktop say better than the findings of the same matters. */
const told = [
  "rclone",
  "signed_out",
  "server",
  "secrets",
  "secrets_in_file",
  "keyring_locked",
  "drives",
  "no_fuse",
];

const login: Fact = {
  state: "found",
  name: texts.detect.login,
  words: texts.detect.loginFound,
  hint: null,
};

/** What this computer was found to have. */
export interface Found {
  findings: Finding[];
  tray: TrayHost;
  atLogin: boolean | null;
  /** Null until they were looked for. */
  notes: NotesFolder[] | null;
  runs: EngineRuns;
}

/** What the first page of the set-up shows; findings that are fine are left to the details. */
export function factsOf(view: View, { findings, tray, atLogin, notes, runs }: Found): Fact[] {
  const worth = findings.filter(({ code, level }) => level !== "ok" && !told.includes(code));
  return [
    ...(notes === null ? [] : [notesFact(notes)]),
    rclone(view.rclone),
    keys(view),
    drives(view),
    ...trayFact(tray),
    ...(atLogin === true ? [login] : []),
    ...service(runs),
    ...worth.map(({ level, message, hint }): Fact => {
      const state = level === "error" ? "missing" : "note";
      return { state, name: sentence(message), words: "", hint };
    }),
  ];
}

function rclone(view: RcloneView): Fact {
  const name = "rclone";
  switch (view.type) {
    case "unknown":
      return { state: "note", name, words: texts.detect.looking, hint: null };
    case "ready":
      return { state: "found", name, words: view.version, hint: view.path };
    case "installing":
      return { state: "note", name, words: texts.device.installing, hint: null };
    case "missing":
      return { state: "missing", name, words: texts.detect.isMissing, hint: texts.detect.rclone };
    case "tooOld":
      return { state: "missing", name, words: texts.device.tooOld(view.version), hint: sentence(view.message) };
    default:
      return never(view);
  }
}

function keys(view: View): Fact {
  const name = texts.detect.keys;
  switch (view.secretStore) {
    case "keyring":
      return { state: "found", name, words: texts.detect.keyring, hint: null };
    case "keyringLocked":
      return { state: "note", name, words: texts.detect.keyringLocked, hint: null };
    case "encryptedFile":
      return { state: "note", name, words: texts.detect.file, hint: null };
    case "fileLocked":
      return { state: "note", name, words: texts.detect.fileLocked, hint: null };
    default:
      return never(view.secretStore);
  }
}

function drives({ mountSupport }: View): Fact {
  const name = texts.detect.drives;
  return mountSupport.type === "ready"
    ? { state: "found", name, words: texts.detect.drivesReady(mountSupport.driver), hint: null }
    : { state: "note", name, words: texts.detect.drivesMissing(mountSupport.message), hint: mountSupport.hint };
}

function trayFact(tray: TrayHost): Fact[] {
  const name = texts.detect.tray;
  switch (tray) {
    case "unknown":
      return [];
    case "present":
      return [{ state: "found", name, words: texts.detect.trayPresent, hint: null }];
    case "missing":
      return [{ state: "note", name, words: texts.tray.missing, hint: texts.tray.hint }];
    default:
      return never(tray);
  }
}

function notesFact([best]: NotesFolder[]): Fact {
  const name = texts.detect.notes;
  if (best === undefined) {
    return { state: "note", name, words: texts.detect.noNotes, hint: texts.detect.noNotesHint };
  }
  const hint = best.kind === "obsidian" ? texts.detect.vault : texts.detect.offered;
  return { state: "found", name, words: best.folder, hint };
}

function service(runs: EngineRuns): Fact[] {
  const name = texts.detect.service;
  switch (runs) {
    case "nowhere":
      return [];
    case "here":
      return [{ state: "found", name, words: texts.detect.runsHere, hint: null }];
    case "elsewhere":
      return [{ state: "found", name, words: texts.detect.runsElsewhere, hint: texts.detect.joined }];
    default:
      return never(runs);
  }
}

/** All that was looked at, one line each. */
export function detailsOf(findings: Finding[], notes: NotesFolder[] | null): string[] {
  const others = (notes ?? []).slice(1).filter(({ kind }) => kind === "obsidian");
  return [
    ...findings.map(({ message }) => message),
    ...(others.length === 0 ? [] : [texts.detect.otherNotes(others.map(({ folder }) => folder).join(", "))]),
  ];
}
