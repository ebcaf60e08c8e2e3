import { some } from "./words";

export const setUp = {
  titles: {
    folder: "Choose your notes folder",
    preview: "What the first sync would do",
    choices: "How should it work?",
    summary: "This is what will change",
  },
  texts: {
    folder: "This folder and your cloud become the same. It may be empty, full, or not there yet.",
    preview:
      "Notes found on only one side are added to the other, and where two differ both are kept. Nothing is deleted.",
    choices: "You can change each of these later.",
    summary: "Nothing has changed so far. Go back to change your mind, or start.",
  },
  kind: "How do you want your notes here?",
  kinds: { folder: "In a folder, kept in sync", both: "In a folder, and as a drive too", drive: "Only as a drive" },
  kindTexts: {
    folder: "The notes are on this device and work offline. Right for most people, and for Obsidian.",
    both: "The folder as above; the drive shows what you leave out of it, too.",
    drive: "Takes no space and shows everything, but only while you are online.",
  },
  guide: "When to use which",
  guideParts: [
    {
      title: "A folder",
      lines: [
        "You use Obsidian, or another app that watches its files: it sees each change in a folder, but not each one on a drive.",
        "You work offline: changes go up when you are online again.",
        "You write on several devices: two edits of one note are merged or both kept.",
      ],
    },
    {
      title: "A drive",
      lines: [
        "You work in a terminal, with vim or Emacs: each note is read straight from the cloud.",
        "You have large files: they open without being downloaded as a whole.",
        "You use one device, or have little space on it: there is nothing to keep in step.",
      ],
    },
    {
      title: "Either",
      lines: [
        "You write programs or scripts that use the notes.",
        "Others change the same notes as you: a folder shows it within seconds while you are online, a drive as fast as you choose for it.",
      ],
    },
  ],
  driveTitle: "Choose where the drive appears",
  driveText: "Your cloud is shown there as a drive. What you save goes up; nothing is copied to this device.",
  folder: "Notes folder",
  folderHint: "A folder that does not exist yet is created.",
  choose: "Choose…",
  profile: "How careful should sync be?",
  mount: "Drive",
  driveName: "Basic Memory",
  login: "At login",
  back: "Back",
  next: "Continue",
  button: { folder: "Start syncing", both: "Start syncing", drive: "Mount the drive" },
  leave: "Leave as it is",
  working: "Working…",
  installing: "Installing rclone. The folder is set up as soon as it is there.",
  looking: "Looking…",
  lookingText: "This folder is compared with your cloud, which takes a while if there is much in them. Nothing is changed.",
  untilNow: (kind: "folder" | "both" | "drive") =>
    `Until you press “${kind === "drive" ? "Mount the drive" : "Start syncing"}”, nothing changes on this device or in the cloud.`,
  cancel: "Cancel set-up",
  canceling: "Canceling…",
  cancelEffect:
    "If you cancel, you are signed out, and nothing on this device has changed. You can also close this window and go on later: your sign-in waits in memory until the app ends.",
  created: "It will be created.",
  free: (size: string) => `${size} free.`,
  onlyHere: "Only here",
  onlyInCloud: "Only in the cloud",
  identical: "The same",
  differ: "Different",
  list: "Show the notes",
  inFolder: (n: number) => `${some(n, "file in it takes", "files in it take")} part in the first sync.`,
  allEmpty: "Both sides are empty. What you write in this folder goes up to the cloud from then on.",
  cloudAlone: "To have only what is in the cloud, go back and choose an empty folder: this one then stays as it is.",
  allSame: "Both sides are the same already: there is nothing to carry.",
  does: {
    use: (folder: string) => `The folder ${folder} is kept in sync with your cloud.`,
    create: (folder: string) => `The folder ${folder} is created and kept in sync with your cloud.`,
    replace: (folder: string) => `Sync of ${folder} ends. What is in that folder stays as it is.`,
    upload: (n: number) => `${some(n, "note goes", "notes go")} up to the cloud.`,
    download: (n: number) => `${some(n, "note comes", "notes come")} down to this folder.`,
    keepBoth: (n: number) =>
      `${some(n, "note that differs is", "notes that differ are")} kept in both versions, for you to review.`,
    profile: (name: string) => `Sync works with the profile ${name}.`,
    mount: (folder: string) => `Your cloud is shown as a drive at ${folder}.`,
    mountProfile: (name: string) => `The drive works with the profile ${name}.`,
    login: "The app starts when you log in, without a window.",
    noLogin: "The app no longer starts when you log in.",
    stays: (on: boolean) =>
      on ? "The app still starts when you log in, without a window." : "The app does not start when you log in, as before.",
    keys: (inFile: boolean) =>
      `Your sign-in, and keys of this device's own to your notes, are kept in ${inFile ? "an encrypted file" : "the system keyring"}.`,
    ownRclone: (path: string, version: string | null) =>
      `The rclone at ${path}${version === null ? "" : ` (${version})`} is used; nothing is installed.`,
    rclone: (command: string, administrator: boolean) => {
      if (command === "") {
        return "The app's own copy of rclone is installed; nothing else on the system changes.";
      }
      const rights = administrator ? " You are asked for an administrator's rights." : "";
      return `rclone is installed for you with “${command}”.${rights}`;
    },
  },
};

