import type { MountProfileName } from "./bindings/MountProfileName";
import type { ProfileName } from "./bindings/ProfileName";
import type { SetUpPreview } from "./bindings/SetUpPreview";
import type { Step } from "./steps";

export type SetUpPage = Extract<Step, "folder" | "preview" | "choices" | "summary">;

/** How the notes are to be on this device. */
export type Kind = "folder" | "both" | "drive";

/** What a person has chosen in the set-up so far. It waits here while another page is looked at. */
export class SetUpDraft {
  page = $state<SetUpPage>("folder");
  kind = $state<Kind>("folder");
  folder = $state("");
  profile = $state<ProfileName>("balanced");
  driveFolder = $state("");
  driveProfile = $state<MountProfileName>("balanced");
  /** Null where the desktop does not say. */
  atLogin = $state<boolean | null>(null);
  preview = $state.raw<SetUpPreview | null>(null);
  /** Whose draft it is. */
  readonly account: string;

  constructor(account: string, folder: string, profile: ProfileName, driveFolder: string) {
    this.account = account;
    this.folder = folder;
    this.profile = profile;
    this.driveFolder = driveFolder;
  }
}
