import { expect, it } from "vitest";

import { conflictDetail } from "../fixtures/conflicts";
import { chunksOf, compose, fold, pieces, sideBySide } from "./lines";

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
  const chunks = chunksOf(diff);
  const overlaps = chunks.filter((chunk) => chunk.type === "overlap").length;
  expect(compose(chunks, Array(overlaps).fill("mine"))).toBe(detail?.mine.text);
  expect(compose(chunks, Array(overlaps).fill("theirs"))).toBe(detail?.theirs.text);
});

it("takes both sides of a place one after the other", () => {
  const chunk = { type: "overlap" as const, base: "", mine: "a", theirs: "b\n" };
  expect(compose([chunk], ["both"])).toBe("a\nb\n");
  expect(compose([chunk], [null])).toBe("");
});
