import type { CheckLine } from "../bindings/CheckLine";
import type { ExplainState } from "../bindings/ExplainState";
import type { Finding } from "../bindings/Finding";
import type { MountProfileName } from "../bindings/MountProfileName";
import type { MountState } from "../bindings/MountState";
import type { ProfileName } from "../bindings/ProfileName";
import type { VersionReason } from "../bindings/VersionReason";
import { count } from "../format";
import { form, some } from "./words";

const reason: Record<VersionReason, string> = {
  replaced: "Replaced by a newer version",
  removed: "Removed",
  resolved: "Set aside when a conflict was settled",
  merged: "Went into a merge",
  restored: "Set aside by a restore",
  inCloud: "Older version kept in the cloud",
};

const mountState: Record<MountState, string> = {
  starting: "Mounting",
  mounted: "Mounted",
  reconnecting: "Connection lost, trying again",
  unmounting: "Unmounting",
  unmounted: "Not mounted",
  failed: "Failed",
};

const mountSentence: Record<MountProfileName, string> = {
  fast: "What others change shows within 5 seconds. For live work with others.",
  balanced: "What others change shows within 10 seconds. Right for most people.",
  safe: "What others change shows within 15 seconds. Asks the cloud least.",
};

const explainState: Record<ExplainState, string> = {
  synced: "In sync",
  waiting: "Waiting to be carried",
  hidden: "Left out by a rule",
  cannotSync: "Cannot be synced",
  paused: "Sync is paused",
  conflict: "In conflict",
  readOnly: "Read-only",
  unknown: "Not known",
};

const difference: Record<CheckLine["difference"], string> = {
  onlyHere: "Only here",
  onlyInCloud: "Only in cloud",
  differs: "Differs",
  unreadable: "Could not be read",
};

const level: Record<Finding["level"], string> = {
  ok: "Good",
  note: "Note",
  warning: "Warning",
  error: "Problem",
};

export const history = {
  title: "History",
  text: (days: number, used: string, budget: string) =>
    `What sync replaced or removed stays here for ${some(days, "day", "days")}. ${used} of ${budget} used.`,
  search: "Note to look for",
  placeholder: "Path of a note, such as Journal/2026-03-14.md",
  find: "Find",
  reading: "Reading",
  none: "Nothing in the history yet",
  noneText: "When sync replaces or removes a note, the version before it is kept here.",
  notFound: (path: string) => `No older version of “${path}”`,
  notFoundText: "Write the path as it is below the notes folder, with its capitals.",
  found: (n: number) => some(n, "version", "versions"),
  older: "Show older",
  reason,
  current: "Same as now",
  show: "Show",
  showThis: (path: string) => `Show this version of ${path}`,
  hideThis: (path: string) => `Hide this version of ${path}`,
  textOf: (path: string) => `Text of ${path}`,
  noText: "This version cannot be shown as text, or is too large.",
  restore: "Restore",
  restoreThis: (path: string) => `Restore this version of ${path}`,
  restored: (path: string) => `${path} is restored. What was there before is in the history.`,
  lastSync: (name: string) => `Last sync of “${name}”`,
  undoLast: "Undo this sync…",
  undoSure: (when: string) =>
    `Take back what the sync of ${when} did here? Replaced and removed notes return; what is there now goes to the history.`,
  undoIt: "Undo this sync",
};

export const check = {
  title: "Result of the check",
  same: (n: number) =>
    form(n, "The one note is the same on both sides.", `All ${count(n)} notes are the same on both sides.`),
  differ: (n: number) => `${some(n, "note differs", "notes differ")} between this folder and the cloud.`,
  equal: (n: number) => `${some(n, "note is", "notes are")} the same.`,
  difference,
  ways: "The next sync carries what differs; what could not be read stays as it is.",
  syncNow: "Sync now",
  receipt: "Receipt",
  sequence: (n: number) => `Taken after change ${count(n)} of your notes in the cloud.`,
  receiptText: "One sum of all equal notes. A device that holds the same notes shows the same receipt.",
};

export const filters = {
  title: "What sync leaves out",
  help: "One rule a line: `*.tmp` or `Drafts/` leaves out what fits, `!keep.tmp` below it takes in again. rclone's rules work too, and the first that fits decides: `- *.tmp`, `+ Projects/**`. A line that begins with `#` is a remark. Files left out stay where they are.",
  save: "Save rules",
  reset: "Discard changes",
  line: (line: number) => `Line ${count(line)}`,
  effect: (shown: number, hidden: number) =>
    `With these rules ${some(shown, "file is", "files are")} in sync and ${some(hidden, "is", "are")} left out.`,
  newlyHidden: (n: number) => `${some(n, "file", "files")} no longer in sync`,
  newlyShown: (n: number) => `${some(n, "file", "files")} newly in sync`,
};

