import { count } from "../format";

/** A number with its noun. */
export function some(amount: number, one: string, many: string): string {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}
