// What leaves the page: CSV, JSON and PNG of every chart, and print.
import assert from 'node:assert/strict';
import { busiest, check } from './common.mjs';

async function save(window, panel, what) {
  const { page } = window;
  await page.click(`[data-panel="${panel}"] .popover > button`);
  return window.file(() => page.click(`[data-panel="${panel}"] .files button:has-text("${what}")`));
}

/** Width and height of a PNG. */
function size(bytes) {
  assert.equal(bytes.subarray(1, 4).toString(), 'PNG');
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

export const checks = {
  'a chart leaves as CSV, JSON and PNG, with the numbers of the API': check(async (window) => {
    await window.go();
    const rows = (await window.summary()).series.filter((one) => one.metric === 'change-lead-time');
    const json = await save(window, 'change-lead-time-trend', 'JSON');
    assert.equal(json.name, 'change-lead-time-trend.json');
    assert.deepEqual(JSON.parse(json.bytes), rows.map((row) => ({ ...row, unit: 'seconds', pack: 'dora-2025' })));
    const csv = (await save(window, 'change-lead-time-trend', 'CSV')).bytes.toString().trim().split('\r\n');
    const [head, ...lines] = csv.map((line) => line.split(','));
    assert.equal(lines.length, rows.length);
    assert.deepEqual(lines.map((line) => line[head.indexOf('value')]), rows.map((one) => (one.value === null ? '' : String(one.value))));
    const [width, height] = size((await save(window, 'change-lead-time-trend', 'PNG')).bytes);
    assert.ok(width > 800 && height > 400, `${width} × ${height}`);
  }),

  'a picture has the words of its panel, and says of which days and services it is': check(async (window) => {
    const { page } = window;
    const service = await busiest(window.base);
    await page.addInitScript(() => {
      globalThis.painted = [];
      const { fillText } = CanvasRenderingContext2D.prototype;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
        globalThis.painted.push(text);
        return fillText.call(this, text, ...at);
      };
    });
    await window.go(`service?service=${service}&from=2026-09-01&to=2026-11-01`);
    await page.waitForSelector('[data-panel="ladder"] strong');
    await save(window, 'ladder', 'PNG');
    const painted = (await page.evaluate(() => globalThis.painted)).join(' ');
    const shown = (await page.$$eval('[data-panel="ladder"] li strong', (all) => all.map((one) => one.innerText))).map((text) => text.split(/\s/).join(' '));
    assert.ok(shown.length > 2);
    for (const text of shown) assert.ok(painted.includes(text), `${text} in ${painted}`);
    assert.match(painted, new RegExp(`1 Sep – 31 Oct 2026 · ${service} · UTC$`));
    assert.doesNotMatch(painted, /CSV|Save/);
  }),

  'every panel with a chart has a table and three files': check(async (window) => {
    const { page } = window;
    // When a page is printed it is laid out anew, and no script hears of it.
    await page.addInitScript(() => {
      globalThis.ResizeObserver = class extends ResizeObserver {
        constructor(told) {
          super((...sizes) => globalThis.printing || told(...sizes));
        }
      };
    });
    for (const view of ['./', 'compare', `service?service=${await busiest(window.base)}`, 'quick-check', 'data-quality']) {
      await window.go(view);
      const panels = await page.$$eval('[data-panel]:has([data-chart])', (all) => all.map((one) => one.dataset.panel));
      assert.ok(panels.length > 0, view);
      for (const panel of panels) {
        assert.equal(await page.locator(`[data-panel="${panel}"] > header [aria-pressed]`).count(), 1, `${view}: ${panel} has a table`);
        await page.click(`[data-panel="${panel}"] .popover > button`);
        assert.equal(await page.locator(`[data-panel="${panel}"] .files button`).count(), 3, `${view}: ${panel}`);
        await page.keyboard.press('Escape');
      }
      size((await save(window, panels.at(-1), 'PNG')).bytes);
    }
  }),

  'on paper no chart is wider than its panel, and the rows of a number are the whole page': check(async (window) => {
    const { page } = window;
    // When a page is printed it is laid out anew, and no script hears of it.
    await page.addInitScript(() => {
      globalThis.ResizeObserver = class extends ResizeObserver {
        constructor(told) {
          super((...sizes) => globalThis.printing || told(...sizes));
        }
      };
    });
    for (const view of ['./', `service?service=${await busiest(window.base)}`, 'quick-check', 'data-quality']) {
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.emulateMedia({ media: 'screen' });
      await window.go(view);
      await page.emulateMedia({ media: 'print' });
      await page.evaluate(() => (globalThis.printing = true));
      await page.setViewportSize({ width: 1040, height: 720 });
      const out = await page.$$eval('main .panel', (all) =>
        all.flatMap((panel) => [...panel.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1).map(() => panel.innerText.split('\n')[0])),
      );
      assert.deepEqual(out, [], view);
    }
    await page.emulateMedia({ media: 'screen' });
    await window.go('?explain=change-fail-rate');
    await window.explained();
    await page.waitForSelector('dialog tr[data-row]');
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.locator('main').isVisible(), false, 'what lies below is not printed');
    const [shown, whole] = await page.$eval('dialog', (dialog) => [dialog.clientHeight, dialog.scrollHeight]);
    assert.ok(shown >= whole && whole > 900, `${shown} of ${whole} px are printed`);
  }),

  'printed, every view is light and has no controls': check(async (window) => {
    for (const view of ['compare', 'definitions', 'quick-check', 'data-quality']) {
      await window.go(view);
      await window.page.emulateMedia({ media: 'print', colorScheme: 'dark' });
      for (const controls of ['nav', '.filters', 'main select']) assert.equal(await window.page.locator(controls).first().isVisible(), false, `${view}: ${controls}`);
      assert.equal(await window.page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)');
      await window.page.emulateMedia({ media: 'screen' });
    }
  }),
};
