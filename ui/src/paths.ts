/** The person's own folder, told by the one below it that the set-up offers. */
function homeOf(offered: string): { home: string; slash: string } | null {
  const at = Math.max(offered.lastIndexOf("/"), offered.lastIndexOf("\\"));
  return at <= 0 ? null : { home: offered.slice(0, at), slash: offered.charAt(at) };
}

/** A path as people type it: with `~` for their own folder, and blanks around it. */
export function wholePath(typed: string, offered: string | null): string {
  const path = typed.trim();
  const own = offered === null ? null : homeOf(offered);
  if (own === null || !/^~($|[/\\])/.test(path)) return path;
  return own.home + path.slice(1);
}

/** Where a drive may appear, beside the folder that the set-up offers; none where that is unknown. */
export function offeredDrive(offered: string | null, name: string): string {
  const own = offered === null ? null : homeOf(offered);
  return own === null ? "" : `${own.home}${own.slash}${name}`;
}
