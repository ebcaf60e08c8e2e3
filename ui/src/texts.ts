import type { ChangeAction } from "./bindings/ChangeAction";
import type { ConflictState } from "./bindings/ConflictState";
import type { ProfileName } from "./bindings/ProfileName";
import type { SecretStoreView } from "./bindings/SecretStoreView";
import type { Status } from "./bindings/Status";
import type { HaltAction } from "./bindings/HaltAction";
import type { EngineRuns } from "./bridge";
import { type Age, count } from "./format";
import type { Place } from "./places";
import { conflict } from "./texts/conflicts";
import * as pages from "./texts/pages";
import * as wizard from "./texts/setup";
import { some } from "./texts/words";

function ago(age: Age): string {
  switch (age.unit) {
    case "now":
      return "just now";
    case "seconds":
      return `${count(age.count)} s ago`;
    case "minutes":
      return `${count(age.count)} min ago`;
    case "hours":
      return `${count(age.count)} h ago`;
    case "days":
      return `${count(age.count)} days ago`;
  }
}

const status: Record<Status, string> = {
  starting: "Starting",
  idle: "Up to date",
  syncing: "Syncing",
  offline: "Offline",
  paused: "Paused",
  attention: "Needs your attention",
  error: "Error",
  signedOut: "Signed out",
  expired: "Read-only",
};

const profileName: Record<ProfileName, string> = {
  safe: "Safe",
  balanced: "Balanced",
  fast: "Fast",
};

const profileSentence: Record<ProfileName, string> = {
  safe: "A note changed on both sides keeps both versions, and sync stops early before it deletes.",
  balanced: "Merges what fits; else the newer has the name, the older is in History. Right for most people.",
  fast: "Like Balanced, with fewer checks before each run. For very large folders.",
};

const done: Record<ChangeAction, string> = {
  upload: "Uploaded",
  download: "Downloaded",
  removeHere: "Removed here",
  removeInCloud: "Removed in cloud",
  conflict: "Conflict",
};

const planned: Record<ChangeAction, string> = {
  upload: "Upload",
  download: "Download",
  removeHere: "Remove here",
  removeInCloud: "Remove in cloud",
  conflict: "Conflict",
};

const conflictState: Record<ConflictState, string> = {
  open: "To review",
  resolved: "Resolved, the other version is in the history",
  dismissed: "Put off until the next start",
};

const secretStore: Record<SecretStoreView, string> = {
  keyring: "System keyring",
  keyringLocked: "System keyring, locked",
  encryptedFile: "Encrypted file",
  fileLocked: "Encrypted file, waits for its passphrase",
};

const places: Record<Place, string> = {
  overview: "Overview",
  folders: "Folders",
  conflicts: "Conflicts",
  history: "History",
  mounts: "Mounts",
  account: "Account",
  settings: "Settings",
  diagnostics: "Diagnostics",
  setUp: "Set up again",
};

const phases: Record<string, string> = {
  verify: "Comparing both sides",
  refresh: "Reading the folder",
  bisync: "Carrying changes",
  apply: "Writing notes here",
  publish: "Finishing",
  check: "Comparing both sides, byte by byte",
};

