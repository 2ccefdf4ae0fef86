// Counting what holds and what doesn't, and waiting for what will.

let passed = 0;
let failed = 0;

export function part(name) {
  console.log(`== ${name}`);
}

/** A check: what should hold, and what throws where it doesn't. */
export async function check(what, test) {
  const begun = performance.now();
  const since = () => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
  try {
    await test();
    passed += 1;
    console.log(`   ok: ${what} (${since()})`);
  } catch (error) {
    failed += 1;
    console.log(`   FAILED: ${what} (${since()})\n      ${String(error.stack ?? error).replaceAll("\n", "\n      ")}`);
  }
}

/** Tries again until it doesn't throw, for so many seconds at most. */
export async function within(seconds, test) {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    try {
      return await test();
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((done) => setTimeout(done, 200));
    }
  }
}

export function finish() {
  console.log(`page: ${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
