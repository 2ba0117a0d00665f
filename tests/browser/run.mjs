// Drives the page on a running server: node run.mjs BASE_URL [--screenshots DIR] [--only WORD]
// A line a check, then "N passed, M failed". Of the screenshots `screenshot.png` is the README's. The server should hold an organisation with some history, as
// `dorado demo` makes it; what is written to it is a decision, which is taken back.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checks as decisions } from './checks/decisions.mjs';
import { checks as definitions } from './checks/definitions.mjs';
import { checks as files } from './checks/files.mjs';
import { checks as many } from './checks/many.mjs';
import { checks as overview } from './checks/overview.mjs';
import { checks as reach } from './checks/reach.mjs';
import { checks as views } from './checks/views.mjs';
import { launch } from './page.mjs';
import { screenshots } from './screenshots.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { screenshots: { type: 'string' }, only: { type: 'string', default: '' } },
});
const [base] = positionals;
if (!base) {
  console.error('usage: node run.mjs BASE_URL [--screenshots DIR] [--only WORD]');
  process.exit(2);
}
const home = base.endsWith('/') ? base : `${base}/`;

const browser = await launch();
let [passed, failed] = [0, 0];

async function check(claim, run) {
  if (!claim.includes(values.only)) return;
  const started = Date.now();
  try {
    await run(browser, home);
    passed += 1;
    console.log(`ok    ${claim} (${Date.now() - started} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${claim}\n      ${String(error.message).replaceAll('\n', '\n      ')}`);
  }
}

for (const [claim, run] of Object.entries({ ...overview, ...definitions, ...views, ...files, ...many, ...decisions, ...reach })) await check(claim, run);
if (values.screenshots) {
  mkdirSync(values.screenshots, { recursive: true });
  for (const [name, take] of Object.entries(screenshots)) {
    const path = join(values.screenshots, name);
    await check(`screenshot ${name} is below 800 kB`, async (browser, base) => {
      await take(browser, base, path);
      const { size } = statSync(path);
      if (size >= 800_000) throw new Error(`${path} has ${size} bytes`);
    });
  }
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
