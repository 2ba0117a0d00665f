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
