import { expect, it } from "vitest";

import { ageOf, countdown, duration, sentence, serverName, splitPath, tomorrowMorning } from "./format";

const now = new Date(2026, 2, 14, 12, 20, 0).getTime();
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

it.each([
  [-5 * second, { unit: "now" }],
  [0, { unit: "now" }],
  [2 * second, { unit: "seconds", count: 2 }],
  [59_999, { unit: "seconds", count: 59 }],
  [minute, { unit: "minutes", count: 1 }],
  [hour, { unit: "hours", count: 1 }],
  [47 * hour, { unit: "hours", count: 47 }],
  [48 * hour, { unit: "days", count: 2 }],
])("gives %i ms its age", (passed, age) => {
  expect(ageOf(now - passed, now)).toEqual(age);
});

it.each([
  [412, "412 ms"],
  [2_840, "2.8 s"],
  [125_000, "2 min 5 s"],
  [11_045_000, "3 h 4 min"],
])("writes a duration of %i ms", (milliseconds, text) => {
  expect(duration(milliseconds)).toBe(text);
});

it.each([
  [now + 278_000, "4:38"],
  [now + 1, "0:01"],
  [now - 1, "0:00"],
])("counts down", (until, text) => {
  expect(countdown(until, now)).toBe(text);
});

it.each([
  ["/home/ana/Notes", { parent: "/home/ana/", name: "Notes" }],
  ["/home/ana/Notes/", { parent: "/home/ana/", name: "Notes" }],
  ["C:\\Users\\Ana\\Notes", { parent: "C:\\Users\\Ana\\", name: "Notes" }],
  ["note.md", { parent: "", name: "note.md" }],
  ["/", { parent: "/", name: "/" }],
])("splits %s", (path, parts) => {
  expect(splitPath(path)).toEqual(parts);
});

it("names a server by its host, and an odd address by itself", () => {
  expect(serverName("http://127.0.0.1:8765/")).toBe("127.0.0.1:8765");
  expect(serverName("not a server")).toBe("not a server");
});

it("begins tomorrow at eight", () => {
  expect(tomorrowMorning(now)).toBe(new Date(2026, 2, 15, 8).getTime());
});

it.each([
  ["the notes folder is missing", "The notes folder is missing."],
  ["rclone was not found", "rclone was not found."],
  ["https://cloud.example.org answers", "https://cloud.example.org answers."],
  ["Already whole.", "Already whole."],
])("makes a sentence of %s", (words, expected) => {
  expect(sentence(words)).toBe(expected);
});
