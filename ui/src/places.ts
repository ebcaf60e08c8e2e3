import type { View } from "./bindings/View";
import { never } from "./never";

/** The pages of the window once a folder is set up. */
export const places = [
  "overview",
  "folders",
  "conflicts",
  "history",
  "mounts",
  "account",
  "settings",
  "diagnostics",
] as const;

/** The set-up is a page that nothing leads to but its own commands. */
export type Place = NavPlace | "setUp";
export type NavPlace = (typeof places)[number];

/** Where the window is: a page, and on it the one thing that is open. */
export interface Location {
  place: Place;
  subject: string | null;
}

/** Reads what a link from outside the window names, such as `conflicts` or `conflicts/ID`. */
export function locationOf(link: string | null): Location {
  const [name, ...subject] = (link ?? "").split("/");
  const place = name === "setUp" ? name : places.find((known) => known === name);
  return place === undefined
    ? { place: "overview", subject: null }
    : { place, subject: subject.join("/") || null };
}

/** The pages that this engine can fill. */
export function placesOf(view: View): NavPlace[] {
  return places.filter((place) => {
    switch (place) {
      case "overview":
      case "folders":
      case "conflicts":
      case "mounts":
      case "account":
      case "settings":
      case "diagnostics":
        return true;
      case "history":
        return view.history !== undefined;
      default:
        return never(place);
    }
  });
}
