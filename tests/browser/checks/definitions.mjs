// The same events under other people's definitions, and under one's own.
import assert from 'node:assert/strict';
import { check, headline, METRICS, says } from './common.mjs';

export const checks = {
  'packs side by side say what the API says': check(async (window) => {
    await window.go('definitions');
    const { page } = window;
    await page.waitForSelector('.packs input');
    // What is in force is there before the packs are.
    await page.waitForFunction(() => {
      const panel = document.querySelector('[data-panel="packs"]');
      return panel && !panel.textContent.includes('Loading…') && /\d/.test(panel.querySelector('tbody')?.textContent ?? '');
    });
    const { data, differences } = await window.said('definitions/compare');
    const packs = (await window.said('definitions')).data.map(({ pack }) => pack);
    assert.ok(['dora-2025', 'devlake', 'gitlab', 'fourkeys', 'datadog'].every((pack) => packs.includes(pack)), packs.join());
    const rows = await page.$$eval('[data-panel="packs"] tbody tr', (all) => all.map((one) => [...one.querySelectorAll('td')].map((cell) => cell.innerText.split('\n')[0])));
    METRICS.forEach((metric, i) => packs.forEach((pack, j) => says(rows[i][j], headline(data.find((one) => one.metric === metric && one.pack === pack)), `${metric} of ${pack}`)));
    assert.ok(differences.length > 0);
    assert.ok(await page.locator('[data-panel="differences"] tbody tr').count());
    await page.click('.packs label >> nth=1');
    await page.waitForFunction(() => /packs=/.test(location.search));
    await window.settled();
    assert.equal(await page.locator('[data-panel="packs"] thead th').count(), packs.length);
  }),

  'a parameter that makes no sense is told at its field, and what can be told is there': check(async (window) => {
    window.expected.push(/422/);
    await window.go('definitions?window_hours=soon&first_deployment=all');
    const { page } = window;
    await page.waitForSelector('[data-panel="parameters"] [role="alert"]');
    assert.match(await page.innerText('[data-panel="parameters"] [role="alert"]'), /“soon”.*hours from 0/);
    assert.equal(await page.getAttribute('input[name="window_hours"]', 'aria-invalid'), 'true');
    assert.equal(await page.inputValue('input[name="window_hours"]'), 'soon');
    assert.equal(await page.inputValue('[data-panel="parameters"] label:has-text("first deployment") select'), 'all');
    await page.waitForFunction(() => /\d/.test(document.querySelector('[data-panel="packs"] tbody')?.textContent ?? ''));
    assert.deepEqual(await window.violations(), []);
    await page.fill('input[name="window_hours"]', '48');
    await page.keyboard.press('Tab');
    await page.waitForFunction(() => document.querySelectorAll('[role="alert"]:not(:empty)').length === 0);
    await window.settled();
    assert.equal((await window.said('summary', { bucket: 'all' })).meta.parameters.window_hours, 48);
  }),

  'a chart is called after what a pack measures, in its file too': check(async (window) => {
    await window.go('?pack=devlake');
    const { page } = window;
    const panel = '[data-panel="deployment-frequency-trend"]';
    assert.equal(await page.innerText(`${panel} h2`), 'Days with a deployment to production');
    await page.click(`${panel} button:has-text("Save")`);
    const { bytes } = await window.file(() => page.click(`${panel} button:text-is("CSV")`));
    const [head, first] = bytes.toString().split('\r\n').map((line) => line.split(','));
    assert.equal(first[head.indexOf('unit')], 'days_per_week');
    assert.equal(first[head.indexOf('pack')], 'devlake');
    await window.go('?pack=gitlab');
    assert.match(await page.innerText('[data-panel="change-fail-rate-trend"] .legend'), /incidents ÷ deployments/);
  }),

  'where a pack counts incidents the rows are incidents': check(async (window) => {
    for (const [pack, metric] of [['gitlab', 'change-fail-rate'], ['devlake', 'failed-deployment-recovery-time']]) {
      await window.go(`?pack=${pack}&explain=${metric}`);
      await window.explained();
      const { page } = window;
      assert.equal(await page.innerText('dialog thead th'), 'Incident');
      const first = (await window.said(`metrics/${metric}/explain`)).data[0];
      assert.match(await page.innerText('dialog tbody tr'), new RegExp(first.incident));
    }
  }),

  'a parameter that is changed changes the answer at once, in every view': check(async (window) => {
    await window.go('definitions');
    const { page } = window;
    await page.waitForSelector('[data-panel="parameters"]');
    const before = await window.said('summary', { bucket: 'all' });
    await page.fill('input[name="min_n"]', '100000');
    await page.keyboard.press('Tab');
    await page.waitForFunction(() => location.search.includes('min_n=100000'));
    await window.settled();
    const after = await window.said('summary', { bucket: 'all' });
    assert.equal(after.meta.parameters.min_n, 100000);
    assert.notDeepEqual(after.data.map((one) => one.enough_data), before.data.map((one) => one.enough_data));
    await page.selectOption('[data-panel="parameters"] label:has-text("first deployment") select', 'all');
    await page.waitForFunction(() => location.search.includes('first_deployment=all'));
    await page.click('nav a:text-is("Overview")');
    await window.settled();
    assert.match(await page.innerText('.filters'), /Fewest rows to be sure: 100000/);
    // A count of deployments is enough whatever it is.
    assert.ok((await window.cards()).slice(1).every((card) => /only \d|Not enough/.test(card.words)));
    await page.click('.filters button:has-text("Usual definitions")');
    await window.settled();
    assert.equal(window.search(), '');
  }),
};