export const detect = {
  title: "Keep your notes the same everywhere",
  text: "First a look at what this computer has for it.",
  found: "This computer",
  untilNow: "Looking changes nothing. You see every change in a list before the first one is made.",
  looking: "is being looked for",
  isMissing: "is missing",
  rclone: "The program that carries the notes. Choose below how to get it; nothing is installed yet.",
  keys: "Keys",
  keyring: "are kept in the system keyring",
  keyringLocked: "are in the system keyring, which is locked",
  file: "go into an encrypted file: no keyring answers",
  fileLocked: "are in an encrypted file that waits for its passphrase",
  drives: "Drives",
  drivesMissing: (why: string) => `are not possible here: ${why}`,
  drivesReady: (driver: string) => `are possible (${driver})`,
  tray: "Tray",
  trayPresent: "shows the icon",
  login: "Start at login",
  loginFound: "is set up already",
  notes: "Notes folder",
  noNotes: "not found",
  noNotesHint: "In the set-up you choose one, or a new one.",
  offered: "The set-up offers it first.",
  vault: "A vault of Obsidian. The set-up offers it first.",
  otherNotes: (folders: string) => `Other vaults of Obsidian: ${folders}`,
  service: "Sync service",
  runsHere: "is part of this app",
  runsElsewhere: "runs already, in a program of its own",
  joined: "This window joins it. It goes on when this app ends.",
  details: "All that was looked at",
  state: { found: "Found", note: "Note", missing: "Missing" },
};

export const noFolder = {
  title: "No folder is in sync",
  text: "A folder in sync keeps the notes on this device and works offline, too.",
  button: "Set up a folder…",
};

export const setUpDone = {
  title: "Your folder is set up",
  driveTitle: "Your drive is set up",
  drive: "It appears in a moment, below on this page and in your file manager. You can close this window; the drive stays.",
  first: "The first sync begins now. You can close this window; sync goes on.",
  tray: "The icon in the panel shows how sync stands, and its menu has what you need each day.",
  noTray: "No panel here shows icons: start the app again to open this window.",
  undo: (login: boolean) =>
    `To undo it all, sign out on the page Account${login ? " and switch off “Start when I log in” in Settings" : ""}. Your folder stays a plain folder of notes.`,
  undoDrive: (login: boolean) =>
    `To undo it all, unmount the drive here and sign out on the page Account${login ? "; switch off “Start when I log in” in Settings" : ""}. Your notes stay in the cloud.`,
};

export const passphrase = {
  title: "Your passphrase is needed",
  text: "This device's keys are in an encrypted file. Sync waits until you open it; you stay signed in.",
  signedOutText: "An encrypted file on this device keeps your keys. Open it before you sign in.",
  label: "Passphrase",
  again: "The same again",
  open: "Open",
  trying: "Opening…",
  help: "It is kept in memory only, until the app ends.",
  lostIt: "I lost the passphrase",
  lostText:
    "Then you sign in again, and this device gets new keys. Your folder stays as it is, and what you wrote waits. Revoke the old keys on the page Account afterwards.",
  beginAnew: "Sign out and begin anew",
  choice: "Where this device's keys are kept",
  choiceText: "No keyring answers here. Your sign-in and the keys go into a file.",
  alone: "In a file that only you can read",
  aloneText: "Nothing to type. Whoever can read all your files can read this one.",
  sealed: "In a file with a passphrase",
  sealedText: "You are asked for it after each start of the app.",
  lost: "At least 8 characters. Nobody can restore it; if you lose it, you sign in again.",
  differ: "The two are not the same.",
};

export const install = {
  title: "How to get rclone",
  later: "It is installed at the end of the set-up, not before.",
  own: "The app's own copy",
  ownText: "A download of 25 MB, only for this app; nothing else on the system changes.",
  administrator: "For everybody on this computer; asks for an administrator's rights.",
  person: "For you, with a package manager that is already here.",
  present: "An rclone that is already on this computer",
  presentText: "Version 1.74.2 or newer. It is asked for its version now, and used from the end of the set-up on.",
  program: "Program",
  programHint: "The whole path, as /opt/rclone/rclone.",
  test: "Test",
  testing: "Asking it for its version…",
  fit: (version: string) => `It is rclone ${version} and can be used.`,
};

export const tray = {
  missing: "No panel here shows tray icons, so everything is in this window.",
  hint: "On GNOME the extension “AppIndicator and KStatusNotifierItem Support” shows them.",
};
