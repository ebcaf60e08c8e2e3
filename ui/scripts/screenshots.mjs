// Pictures of every fixture in Chromium, light, dark and narrow, with the checks that need a real
// browser: contrast, overflow, and a console without complaints under the strict policy.
import { mkdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";
import { preview, runnerImport } from "vite";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    out: { type: "string", default: "screenshots" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});

const sizes = [
  { name: "light", width: 960, height: 680, colorScheme: "light", scale: 1 },
  { name: "dark", width: 960, height: 680, colorScheme: "dark", scale: 1 },
  { name: "narrow", width: 360, height: 680, colorScheme: "light", scale: 1 },
  { name: "zoomed", width: 480, height: 340, colorScheme: "dark", scale: 2 },
  { name: "contrast", width: 960, height: 680, colorScheme: "dark", forcedColors: "active", scale: 1 },
];

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** @type {{ module: typeof import("../src/fixtures") }} */
const { module: table } = await runnerImport("./src/fixtures.ts");
const names = table.fixtureNames.filter((name) => !options.only || options.only.split(",").includes(name));

const server = await preview({ mode: "fixtures", build: { outDir: "dist-fixtures" }, preview: { port: 0 } });
const address = server.httpServer.address();
if (address === null || typeof address === "string") {
  throw new Error("the preview has no port");
}
const origin = `http://127.0.0.1:${address.port}`;
const browser = await chromium.launch({
  executablePath: options.chromium,
  args: ["--no-sandbox", "--disable-gpu"],
});
await rm(options.out, { recursive: true, force: true });
await mkdir(options.out, { recursive: true });

/** @type {string[]} */
const findings = [];
let pictures = 0;
const at = new Date(2026, 2, 14, 12, 20, 0);

for (const size of sizes) {
  const context = await browser.newContext({
    viewport: { width: size.width, height: size.height },
    deviceScaleFactor: size.scale,
    colorScheme: /** @type {"light" | "dark"} */ (size.colorScheme),
    forcedColors: size.forcedColors ? "active" : "none",
    reducedMotion: "reduce",
    locale: "en-GB",
  });
  const page = await context.newPage();
  await page.clock.setFixedTime(at);
  await page.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
  let place = "";
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      findings.push(`${place}: console ${message.type()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => findings.push(`${place}: ${error.message}`));
  for (const name of names) {
    place = `${name} (${size.name})`;
    await page.goto(`${origin}/?fixture=${name}`);
    await page.locator("[data-screen]").waitFor();
    await page.screenshot({ path: `${options.out}/${name}-${size.name}.png`, fullPage: true });
    pictures += 1;
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (overflow > 0) {
      findings.push(`${place}: ${overflow} px wider than the window`);
    }
    if (size.forcedColors) {
      continue;
    }
    await page.evaluate(axeSource);
    const violations = await page.evaluate(async () => {
      // @ts-expect-error axe is put there by the line above
      const results = await window.axe.run(document, { resultTypes: ["violations"] });
      return results.violations.map(
        (/** @type {{ id: string; nodes: { html: string; failureSummary: string }[] }} */ violation) =>
          `${violation.id}: ${violation.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`,
      );
    });
    findings.push(...violations.map((/** @type {string} */ text) => `${place}: ${text}`));
  }
  await context.close();
}

await browser.close();
await server.close();
for (const finding of findings) {
  console.error(finding);
}
console.log(`${pictures} pictures in ${options.out}, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