export const mounts = {
  title: "Mounts",
  text: "Your cloud shown as a drive, without copying everything to this device. It needs a connection.",
  when: "A folder in sync is on this device and works offline. A drive takes no space and shows everything, but only while you are online.",
  first: "Mount a drive",
  another: "Mount another drive",
  folder: "Where to show it",
  folderHint: "An empty folder. One that does not exist yet is created.",
  profile: "How current",
  mount: "Mount",
  open: "Open",
  unmount: "Unmount",
  unmountAnyway: "Unmount anyway",
  wait: "Wait",
  again: "Mount again",
  forget: "Remove from this list",
  sure: (n: number) =>
    `${some(n, "file is", "files are")} not in the cloud yet. They are kept and carried when you mount it again.`,
  waiting: (n: number, size: string) => `${some(n, "file", "files")} (${size}) on the way to the cloud`,
  state: mountState,
  sentence: mountSentence,
};

export const credentials = {
  title: "Devices and programs",
  text: "Each device has keys of its own to your notes. Revoke those of a device that you no longer use.",
  reading: "Asking the server",
  none: "No keys are in use.",
  thisDevice: "This device",
  since: (date: string) => `Since ${date}`,
  used: (ago: string) => `used ${ago}`,
  neverUsed: "never used",
  until: (date: string) => `until ${date}`,
  revoke: "Revoke",
  revokeThis: (name: string) => `Revoke the keys of ${name}`,
  sure: (name: string) => `${name} loses access at once. Its files stay there.`,
  revoking: "Being revoked",
  revokeFailed: "Could not be revoked yet. It is tried again by itself.",
};

export const programs = {
  title: "Other programs",
  text: "Let a program of your own reach your notes in the cloud. The keys go into a file that only you can read.",
  name: "Name",
  help: "The name by which you will know these keys in the list above.",
  create: "Create keys…",
  rclone: "Use your notes from your own rclone. They are added to its settings; a copy of the settings as they were stays beside them.",
  export: "Add to rclone",
  written: (path: string, backup: string | null) =>
    backup === null ? `Written to ${path}.` : `Written to ${path}. The settings before are in ${backup}.`,
};

export const diagnostics = {
  text: "How this device is doing, and what to send when you ask for help.",
  checkUp: "Check-up",
  again: "Check again",
  reading: "Looking at this device",
  allFine: (n: number) => `${some(n, "thing", "things")} looked at, all in order.`,
  fine: (n: number) => `${count(n)} in order`,
  repair: "Repair",
  repairThis: (message: string) => `Repair: ${message}`,
  level,
  export: "Save report…",
  exportText: "A report for support: settings and log, without note texts, names of notes or keys.",
  fileName: "basic-memory-report.zip",
  written: (path: string) => `The report is in ${path}.`,
};

export const explain = {
  title: "Why is this note not synced?",
  text: "Name a file of your notes folder to learn how it stands.",
  path: "Path of the file",
  placeholder: "Journal/2026-03-14.md",
  ask: "Explain",
  state: explainState,
  rules: "Look at the rules of the folder",
  overview: "Go to the overview",
};

export const settings = {
  title: "Settings",
  setUpHelp: "Goes through folder, preview and choices again. Nothing changes before its last page.",
  setUpOpen: "Open the set-up",
  atLogin: "Start when I log in",
  atLoginHelp: "Without a window: only the icon appears.",
  network: "Network",
  upload: "Upload limit (KB/s)",
  download: "Download limit (KB/s)",
  noLimit: "No limit",
  limitsHelp: "Leave empty to use what the connection gives.",
  proxy: "Proxy",
  proxyHelp: "Leave empty to use the system's.",
  when: "When to sync",
  metered: "On a metered connection",
  battery: "On battery",
  run: "Go on",
  pause: "Pause",
  interval: "Full check every (minutes)",
  intervalHelp:
    "Changes are carried as they happen; a full check compares everything. While the cloud tells of its changes, it comes five times less often.",
  notifications: "Notifications",
  notify: {
    all: "Whatever I should know",
    important: "Only when I must do something",
    none: "None",
  },
  snooze: "Leave me alone for",
  snoozeFor: { 30: "30 minutes", 60: "1 hour", 480: "8 hours" },
  snoozed: (until: string) => `No notifications until ${until}.`,
  wake: "Tell me again",
  quiet: "Quiet hours",
  from: "From",
  to: "to",
  days: "Keep for (days)",
  budget: "Use at most (MB)",
  historyHelp: "The oldest versions go first.",
  unsaved: "Not saved yet",
  saved: "Saved",
  timeHelp: "As 22:30.",
  reset: "Discard changes",
};

const merged = "Merged where both fit; else the newer has the name, and the older is in History";
const checked = "Checked before each run";

export const advanced = {
  title: "Advanced",
  bucket: "Bucket",
  conflicts: "Conflicts",
  deletes: "Deletions",
  marker: "Marker in the cloud",
  /** As the table of profiles in the engine. */
  limits: {
    safe: { conflicts: "Both versions are kept", deletes: "More than 10 % at once wait for you", marker: checked },
    balanced: { conflicts: merged, deletes: "More than 25 % at once wait for you", marker: checked },
    fast: { conflicts: merged, deletes: "More than 50 % at once wait for you", marker: "Not checked" },
  } satisfies Record<ProfileName, { conflicts: string; deletes: string; marker: string }>,
  anew: "Compare everything anew",
  anewText:
    "Forgets what was the same and looks at every note again. Nothing is overwritten: of notes that differ, both versions are kept.",
};
