import { getContext, setContext, tick } from "svelte";

import type { Refusal } from "./bindings/Refusal";
import type { Request } from "./bindings/Request";
import type { View } from "./bindings/View";
import { type Bridge, refusalOf } from "./bridge";
import { Clock } from "./clock.svelte";
import { rememberFocus } from "./focus";

export type Asked = Request["type"] | "view" | "openLink" | "pickFolder";

/** The newest view, and what became of the newest thing that was asked for. */
export class Session {
  view = $state.raw<View | null>(null);
  /** Why the newest request was not taken; gone with the next one that is. */
  refused = $state.raw<{ asked: Asked; refusal: Refusal } | null>(null);
  readonly clock: Clock;
  readonly #bridge: Bridge;
  #pushes = 0;

  constructor(bridge: Bridge, readTime: () => number) {
    this.#bridge = bridge;
    this.clock = new Clock(readTime);
  }

  /** Follows the engine until the returned function is called. */
  start(): () => void {
    const stopClock = this.clock.start();
    let stopped = false;
    let unlisten = () => {};
    const listening = this.#bridge.onView((view) => {
      this.#pushes += 1;
      void this.#show(view);
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
      unlisten();
    };
  }

  async load(): Promise<void> {
    const pushesBefore = this.#pushes;
    const view = await this.#ask("view", () => this.#bridge.view());
    // A view that was pushed meanwhile is newer than the answer.
    if (view !== null && this.#pushes === pushesBefore) {
      await this.#show(view);
    }
  }

  get offeredServer(): string | null {
    return this.#bridge.offeredServer;
  }

  /** True once the engine took the request; a refusal is kept for the screen to show. */
  async send(request: Request): Promise<boolean> {
    const taken = await this.#ask(request.type, () => this.#bridge.send(request));
    return taken !== null;
  }

  async openLink(url: string): Promise<void> {
    await this.#ask("openLink", () => this.#bridge.openLink(url));
  }

  async pickFolder(): Promise<string | null> {
    return this.#ask("pickFolder", () => this.#bridge.pickFolder());
  }

  forgive(): void {
    this.refused = null;
  }

  async #show(view: View): Promise<void> {
    const restoreFocus = rememberFocus(document);
    this.view = view;
    this.clock.refresh();
    await tick();
    restoreFocus();
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
