import type { Reply } from "./bindings/Reply";
import type { Request } from "./bindings/Request";
import type { View } from "./bindings/View";
import type { Bridge } from "./bridge";
import { fixtures, isFixtureName } from "./fixtures";

/** A bridge to canned views: what was sent is recorded, what is pushed appears. */
export class FakeBridge implements Bridge {
  offeredServer: string | null = null;
  readonly sent: Request[] = [];
  readonly opened: string[] = [];
  /** What the next calls of `send` reject with. */
  refusal: unknown = null;
  picked: string | null = null;
  /** Answers a request with the view that follows it; by default nothing follows. */
  react: (view: View, request: Request) => View = (view) => view;
  #view: View;
  readonly #callbacks = new Set<(view: View) => void>();

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
    return Promise.resolve({ type: "done" });
  }

  onView(callback: (view: View) => void): Promise<() => void> {
    this.#callbacks.add(callback);
    return Promise.resolve(() => void this.#callbacks.delete(callback));
  }

  openLink(url: string): Promise<void> {
    this.opened.push(url);
    return Promise.resolve();
  }

  pickFolder(): Promise<string | null> {
    return Promise.resolve(this.picked);
  }

  push(view: View): void {
    this.#view = structuredClone(view);
    for (const callback of this.#callbacks) {
      callback(this.#view);
    }
  }
}

/** For `npm run dev`: shows one fixture and follows the simplest requests. */
export function bridgeFor(name: string | null, now: number): FakeBridge {
  const table = fixtures(now);
  const bridge = new FakeBridge(table[name !== null && isFixtureName(name) ? name : "idle"]);
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
