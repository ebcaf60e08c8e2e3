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
