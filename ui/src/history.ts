import type { VersionView } from "./bindings/VersionView";

/** The versions that are listed, and whether older ones can be had. */
export interface Listed {
  versions: VersionView[];
  more: boolean;
}

/** What is listed once an older page was read. */
export function withOlder(listed: Listed, page: Listed): Listed {
  const known = new Set(listed.versions.map(({ id }) => id));
  return { versions: [...listed.versions, ...page.versions.filter(({ id }) => !known.has(id))], more: page.more };
}

/** What is listed once the newest page was read again: the older ones that were opened stay. */
export function withNewest(listed: Listed | null, page: Listed): Listed {
  const ids = new Set(page.versions.map(({ id }) => id));
  const last = listed?.versions.findLastIndex(({ id }) => ids.has(id)) ?? -1;
  // Where the two do not touch, others lie between them.
  if (listed === null || last < 0 || !page.more) return page;
  const rest = listed.versions.slice(last + 1);
  return rest.length === 0 ? page : { versions: [...page.versions, ...rest], more: listed.more };
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
