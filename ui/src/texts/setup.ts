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
  folder: "Notes folder",
  folderHint: "A folder that does not exist yet is created.",
  choose: "Choose…",
  profile: "How careful should sync be?",
  mount: "Mount",
  mountToo: "Also show my cloud as a drive",
  login: "Start",
  back: "Back",
  next: "Continue",
  button: "Start syncing",
  leave: "Leave as it is",
  untilNow: "Until you press “Start syncing”, nothing changes on this device or in the cloud.",
  created: "It will be created.",
  free: (size: string) => `${size} free.`,
  onlyHere: "Only here",
  onlyInCloud: "Only in the cloud",
  identical: "The same",
  differ: "Different",
  list: "Show the notes",
  does: {
    use: (folder: string) => `The folder ${folder} is kept in sync with your cloud.`,
    create: (folder: string) => `The folder ${folder} is created and kept in sync with your cloud.`,
    upload: (n: number) => `${some(n, "note goes", "notes go")} up to the cloud.`,
    download: (n: number) => `${some(n, "note comes", "notes come")} down to this folder.`,
    keepBoth: (n: number) =>
      `${some(n, "note that differs is", "notes that differ are")} kept in both versions, for you to review.`,
    profile: (name: string) => `Sync works with the profile ${name}.`,
    mount: (folder: string) => `Your cloud is shown as a drive at ${folder}.`,
    login: "The app starts when you log in, without a window.",
    noLogin: "The app no longer starts when you log in.",
    rclone: "The app's own copy of rclone is installed; nothing else on the system changes.",
  },
};

export const detect = {
  title: "Keep your notes the same everywhere",
  text: "First a look at what this computer has for it.",
  found: "This computer",
  untilNow: "Looking changes nothing. What is missing can also be added later.",
  looking: "is being looked for",
  isMissing: "is missing",
  rclone: "The program that carries the notes. Choose below how to get it.",
  keys: "Keys",
  keyring: "are kept in the system keyring",
  keyringLocked: "are in the system keyring, which is locked",
  file: "are kept in an encrypted file",
  fileHint: "No keyring answers here. The file and its key are readable only for you.",
  drives: "Drives",
  tray: "Tray",
  trayPresent: "has a place for the icon",
  state: { found: "Found", note: "Note", missing: "Missing" },
};

export const install = {
  title: "Ways to get rclone",
  button: "Install",
  own: "The app's own copy",
  ownText: "Only for this app; nothing else on the system changes.",
  administrator: "For everybody on this computer; asks for an administrator's rights.",
  person: "For you, with a package manager that is already here.",
  with: (command: string) =>
    command === "" ? "Install the app's own copy" : `Install with ${command}`,
};

export const tray = {
  missing: "No panel here shows tray icons, so everything is in this window.",
  hint: "On GNOME the extension “AppIndicator and KStatusNotifierItem Support” shows them.",
};