/** Every word of the window that the engine does not say itself. */
export const texts = {
  status,
  ago,
  profileName,
  profileSentence,
  done,
  planned,
  conflictState,
  secretStore,
  phase: (phase: string) => phases[phase] ?? "Working",

  nav: { ...places, label: "Pages", back: "Back", open: " to review" },
  conflict,
  ...pages,

  dismiss: "Dismiss",
  undo: "Undo",
  cancel: "Cancel",
  save: "Save",
  copied: "Copied",
  tryAgain: "Try again",
  hide: "Hide",
  showAll: (amount: number) => `Show all ${count(amount)}`,
  showFewer: "Show fewer",
  today: "Today",
  more: (amount: number) => `and ${count(amount)} more`,

  starting: {
    title: "Starting",
    text: "Looking at your notes folder and at the cloud.",
    failed: "The window cannot reach sync",
  },
  broken: {
    title: "This window had a problem",
    text: "Sync itself goes on. Your notes are not affected.",
    again: "Show it again",
  },
  cannotRun: {
    text: "It is tried again by itself every few seconds. Your folder and the cloud stay as they are.",
    copy: "Copy this message",
  },
  quit: {
    title: "End the app",
    action: "Quit",
    effect: {
      here: "Sync stops until the app is started again; what you write meanwhile waits in the folder.",
      elsewhere: "Sync keeps running: it is not this app that does it.",
      nowhere: "Sync is not running.",
    } satisfies Record<EngineRuns, string>,
  },
  alone: "This page is the window of the Basic Memory app and works only there.",

  steps: {
    label: "Steps",
    detect: "Start",
    signIn: "Sign in",
    subscription: "Subscription",
    folder: "Folder",
    preview: "First sync",
    choices: "Choices",
    summary: "Summary",
  },

  signIn: {
    title: "Sign in to your notes",
    again: "Sign in again",
    text: "A page opens in your browser. Your sign-in is in memory only until a folder or drive is set up.",
    untilNow: "Until a folder or drive is set up, signing in changes nothing on this device or in the cloud.",
    server: "Server address",
    serverHint: "Change this only if you use a server of your own.",
    button: "Sign in",
    asking: (server: string) => `Asking ${server} for a code`,
    kept: (waiting: number) =>
      waiting === 0
        ? "Your notes stay where they are."
        : `Your notes stay where they are. ${some(waiting, "change waits", "changes wait")} to be uploaded.`,
  },
  browser: {
    title: "Enter this code in your browser",
    text: "A page opens in your browser. It shows this code already, or asks for it: confirm it there, and this window goes on by itself.",
    waiting: (server: string) => `Waiting for you on ${server}`,
    code: "Code",
    copyCode: "Copy code",
    copyLink: "Copy link",
    openPage: "Open the page",
    qr: "QR code of the link",
    phone: "Or use your phone",
    retry: "Get a new code",
    expiresIn: (left: string) => `The code is good for ${left}`,
    expiredTitle: "This code has expired",
    expired: "Nothing has changed on this device.",
    cancel: "Cancel sign-in",
  },
  keyring: {
    title: "Your keyring is locked",
    text: "The system keyring keeps your sign-in and this device's keys. Unlock it, then sign in.",
    note: "The system keyring is locked. Sync waits until you unlock it; you stay signed in.",
  },
  subscribe: {
    title: "Subscription required",
    text: (who: string) =>
      `${who} is signed in but has no active subscription. Nothing has been set up on this device.`,
    thisAccount: "This account",
    ended: (date: string) => `It ended on ${date}.`,
    nowhere: (server: string) => `Ask whoever runs ${server} for one.`,
    stillNone: "Asked just now: it is not active yet.",
    notReady: "Your cloud is not ready yet",
    notReadyText: (who: string) =>
      `${who} has a subscription, but the cloud does not let this device in yet. Nothing has been set up on this device.`,
    notReadyGoesOn: "It is asked again every few seconds. As soon as it answers, the set-up goes on by itself.",
    stillNotReady: "Asked just now: it is not ready yet.",
    open: "Open subscription page",
    again: "Check again",
    goesOn: "As soon as the subscription is active, the set-up goes on by itself.",
  },
  ...wizard,

  headline: {
    checked: (age: Age) => `checked ${ago(age)}`,
    neverChecked: "not checked yet",
    sync: "Sync",
    on: "On",
    off: "Off",
    pausedUntil: (time: string) => `Paused until ${time}`,
  },
  actions: {
    label: "Actions",
    syncNow: "Sync now",
    openFolder: "Open notes folder",
    pause: "Pause",
    pauseFor: ["30 minutes", "1 hour", "Until tomorrow"] as const,
    showList: "Show what would change",
    install: "Install rclone",
  },
  folder: {
    profile: "Profile",
    notes: "Notes in sync",
    waiting: "Waiting to upload",
    lastRun: "Last run",
    took: (time: string) => `took ${time}`,
    requests: (amount: number) => some(amount, "request", "requests"),
    noRun: "No run yet",
    progress: (doneCount: number, total: number) => `${count(doneCount)} of ${count(total)}`,
    preview: "Preview changes",
    text: "Each folder and its place in the cloud are kept the same.",
    open: "Open folder",
    look: "Look without changing",
    check: "Compare both sides",
    inSync: (files: number, waiting: number) =>
      `${some(files, "note", "notes")} in sync${waiting === 0 ? "" : `, ${count(waiting)} waiting to upload`}`,
    bytes: (done: string, total: string) => `${done} of ${total}`,
  },
  run: {
    verified: "Nothing had changed",
    previewed: "Preview only, nothing was changed",
    stopped: "Stopped before its end, goes on with the next run",
    halted: "Stopped for your safety",
    transient: "Will be tried again by itself.",
    nothingMoved: "Both sides compared, nothing to carry",
    uploaded: (n: number) => `${count(n)} uploaded`,
    downloaded: (n: number) => `${count(n)} downloaded`,
    removedHere: (n: number) => `${count(n)} removed here`,
    removedInCloud: (n: number) => `${count(n)} removed in cloud`,
    conflicts: (n: number) => some(n, "conflict", "conflicts"),
  },
  halt: {
    way: {
      confirm: "Go on",
      compareAgain: "Compare again",
      chooseFolder: "Choose folder…",
      restore: "Bring them back",
    } satisfies Record<HaltAction, string>,
    confirm: {
      remove: (n: number) => `Go on and remove ${count(n)}`,
      removeAll: "Go on and remove them all",
      upload: (n: number) => `Go on and upload ${count(n)}`,
      otherFolder: "Go on with this folder",
      unversioned: "Go on without old versions",
      keepBoth: "Go on and keep both",
    },
    title: (name: string) => `Sync of “${name}” waits for you`,
    evidence: (n: number) => `Show the ${some(n, "note", "notes")}`,
  },
  preview: {
    title: "What the next run would do",
    nothing: "Nothing: both sides are the same.",
    identical: (n: number) => `${some(n, "note is", "notes are")} the same on both sides.`,
    cut: (shown: number, all: number) => `The first ${count(shown)} of ${count(all)} changes.`,
  },
  conflicts: {
    title: "Conflicts",
    toReview: (n: number) => `${count(n)} to review`,
  },
  problems: {
    title: "Problems",
    all: "Show all problems",
    open: (name: string) => `Open “${name}”`,
    cut: (shown: number, all: number) => `The first ${count(shown)} of ${count(all)} problems.`,
  },
  activity: {
    title: "Recent activity",
    none: "Nothing yet. Changed notes appear here.",
  },
  account: {
    title: "Signed in as",
    server: (name: string) => `on ${name}`,
    signedInAs: (who: string, server: string) => `Signed in as ${who} on ${server}.`,
    signOut: "Sign out",
    signOutSure: "Sign out of this device? The folder stays as it is.",
    stay: "Stay",
  },
  subscription: {
    title: "Subscription",
    renews: (plan: string, date: string) => `${plan}, renews ${date}`,
    until: (plan: string, date: string) => `${plan}, until ${date}`,
    plan: "Active",
    ended: (date: string) => `Ended ${date}`,
    none: "Not active",
    manage: "Manage",
    lapsedTitle: "Your subscription has ended",
    lapsed: (date: string | null) =>
      `Read-only${date === null ? "" : ` since ${date}`}. Changes from the cloud still arrive; yours wait here and go up when you renew.`,
    allHere: "All your notes are files in your folder. They stay there, whatever you decide.",
    renew: "Renew",
  },
  device: {
    title: "This device",
    name: "Name",
    rclone: "rclone",
    secrets: "Keys kept in",
    version: "Version",
    installing: "Installing…",
    missing: "Missing",
    tooOld: (version: string) => `${version}, too old`,
    unknown: "Not looked for yet",
    chosen: (path: string) => `You chose the rclone at ${path}, which goes before any other.`,
    notChosen: (path: string) => `You chose the rclone at ${path}. Another one is used now.`,
    forgetChosen: "Forget this choice",
  },
  rclone: {
    installing: "Installing rclone. Sync starts when it is ready.",
  },
};
