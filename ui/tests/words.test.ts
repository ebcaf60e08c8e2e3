import { parse } from "svelte/compiler";
import { expect, it } from "vitest";

const components = import.meta.glob<string>("../src/**/*.svelte", { query: "?raw", import: "default", eager: true });
const modules = import.meta.glob<string>(["../src/**/*.ts", "!../src/bindings/**", "!../src/fixtures/**", "!../src/**/*.test.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});

/** Attributes that a person reads or hears. */
const spoken = ["alt", "aria-description", "aria-label", "label", "placeholder", "title"];
/** An address is no word of a language. */
const address = /^https?:/;
const word = /\p{L}{2}/u;
const sentence = /^\p{Lu}\p{L}* \p{L}/u;

/** What a component says by itself: texts between tags, spoken attributes, sentences in its code. */
function said(node: unknown, found: string[] = []): string[] {
  if (Array.isArray(node)) {
    for (const one of node) said(one, found);
  } else if (typeof node === "object" && node !== null) {
    const { type, name, data, value } = node as Record<string, unknown>;
    if (type === "Attribute" && !spoken.includes(String(name))) {
      // Classes and names of fields are no words; code in an attribute may be.
      if (Array.isArray(value)) {
        for (const one of value as Record<string, unknown>[]) {
          if (one.type !== "Text") said(one, found);
          else if (sentence.test(String(one.data))) found.push(String(one.data));
        }
      } else said(value, found);
      return found;
    }
    if (type === "Text" && word.test(String(data)) && !address.test(String(data))) found.push(String(data).trim());
    if (type === "Literal" && typeof value === "string" && sentence.test(value)) found.push(value);
    for (const [key, child] of Object.entries(node)) if (key !== "css" && key !== "comments") said(child, found);
  }
  return found;
}

it("has every word of a component among the texts", () => {
  expect(Object.keys(components).length).toBeGreaterThan(50);
  const own = Object.entries(components).flatMap(([file, code]) =>
    said(parse(code, { modern: true })).map((text) => `${file}: ${text}`),
  );
  expect(own).toEqual([]);
});

it("finds words that are not among the texts", () => {
  const code = '<script>const a = "Not so"; const b = "row between";</script><p class="some row" title="Read me">Two words {a}</p>';
  expect(said(parse(code, { modern: true }))).toEqual(["Read me", "Two words", "Not so"]);
});

it("writes numbers and dates in one place", () => {
  const elsewhere = Object.entries({ ...components, ...modules })
    .filter(([file]) => !file.endsWith("/src/format.ts"))
    .filter(([, code]) => /\bIntl\.|\.toLocale|\.toFixed\(/.test(code))
    .map(([file]) => file);
  expect(elsewhere).toEqual([]);
});

it("chooses between one and many in one place", () => {
  const elsewhere = Object.entries({ ...components, ...modules })
    .filter(([file]) => !file.endsWith("/texts/words.ts"))
    .filter(([, code]) => /=== 1 \? ["'`]/.test(code))
    .map(([file]) => file);
  expect(elsewhere).toEqual([]);
});
