import type { DiffLine } from "../bindings/DiffLine";
import type { FrontMatterDiff } from "../bindings/FrontMatterDiff";
import type { MergeChunk } from "../bindings/MergeChunk";

/** A part of a line; marked where its words differ from the other side's. */
export interface Piece {
  text: string;
  marked: boolean;
}

/** Cuts a line at its marks, which count bytes of UTF-8. */
export function pieces(line: Pick<DiffLine, "text" | "marks">): Piece[] {
  const bytes = new TextEncoder().encode(line.text);
  const decode = (from: number, to: number) => new TextDecoder().decode(bytes.subarray(from, to));
  const parts: Piece[] = [];
  let at = 0;
  for (const [from, to] of line.marks) {
    if (from > at) parts.push({ text: decode(at, from), marked: false });
    parts.push({ text: decode(from, to), marked: true });
    at = to;
  }
  if (at < bytes.length || parts.length === 0) parts.push({ text: decode(at, bytes.length), marked: false });
  return parts;
}

/** A row with a line of each side; null where that side has none. */
export interface Pair {
  mine: DiffLine | null;
  theirs: DiffLine | null;
}

/** Puts each run of lines that are only here beside the run of lines that are only there. */
export function sideBySide(lines: DiffLine[]): Pair[] {
  const rows: Pair[] = [];
  let mine: DiffLine[] = [];
  let theirs: DiffLine[] = [];
  const flush = () => {
    for (let at = 0; at < Math.max(mine.length, theirs.length); at += 1) {
      rows.push({ mine: mine[at] ?? null, theirs: theirs[at] ?? null });
    }
    mine = [];
    theirs = [];
  };
  for (const line of lines) {
    if (line.kind === "mine") mine.push(line);
    else if (line.kind === "theirs") theirs.push(line);
    else {
      flush();
      rows.push({ mine: line, theirs: line });
    }
  }
  flush();
  return rows;
}

/** The lines below the front matter that is compared by itself. */
export function below(lines: DiffLine[], head: FrontMatterDiff | null): DiffLine[] {
  if (head === null) return lines;
  return lines.filter(({ mineLine, theirsLine }) =>
    mineLine === null ? (theirsLine ?? 0) > head.theirsLines : mineLine > head.mineLines,
  );
}

/** Rows as they are shown: long stretches that are the same are folded to their count. */
export type Shown<Row> = { type: "row"; row: Row } | { type: "fold"; rows: Row[] };

/** Folds what is the same and farther than `context` rows from a difference. */
export function fold<Row>(rows: Row[], same: (row: Row) => boolean, context = 3): Shown<Row>[] {
  const shown: Shown<Row>[] = [];
  let at = 0;
  while (at < rows.length) {
    let end = at;
    while (end < rows.length && same(rows[end] as Row)) end += 1;
    const before = at === 0 ? 0 : context;
    const after = end === rows.length ? 0 : context;
    if (end - at > before + after + 1) {
      for (const row of rows.slice(at, at + before)) shown.push({ type: "row", row });
      shown.push({ type: "fold", rows: rows.slice(at + before, end - after) });
      for (const row of rows.slice(end - after, end)) shown.push({ type: "row", row });
    } else {
      for (const row of rows.slice(at, end)) shown.push({ type: "row", row });
    }
    at = end;
    while (at < rows.length && !same(rows[at] as Row)) {
      shown.push({ type: "row", row: rows[at] as Row });
      at += 1;
    }
  }
  return shown;
}

/** What a person chose for a place where both sides changed the same lines. */
export type Taken = "mine" | "theirs" | "both" | null;

/** The merge as text; a place without a choice has neither side's lines. */
export function compose(chunks: MergeChunk[], taken: Taken[]): string {
  let overlap = -1;
  return chunks
    .map((chunk) => {
      if (chunk.type === "agreed") return chunk.text;
      overlap += 1;
      const choice = taken[overlap] ?? null;
      if (choice === "mine") return chunk.mine;
      if (choice === "theirs") return chunk.theirs;
      return choice === "both" ? joined(chunk.mine, chunk.theirs) : "";
    })
    .join("");
}

function joined(first: string, second: string): string {
  return first === "" || second === "" || first.endsWith("\n")
    ? first + second
    : `${first}\n${second}`;
}

/** Without an earlier version every difference is a place to choose. */
export function chunksOf(lines: DiffLine[]): MergeChunk[] {
  const text = (part: (DiffLine | null)[]) =>
    part.map((line) => (line === null ? "" : `${line.text}\n`)).join("");
  const chunks: MergeChunk[] = [];
  for (const shown of runs(sideBySide(lines))) {
    chunks.push(
      shown.same
        ? { type: "agreed", text: text(shown.rows.map((row) => row.mine)), from: "both" }
        : {
            type: "overlap",
            base: "",
            mine: text(shown.rows.map((row) => row.mine)),
            theirs: text(shown.rows.map((row) => row.theirs)),
          },
    );
  }
  return chunks;
}

function runs(rows: Pair[]): { same: boolean; rows: Pair[] }[] {
  const found: { same: boolean; rows: Pair[] }[] = [];
  for (const row of rows) {
    const same = row.mine !== null && row.mine === row.theirs;
    const last = found.at(-1);
    if (last?.same === same) last.rows.push(row);
    else found.push({ same, rows: [row] });
  }
  return found;
}
