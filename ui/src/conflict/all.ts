import type { ConflictView } from "../bindings/ConflictView";
import type { View } from "../bindings/View";

/** The view with every conflict in it; what it holds itself is the newer word on each. */
export function withAll(view: View, listed: ConflictView[]): View {
  const newer = new Map(view.conflicts.map((conflict) => [conflict.id, conflict]));
  const known = new Set(listed.map(({ id }) => id));
  return {
    ...view,
    conflicts: [
      ...view.conflicts.filter(({ id }) => !known.has(id)),
      ...listed.map((conflict) => newer.get(conflict.id) ?? conflict),
    ],
  };
}
