import { expect, it } from "vitest";

import type { VersionView } from "./bindings/VersionView";
import { withNewest, withOlder } from "./history";

const versions = (...ids: string[]): VersionView[] =>
  ids.map((id) => ({
    id,
    pair: "p",
    path: "a.md",
    atMs: 0,
    size: 1,
    reason: "replaced",
    device: null,
    current: false,
  }));

const listed = { versions: versions("h4", "h3", "h2", "h1"), next: "far" };
const idsOf = (found: { versions: VersionView[] }) => found.versions.map(({ id }) => id).join(" ");

it("adds an older page, each version once", () => {
  const more = withOlder(listed, { versions: versions("h1", "h0"), next: null });
  expect([idsOf(more), more.next]).toEqual(["h4 h3 h2 h1 h0", null]);
});

it("keeps the older pages below a newest one that touches them", () => {
  const newer = withNewest(listed, { versions: versions("h5", "h4"), next: "near" });
  expect([idsOf(newer), newer.next]).toEqual(["h5 h4 h3 h2 h1", "far"]);
  const alone = withNewest(listed, { versions: versions("h9", "h8"), next: "near" });
  expect([idsOf(alone), alone.next]).toEqual(["h9 h8", "near"]);
});

it("begins again where versions came in between, as those of a cloud that can be reached again", () => {
  const between = withNewest(listed, { versions: versions("h4", "cloud:p:v:a.md", "h3"), next: "near" });
  expect([idsOf(between), between.next]).toEqual(["h4 cloud:p:v:a.md h3", "near"]);
});
