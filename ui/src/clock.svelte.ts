/** The present in Unix milliseconds, renewed each second so that ages and countdowns go on. */
export class Clock {
  now: number = $state(0);
  readonly #read: () => number;

  constructor(read: () => number) {
    this.#read = read;
    this.now = read();
  }

  /** Ticks until the returned function is called. */
  start(): () => void {
    this.refresh();
    const timer = setInterval(() => this.refresh(), 1000);
    return () => clearInterval(timer);
  }

  refresh(): void {
    this.now = this.#read();
  }
}
