// Pictures of every fixture in Chromium, light, dark and narrow, with the checks that need a real
// browser: contrast, overflow, the Tab key, motion, and a console without complaints under the strict
// policy. Light and dark ones are compared with those in `pictures/`; `--accept` puts the new ones there.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";
import { preview, runnerImport } from "vite";

import { cut, moving, walk } from "./keyboard.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    out: { type: "string", default: "screenshots" },
    accept: { type: "boolean", default: false },
    sizes: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});

const sizes = [
  { name: "light", width: 960, height: 680, colorScheme: "light", scale: 1 },
  { name: "dark", width: 960, height: 680, colorScheme: "dark", scale: 1 },
  { name: "narrow", width: 360, height: 680, colorScheme: "light", scale: 1 },
  { name: "zoomed", width: 480, height: 340, colorScheme: "dark", scale: 2 },
  { name: "contrast", width: 960, height: 680, colorScheme: "dark", forcedColors: "active", scale: 1 },
].filter((size) => !options.sizes || options.sizes.split(",").includes(size.name));

/** Pictures that differ in more than this part of their pixels are told. */
const tolerance = 0.002;
const kept = "pictures";

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** @type {{ module: typeof import("../src/fixtures") }} */
const { module: table } = await runnerImport("./src/fixtures.ts");
/** @type {{ module: typeof import("../src/fixtures/pages") }} */
const { module: pages } = await runnerImport("./src/fixtures/pages.ts");
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
await mkdir(kept, { recursive: true });

/** Pixels are read in a page of its own, where no policy of ours holds. */
const easel = await browser.newPage();

/**
 * @param {Buffer} picture
 * @returns {Promise<Buffer>} the same, small enough to be kept
 */
async function compressed(picture) {
  const url = await easel.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    canvas.getContext("2d")?.drawImage(image, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.85 });
    return [...new Uint8Array(await blob.arrayBuffer())];
  }, picture.toString("base64"));
  return Buffer.from(url);
}

/**
 * @param {Buffer} picture
 * @param {Buffer} before
 * @returns {Promise<number>} the part of the pixels that a person would see to differ
 */
async function difference(picture, before) {
  return easel.evaluate(
    async ([now, then]) => {
      /** @param {string | undefined} url */
      const pixels = async (url) => {
        const image = new Image();
        image.src = url ?? "";
        await image.decode();
        const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
        context?.drawImage(image, 0, 0);
        return { size: `${image.width}x${image.height}`, data: context?.getImageData(0, 0, image.width, image.height).data ?? [] };
      };
      const [one, other] = await Promise.all([pixels(now), pixels(then)]);
      if (one.size !== other.size) return 1;
      let differing = 0;
      for (let at = 0; at < one.data.length; at += 4) {
        const far = [0, 1, 2].some((channel) => Math.abs((one.data[at + channel] ?? 0) - (other.data[at + channel] ?? 0)) > 56);
        if (far) differing += 1;
      }
      return differing / (one.data.length / 4);
    },
    [
      `data:image/png;base64,${picture.toString("base64")}`,
      `data:image/webp;base64,${before.toString("base64")}`,
    ],
  );
}

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
    for (const act of pages.fixtureActs[name] ?? []) {
      if ("open" in act) {
        await page.getByText(act.open, { exact: true }).click();
      } else if ("fill" in act) {
        await page.getByLabel(act.fill[0], { exact: true }).fill(act.fill[1]);
      } else if (act.press[0] === "radio") {
        await page.locator("label", { hasText: act.press[1] }).click();
      } else {
        await page.getByRole(act.press[0], { name: act.press[1], exact: true }).click();
      }
    }
    if (name.startsWith("filters")) await page.locator("[id^=filters-state] > *").waitFor();
    // What sticks to the edge of a window belongs at the end of a whole page.
    await page.mouse.move(0, 0);
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width: size.width, height: Math.max(size.height, height) });
    const path = `${options.out}/${name}-${size.name}.png`;
    const picture = await page.screenshot({ path, fullPage: true });
    await page.setViewportSize({ width: size.width, height: size.height });
    pictures += 1;
    if (size.name === "light" || size.name === "dark") {
      const file = `${kept}/${name}-${size.name}.webp`;
      if (options.accept) {
        await writeFile(file, await compressed(picture));
      } else {
        const before = await readFile(file).catch(() => null);
        const differs = before === null ? 1 : await difference(picture, before);
        if (differs > tolerance) {
          findings.push(`${place}: ${(differs * 100).toFixed(1)} % differs from ${file}`);
        }
      }
    }
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (overflow > 0) {
      findings.push(`${place}: ${overflow} px wider than the window`);
    }
    findings.push(...(await cut(page)).map((text) => `${place}: ${text}`));
    findings.push(...(await moving(page)).map((text) => `${place}: ${text}`));
    if (size.name !== "dark") {
      findings.push(...(await walk(page)).map((text) => `${place}: ${text}`));
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
