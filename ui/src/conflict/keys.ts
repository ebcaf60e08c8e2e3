export type ConflictKey =
  | "mine"
  | "theirs"
  | "both"
  | "merge"
  | "undo"
  | "notNow"
  | "select"
  | "open"
  | "close"
  | "up"
  | "down";

const keys: Record<string, ConflictKey> = {
  "1": "mine",
  "2": "theirs",
  "3": "both",
  m: "merge",
  u: "undo",
  n: "notNow",
  " ": "select",
  Enter: "open",
  Escape: "close",
  ArrowUp: "up",
  ArrowDown: "down",
};

/** What a key asks for; null where it is typed into a field or belongs to the system. */
export function conflictKey(event: KeyboardEvent): ConflictKey | null {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return null;
  const inField =
    event.target instanceof HTMLElement && event.target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
  const key = keys[event.key] ?? null;
  return inField && key !== "close" ? null : key;
}
