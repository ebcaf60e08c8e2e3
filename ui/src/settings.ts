import type { SettingsView } from "./bindings/SettingsView";

export function sameSettings(one: SettingsView, other: SettingsView): boolean {
  const plain = (settings: SettingsView) => [
    settings.limits.uploadKibS,
    settings.limits.downloadKibS,
    settings.historyDays,
    settings.historyBudgetMib,
    settings.intervalS,
    settings.onMetered,
    settings.onBattery,
    settings.notifications,
    settings.quietHours?.fromMinute ?? null,
    settings.quietHours?.toMinute ?? null,
    settings.proxy,
  ];
  const others = plain(other);
  return plain(one).every((value, at) => value === others[at]);
}

/** A draft after the settings changed elsewhere: what was edited here stays, the rest is taken over. */
export function mergeSettings(draft: SettingsView, before: SettingsView, next: SettingsView): SettingsView {
  const pick = <T>(mine: T, old: T, theirs: T): T => (JSON.stringify(mine) === JSON.stringify(old) ? theirs : mine);
  return {
    limits: {
      uploadKibS: pick(draft.limits.uploadKibS, before.limits.uploadKibS, next.limits.uploadKibS),
      downloadKibS: pick(draft.limits.downloadKibS, before.limits.downloadKibS, next.limits.downloadKibS),
    },
    historyDays: pick(draft.historyDays, before.historyDays, next.historyDays),
    historyBudgetMib: pick(draft.historyBudgetMib, before.historyBudgetMib, next.historyBudgetMib),
    intervalS: pick(draft.intervalS, before.intervalS, next.intervalS),
    onMetered: pick(draft.onMetered, before.onMetered, next.onMetered),
    onBattery: pick(draft.onBattery, before.onBattery, next.onBattery),
    notifications: pick(draft.notifications, before.notifications, next.notifications),
    quietHours: pick(draft.quietHours, before.quietHours, next.quietHours),
    snoozedUntilMs: next.snoozedUntilMs,
    proxy: pick(draft.proxy, before.proxy, next.proxy),
  };
}

/** Minutes after midnight as a time field holds them: `22:30`. */
export function timeOf(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

/** Null where the field is empty. */
export function minuteOf(time: string): number | null {
  const [hours, minutes] = time.split(":").map(Number);
  return hours === undefined || minutes === undefined || Number.isNaN(hours + minutes)
    ? null
    : hours * 60 + minutes;
}
