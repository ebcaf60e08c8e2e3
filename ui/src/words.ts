import type { SubscriptionView } from "./bindings/SubscriptionView";
import { calendarDay } from "./format";
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
