import type { HaltAction } from "./bindings/HaltAction";
import type { HaltView } from "./bindings/HaltView";
import type { SubscriptionView } from "./bindings/SubscriptionView";
import type { View } from "./bindings/View";
import { calendarDay, capital, count, moment, splitPath } from "./format";
import { texts } from "./texts";

/** The plan with the day on which it renews or ends. */
export function planWords(subscription: SubscriptionView, now: number): string {
  const end = subscription.periodEndMs;
  const date = end === null ? null : calendarDay(end, now);
  if (!subscription.current) {
    return date === null ? texts.subscription.none : texts.subscription.ended(date);
  }
  const plan = subscription.plan ?? texts.subscription.plan;
  if (date === null) return plan;
  return subscription.status === "active"
    ? texts.subscription.renews(plan, date)
    : texts.subscription.until(plan, date);
}

/** The headline with the end of a pause, and without a full stop: its age follows. */
export function headlineWords(view: View, now: number): string {
  if (view.status === "paused" && view.sync.type === "pausedUntil") {
    return texts.headline.pausedUntil(moment(view.sync.untilMs, now));
  }
  const words = capital(view.headline.replace(/\.$/, ""));
  return view.status === "syncing" ? words.replace(/\d+/g, (amount) => count(Number(amount))) : words;
}

/** Equal for headlines between which only an amount grows that nobody waits to hear of. */
export function headlineShape(view: View, now: number): string {
  const conflicts = view.status === "attention" ? view.openConflictCount : 0;
  return `${view.status} ${conflicts} ${headlineWords(view, now).replace(/\d+/g, "#")}`;
}

/** What people call a folder; empty for one that is gone. */
export function folderName(view: View, pair: string): string {
  return splitPath(view.pairs.find(({ id }) => id === pair)?.folder ?? "").name;
}

/** A day as the title of what happened on it. */
export function dayName(atMs: number, now: number): string {
  return new Date(atMs).toDateString() === new Date(now).toDateString() ? texts.today : calendarDay(atMs, now);
}

/** What a way out of a halt does, as its button says it. */
export function wayWords(way: HaltAction, halt: HaltView): string {
  if (way !== "confirm") return texts.halt.way[way];
  const { confirm } = texts.halt;
  switch (halt.code) {
    case "TooManyDeletes":
      return confirm.remove(halt.evidenceCount);
    case "RootEmptied":
      return confirm.removeAll;
    case "MassRewrite":
      return halt.evidenceCount > 0 ? confirm.upload(halt.evidenceCount) : texts.halt.way.confirm;
    case "RootReplaced":
      return confirm.otherFolder;
    case "VersioningOff":
      return confirm.unversioned;
    case "ListingsLost":
      return confirm.keepBoth;
    default:
      return texts.halt.way.confirm;
  }
}
