import type { DiffLine } from "../bindings/DiffLine";
import type { FrontMatterDiff } from "../bindings/FrontMatterDiff";
import type { MergeChunk } from "../bindings/MergeChunk";
import { texts } from "../texts";

/** A part of a line; marked where its words differ from the other side's. */
export interface Piece {
  text: string;
  marked: boolean;
}

/** Cuts a line at its marks, which count bytes of UTF-8. */
export function pieces(line: Pick<DiffLine, "text" | "marks">): Piece[] {
  if (line.marks.length === 0) return [{ text: line.text, marked: false }];
  const bytes = new TextEncoder().encode(line.text);
  const decode = (from: number, to: number) => new TextDecoder().decode(bytes.subarray(from, to));
  const parts: Piece[] = [];
  let at = 0;
  for (const [from, to] of line.marks) {
    if (from > at) parts.push({ text: decode(at, from), marked: false });
    parts.push({ text: decode(from, to), marked: true });
    at = to;
  }
  if (at < bytes.length) parts.push({ text: decode(at, bytes.length), marked: false });
  return parts;
}

/** A row with a line of each side; null where that side has none. */
export interface Pair {
  mine: DiffLine | null;
  theirs: DiffLine | null;
}

/** Puts lines beside each other where the engine did. One that stands alone comes before the next pair. */
export function sideBySide(lines: DiffLine[]): Pair[] {
  const rows: Pair[] = [];
  let mine: DiffLine[] = [];
  let theirs: DiffLine[] = [];
  const flush = () => {
    let there = 0;
    const alone = () => rows.push({ mine: null, theirs: theirs[there++] ?? null });
    const line = () => theirs[there]?.theirsLine ?? Infinity;
    for (const here of mine) {
      while (here.beside !== null && line() < here.beside) alone();
      const pair = line() === here.beside;
      rows.push({ mine: here, theirs: pair ? (theirs[there++] ?? null) : null });
    }
    while (there < theirs.length) alone();
    mine = [];
    theirs = [];
  };
  for (const line of lines) {
    // Where this device's lines begin again, what came before stands beside each other.
    if (line.kind === "mine" && theirs.length > 0) flush();
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
export type Shown<Row> = { type: "row"; row: Row } | { type: "fold"; rows: Row[]; of: number };

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
      shown.push({ type: "fold", rows: rows.slice(at + before, end - after), of: shown.length });
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

/** Rows of which some folds were opened up to a number of their rows. */
export function unfold<Row>(shown: Shown<Row>[], opened: ReadonlyMap<number, number>): Shown<Row>[] {
  return shown.flatMap((part, at): Shown<Row>[] => {
    const rows = opened.get(at) ?? 0;
    if (part.type === "row" || rows === 0) return [part];
    const rest = part.rows.slice(rows);
    return [
      ...part.rows.slice(0, rows).map((row): Shown<Row> => ({ type: "row", row })),
      ...(rest.length > 0 ? [{ type: "fold" as const, rows: rest, of: at }] : []),
    ];
  });
}

/** What a person chose for a place where both sides changed the same lines. */
export type Taken = "mine" | "theirs" | "both" | null;

export type Overlap = Extract<MergeChunk, { type: "overlap" }>;

export function overlapsOf(chunks: MergeChunk[]): Overlap[] {
  return chunks.filter((chunk) => chunk.type === "overlap");
}

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
  if (first === "" || second === "" || first.endsWith("\n")) return first + second;
  return `${first}${second.includes("\r\n") ? "\r\n" : "\n"}${second}`;
}

/** Without an earlier version every difference is a place to choose. */
export function chunksOf(lines: DiffLine[], mine: string, theirs: string): MergeChunk[] {
  const windows = endingOf(mine) === "windows" && endingOf(theirs) === "windows";
  const end = windows ? "\r\n" : "\n";
  const rows = sideBySide(lines);
  const closed = { mine: mine.endsWith("\n"), theirs: theirs.endsWith("\n") };
  const last = rows.at(-1);
  const found = runs(rows);
  // The end of the last line differs, and nothing else of it.
  if (last && last.mine === last.theirs && closed.mine !== closed.theirs) {
    found.at(-1)?.rows.pop();
    found.push({ same: false, rows: [last] });
  }
  return found
    .filter((run) => run.rows.length > 0)
    .map((run, at, all): MergeChunk => {
      const text = (side: "mine" | "theirs") => {
        const written = run.rows.map((row) => (row[side] === null ? "" : `${row[side].text}${end}`)).join("");
        const open = at === all.length - 1 && !closed[side];
        return open && written !== "" ? written.slice(0, -end.length) : written;
      };
      return run.same
        ? { type: "agreed", text: text("mine"), from: "both" }
        : { type: "overlap", base: "", mine: text("mine"), theirs: text("theirs") };
    });
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

export type Ending = "windows" | "plain" | "mixed" | "none";

/** How the lines of a text end; "none" where it has no more than one line without an end. */
export function endingOf(text: string): Ending {
  const all = text.split("\n").length - 1;
  const windows = text.split("\r\n").length - 1;
  if (all === 0) return "none";
  return windows === 0 ? "plain" : windows === all ? "windows" : "mixed";
}

/** In words, how two texts end their lines where that is not the same. */
export function differingEnds(mine: string | null, theirs: string | null): string[] {
  if (mine === null || theirs === null || mine === "" || theirs === "") return [];
  const found: string[] = [];
  const [here, there] = [endingOf(mine), endingOf(theirs)];
  if (here !== there && here !== "none" && there !== "none") {
    const { endings, endingsDiffer } = texts.conflict;
    found.push(endingsDiffer(endings[here], endings[there]));
  }
  if (mine.endsWith("\n") !== theirs.endsWith("\n")) {
    found.push(texts.conflict.closed[mine.endsWith("\n") ? "mine" : "theirs"]);
  }
  return found;
}

/** Typed text with the line ends of the text it was made of. */
export function withEndings(typed: string, like: string): string {
  return endingOf(like) === "windows" ? typed.replace(/\r?\n/g, "\r\n") : typed;
}

/** The lines that a version added to what it came from and a result lacks, each as often as it is missing. */
export function leftOut(version: string, result: string, base: string): string[] {
  const left = new Map<string, number>();
  for (const line of [...result.split(/\r?\n/), ...base.split(/\r?\n/)]) left.set(line, (left.get(line) ?? 0) + 1);
  return version.split(/\r?\n/).filter((line) => {
    const count = left.get(line) ?? 0;
    if (count > 0) left.set(line, count - 1);
    return count === 0 && line.trim() !== "";
  });
}
