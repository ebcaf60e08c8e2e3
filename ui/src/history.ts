import type { VersionView } from "./bindings/VersionView";

/** The versions that are listed, and what the older ones are asked with; null where there are none. */
export interface Listed {
  versions: VersionView[];
  next: string | null;
}

/** What is listed once an older page was read. */
export function withOlder(listed: Listed, page: Listed): Listed {
  const known = new Set(listed.versions.map(({ id }) => id));
  return { versions: [...listed.versions, ...page.versions.filter(({ id }) => !known.has(id))], next: page.next };
}

/** What is listed once the newest page was read again: the older ones that were opened stay. */
export function withNewest(listed: Listed | null, page: Listed): Listed {
  if (listed === null || page.next === null) return page;
  const known = new Set(listed.versions.map(({ id }) => id));
  const from = page.versions.findIndex(({ id }) => known.has(id));
  // Where the two do not touch, others lie between them; where some came in between, more may be missing below.
  if (from < 0 || page.versions.slice(from).some(({ id }) => !known.has(id))) return page;
  const ids = new Set(page.versions.map(({ id }) => id));
  const rest = listed.versions.slice(listed.versions.findLastIndex(({ id }) => ids.has(id)) + 1);
  return rest.length === 0 ? page : { versions: [...page.versions, ...rest], next: listed.next };
}

/** The same list after one of its versions became the note. */
export function afterRestore(listed: Listed, restored: VersionView): Listed {
  const versions = listed.versions.map((version) =>
    version.pair === restored.pair && version.path === restored.path
      ? { ...version, current: version.id === restored.id }
      : version,
  );
  return { ...listed, versions };
}
