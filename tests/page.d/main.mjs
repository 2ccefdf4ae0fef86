import { browser } from "./browser.mjs";
import { finish } from "./checks.mjs";
import { pair } from "./pair.mjs";
import { sample } from "./sample.mjs";

const parts = { sample, pair };
const chosen = process.argv.slice(2);
for (const [name, run] of Object.entries(parts)) {
  if (chosen.length === 0 || chosen.includes(name)) await run();
}
await browser.close();
finish();
// Also what a failed check has left running.
process.exit();
