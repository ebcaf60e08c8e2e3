import type { Bridge, EngineRuns, TrayHost } from "./bridge";
import type { Reply } from "./bindings/Reply";
import type { Request } from "./bindings/Request";
import type { View } from "./bindings/View";
import { fixturePlaces, fixtures, isFixtureName } from "./fixtures";
import { answersOf } from "./fixtures/answers";

/** A bridge to canned views: what was sent is recorded, what is pushed appears. */
export class FakeBridge implements Bridge {
  offeredServer: string | null = null;
  offeredFolder: string | null = null;
  offeredPlace: string | null = null;
  readonly sent: Request[] = [];
  readonly opened: string[] = [];
  /** What the next calls of `send` reject with. */
  refusal: unknown = null;
  picked: string | null = null;
  /** Whether the app was told to end. */
  ended = false;
  /** Answers a request with the view that follows it; by default nothing follows. */
  react: (view: View, request: Request) => View = (view) => view;
  /** What a request is answered with, where it is more than "done". */
  answer: (request: Request) => Reply | null = () => null;
  /** What the desktop says about starting at login. */
  atLogin: boolean | null = false;
  /** What the desktop says about tray icons. */
  tray: TrayHost = "present";
  runs: EngineRuns = "here";
  #view: View;
  readonly #callbacks = new Set<(view: View) => void>();
  readonly #placeCallbacks = new Set<(place: string) => void>();

  constructor(view: View) {
    this.#view = view;
  }

  /** How many listeners wait for views. */
  get followers(): number {
    return this.#callbacks.size;
  }

  view(): Promise<View> {
    return Promise.resolve(this.#view);
  }

  send(request: Request): Promise<Reply> {
    this.sent.push(request);
    if (this.refusal !== null) {
      return Promise.reject(this.refusal);
    }
    const next = this.react(this.#view, request);
    if (next !== this.#view) {
      this.push(next);
    }
    try {
      return Promise.resolve(this.answer(request) ?? { type: "done" });
    } catch (refusal) {
      return Promise.reject(refusal);
    }
  }

  onView(callback: (view: View) => void): Promise<() => void> {
    this.#callbacks.add(callback);
    return Promise.resolve(() => void this.#callbacks.delete(callback));
  }

  onPlace(callback: (place: string) => void): Promise<() => void> {
    this.#placeCallbacks.add(callback);
    return Promise.resolve(() => void this.#placeCallbacks.delete(callback));
  }

  showPlace(place: string): void {
    for (const callback of this.#placeCallbacks) {
      callback(place);
    }
  }

  openLink(url: string): Promise<void> {
    this.opened.push(url);
    return Promise.resolve();
  }

  pickFolder(): Promise<string | null> {
    return Promise.resolve(this.picked);
  }

  pickFile(name: string): Promise<string | null> {
    return Promise.resolve(this.picked === null ? null : `/home/ana/${name}`);
  }

  pickProgram(): Promise<string | null> {
    return Promise.resolve(this.picked === null ? null : "/opt/rclone/rclone");
  }

  engineRuns(): Promise<EngineRuns> {
    return Promise.resolve(this.runs);
  }

  startsAtLogin(): Promise<boolean | null> {
    return Promise.resolve(this.atLogin);
  }

  setStartAtLogin(on: boolean): Promise<true> {
    this.atLogin = on;
    return Promise.resolve(true);
  }

  trayHost(): Promise<TrayHost> {
    return Promise.resolve(this.tray);
  }

  quit(): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }

  push(view: View): void {
    this.#view = structuredClone(view);
    for (const callback of this.#callbacks) {
      callback(this.#view);
    }
  }
}

/** What the desktop says about tray icons while a fixture is shown. */
export function trayOf(fixture: string): TrayHost {
  return fixture.endsWith("NoTray") ? "missing" : "present";
}

/** For `npm run dev`: shows one fixture and follows the simplest requests. */
export function bridgeFor(name: string | null, now: number): FakeBridge {
  const table = fixtures(now);
  const fixture = name !== null && isFixtureName(name) ? name : "idle";
  const bridge = new FakeBridge(table[fixture]);
  bridge.offeredPlace = fixturePlaces[fixture] ?? null;
  bridge.answer = answersOf(fixture, now);
  bridge.tray = trayOf(fixture);
  bridge.offeredFolder = "/home/ana/Notes";
  bridge.picked = "/home/ana/Notes";
  bridge.react = (view, request) => {
    if (request.type === "signIn") return table.awaitingBrowser;
    if (request.type === "cancelSignIn" || request.type === "signOut") return table.signedOut;
    if (request.type === "checkSubscription") return table.setUp;
    if (request.type === "setUp") return table.syncing;
    if (request.type === "syncNow") return table.syncing;
    if (request.type === "setSync") return request.on ? table.idle : table.switchedOff;
    if (request.type === "pauseUntil") return table.paused;
    if (request.type === "confirmHalt") return table.syncing;
    if (request.type === "setProfile") {
      const pairs = view.pairs.map((pair) => ({ ...pair, profile: request.profile }));
      return { ...view, pairs };
    }
    return view;
  };
  return bridge;
}
