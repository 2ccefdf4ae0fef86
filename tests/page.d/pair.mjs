// The page of `overflow run` against the simulator, whose journal is the truth.

import assert from "node:assert/strict";
import { check, part, within } from "./checks.mjs";
import { looksWell, open, rows, signIn } from "./browser.mjs";
import { freePort, newFolder, run, start } from "./processes.mjs";
import { strangers } from "./strangers.mjs";

const TOKEN = "correct horse battery staple";
const SPEED = "20";

export async function pair() {
  const world = await World.start();
  const { url } = world;
  part("callers");
  await check("all is well, and nobody waits", async () => {
    const { page } = await open(url);
    await within(20, async () => assert.match(await sentence(page), /all parts well/));
    assert.equal(await page.locator("#callers").getByText("Nobody.").count(), 1);
    await page.context().close();
  });
  const { page: live, said, asked } = await open(url);
  await check("who was redirected is there without a reload, each once, with what came of it", async () => {
    await world.call(3, { talks_ms: 500 });
    await within(60, async () => assert.equal((await world.callers(wasRedirected)).length, 3));
    const taken = await world.callers(wasRedirected);
    await world.phone("busy");
    await world.call(2);
    await within(60, async () => {
      const truth = await world.callers(wasRedirected);
      assert.equal(truth.length, 5);
      const shown = (await rows(live, "#redirects")).map(([, caller, plan, , end]) =>
        `${caller.split("\n")[0]} ${plan} ${end}`);
      const wanted = truth.map((call) =>
        `${call} default ${taken.includes(call) ? "✓ taken answered" : "✗ missed busy"}`);
      assert.deepEqual(shown.sort(), wanted.sort());
    });
    const day = await rows(live, "#by-plan");
    assert.deepEqual(day.map((cells) => cells.slice(0, 5)), [["default", "5", "3", "0", "2"]]);
    assert.match(await live.getByRole("img").getAttribute("aria-label"), /5 redirected/);
    assert.equal(await live.evaluate(() => performance.getEntriesByType("navigation").length), 1);
    await world.phone("answers,presses=1");
  });
  await check("who waits is there while they do, with where they are", async () => {
    await world.fault({ status: { status: 503, code: 20503 } });
    await world.call(3);
    await within(60, async () => {
      const truth = await world.callers((heard) => !wasRedirected(heard));
      assert.equal(truth.length, 3);
      const shown = await rows(live, "#callers");
      assert.deepEqual(shown.map(([, caller]) => caller.split("\n")[0]).sort(), truth.sort());
      for (const [, , , where] of shown) assert.match(where, /tried (once|\d+ times), again in .*503/s);
      assert.match(await sentence(live), /3 callers/);
    });
    // What a screen reader says, which doesn't repeat the seconds.
    assert.match(await live.locator("#said").textContent(), /callers/);
    await live.screenshot({ path: `${process.env.SCREENSHOTS}/waiting.png`, fullPage: true });
  });
  await check("and is gone from there once they are redirected", async () => {
    await world.noFault();
    await within(60, async () => assert.equal(await live.locator("#callers").getByText("Nobody.").count(), 1));
    await within(20, async () => assert.equal((await rows(live, "#redirects")).length, 8));
  });
  await check("nothing was said on the console, and nobody else was asked", () => {
    assert.deepEqual(said, []);
    assert.deepEqual(asked.filter((asked) => !asked.startsWith(url)), []);
  });
  await check("no caller's number is on it, and the plan's is masked", async () => {
    const html = await live.content();
    const numbers = html.match(/\+\d{6,}/g) ?? [];
    assert.deepEqual(numbers, []);
    assert.match(html, /rings [^<]*00/);
  });

  part("dead letters");
  await check("those that Twilio refused are there, with reason and error", async () => {
    await world.refuse(6);
    await within(30, async () => assert.equal((await world.letters()).length, 6));
    await within(30, async () => {
      const shown = await rows(live, "#dead");
      const ids = shown.map(([, request]) => request.split("\n")[0]).sort();
      assert.deepEqual(ids, (await world.letters()).map((letter) => letter.id).sort());
      for (const [, , attempts, error] of shown) {
        assert.equal(attempts, "1");
        assert.match(error, /400/);
      }
    });
    assert.equal(await live.getByRole("button", { name: /^(Replay|Discard)/ }).count(), 0);
  });
  await looksWell("pair", url);
  await strangers(url, TOKEN, async () => (await world.letters()).length);
  await check("a replay that is clicked redirects its caller, and the page says so", async () => {
    await signIn(live, TOKEN);
    assert.match(await live.locator("#now").innerText(), /\+14155550100/);
    const [letter] = await world.letters();
    await live.getByRole("button", { name: `Replay: ${letter.id}` }).click();
    await live.getByText("1 dead letter replayed.").waitFor();
    assert.equal(await live.getByText(letter.id).count(), 0);
    await within(30, async () => {
      assert.ok((await world.heard(letter.request.call_sid)).includes("redirected"));
    });
    assert.equal((await world.letters()).length, 5);
  });
  await check("a replay of a caller who has hung up leaves them alone, and the page says so", async () => {
    const [letter] = await world.letters();
    await world.ask(`calls/${letter.request.call_sid}/hangup`, "POST");
    await live.getByRole("button", { name: `Replay: ${letter.id}` }).click();
    await live.locator("p.done").getByText("who has hung up is left alone.").waitFor();
    await within(30, async () => {
      assert.ok(world.log().some((line) => line.includes("call_ended") && line.includes(letter.request.call_sid)));
    });
    assert.ok(!(await world.heard(letter.request.call_sid)).includes("redirected"));
    await within(20, async () => assert.equal((await rows(live, "#redirects")).length, 9));
    assert.equal((await world.letters()).length, 4);
  });
  await check("a discard that is clicked is done after a second thought", async () => {
    const [letter] = await world.letters();
    await live.getByText("Discard…", { exact: true }).first().click();
    assert.equal((await world.letters()).length, 4);
    await live.getByRole("button", { name: `Discard for good: ${letter.id}` }).click();
    await live.getByText("1 dead letter discarded.").waitFor();
    assert.equal((await world.letters()).length, 3);
  });
  await check("without JavaScript: signed in, one replayed, the others discarded", async () => {
    const { page, asked } = await open(url, { javaScriptEnabled: false });
    await signIn(page, TOKEN);
    assert.match(await page.locator("noscript").innerText(), /does not refresh itself/);
    const [letter] = await world.letters();
    await page.getByRole("button", { name: `Replay: ${letter.id}` }).click();
    await page.getByText("1 dead letter replayed.").waitFor();
    await page.getByText("Discard all 2…").click();
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/without-javascript.png`, fullPage: true });
    await page.getByRole("button", { name: "Discard all 2 for good" }).click();
    await page.getByText("2 dead letters discarded.").waitFor();
    assert.deepEqual(await world.letters(), []);
    await within(30, async () => {
      assert.ok((await world.heard(letter.request.call_sid)).includes("redirected"));
    });
    assert.ok(!asked.some((asked) => asked.endsWith(".js")));
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("Sign in", { exact: true }).first().waitFor();
    await page.context().close();
  });
  await check("the log has a line for each change, and no token", () => {
    const log = world.log();
    assert.equal(log.filter((line) => /dead letter (replayed|discarded) by the page/.test(line)).length, 6);
    assert.ok(log.every((line) => !line.includes(TOKEN)));
  });
  await check("overflow page shows the same from another process", async () => {
    const { url: other, stop } = await world.pageAlone();
    const { page } = await open(other);
    await within(20, async () => {
      assert.deepEqual((await rows(page, "#by-plan"))[0].slice(0, 2), (await rows(live, "#by-plan"))[0].slice(0, 2));
      assert.match(await sentence(page), /all parts well/);
    });
    await page.context().close();
    await stop();
  });
  await live.context().close();
  await world.stop();
}

const wasRedirected = (heard) => heard.includes("redirected");

const sentence = (page) => page.locator("#sentence").innerText();

/** The simulator and `overflow run` beside it. */
class World {
  static async start() {
    const world = new World();
    const twilio = `127.0.0.1:${await freePort()}`;
    const [listen, page] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const callback = `http://${listen}/taskrouter/events#rc=5&rp=all&ct=2000&rt=2500`;
    const args = ["simulator", "--set-up", "--listen", twilio, "--callback", callback, "--speed", SPEED];
    world.simulator = await start("overflow", args, /^Next:/);
    const settings = world.simulator.said.filter((line) => /^[A-Z_]+=/.test(line));
    world.env = {
      ...Object.fromEntries(settings.map((line) => line.split(/=(.*)/))),
      PUBLIC_URL: `http://${listen}`,
      LISTEN: listen,
      ADMIN_LISTEN: "127.0.0.1:0",
      PAGE_LISTEN: page,
      PAGE_TOKEN: TOKEN,
      // Callers of dead letters stay on hold here, and a sweep would bring them back.
      SWEEP_INTERVAL: "1h",
    };
    world.folder = newFolder();
    world.run = await start("overflow", ["run"], /the page is up/, world.env, world.folder);
    world.twilio = `http://${twilio}/simulator`;
    world.url = `http://${page}/`;
    return world;
  }

  async stop() {
    await this.run.stop();
    await this.simulator.stop();
  }

  log() {
    return this.run.said;
  }

  async pageAlone() {
    const page = `127.0.0.1:${await freePort()}`;
    const env = { ...this.env, PAGE_LISTEN: page };
    const { stop } = await start("overflow", ["page"], /the page is up/, env, this.folder);
    return { url: `http://${page}/`, stop };
  }

  async ask(path, method = "GET", body) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${this.twilio}/${path}`, { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
  }

  call(count, conduct = {}) {
    return this.ask("calls", "POST", { count, conduct, begin: "last_step" });
  }

  /** What becomes of calls to the plan's number. */
  phone(phone) {
    return this.ask("phones/+14155550100", "PUT", phone);
  }

  fault(fault) {
    return this.ask("faults", "POST", { endpoints: ["UpdateCall"], fault, when: "always" });
  }

  noFault() {
    return this.ask("faults", "DELETE");
  }

  /** Has that many redirects refused for good. */
  async refuse(count) {
    await this.fault({ status: { status: 400, code: 21219 } });
    await this.call(count);
    await within(30, async () => assert.equal((await this.letters()).length, count));
    await this.noFault();
  }

  /** The calls of those for whom it holds what they heard. */
  async callers(holds) {
    const { callers } = await this.ask("journal");
    const heard = ({ entries }) => entries.map((entry) => entry.heard);
    return callers.filter((caller) => holds(heard(caller))).map((caller) => caller.call);
  }

  async heard(call) {
    const { callers } = await this.ask("journal");
    return callers.find((caller) => caller.call === call).entries.map((entry) => entry.heard);
  }

  async letters() {
    const list = ["dead-letters", "list", "--json"];
    return JSON.parse(await run("overflow", list, this.env, this.folder));
  }
}
