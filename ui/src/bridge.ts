import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";

import type { Refusal } from "./bindings/Refusal";
import type { Reply } from "./bindings/Reply";
import type { Request } from "./bindings/Request";
import type { View } from "./bindings/View";

/** Whether something on the desktop shows tray icons. */
export type TrayHost = "unknown" | "present" | "missing";

/** In which program sync runs: in this app, in another one that it has joined, or in none yet. */
export type EngineRuns = "here" | "elsewhere" | "nowhere";

/** All that the window can reach outside itself. A refused request rejects with a `Refusal`. */
export interface Bridge {
  /** The server that the sign-in form offers first; null for the usual one. */
  readonly offeredServer: string | null;
  /** The folder that the set-up offers first; null for none. */
  readonly offeredFolder: string | null;
  /** The page that the window was opened for, such as `conflicts`; null for the first. */
  readonly offeredPlace: string | null;
  view(): Promise<View>;
  send(request: Request): Promise<Reply>;
  /** Calls back with every new view until the returned function is called. */
  onView(callback: (view: View) => void): Promise<() => void>;
  /** Calls back when something outside the window wants one of its pages shown. */
  onPlace(callback: (place: string) => void): Promise<() => void>;
  /** Opens a web page in the person's browser. */
  openLink(url: string): Promise<void>;
  /** Null when the person closed the chooser. */
  pickFolder(): Promise<string | null>;
  /** Where to write a file that has this name by default; null when the chooser was closed. */
  pickFile(name: string): Promise<string | null>;
  /** A program that is on this computer; null when the person closed the chooser. */
  pickProgram(): Promise<string | null>;
  engineRuns(): Promise<EngineRuns>;
  /** Null where the desktop does not say. */
  startsAtLogin(): Promise<boolean | null>;
  setStartAtLogin(on: boolean): Promise<true>;
  trayHost(): Promise<TrayHost>;
  /** Ends the app. */
  quit(): Promise<void>;
}

export const tauriBridge: Bridge = {
  offeredServer: new URLSearchParams(location.search).get("server"),
  offeredFolder: new URLSearchParams(location.search).get("folder"),
  offeredPlace: new URLSearchParams(location.search).get("place"),
  view: () => invoke<View>("view"),
  send: (request) => invoke<Reply>("send", { request }),
  onView: (callback) => listen<View>("view-changed", (event) => callback(event.payload)),
  onPlace: (callback) => listen<string>("show-place", (event) => callback(event.payload)),
  openLink: (url) => invoke<void>("open_link", { url }),
  pickFolder: () => invoke<string | null>("pick_folder"),
  pickFile: (name) => invoke<string | null>("pick_file", { name }),
  pickProgram: () => invoke<string | null>("pick_program"),
  engineRuns: () => invoke<EngineRuns>("engine_runs"),
  startsAtLogin: () => invoke<boolean | null>("starts_at_login"),
  setStartAtLogin: (on) => invoke<true>("set_start_at_login", { on }),
  trayHost: () => invoke<TrayHost>("tray_host"),
  quit: () => invoke<void>("quit"),
};

export function insideTauri(): boolean {
  return "__TAURI_INTERNALS__" in globalThis;
}

/** Whatever a command rejected with, in the one form that the window shows. */
export function refusalOf(error: unknown): Refusal {
  if (isRefusal(error)) {
    return error;
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "Unreachable", message, hint: null, field: null };
}

function isRefusal(value: unknown): value is Refusal {
  return (
    typeof value === "object" &&
    value !== null &&
    "code" in value &&
    "message" in value &&
    typeof value.message === "string"
  );
}
