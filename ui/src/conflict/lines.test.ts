import { expect, it } from "vitest";

import { conflictDetail } from "../fixtures/conflicts";
import type { DiffLine } from "../bindings/DiffLine";
import { chunksOf, compose, differingEnds, fold, leftOut, pieces, sideBySide, unfold, withEndings } from "./lines";

const detail = conflictDetail("conflict_1", 0);
const diff = detail?.diff ?? [];

it("cuts a line at marks that count bytes", () => {
  expect(pieces({ text: "für öl", marks: [[1, 3]] })).toEqual([
    { text: "f", marked: false },
    { text: "ü", marked: true },
    { text: "r öl", marked: false },
  ]);
  expect(pieces({ text: "", marks: [] })).toEqual([{ text: "", marked: false }]);
});

it("puts changed lines side by side", () => {
  const rows = sideBySide(diff).filter((row) => row.mine !== row.theirs);
  expect(rows.map((row) => [row.mine?.text ?? null, row.theirs?.text ?? null])).toEqual([
    ["- 620 g water, lukewarm", "- 560 g water, lukewarm"],
    ["- caraway, if you like it", null],
    [null, "Score the loaves crosswise."],
    ["Bake for 50 minutes at 230 °C, falling.", "Bake for an hour at 230 °C, falling."],
    [null, "Let it rest for a day before cutting."],
  ]);
});

it("folds what is far from a difference, and keeps every row", () => {
  const shown = fold([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], (row) => row === 0, 1);
  expect(shown.map((part) => (part.type === "fold" ? part.rows.length : "row"))).toEqual([
    4, "row", "row", "row", 4,
  ]);
  expect(fold([0, 0, 1], (row) => row === 0, 1).every((part) => part.type === "row")).toBe(true);
});

it("composes either side from the choices alone", () => {
  const chunks = chunksOf(diff, detail?.mine.text ?? "", detail?.theirs.text ?? "");
  const overlaps = chunks.filter((chunk) => chunk.type === "overlap").length;
  expect(compose(chunks, Array(overlaps).fill("mine"))).toBe(detail?.mine.text);
  expect(compose(chunks, Array(overlaps).fill("theirs"))).toBe(detail?.theirs.text);
});

it("takes both sides of a place one after the other", () => {
  const chunk = { type: "overlap" as const, base: "", mine: "a", theirs: "b\n" };
  expect(compose([chunk], ["both"])).toBe("a\nb\n");
  expect(compose([chunk], [null])).toBe("");
});

const sameLines = (texts: string[]): DiffLine[] =>
  texts.map((text, at) => ({ kind: "same", mineLine: at + 1, theirsLine: at + 1, beside: null, text, marks: [] }));

it("keeps line ends and a missing last one where no earlier version is known", () => {
  const lines = sameLines(["a", "b"]);
  expect(chunksOf(lines, "a\r\nb\r\n", "a\r\nb\r\n")).toEqual([{ type: "agreed", text: "a\r\nb\r\n", from: "both" }]);
  expect(chunksOf(lines, "a\nb", "a\nb")).toEqual([{ type: "agreed", text: "a\nb", from: "both" }]);
  expect(chunksOf(lines, "a\nb", "a\nb\n")).toEqual([
    { type: "agreed", text: "a\n", from: "both" },
    { type: "overlap", base: "", mine: "b", theirs: "b\n" },
  ]);
});

it("gives typed text the line ends of what it was made of", () => {
  expect(withEndings("a\nb\n", "x\r\ny\r\n")).toBe("a\r\nb\r\n");
  expect(withEndings("a\nb\n", "x\n")).toBe("a\nb\n");
  expect(withEndings("a\nb\n", "x\r\ny\n")).toBe("a\nb\n");
});

it("says how lines end where that is all that differs", () => {
  expect(differingEnds("a\r\nb\r\n", "a\nb\n")).toEqual(["This device has Windows line ends, the other version plain line ends."]);
  expect(differingEnds("a", "a\n")).toEqual(["Only the other version ends with a line end."]);
  expect(differingEnds("a\n", "b\n")).toEqual([]);
  expect(differingEnds(null, "b\n")).toEqual([]);
});

it("counts what a result lacks of the lines that a version added", () => {
  expect(leftOut("a\nb\nb\n\nc\n", "b\n", "c\n")).toEqual(["a", "b"]);
  expect(leftOut("a\r\n", "a\n", "")).toEqual([]);
});

it("opens a fold piece by piece", () => {
  const shown = fold([1, 0, 0, 0, 0, 0, 0, 1], (row) => row === 0, 1);
  const kinds = (opened: Map<number, number>) =>
    unfold(shown, opened).map((part) => (part.type === "fold" ? part.rows.length : "row"));
  expect(kinds(new Map())).toEqual(["row", "row", 4, "row", "row"]);
  expect(kinds(new Map([[2, 3]]))).toEqual(["row", "row", "row", "row", "row", 1, "row", "row"]);
  expect(kinds(new Map([[2, 9]]))).toHaveLength(8);
});

it("follows the engine in what stands beside what", () => {
  const mine = (mineLine: number, beside: number | null): DiffLine => ({
    kind: "mine",
    mineLine,
    theirsLine: null,
    beside,
    text: `m${mineLine}`,
    marks: [],
  });
  const theirs = (theirsLine: number, beside: number | null): DiffLine => ({
    kind: "theirs",
    mineLine: null,
    theirsLine,
    beside,
    text: `t${theirsLine}`,
    marks: [],
  });
  const shown = (lines: DiffLine[]) =>
    sideBySide(lines)
      .map((row) => `${row.mine?.text ?? "-"} ${row.theirs?.text ?? "-"}`)
      .join(", ");
  expect(shown([mine(1, 2), mine(2, null), mine(3, 3), theirs(1, null), theirs(2, 1), theirs(3, 3), theirs(4, null)])).toBe(
    "- t1, m1 t2, m2 -, m3 t3, - t4",
  );
  expect(shown([mine(1, null), theirs(1, null)])).toBe("m1 -, - t1");
  // Two stretches that follow on each other, as front matter and the text below it.
  expect(shown([theirs(1, null), mine(1, 2), theirs(2, 1)])).toBe("- t1, m1 t2");
  // What it stood beside is compared elsewhere.
  expect(shown([mine(1, 2), theirs(3, null)])).toBe("m1 -, - t3");
});
