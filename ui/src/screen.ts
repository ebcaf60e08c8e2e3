import type { AccountView } from "./bindings/AccountView";
import type { View } from "./bindings/View";
import { never } from "./never";
import type { Place } from "./places";

export type SignedIn = Extract<AccountView, { type: "signedIn" }>;
export type SignedOut = Extract<AccountView, { type: "signedOut" }>;
export type AwaitingBrowser = Extract<AccountView, { type: "awaitingBrowser" }>;

/** The window shows exactly one of these; which one is decided by the view alone. */
export type Screen =
  | { name: "starting" }
  | { name: "cannotRun" }
  | { name: "keyringLocked" }
  | { name: "detect" }
  | { name: "signIn"; account: SignedOut }
  | { name: "signingIn"; serverUrl: string }
  | { name: "awaitingBrowser"; account: AwaitingBrowser }
  | { name: "subscriptionRequired"; account: SignedIn }
  | { name: "setUp"; account: SignedIn }
  | { name: "overview"; account: SignedIn };

/** A person who has looked at what the computer has goes on to the sign-in. */
export function screenOf(view: View, person: "new" | "looked"): Screen {
  const { account } = view;
  switch (account.type) {
    case "signedOut":
      if (view.status === "error") {
        return { name: "cannotRun" };
      }
      if (view.status === "starting") {
        return { name: "starting" };
      }
      if (person === "new" && view.pairs.length === 0 && account.reason === null) {
        return { name: "detect" };
      }
      return view.secretStore === "keyringLocked" ? { name: "keyringLocked" } : { name: "signIn", account };
    case "signingIn":
      return { name: "signingIn", serverUrl: account.serverUrl };
    case "awaitingBrowser":
      return { name: "awaitingBrowser", account };
    case "signedIn":
      if (view.pairs.length > 0 || view.mounts.length > 0) {
        return { name: "overview", account };
      }
      return account.cloudMode && view.subscription?.current !== false
        ? { name: "setUp", account }
        : { name: "subscriptionRequired", account };
    default:
      return never(account);
  }
}

/** A page that was asked for by name while another screen waits, and can be shown there. */
export type Aside =
  | { place: "settings" }
  | { place: "diagnostics" }
  | { place: "account"; account: SignedIn };

/** Without an engine no page can be filled; on the overview every page has its own way there. */
export function asideOf(screen: Screen, place: Place): Aside | null {
  switch (screen.name) {
    case "starting":
    case "cannotRun":
    case "overview":
      return null;
    case "subscriptionRequired":
    case "setUp":
      if (place === "account") return { place, account: screen.account };
      break;
    case "keyringLocked":
    case "detect":
    case "signIn":
    case "signingIn":
    case "awaitingBrowser":
      break;
    default:
      return never(screen);
  }
  return place === "settings" || place === "diagnostics" ? { place } : null;
}
