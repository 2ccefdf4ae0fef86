// A headless Chromium, and what all its pages must keep to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";
import { check } from "./checks.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    // Its sandbox can't be had as root.
    ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    // A name that an attacker lets resolve to us.
    "--host-resolver-rules=MAP rebound.example.com 127.0.0.1",
  ],
});

export const WIDTHS = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

/** A page, and what was said on its console and asked of whom. */
export async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: WIDTHS.desktop, ...options });
  const page = await context.newPage();
  const said = [];
  const asked = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`error: ${error}`));
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(url);
  return { page, said, asked };
}

export async function signIn(page, token) {
  await page.getByText("Sign in", { exact: true }).first().click();
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** The cells of the table in a section, row by row. */
export const rows = (page, section) =>
  page.locator(`${section} tbody tr`).evaluateAll((rows) =>
    rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));

/** What holds for the page in each width and colour. */
export async function looksWell(name, url, token) {
  for (const [width, viewport] of Object.entries(WIDTHS)) {
    for (const colorScheme of ["light", "dark"]) {
      await check(`${name}: ${width}, ${colorScheme}`, async () => {
        const { page, said, asked } = await open(url, { viewport, colorScheme });
        if (token) {
          await signIn(page, token);
          const discard = page.locator(".forms summary").first();
          if (await discard.count()) await discard.click();
        }
        await page.screenshot({
          path: path.join(process.env.SCREENSHOTS, `${name}-${width}-${colorScheme}.png`),
          fullPage: true,
        });
        // Over a refresh, too.
        await page.waitForResponse((answer) => answer.request().resourceType() === "fetch");
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
        const overhang = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overhang <= 0, `${overhang} pixels stick out`);
        assert.deepEqual(said, []);
        const elsewhere = asked.filter((asked) => new URL(asked).origin !== new URL(url).origin);
        assert.deepEqual(elsewhere, []);
        await page.context().close();
      });
    }
  }
}
