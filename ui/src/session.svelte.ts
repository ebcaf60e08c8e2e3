import { getContext, setContext } from "svelte";

import type { Refusal } from "./bindings/Refusal";
import { type Bridge, type EngineRuns, refusalOf, type TrayHost } from "./bridge";
import { Clock } from "./clock.svelte";
import type { InstallWayView } from "./bindings/InstallWayView";
import type { NotesFolder } from "./bindings/NotesFolder";
import type { Reply } from "./bindings/Reply";
import type { Request } from "./bindings/Request";
import type { SettingsView } from "./bindings/SettingsView";
import type { View } from "./bindings/View";
import type { MergeDraft } from "./conflict/draft.svelte";
import type { SetUpDraft } from "./draft.svelte";
import { keepFocus } from "./focus";
import { type Location, locationOf, type Place, placesOf } from "./places";

export type Asked = Request["type"] | "view" | "quit" | "openLink" | "pickFolder" | "startAtLogin";
export type Answer<Type extends Reply["type"]> = Extract<Reply, { type: Type }>;

/** Merges by conflict, lines of what is left out by folder, settings, and the first set-up. */
interface Drafts {
  merges: Map<string, MergeDraft>;
  filters: Map<string, string>;
  settings: { draft: SettingsView; seen: SettingsView } | null;
  setUp: SetUpDraft | null;
}

/** The newest view, and what became of the newest thing that was asked for. */
export class Session {
  view = $state.raw<View | null>(null);
  /** Why the newest request was not taken; gone with the next one that is. */
  refused = $state.raw<{ asked: Asked; refusal: Refusal } | null>(null);
  /** Whether the person has seen what this computer has. */
  person = $state<"new" | "looked">("new");
  /** How rclone is to be got at the end of the set-up; null for the app's own copy. */
  rcloneWay = $state.raw<InstallWayView | null>(null);
  /** An rclone of the person's own in place of a way to get one; its version once it was tested. */
  ownRclone = $state.raw<{ path: string; version: string | null } | null>(null);
  /** A folder that holds notes already: the set-up offers it first. */
  foundFolder = $state<string | null>(null);
  /** A folder that was picked for a halted one's place: the set-up begins with it. */
  replacement = $state.raw<{ pair: string; folder: string } | null>(null);
  /** What was typed and not saved yet stays while other pages are looked at. */
  readonly drafts: Drafts = { merges: new Map(), filters: new Map(), settings: null, setUp: null };
  /** Whether a passphrase was chosen for the file of keys that is yet to be made. */
  sealed = $state(false);
  /** The server that was tried last: a sign-in that came to nothing begins with it again. */
  triedServer: string | null = null;
  readonly clock: Clock;
  #wanted = $state.raw<Location>({ place: "overview", subject: null });
  readonly #bridge: Bridge;
  /** What was asked for and is not answered yet: a second press waits for the same answer. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  #pushes = 0;

  constructor(bridge: Bridge, readTime: () => number) {
    this.#bridge = bridge;
    this.clock = new Clock(readTime);
    this.#wanted = locationOf(bridge.offeredPlace);
  }

  /** The page that is open; the first one where this engine cannot fill the wanted one. */
  get location(): Location {
    const { place } = this.#wanted;
    const there =
      this.view === null || place === "setUp" || placesOf(this.view).includes(place);
    return there ? this.#wanted : { place: "overview", subject: null };
  }

  go(place: Place, subject: string | null = null): void {
    this.refused = null;
    this.replacement = null;
    this.#wanted = { place, subject };
  }

  /** Leads to the set-up, which shows what would happen before anything does. */
  replaceFolder(pair: string, folder: string): void {
    this.go("setUp");
    this.replacement = { pair, folder };
  }

