// The page with something of everything on it: how it looks, and that it can be used without a mouse.

import assert from "node:assert/strict";
import { check, part, within } from "./checks.mjs";
import { looksWell, open, signIn } from "./browser.mjs";
import { start } from "./processes.mjs";

export async function sample() {
  part("something of everything");
  const { url, token, stop, signal } = await samplePage();
  await looksWell("everything", url);
  await looksWell("signed-in", url, token);
  await check("headings lead through it, and landmarks", async () => {
    const { page } = await open(url);
    const headings = await page.getByRole("heading").evaluateAll((all) =>
      all.map((heading) => `${heading.tagName} ${heading.innerText}`));
    assert.equal(headings[0], "H1 Flex Overflow");
    for (const heading of ["Waiting now", "The last redirects", "Dead letters", "Plans"]) {
      assert.ok(headings.includes(`H2 ${heading}`), heading);
      await page.getByRole("region", { name: heading }).waitFor();
    }
    for (const landmark of ["banner", "main", "contentinfo"]) await page.getByRole(landmark).waitFor();
    await page.context().close();
  });
  await check("a phone's lists are tables to a screen reader", async () => {
    const { page } = await open(url, { viewport: { width: 390, height: 844 } });
    const waiting = page.getByRole("table", { name: "Waiting now" });
    await waiting.getByRole("columnheader", { name: "Where" }).waitFor();
    assert.equal(await waiting.getByRole("row").count(), 6);
    await page.context().close();
  });
  await check("the keyboard is enough to sign in and to discard", async () => {
    const { page } = await open(url);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.type(token);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    const summary = page.getByText("Discard…", { exact: true }).first();
    const before = await page.getByText("Discard…", { exact: true }).count();
    await summary.focus();
    await page.keyboard.press("Enter");
    // It stays open over refreshes.
    await page.waitForResponse((answer) => answer.request().resourceType() === "fetch");
    await page.waitForResponse((answer) => answer.request().resourceType() === "fetch");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("1 dead letter discarded.").waitFor();
    assert.equal(await page.getByText("Discard…", { exact: true }).count(), before - 1);
    await page.context().close();
  });
  await check("a wrong token is refused, with a way back", async () => {
    const { page } = await open(url);
    await page.getByText("Sign in", { exact: true }).first().click();
    await page.getByLabel("Token").fill("guessed");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("That is not the token.").waitFor();
    await page.getByRole("link", { name: "Back to the page" }).click();
    await page.getByText("Waiting now").waitFor();
    await page.context().close();
  });
  await check("what is selected stays so over refreshes, to be copied, and the sentence is fresh", async () => {
    const { page } = await open(url);
    const selected = () => page.evaluate(() => getSelection().toString());
    const redirects = () => page.locator("#redirects").innerHTML();
    const caller = await page.locator("#redirects code").first().innerText();
    await page.locator("#redirects code").first().selectText();
    await page.evaluate(() => { document.getElementById("sentence").dataset.old = ""; });
    const before = await redirects();
    await within(10, async () => assert.equal(await page.locator("#sentence[data-old]").count(), 0));
    assert.equal(await selected(), caller);
    assert.equal(await redirects(), before);
    await page.evaluate(() => getSelection().removeAllRanges());
    await within(10, async () => assert.notEqual(await redirects(), before));
    await page.context().close();
  });
  await check("a server that hangs is said so, and that it is back", async () => {
    const { page } = await open(url);
    await page.waitForLoadState("networkidle");
    signal("SIGSTOP");
    const lost = page.getByRole("alert");
    await within(45, async () => assert.match(await lost.innerText({ timeout: 1000 }), /What you see is old/));
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/lost.png` });
    signal("SIGCONT");
    await within(45, async () => assert.equal(await lost.count(), 0));
    await page.context().close();
  });
  await check("a server that is gone is said so", async () => {
    const { page } = await open(url);
    await page.waitForLoadState("networkidle");
    const lost = page.getByRole("alert");
    assert.equal(await lost.count(), 0);
    await stop();
    await within(10, async () => assert.match(await lost.innerText(), /What you see is old/));
    await page.context().close();
  });
  part("nothing yet");
  const quiet = await samplePage("quiet");
  await looksWell("nothing", quiet.url);
  await quiet.stop();
}

async function samplePage(kind) {
  const { said, stop, pid } = await start("examples/sample", ["127.0.0.1:0", ...(kind ? [kind] : [])], /token "(.*)"/);
  const signal = (signal) => process.kill(pid, signal);
  return { url: said[0].split(" ")[0], token: /token "(.*)"/.exec(said[0])[1], stop, signal };
}
