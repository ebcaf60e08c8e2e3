import { count } from "../format";

/** The form of a word for an amount. Every word that has two comes through here. */
export function form(amount: number, one: string, many: string): string {
  return amount === 1 ? one : many;
}

/** A number with its noun. */
export function some(amount: number, one: string, many: string): string {
  return `${count(amount)} ${form(amount, one, many)}`;
}
