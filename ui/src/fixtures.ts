import type { AccountView } from "./bindings/AccountView";
import type { ActivityView } from "./bindings/ActivityView";
import type { PairView } from "./bindings/PairView";
import type { View } from "./bindings/View";
import { listedConflicts } from "./fixtures/listed";
import type { FixtureName } from "./fixtures/names";
import { pageFixtures, pagePlaces } from "./fixtures/pages";
import type { ProblemView } from "./bindings/ProblemView";
import type { RunView } from "./bindings/RunView";
import type { SubscriptionView } from "./bindings/SubscriptionView";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

export { fixtureNames, isFixtureName } from "./fixtures/names";
export type { FixtureName } from "./fixtures/names";

/** Where the window is opened for a fixture; the overview where it is not named. */
export const fixturePlaces: Partial<Record<FixtureName, string>> = pagePlaces;

/** One canned view for each state that the window can show, seen from the time given. */
export function fixtures(now: number): Record<FixtureName, View> {
  const server = "https://cloud.basicmemory.com";

  const run: RunView = {
    number: 128,
    endedAtMs: now - 12 * second,
    durationMs: 2_840,
    result: { type: "synced" },
    uploaded: 3,
    downloaded: 1,
    removedHere: 0,
    removedInCloud: 1,
    conflicts: 0,
    requests: 19,
  };
  const verified: RunView = {
    ...run,
    number: 129,
    durationMs: 412,
    result: { type: "verified" },
    uploaded: 0,
    downloaded: 0,
    removedInCloud: 0,
    requests: 2,
  };

  const pair: PairView = {
    id: "pair_0198a6c2",
    folder: "/home/ana/Notes",
    bucket: "basic-memory-9d3f",
    profile: "balanced",
    files: 1_204,
    bytes: 36_412_000,
    checkedAtMs: now - 12 * second,
    waiting: 0,
    running: null,
    lastRun: run,
    halt: null,
    preview: null,
    check: null,
    filters: ["# Left out", "- .obsidian/workspace*", "- *.tmp", "- .trash/**"],
  };

  const subscription: SubscriptionView = {
    current: true,
    status: "active",
    plan: "Plus",
    periodEndMs: now + 41 * day,
    subscribeUrl: "https://basicmemory.com/subscribe",
    manageUrl: "https://basicmemory.com/account",
  };

  const activityUntil = (last: number): ActivityView[] => [
    { atMs: last, path: "Journal/2026-03-14.md", action: "upload" },
    { atMs: last - 2 * second, path: "Projects/Garden/Seed list.md", action: "upload" },
    { atMs: last - 2 * second, path: "Reading/The Peregrine.md", action: "download" },
    { atMs: last - 9 * minute, path: "Inbox/untitled 3.md", action: "removeInCloud" },
    { atMs: last - 47 * minute, path: "Inbox/Call with Marta.md", action: "upload" },
    { atMs: last - 3 * hour, path: "Recipes/Bread/Rye, second attempt.md", action: "conflict" },
    { atMs: last - 26 * hour, path: "Archive/2019/Travel plans.md", action: "removeHere" },
  ];
  const activity = activityUntil(now - 12 * second);

  const signedIn = {
    type: "signedIn",
    serverUrl: server,
    userId: "user_2f9c1b",
    email: "ana@example.org",
    cloudMode: true,
    keep: "now",
  } satisfies AccountView;
  const idle: View = {
    version: "0.1.0",
    device: "ana-laptop",
    status: "idle",
    headline: "Up to date",
    sync: { type: "on" },
    checkedAtMs: now - 12 * second,
    account: signedIn,
    subscription,
    pairs: [pair],
    notices: [],
    conflicts: [],
    openConflictCount: 0,
    problems: [],
    problemCount: 0,
    activity,
    rclone: { type: "ready", version: "1.75.2", path: "/usr/bin/rclone" },
    chosenRclone: null,
    secretStore: "keyring",
    history: { days: 30, budgetMib: 1024, usedBytes: 48_400_000, versions: 212 },
    settings: {
      limits: { uploadKibS: null, downloadKibS: null },
      historyDays: 30,
      historyBudgetMib: 1024,
      intervalS: 300,
      onMetered: "pause",
      onBattery: "run",
      notifications: "important",
      quietHours: null,
      snoozedUntilMs: null,
      proxy: null,
    },
    mounts: [],
    mountSupport: { type: "ready", driver: "FUSE" },
  };

  /** Nothing was carried since then. */
  const since = (ms: number, changes: Partial<PairView> = {}): Pick<View, "checkedAtMs" | "pairs" | "activity"> => ({
    checkedAtMs: now - ms,
    pairs: [{ ...pair, checkedAtMs: now - ms, lastRun: { ...run, endedAtMs: now - ms }, ...changes }],
    activity: activityUntil(now - ms),
  });

  const nothingYet = {
    checkedAtMs: null,
    subscription: null,
    pairs: [],
    activity: [],
  } satisfies Partial<View>;

  const signedOut: View = {
    ...idle,
    ...nothingYet,
    status: "signedOut",
    headline: "Sign in",
    account: { type: "signedOut", reason: null },
  };

  const awaitingBrowser: View = {
    ...signedOut,
    headline: "Enter WDJB-MJHT in the browser",
    account: {
      type: "awaitingBrowser",
      serverUrl: server,
      userCode: "WDJB-MJHT",
      verificationUrl: "https://auth.basicmemory.com/device",
      verificationUrlComplete: "https://auth.basicmemory.com/device?user_code=WDJB-MJHT",
      expiresAtMs: now + 4 * minute + 38 * second,
    },
  };

  const rcloneHint = "Choose Install; the app keeps a copy of its own.";

  const { openConflicts, settledConflicts } = listedConflicts(pair.id, now);

  const tooManyDeletes: PairView = {
    ...pair,
    files: 900,
    bytes: 27_200_000,
    lastRun: { ...run, result: { type: "halted", code: "TooManyDeletes" }, uploaded: 0 },
    halt: {
      code: "TooManyDeletes",
      message: "140 of 900 notes would be removed in the cloud",
      hint: "Everything else goes on. Look at the list, then go on or bring the notes back.",
      canConfirm: true,
      evidence: ["Archive/2019/Travel plans.md", "Archive/2019/Winter reading.md"],
      evidenceCount: 140,
      actions: ["restore", "confirm"],
    },
    preview: {
      number: 130,
      changes: [
        { path: "Archive/2019/Travel plans.md", action: "removeInCloud" },
        { path: "Archive/2019/Winter reading.md", action: "removeInCloud" },
        { path: "Archive/2020/A very long name for a note that somebody really wrote down one day in spring.md", action: "removeInCloud" },
        { path: "Journal/2026-03-14.md", action: "upload" },
      ],
      changeCount: 141,
      identical: 760,
    },
  };

  const found: [path: string, code: string, message: string][] = [
    ["Meetings/Plan.md", "name_twins", "another name here differs only in case or accents; rename one of them"],
    ["Inbox/Draft.md", "file_in_use", "another program keeps the file open for writing"],
    ["Archive/2019/Locked.md", "unreadable", "it cannot be read; check its permissions"],
    ["Attachments/Scans", "other_file_system", "the folder is on another disk than the notes folder"],
    ["Reading/Shared/List.md", "link_in_path", "a link stands where a folder should be; links do not sync"],
  ];
  const problems: ProblemView[] = Array.from({ length: 10 }, (_, index) => {
    const [path, code, message] = found[index % found.length] ?? ["", "", ""];
    return { pair: pair.id, path: index < found.length ? path : `Copies/${path}`, code, message };
  });

  const states = {
    starting: {
      ...signedOut,
      status: "starting",
      headline: "Starting",
      rclone: { type: "unknown" },
    },
    cannotRun: {
      ...signedOut,
      status: "error",
      headline: "Sync cannot run: another program of this installation is already syncing",
      rclone: { type: "unknown" },
    },
    signedOut,
    signedOutReason: {
      ...signedOut,
      account: {
        type: "signedOut",
        reason: "The server ended this device's session. Sign in again to go on.",
      },
    },
    signedOutFolder: {
      ...idle,
      status: "signedOut",
      headline: "Sign in",
      account: { type: "signedOut", reason: "The sign-in was revoked on another device." },
      pairs: [{ ...pair, waiting: 4 }],
    },
    signedOutPassphrase: {
      ...signedOut,
      account: { type: "signedOut", reason: null },
      secretStore: "fileLocked",
    },
    signingIn: {
      ...signedOut,
      headline: "Signing in",
      account: { type: "signingIn", serverUrl: server },
    },
    awaitingBrowser,
    detect: signedOut,
    detectLacking: {
      ...signedOut,
      rclone: {
        type: "missing",
        message: "rclone was not found",
        hint: rcloneHint,
      },
      secretStore: "encryptedFile",
      mountSupport: {
        type: "missing",
        message: "the program fusermount3 is missing",
        hint: "Install the package `fuse3`, for example with `sudo apt install fuse3`. Folders sync without it.",
      },
    },
    detectPassphrase: { ...signedOut, secretStore: "encryptedFile" },
    codeExpired: {
      ...awaitingBrowser,
      account: {
        type: "awaitingBrowser",
        serverUrl: "http://127.0.0.1:8765",
        userCode: "QRTK-ZBNP",
        verificationUrl: "http://127.0.0.1:8765/idp/device",
        verificationUrlComplete: null,
        expiresAtMs: now - second,
      },
    },
    noSubscription: {
      ...idle,
      ...nothingYet,
      status: "expired",
      headline: "Subscription required",
      account: { ...signedIn, cloudMode: false, keep: "withSetUp" },
      subscription: {
        ...subscription,
        current: false,
        status: "none",
        plan: null,
        periodEndMs: null,
        manageUrl: null,
      },
    },
    cloudNotReady: {
      ...idle,
      ...nothingYet,
      status: "starting",
      headline: "No folder is set up yet",
      account: { ...signedIn, cloudMode: false, keep: "withSetUp" },
      subscription,
    },
    setUp: {
      ...idle,
      ...nothingYet,
      account: { ...signedIn, keep: "withSetUp" },
      subscription,
      status: "starting",
      headline: "No folder is set up yet",
    },
    firstRun: {
      ...idle,
      status: "syncing",
      headline: "Syncing",
      checkedAtMs: null,
      pairs: [
        {
          ...pair,
          files: 0,
          bytes: 0,
          checkedAtMs: null,
          lastRun: null,
          running: { number: 1, phase: "verify", done: 0, total: 0, file: null, bytesDone: 0, bytesTotal: 0 },
        },
      ],
      activity: [],
    },
    idle,
    syncing: {
      ...idle,
      status: "syncing",
      headline: "Syncing 3 of 40",
      checkedAtMs: now - 2 * minute,
      pairs: [
        {
          ...pair,
          waiting: 37,
          lastRun: verified,
          running: {
            number: 130,
            phase: "bisync",
            done: 3,
            total: 40,
            file: "Plans/2026.md",
            bytesDone: 4_096,
            bytesTotal: 81_920,
          },
        },
      ],
    },
    paused: {
      ...idle,
      status: "paused",
      headline: "Paused",
      sync: { type: "pausedUntil", untilMs: now + 26 * minute },
      ...since(4 * minute, { waiting: 2 }),
    },
    switchedOff: {
      ...idle,
      status: "paused",
      headline: "Sync is off",
      sync: { type: "off" },
      ...since(31 * minute, { waiting: 1 }),
    },
    pausedBattery: {
      ...idle,
      status: "paused",
      headline: "Paused on battery",
      settings: { ...idle.settings, onBattery: "pause" },
      ...since(38 * minute, { waiting: 3 }),
    },
    pausedMetered: {
      ...idle,
      status: "paused",
      headline: "Paused on a metered connection",
      ...since(52 * minute, { waiting: 5 }),
    },
    late: {
      ...idle,
      status: "attention",
      headline: "Not checked for 34 minutes",
      ...since(34 * minute, {
        waiting: 2,
        lastRun: {
          ...verified,
          endedAtMs: now - 3 * minute,
          result: {
            type: "failed",
            code: "unsettled",
            message: "something changed each time that the two sides were compared",
            hint: "It is tried again by itself.",
            transient: true,
          },
        },
      }),
    },
    offline: {
      ...idle,
      status: "offline",
      headline: "Connection lost · 4 changes waiting",
      ...since(8 * minute, { waiting: 4 }),
    },
    attention: {
      ...idle,
      status: "attention",
      headline: "3 conflicts to review",
      conflicts: [...openConflicts, ...settledConflicts],
      openConflictCount: 3,
      problems: problems.slice(0, 1),
      problemCount: 1,
    },
    halt: {
      ...idle,
      status: "attention",
      headline: "140 of 900 notes would be removed in the cloud",
      pairs: [tooManyDeletes],
    },
    rootMissing: {
      ...idle,
      status: "attention",
      headline: "the notes folder is missing",
      ...since(18 * minute, {
        folder: "/media/ana/stick/Notes",
        halt: {
          code: "RootMissing",
          message: "the notes folder is missing",
          hint: "Bring the folder back (connect its disk); sync goes on by itself. Nothing was deleted in the cloud.",
          canConfirm: false,
          evidence: [],
          evidenceCount: 0,
          actions: ["chooseFolder"],
        },
        lastRun: {
          ...verified,
          endedAtMs: now - 2 * minute,
          result: { type: "halted", code: "RootMissing" },
        },
      }),
    },
    preview: {
      ...idle,
      pairs: [
        {
          ...pair,
          lastRun: { ...run, result: { type: "previewed" } },
          preview: {
            number: 131,
            changes: [
              { path: "Journal/2026-03-14.md", action: "upload" },
              { path: "Reading/The Peregrine.md", action: "download" },
              { path: "Inbox/untitled 3.md", action: "removeInCloud" },
              { path: "Recipes/Bread/Rye, second attempt.md", action: "conflict" },
            ],
            changeCount: 4,
            identical: 1_200,
          },
        },
      ],
    },
    expired: {
      ...idle,
      status: "expired",
      headline: "Read-only: subscription ended",
      account: { ...signedIn, cloudMode: false },
      subscription: {
        ...subscription,
        current: false,
        status: "canceled",
        periodEndMs: now - 3 * day,
      },
      pairs: [{ ...pair, waiting: 6 }],
    },
    rcloneMissing: {
      ...idle,
      status: "error",
      headline: "Sync cannot run: rclone was not found",
      checkedAtMs: null,
      pairs: [{ ...pair, checkedAtMs: null, lastRun: null, files: 0, bytes: 0, waiting: 12 }],
      activity: [],
      rclone: {
        type: "missing",
        message: "rclone was not found",
        hint: rcloneHint,
      },
    },
    rcloneTooOld: {
      ...idle,
      status: "error",
      headline: "Sync cannot run: rclone 1.60.1 at /usr/bin/rclone is too old, 1.74.2 is needed",
      rclone: {
        type: "tooOld",
        version: "1.60.1",
        path: "/usr/bin/rclone",
        message: "rclone 1.60.1 at /usr/bin/rclone is too old, 1.74.2 is needed",
        hint: rcloneHint,
      },
    },
    rcloneInstalling: {
      ...idle,
      status: "starting",
      headline: "Starting",
      rclone: { type: "installing" },
    },
    keyringLocked: {
      ...signedOut,
      headline: "Sign in",
      secretStore: "keyringLocked",
    },
    keyringLockedLater: {
      ...idle,
      status: "error",
      headline: "Sync waits: the keyring is locked",
      ...since(22 * minute, { waiting: 1 }),
      secretStore: "keyringLocked",
    },
    passphraseNeeded: {
      ...idle,
      status: "error",
      headline: "Sync waits for your passphrase",
      ...since(47 * minute, { waiting: 3 }),
      secretStore: "fileLocked",
    },
    failedRun: {
      ...idle,
      status: "error",
      headline: "Sync cannot run: this cloud storage does not protect a note from being overwritten",
      secretStore: "encryptedFile",
      ...since(11 * minute, {
        waiting: 1,
        lastRun: {
          ...verified,
          endedAtMs: now - minute,
          result: {
            type: "failed",
            code: "unsafe_store",
            message: "this cloud storage does not protect a note from being overwritten",
            hint: "Ask whoever runs the server for a store with conditional writes (If-Match).",
            transient: false,
          },
        },
      }),
    },
    manyProblems: {
      ...idle,
      status: "attention",
      headline: "104 conflicts to review",
      problems,
      problemCount: 112,
      conflicts: openConflicts.slice(0, 1),
      openConflictCount: 104,
    },
    twoFolders: {
      ...idle,
      pairs: [
        pair,
        {
          ...pair,
          id: "pair_0198a6c3",
          folder: "C:\\Users\\Ana\\Documents\\Work notes",
          profile: "safe",
          files: 1,
          bytes: 412,
          waiting: 0,
          lastRun: verified,
        },
      ],
    },
  } satisfies Partial<Record<FixtureName, View>>;
  return { ...states, ...pageFixtures(now, states) };
}
