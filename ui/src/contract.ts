/** Types of the engine's requests and views whose generated bindings are not there yet. */

import type { HaltView as LandedHaltView } from "./bindings/HaltView";
import type { PairView as LandedPairView } from "./bindings/PairView";
import type { PreviewChange } from "./bindings/PreviewChange";
import type { ProfileName } from "./bindings/ProfileName";
import type { Reply as LandedReply } from "./bindings/Reply";
import type { Request as LandedRequest } from "./bindings/Request";
import type { View as LandedView } from "./bindings/View";

export type { CheckLine } from "./bindings/CheckLine";
export type { CheckView } from "./bindings/CheckView";
export type { CredentialView } from "./bindings/CredentialView";
export type { FilterEffect } from "./bindings/FilterEffect";
export type { ProgressView } from "./bindings/ProgressView";
export type { Choice } from "./bindings/Choice";
export type { ConflictChoice } from "./bindings/ConflictChoice";
export type { ConflictDetail } from "./bindings/ConflictDetail";
export type { ConflictKind } from "./bindings/ConflictKind";
export type { ConflictView } from "./bindings/ConflictView";
export type { DiffLine } from "./bindings/DiffLine";
export type { MergeChunk } from "./bindings/MergeChunk";
export type { MergeView } from "./bindings/MergeView";
export type { SeenVersions } from "./bindings/SeenVersions";
export type { VersionText } from "./bindings/VersionText";
export type { Finding } from "./bindings/Finding";
export type { FolderWarning } from "./bindings/FolderWarning";
export type { Limits } from "./bindings/Limits";
export type { QuietHours } from "./bindings/QuietHours";
export type { SetUpPreview } from "./bindings/SetUpPreview";
export type { SettingsView } from "./bindings/SettingsView";
export type { MountProfileName } from "./bindings/MountProfileName";
export type { MountState } from "./bindings/MountState";
export type { MountSupport } from "./bindings/MountSupport";
export type { MountView } from "./bindings/MountView";
export type { PreviewChange, ProfileName };

export type VersionReason = "replaced" | "removed" | "resolved" | "merged" | "restored" | "inCloud";
export type VersionView = {
  id: string;
  pair: string;
  path: string;
  atMs: number;
  size: number;
  reason: VersionReason;
  device: string | null;
  current: boolean;
};
export type HistoryView = { days: number; budgetMib: number; usedBytes: number; versions: number };
export type HaltAction = "confirm" | "compareAgain" | "chooseFolder" | "restore";
export type HaltView = LandedHaltView & {
  evidence?: Array<string>;
  evidenceCount?: number;
  actions?: Array<HaltAction>;
};
export type ExplainState =
  | "synced"
  | "waiting"
  | "hidden"
  | "cannotSync"
  | "paused"
  | "conflict"
  | "readOnly"
  | "unknown";

export type PairView = Omit<LandedPairView, "halt"> & { halt: HaltView | null };
export type View = Omit<LandedView, "pairs"> & {
  pairs: Array<PairView>;
  history?: HistoryView;
};

export type Request =
  | LandedRequest
  | { type: "listHistory"; pair: string | null; path: string | null; beforeMs: number | null }
  | { type: "readVersion"; id: string }
  | { type: "restoreVersion"; id: string }
  | { type: "undoLastSync"; pair: string }
  | { type: "restoreHalted"; pair: string }
  | { type: "explain"; path: string };

export type Reply =
  | LandedReply
  | { type: "history"; versions: Array<VersionView>; more: boolean }
  | { type: "version"; version: VersionView; text: string | null }
  | { type: "restored"; path: string; undo: string | null }
  | { type: "explanation"; state: ExplainState; reason: string; action: string | null };
