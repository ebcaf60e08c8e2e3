import type { Choice } from "../bindings/Choice";
import type { ConflictChoice } from "../bindings/ConflictChoice";
import type { ConflictDetail } from "../bindings/ConflictDetail";
import type { ConflictKind } from "../bindings/ConflictKind";
import type { ConflictView } from "../bindings/ConflictView";
import { texts } from "../texts";

export type Simple = Exclude<Choice["type"], "merged">;

export interface Offer {
  choice: Simple;
  label: string;
  key: string;
  /** What becomes of the note, in a sentence. */
  effect: string;
}

/** The ways to settle a conflict, each named for what it does to this note. */
export function offersOf(conflict: ConflictDetail, device: string | null): Offer[] {
  const { path } = conflict;
  const mine = conflict.mine.md5 !== null;
  const theirs = conflict.theirs.md5 !== null;
  const { effect } = texts.conflict;
  const offers: Offer[] = [
    {
      choice: "keepMine",
      key: "1",
      ...(!mine
        ? { label: texts.conflict.keepRemoved, effect: effect.keepRemoved(path, device) }
        : {
            label: texts.conflict.keepMine,
            effect: theirs ? effect.keepMine(path, device) : effect.keepAlone(path),
          }),
    },
    {
      choice: "keepTheirs",
      key: "2",
      ...(!theirs
        ? { label: texts.conflict.removeHere, effect: effect.removeHere(path) }
        : {
            label: texts.conflict.keepTheirs(device),
            effect: mine ? effect.keepTheirs(path, device) : effect.keepRestored(path, device),
          }),
    },
  ];
  if (mine && theirs) {
    const label = texts.conflict.keepBoth(path);
    offers.push({ choice: "keepBoth", key: "3", label, effect: effect.keepBoth(path, device) });
  }
  return offers;
}

/** Both versions can be kept only where both exist. */
export function canKeepBoth(conflict: ConflictView): boolean {
  return conflict.kind === "bothEdited" || conflict.kind === "createdTwice";
}

/** A choice among many: named for the note's own conflict where one side removed it. */
export function shortLabel(choice: Simple, kind: ConflictKind): string {
  if (choice === "keepMine" && kind === "removedHereEditedThere") return texts.conflict.keepRemoved;
  if (choice === "keepTheirs" && kind === "editedHereRemovedThere") return texts.conflict.removeHere;
  return texts.conflict.simple[choice];
}

/** Whether nothing is left of the note under its name. */
export function removes(choice: Simple, kind: ConflictKind): boolean {
  return (
    (choice === "keepMine" && kind === "removedHereEditedThere") ||
    (choice === "keepTheirs" && kind === "editedHereRemovedThere")
  );
}

/** A decision from the list: of the versions that the list tells of, and of no later ones. */
export function listedChoice(conflict: ConflictView, type: Simple): ConflictChoice {
  const { id, mineMd5: mine, theirsMd5: theirs } = conflict;
  // What is kept twice loses nothing, whatever it is; of a drive's versions the list knows no hash.
  const known = type !== "keepBoth" && (mine !== null || theirs !== null);
  return { id, choice: { type }, seen: known ? { mine, theirs } : null };
}
