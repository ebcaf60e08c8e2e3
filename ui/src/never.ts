/** Fails to compile where a switch forgets a variant. */
export function never(value: never): never {
  throw new Error(`unexpected variant: ${JSON.stringify(value)}`);
}
