// Pages of others, in the browser of somebody who has signed in.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { check, part } from "./checks.mjs";
import { open, signIn } from "./browser.mjs";

/** `letters` tells how many dead letters there are. */
export async function strangers(url, token, letters) {
  part("pages of others");
  const evil = http.createServer((_, answer) => {
    answer.setHeader("content-type", "text/html");
    answer.end("<!doctype html><title>evil</title><body>");
  });
  await once(evil.listen(0, "127.0.0.1"), "listening");
  const elsewhere = `http://127.0.0.1:${evil.address().port}/`;
  const { page } = await open(url);
  await signIn(page, token);
  const formKey = await page.locator("input[name=form_key]").first().inputValue();
  const other = await page.context().newPage();
  await other.goto(elsewhere);

  await check("a page of another origin reads nothing", async () => {
    const read = (mode) => other.evaluate(async ([url, mode]) => {
      try {
        const answer = await fetch(url, { mode, credentials: "include" });
        return await answer.text();
      } catch {
        return "";
      }
    }, [url, mode]);
    assert.equal(await read("cors"), "");
    assert.equal(await read("no-cors"), "");
  });
  await check("nor does it show it in a frame", async () => {
    await other.evaluate((url) => {
      const frame = document.createElement("iframe");
      frame.src = url;
      document.body.append(frame);
      return new Promise((done) => { frame.onload = done; });
    }, url);
    const texts = await Promise.all(other.frames().slice(1).map((frame) => frame.content()));
    assert.ok(texts.every((text) => !text.includes("Waiting now")), texts.join());
  });
  await check("nor does it run its script", async () => {
    const ran = await other.evaluate((url) => new Promise((done) => {
      const script = document.createElement("script");
      script.src = `${url}page.js`;
      script.onload = () => done(true);
      script.onerror = () => done(false);
      document.body.append(script);
    }), url);
    assert.equal(ran, false);
  });
  await check("a form of another origin changes nothing, even with the right key", async () => {
    const before = await letters();
    assert.ok(before > 0);
    await other.evaluate(([url, formKey]) => {
      const form = document.createElement("form");
      form.method = "post";
      form.action = `${url}dead-letters`;
      const fields = { form_key: formKey, how: "discard", reason: "refused", seen: "2100-01-01T00:00:00Z" };
      for (const [name, value] of Object.entries(fields)) {
        const input = document.createElement("input");
        Object.assign(input, { name, value });
        form.append(input);
      }
      document.body.append(form);
      form.submit();
    }, [url, formKey]);
    await other.getByText("This form is not of this page").waitFor();
    assert.equal(await letters(), before);
  });
  await check("a name that was rebound to us gets nothing", async () => {
    const rebound = url.replace(/127\.0\.0\.1|localhost/, "rebound.example.com");
    const answer = await other.goto(rebound);
    assert.equal(answer.status(), 421);
    assert.doesNotMatch(await other.content(), /Waiting now|CA[0-9a-f]{32}/);
    const script = await other.goto(`${rebound}page.js`);
    assert.equal(script.status(), 421);
  });
  await check("a link from elsewhere leads to the page", async () => {
    await other.goto(elsewhere);
    await other.evaluate((url) => {
      const link = Object.assign(document.createElement("a"), { href: url, textContent: "link" });
      document.body.append(link);
    }, url);
    await other.getByText("link").click();
    await other.getByText("Waiting now").waitFor();
    // Its cookie doesn't come along, and does with the first refresh.
    await other.getByRole("button", { name: "Sign out" }).waitFor();
  });
  await page.context().close();
  evil.close();
}
