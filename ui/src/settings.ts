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
