/** Numbers, times and paths in words; the language's own words are in `texts.ts`. */

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** English words, with the person's own way to write times where that is English too. */
export const locale =
  globalThis.navigator?.languages?.find((language) => language.startsWith("en-")) ?? "en-GB";

export type Age =
  | { unit: "now" }
  | { unit: "seconds" | "minutes" | "hours" | "days"; count: number };

/** How long ago something was. A time ahead of the clock counts as now. */
export function ageOf(atMs: number, now: number): Age {
  const passed = now - atMs;
  if (passed < 2 * second) return { unit: "now" };
  if (passed < minute) return { unit: "seconds", count: Math.floor(passed / second) };
  if (passed < hour) return { unit: "minutes", count: Math.floor(passed / minute) };
  if (passed < 2 * day) return { unit: "hours", count: Math.floor(passed / hour) };
  return { unit: "days", count: Math.floor(passed / day) };
}

export function count(value: number): string {
  return new Intl.NumberFormat(locale).format(value);
}

const sizes = ["B", "KB", "MB", "GB", "TB"];

/** Bytes as people read them: steps of 1024, one decimal below ten. */
export function size(bytes: number): string {
  const step = Math.min(sizes.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  const digits = step > 0 && value < 9.95 ? 1 : 0;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)} ${sizes[step] ?? ""}`;
}

export function clockTime(atMs: number): string {
  return new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(atMs);
}

export function calendarDay(atMs: number, now: number): string {
  const sameYear = new Date(atMs).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(locale, {
    day: "numeric",
    month: "short",
    ...(sameYear ? {} : { year: "numeric" }),
  }).format(atMs);
}

/** The time alone for today, with the day before it otherwise. */
export function moment(atMs: number, now: number): string {
  const today = new Date(atMs).toDateString() === new Date(now).toDateString();
  return today ? clockTime(atMs) : `${calendarDay(atMs, now)}, ${clockTime(atMs)}`;
}

function oneDigit(value: number): string {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(value);
}

export function duration(milliseconds: number): string {
  if (milliseconds < second) return `${milliseconds} ms`;
  if (milliseconds < minute) return `${oneDigit(milliseconds / second)} s`;
  if (milliseconds < hour) {
    return `${Math.floor(milliseconds / minute)} min ${Math.floor((milliseconds % minute) / second)} s`;
  }
  return `${count(Math.floor(milliseconds / hour))} h ${Math.floor((milliseconds % hour) / minute)} min`;
}

/** Minutes and seconds left, never below zero. */
export function countdown(untilMs: number, now: number): string {
  const left = Math.max(0, Math.ceil((untilMs - now) / second));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

/** Begun with a capital; names of programs keep their case. */
export function capital(words: string): string {
  return /^(rclone\b|[a-z]+:\/\/)/.test(words) ? words : words.charAt(0).toUpperCase() + words.slice(1);
}

/** What the engine or a library said, as a sentence among others. */
export function sentence(words: string): string {
  const begun = capital(words);
  return /[.!?…:]$/.test(begun) || begun === "" ? begun : `${begun}.`;
}

export interface SplitPath {
  /** With its last separator; empty for a bare name. */
  parent: string;
  name: string;
}

export function splitPath(path: string): SplitPath {
  const trimmed = path.length > 1 ? path.replace(/[/\\]+$/, "") : path;
  const at = Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\"));
  return { parent: trimmed.slice(0, at + 1), name: trimmed.slice(at + 1) || trimmed };
}

/** The host without its scheme, as people say it. */
export function serverName(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

export function tomorrowMorning(now: number): number {
  const date = new Date(now);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1, 8).getTime();
}

export function minutesFrom(now: number, minutes: number): number {
  return now + minutes * minute;
}