  /** Follows the engine until the returned function is called. */
  start(): () => void {
    const stopClock = this.clock.start();
    const letGo = keepFocus(document);
    let stopped = false;
    let unlisten = () => {};
    let leave = () => {};
    this.#bridge.onPlace((link) => {
      const { place, subject } = locationOf(link);
      this.go(place, subject);
    }).then(
      (stop) => (stopped ? stop() : (leave = stop)),
      (error: unknown) => this.#refuse("view", error),
    );
    const listening = this.#bridge.onView((view) => {
      this.#pushes += 1;
      this.#show(view);
    });
    listening.then(
      (stop) => {
        if (stopped) {
          stop();
        } else {
          unlisten = stop;
        }
        return this.load();
      },
      (error: unknown) => this.#refuse("view", error),
    );
    return () => {
      stopped = true;
      stopClock();
      letGo();
      unlisten();
      leave();
    };
  }

  async load(): Promise<void> {
    const pushesBefore = this.#pushes;
    const view = await this.#ask("view", () => this.#bridge.view());
    // A view that was pushed meanwhile is newer than the answer.
    if (view !== null && this.#pushes === pushesBefore) {
      this.#show(view);
    }
  }

  get offeredServer(): string | null {
    return this.#bridge.offeredServer;
  }

  get offeredFolder(): string | null {
    return this.#bridge.offeredFolder;
  }

  /** True once the engine took the request; a refusal is kept for the screen to show. */
  async send(request: Request): Promise<boolean> {
    const taken = await this.#ask(request.type, () => this.#once(JSON.stringify(request), () => this.#bridge.send(request)));
    return taken !== null;
  }

  /** The answer of this kind; null where the request was refused, or answered with another. */
  async ask<Type extends Reply["type"]>(
    request: Request,
    type: Type,
  ): Promise<Answer<Type> | null> {
    const reply = await this.#ask(request.type, () => this.#once(JSON.stringify(request), () => this.#bridge.send(request)));
    return reply?.type === type ? (reply as Answer<Type>) : null;
  }

  /** Asks for what a screen shows by itself: a refusal is the caller's to show, not the page's. */
  async read<Type extends Reply["type"]>(
    request: Request,
    type: Type,
  ): Promise<Answer<Type> | Refusal> {
    try {
      const reply = await this.#bridge.send(request);
      if (reply.type === type) return reply as Answer<Type>;
      return refusalOf(new Error(`unexpected answer: ${reply.type}`));
    } catch (error) {
      return refusalOf(error);
    }
  }

  async openLink(url: string): Promise<void> {
    await this.#ask("openLink", () => this.#bridge.openLink(url));
  }

  async pickFolder(): Promise<string | null> {
    return this.#ask("pickFolder", () => this.#once("pickFolder", () => this.#bridge.pickFolder()));
  }

  async pickProgram(): Promise<string | null> {
    return this.#ask("pickFolder", () => this.#once("pickProgram", () => this.#bridge.pickProgram()));
  }

  /** Whether the rclone that the person named, if they did, is fit. It is asked once. */
  async ownRcloneIsFit(): Promise<boolean> {
    const own = this.ownRclone;
    if (own === null || own.version !== null) return true;
    const answer = await this.ask({ type: "testRclone", path: own.path.trim() }, "rclone");
    if (answer === null || this.ownRclone !== own) return false;
    this.ownRclone = { path: answer.path, version: answer.version };
    return true;
  }

  /** What gets rclone, or takes the person's own, when the set-up is agreed to. */
  get rcloneRequest(): Request {
    if (this.ownRclone !== null) return { type: "useRclone", path: this.ownRclone.path };
    return this.rcloneWay === null
      ? { type: "installRclone" }
      : { type: "installRcloneWith", way: this.rcloneWay.way };
  }

  /** Folders that hold notes already; null where that is not to be learned. */
  async findNotes(): Promise<NotesFolder[] | null> {
    const draft = this.offeredFolder;
    if (draft === null) return null;
    const answer = await this.read({ type: "findNotes", draft }, "notesFound");
    if (!("folders" in answer)) return null;
    this.foundFolder = answer.folders[0]?.folder ?? null;
    return answer.folders;
  }

  async engineRuns(): Promise<EngineRuns> {
    return (await this.#ask("view", () => this.#bridge.engineRuns())) ?? "nowhere";
  }

  /** Null when the person closed the chooser. */
  async pickFile(name: string): Promise<string | null> {
    return this.#ask("pickFolder", () => this.#once("pickFile", () => this.#bridge.pickFile(name)));
  }

  /** Whether the desktop starts the app at login; null where it does not say. */
  async startsAtLogin(): Promise<boolean | null> {
    return this.#ask("startAtLogin", () => this.#bridge.startsAtLogin());
  }

  async setStartAtLogin(on: boolean): Promise<boolean> {
    const done = await this.#ask("startAtLogin", () => this.#bridge.setStartAtLogin(on));
    return done !== null;
  }

  async trayHost(): Promise<TrayHost> {
    return (await this.#ask("startAtLogin", () => this.#bridge.trayHost())) ?? "unknown";
  }

  async quit(): Promise<void> {
    await this.#ask("quit", () => this.#bridge.quit());
  }

  /** Leaves the first page of the set-up. */
  look(): void {
    this.person = "looked";
  }

  /** Leads back to the first page of the set-up, once nobody is signed in. */
  startOver(): void {
    this.lookAgain();
    this.rcloneWay = null;
    this.ownRclone = null;
    this.drafts.setUp = null;
    this.sealed = false;
  }

  /** Leads back to the first page of the set-up; what was chosen there stays chosen. */
  lookAgain(): void {
    this.person = "new";
  }

  forgive(): void {
    this.refused = null;
  }

  #show(view: View): void {
    this.view = view;
    this.clock.refresh();
  }

  #once<T>(key: string, run: () => Promise<T>): Promise<T> {
    const before = this.#underWay.get(key);
    if (before !== undefined) return before as Promise<T>;
    const now = run();
    const forget = () => void this.#underWay.delete(key);
    now.then(forget, forget);
    this.#underWay.set(key, now);
    return now;
  }

  async #ask<T>(asked: Asked, run: () => Promise<T>): Promise<T | null> {
    try {
      const answer = await run();
      this.refused = null;
      return answer;
    } catch (error) {
      this.#refuse(asked, error);
      return null;
    }
  }

  #refuse(asked: Asked, error: unknown): void {
    this.refused = { asked, refusal: refusalOf(error) };
  }
}

const key = Symbol("session");

export function provideSession(session: Session): void {
  setContext(key, session);
}

export function useSession(): Session {
  return getContext<Session>(key);
}
