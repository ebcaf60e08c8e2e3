import type { ConflictDetail } from "../bindings/ConflictDetail";
import type { MergeChunk } from "../bindings/MergeChunk";
import type { SeenVersions } from "../bindings/SeenVersions";
import { chunksOf, compose, overlapsOf, type Taken, withEndings } from "./lines";

/** A merge that somebody works at: it stays until it is saved, wherever else they go meanwhile. */
export class MergeDraft {
  #chunks: MergeChunk[] = $state.raw([]);
  #known = $state(false);
  /** The versions that it is made of. */
  seen: SeenVersions = $state.raw({ mine: null, theirs: null });
  taken: Taken[] = $state([]);
  /** Written by hand; null while the choices say it all. */
  edited = $state<string | null>(null);
  /** What was written by hand and put aside for the choices. */
  aside = $state<string | null>(null);

  constructor(detail: ConflictDetail) {
    this.#take(detail);
    this.taken = this.overlaps.map(() => null);
  }

  /** Whether an earlier version is known that both sides started from. */
  get known(): boolean {
    return this.#known;
  }

  get chunks(): MergeChunk[] {
    return this.#chunks;
  }

  get overlaps() {
    return overlapsOf(this.#chunks);
  }

  get open(): number {
    return this.taken.filter((choice) => choice === null).length;
  }

  get text(): string {
    return this.edited ?? compose(this.#chunks, this.taken);
  }

  get ready(): boolean {
    return this.edited !== null || this.open === 0;
  }

  /** Whether there is work in it that would be missed. */
  get begun(): boolean {
    return this.edited !== null || this.aside !== null || this.taken.some((choice) => choice !== null);
  }

  isOf(detail: ConflictDetail): boolean {
    return this.seen.mine === detail.mine.md5 && this.seen.theirs === detail.theirs.md5;
  }

  write(typed: string): void {
    // A field has only plain line ends; those of the note stay.
    this.edited = withEndings(typed, compose(this.#chunks, this.taken));
  }

  /** Back to the choices; what was written stays at hand. */
  putAside(): void {
    this.aside = this.edited;
    this.edited = null;
  }

  bringBack(): void {
    this.edited = this.aside;
    this.aside = null;
  }

  /** Begins again with newer versions. Choices stay where their place is as it was. */
  renew(detail: ConflictDetail): void {
    const before = this.overlaps.map((overlap, at) => ({ overlap, choice: this.taken[at] ?? null }));
    this.#take(detail);
    this.taken = this.overlaps.map(({ base, mine, theirs }) => {
      const same = before.findIndex(
        ({ overlap }) => overlap.base === base && overlap.mine === mine && overlap.theirs === theirs,
      );
      return same === -1 ? null : (before.splice(same, 1)[0]?.choice ?? null);
    });
    if (this.edited !== null) this.putAside();
  }

  /** Stands by what was made, though the versions are others by now. */
  insist(detail: ConflictDetail): void {
    this.seen = seenOf(detail);
  }

  #take(detail: ConflictDetail): void {
    this.seen = seenOf(detail);
    this.#known = detail.merge !== null;
    this.#chunks =
      detail.merge?.chunks ?? chunksOf(detail.diff, detail.mine.text ?? "", detail.theirs.text ?? "");
  }
}

export function seenOf({ mine, theirs }: ConflictDetail): SeenVersions {
  return { mine: mine.md5, theirs: theirs.md5 };
}
