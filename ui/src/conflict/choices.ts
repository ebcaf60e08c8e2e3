import type { Choice } from "../bindings/Choice";
import type { ConflictDetail } from "../bindings/ConflictDetail";
import type { ConflictView } from "../bindings/ConflictView";
import { texts } from "../texts";

export type Simple = Exclude<Choice["type"], "merged">;

export interface Offer {
  choice: Simple;
  label: string;
  key: string;
}

/** The ways to settle a conflict, each named for what it does to this note. */
export function offersOf(conflict: ConflictDetail): Offer[] {
  const device = conflict.theirs.device;
  const mine = conflict.mine.md5 !== null;
  const theirs = conflict.theirs.md5 !== null;
  const offers: Offer[] = [
    {
      choice: "keepMine",
      label: mine ? texts.conflict.keepMine : texts.conflict.keepRemoved,
      key: "1",
    },
    {
      choice: "keepTheirs",
      label: theirs ? texts.conflict.keepTheirs(device) : texts.conflict.removeHere,
      key: "2",
    },
  ];
  return mine && theirs
    ? [...offers, { choice: "keepBoth", label: texts.conflict.keepBoth(conflict.path), key: "3" }]
    : offers;
}

/** Both versions can be kept only where both exist. */
export function canKeepBoth(conflict: ConflictView): boolean {
  return conflict.kind === "bothEdited" || conflict.kind === "createdTwice";
}
