// A person without a mouse at the development server's consent page, in a real browser: axe finds
// nothing in any of its states, the order of Tab is the order of reading, and Enter answers.
//
// consent_page.mjs URL CODE: approves the waiting CODE; prints how many states were looked at.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const [url, code] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const schemes = /** @type {const} */ (["light", "dark"]);
let states = 0;

/** @param {boolean} holds @param {string} what */
function expect(holds, what) {
  if (!holds) {
    throw new Error(what);
  }
}

for (const colorScheme of schemes) {
  const context = await browser.newContext({ colorScheme, viewport: { width: 360, height: 640 } });
  const page = await context.newPage();
  /** @param {string} state */
  const look = async (state) => {
    // Not a script of the page: its policy allows none.
    await page.evaluate(axe);
    const found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
    const { violations } = /** @type {import("axe-core").AxeResults} */ (found);
    const words = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
    expect(words.length === 0, `${state} (${colorScheme}): ${words.join("\n")}`);
    const wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
    expect(!wide, `${state} (${colorScheme}) is wider than a small window`);
    states += 1;
  };
  const focused = () => page.evaluate("document.activeElement.id || document.activeElement.textContent");
  /** Where Tab leads from the beginning of the page. */
  const stops = async () => {
    const names = [];
    for (const _ of ["code", "email", "approve", "deny"]) {
      await page.keyboard.press("Tab");
      names.push(await focused());
      const seen = await page.evaluate(
        "getComputedStyle(document.activeElement).outlineStyle !== 'none'",
      );
      expect(seen === true, `the focus on ${names.at(-1)} cannot be seen`);
    }
    return names.join(", ");
  };

  await page.goto(`${url}/idp/device?user_code=AAAA-AAAA`);
  await look("the form");
  const order = await stops();
  expect(order === "user-code, email, Approve, Deny", `Tab leads to ${order}`);

  await page.locator("#email").focus();
  await page.keyboard.type("ana@example.org");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  await look("a wrong code");
  expect((await focused()) === "user-code", `after a mistake the focus is at ${await focused()}`);
  expect((await page.title()).startsWith("Error: "), "a mistake is not in the title");

  if (colorScheme === "dark") {
    await page.goto(`${url}/idp/device?user_code=${code}`);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.type("ana@example.org");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("status").waitFor();
    expect((await page.title()).startsWith("App connected"), await page.title());
    await look("the end");
  }
  await context.close();
}
await browser.close();
console.log(JSON.stringify({ states }));
