// Each view by its address, and the numbers in it against the API's.
import assert from 'node:assert/strict';
import { busiest, check, headline, METRICS, says, tabTo } from './common.mjs';

const NAMES = ['Overview', 'Compare', 'Service', 'Definitions', 'Quick Check', 'Data quality', 'Sources'];

export const checks = {
  'each view has an address, and back goes back': check(async (window) => {
    const { page } = window;
    await window.go();
    for (const name of NAMES.slice(1)) {
      await page.click(`nav a:text-is("${name}")`);
      await window.settled();
      assert.equal(await page.getAttribute(`nav a:text-is("${name}")`, 'aria-current'), 'page');
      assert.match(await page.title(), new RegExp(`^(${name}|.*) · Dorado$`));
      const [address, heading] = [page.url(), await page.innerText('h1')];
      await page.reload();
      await window.settled();
      assert.deepEqual([page.url(), await page.innerText('h1')], [address, heading]);
    }
    for (const name of NAMES.slice(0, -1).reverse()) {
      await page.goBack();
      await window.settled();
      assert.equal(await page.getAttribute(`nav a:text-is("${name}")`, 'aria-current'), 'page', `back to ${name}`);
    }
  }),

  'an address that leads nowhere says where to go': check(async (window) => {
    window.expected.push(/404/);
    await window.go('nowhere?team=a');
    assert.match(await window.page.innerText('main'), /no such page[^]*nowhere/i);
    await window.page.click('main a:text-is("Compare")');
    await window.settled();
    assert.match(window.page.url(), /\/compare\?team=a$/, 'the filters stay');
    await window.go('nowhere');
    await window.page.click('main a:text-is("Overview")');
    await window.settled();
    assert.equal((await window.cards()).length, 5, 'the first view has the shortest address');
    assert.equal(new URL(window.page.url()).pathname, new URL(window.base).pathname);
  }),

  'what is asked stays from view to view, and what is of one view goes': check(async (window) => {
    const { page } = window;
    await window.go('compare?period=30d&tz=Europe%2FBerlin&metric=change-fail-rate&table=compare');
    await page.click('nav a:text-is("Data quality")');
    await window.settled();
    assert.equal(window.search(), '?period=30d&tz=Europe%2FBerlin');
  }),

  'small multiples say what the API says, on one scale': check(async (window) => {
    await window.go('compare');
    const { page } = window;
    const metrics = ['change-lead-time', 'change-fail-rate'];
    for (const metric of metrics) {
      await page.selectOption('main select >> nth=0', metric);
      await window.settled();
      await page.waitForFunction(() => document.querySelectorAll('[data-group] strong').length > 1);
      const { data } = await window.said(`metrics/${metric}`, { bucket: 'all', group_by: 'team' });
      const groups = await page.$$eval('[data-group]', (all) =>
        all.map((one) => ({ name: one.dataset.group, value: one.querySelector('strong').textContent, ticks: [...one.querySelectorAll('svg g[aria-hidden] text')].map((text) => text.textContent).filter((text) => /%| d$| h$|min/.test(text)) })),
      );
      assert.ok(groups.length > 1);
      assert.deepEqual(groups.map(({ name }) => name), groups.map(({ name }) => name).sort(), 'by name');
      for (const { name, value, ticks } of groups) {
        says(value, data.find(({ team }) => team === name).value, `${metric} of ${name}`);
        assert.deepEqual(ticks, groups[0].ticks, `${metric}: the scale of ${name}`);
      }
    }
  }),

  'frequencies side by side are in one unit, as the API says them': check(async (window) => {
    const { page } = window;
    const unit = (text) => /\/\w+$/.exec(text)?.[0];
    await window.go('compare?metric=deployment-frequency');
    await page.waitForFunction(() => document.querySelectorAll('[data-group] strong').length > 1 && !document.querySelector('[data-group] strong').textContent.includes('–'));
    const { data } = await window.said('metrics/deployment-frequency', { bucket: 'all', group_by: 'team' });
    const groups = await page.$$eval('[data-group]', (all) => all.map((one) => [one.dataset.group, one.querySelector('strong').textContent]));
    for (const [name, text] of groups) says(text, data.find(({ team }) => team === name).per_day, name);
    assert.equal(new Set(groups.map(([, text]) => unit(text))).size, 1, groups.join());
    await window.go();
    await page.waitForSelector('[data-panel="by-team"] tbody tr');
    const column = await page.$$eval('[data-panel="by-team"] tbody tr', (all) => all.map((one) => one.children[1].innerText.split('\n')[0]));
    assert.equal(new Set(column.map(unit)).size, 1, column.join());
  }),

  'every row of a short table is in sight, and a shade says where there is more': check(async (window) => {
    const { page } = window;
    await page.setViewportSize({ width: 1280, height: 900 });
    await window.go('definitions');
    for (const panel of ['differences', 'words']) {
      await page.waitForSelector(`[data-panel="${panel}"] tbody tr`);
      const [shown, whole] = await page.$eval(`[data-panel="${panel}"] .scroll`, (one) => [one.clientHeight, one.scrollHeight]);
      assert.equal(shown, whole, panel);
    }
    await page.setViewportSize({ width: 390, height: 844 });
    await window.go('service');
    await page.waitForSelector('main tbody tr');
    const cells = await page.$$eval('main tbody tr:first-child > *', (all) => all.map((one) => one.getBoundingClientRect().height));
    assert.ok(Math.max(...cells) < 60, `nothing is squeezed to a letter a line: ${cells}`);
    assert.match(await page.$eval('main .scroll', (one) => getComputedStyle(one).backgroundImage), /radial-gradient/);
  }),

  'a list of services, which is of all time, asks for no period': check(async (window) => {
    await window.go('service');
    const { page } = window;
    const filters = await page.locator('.filters .popover > button').allInnerTexts();
    assert.deepEqual(filters.map((text) => text.split(/\s/)[0]), ['Team', 'Service', 'Zone']);
    await page.click('main tbody tr:first-child button');
    await window.settled();
    assert.match(await page.locator('.filters').innerText(), /Period/);
  }),

  'where nobody named teams, services are side by side and in the table': check(async (window) => {
    const { page } = window;
    const teamless = (one) => ({ ...one, team: null });
    await page.route('**/api/v1/services?*', async (route) => {
      const answer = await (await route.fetch()).json();
      await route.fulfill({ json: { ...answer, data: answer.data.map(teamless) } });
    });
    await page.route('**/api/v1/summary?*group_by=team*', async (route) => {
      const answer = await (await route.fetch()).json();
      await route.fulfill({ json: { ...answer, data: answer.data.slice(0, METRICS.length).map(teamless) } });
    });
    await window.go('compare');
    await page.waitForSelector('[data-group]');
    assert.equal(await page.inputValue('main select >> nth=1'), 'service');
    await window.go();
    await page.waitForSelector('[data-panel="by-service"] tbody tr');
  }),

  'a group that was chosen is compared, and its points open its rows': check(async (window) => {
    const service = await busiest(window.base);
    await window.go(`compare?by=service&service=${service}`);
    const { page } = window;
    assert.deepEqual(await page.$$eval('[data-group]', (all) => all.map((one) => one.dataset.group)), [service]);
    const { data } = await window.said('metrics/change-lead-time', { group_by: 'service', bucket: 'week' });
    const one = data.filter(({ n }) => n > 0).at(-1);
    await page.click(`[data-group] [data-at="${one.time.slice(0, 10)}"]`, { position: { x: 2, y: 40 } });
    await window.explained();
    assert.equal((await page.textContent('dialog [data-field="n"]')).replaceAll(',', ''), String(one.n));
  }),

  'the stages say what the API says': check(async (window) => {
    await window.go();
    await window.page.waitForSelector('[data-panel="lead-time-stages"]');
    const { data } = await window.said('stages', { bucket: 'all' });
    const told = await window.page.$$eval('[data-panel="lead-time-stages"] .stages .value', (all) => all.map((one) => one.textContent));
    assert.equal(told.length, 5);
    data.forEach((stage, i) => says(told[i], stage.value, stage.stage));
  }),

  'teams are in order of their names, with the numbers of the API': check(async (window) => {
    await window.go();
    const { page } = window;
    await page.waitForSelector('[data-panel="by-team"] tbody tr');
    const { data } = await window.said('summary', { group_by: 'team' });
    const rows = await page.$$eval('[data-panel="by-team"] tbody tr', (all) => all.map((one) => [...one.children].map((cell) => cell.innerText.split('\n')[0])));
    const names = rows.map(([name]) => name);
    assert.deepEqual(names, names.toSorted((a, b) => a.localeCompare(b, 'en')));
    for (const [name, ...values] of rows) {
      METRICS.forEach((metric, i) => says(values[i], headline(data.find((one) => one.metric === metric && (one.team ?? 'No team') === name)), `${metric} of ${name}`));
    }
  }),

  'the timeline has every deployment, and one shows the changes that it shipped': check(async (window) => {
    const service = await busiest(window.base);
    await window.go(`service?service=${service}`);
    const { page } = window;
    await page.waitForSelector('[data-deployment]');
    const { data } = await window.said('deployments');
    const wanted = data.filter(({ tier, finished_at }) => tier === 'production' && finished_at);
    assert.equal(await page.locator('[data-deployment]').count(), wanted.length);
    const large = wanted.filter(({ status }) => status === 'success').sort((a, b) => b.n_changes - a.n_changes)[0];
    await tabTo(page, '[data-deployment]', 60);
    await page.keyboard.press('Home');
    for (let i = 0; i < wanted.length; i += 1) {
      if (await page.evaluate((id) => document.activeElement.dataset.deployment === id, large.deployment)) break;
      await page.keyboard.press('ArrowRight');
    }
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-panel="shipped"] tbody tr');
    await page.waitForFunction((n) => document.querySelectorAll('[data-panel="shipped"] tbody tr').length >= Math.min(n, 40), large.n_changes);
    assert.equal(Number(await page.getAttribute('[data-panel="shipped"] table', 'aria-rowcount')) - 1, large.n_changes);
    assert.match(window.search(), /deployment=/);
    const failed = wanted.filter((one) => one.failed);
    assert.equal(await page.locator('[data-panel="timeline"] .over .cross').count(), failed.length);
  }),

  'batches, waiting changes and the ladder say what the API says': check(async (window) => {
    await window.go(`service?service=${await busiest(window.base)}`);
    const { page } = window;
    await page.waitForSelector('[data-panel="ladder"]');
    await page.waitForSelector('[data-panel="unshipped"]');
    await page.waitForSelector('[data-panel="batch-size"]');
    const ladder = (await window.said('flow/ladder')).data;
    const strong = (where) => page.$$eval(`[data-panel="ladder"] ${where} strong`, (all) => all.map((one) => one.textContent));
    const [rungs, waits] = [await strong('p:not(.wait)'), await strong('p.wait')];
    ladder.forEach((rung, i) => says(rungs[i], rung.p50, `ladder of ${rung.environment}`));
    assert.deepEqual(ladder.map(({ environment }) => environment), ['dev', 'staging', 'production']);
    ladder.slice(0, -1).forEach((rung, i) => says(waits[i], rung.wait_p50, `wait in ${rung.environment}`));
    assert.ok(ladder.slice(0, -1).every(({ wait_p50, p50 }, i) => wait_p50 > 0 && p50 < ladder[i + 1].p50 * 1.1), 'the sample climbs its ladder');
    const { meta } = await window.said('flow/unshipped');
    if (meta.n) assert.match(await page.innerText('[data-panel="unshipped"]'), new RegExp(`${meta.n.toLocaleString('en-US')} wait`));
    const batches = (await window.said('flow/batch-size')).data;
    await page.click('[data-panel="batch-size"] [aria-pressed]');
    const medians = await page.$$eval('[data-panel="batch-size"] tbody tr', (all) => all.map((one) => one.children[1].innerText));
    batches.filter(({ value }) => value !== null).forEach(({ value }) => assert.ok(medians.some((text) => Math.abs(Number(text) - value) <= 0.5), `${value} among ${medians}`));
  }),

  'the Quick Check says what the API says, for the industry and year that are chosen': check(async (window) => {
    await window.go('quick-check');
    const { page } = window;
    const told = async () => {
      const { data, meta } = await window.said('quick-check');
      const point = (score) => (score === null ? '–' : score.toFixed(1));
      for (const one of data) assert.equal(await page.innerText(`[data-score="${one.metric}"] .number`), point(one.score), one.metric);
      assert.match(await page.innerText('[data-field="Overall"]'), new RegExp(`^${point(meta.overall)}`));
      return data.map((one) => one.industry_mean);
    };
    const all = await told();
    await page.selectOption('main select >> nth=0', 'financial');
    await page.waitForFunction(() => location.search.includes('industry=financial'));
    await window.settled();
    assert.notDeepEqual(await told(), all, 'another industry has another mean');
    await page.selectOption('[data-panel="clusters"] select', '2019');
    await page.waitForFunction(() => location.search.includes('year=2019'));
    await page.waitForFunction(() => document.querySelector('[data-panel="clusters"] tbody td:nth-child(3)'));
    const { data } = await window.said('clusters', { year: '2019' });
    await page.waitForFunction((n) => document.querySelectorAll('[data-panel="clusters"] tbody .here').length === n, data.filter((one) => one.falls_in).length);
    assert.equal(await page.locator('[data-panel="clusters"] option[value="2025"]').count(), 0, '2025 has no clusters');
  }),

  'each check of the data says what the API says': check(async (window) => {
    await window.go('data-quality');
    const { data } = await window.said('data-quality');
    const shares = data.filter((one) => one.unit === 'ratio');
    assert.ok(shares.length > 8);
    for (const one of shares) says(await window.page.innerText(`[data-check="${one.check}"] strong`), one.value, one.check);
    await window.go();
    await window.page.waitForSelector('#missing-title');
    await window.page.waitForFunction(() => [...document.querySelectorAll('article[data-metric] .beside')].every((one) => /\d\/10[^]*\d\s%/.test(one.innerText)), undefined, { timeout: 10_000 });
  }),

  'sources and deliveries are those of the API': check(async (window) => {
    await window.go('sources');
    const { page } = window;
    const { data } = await window.said('sources');
    assert.equal(await page.locator('[data-panel="sources"] tbody tr').count(), data.length);
    await page.waitForSelector('[data-panel="deliveries"]');
    await page.selectOption('[data-panel="deliveries"] label:has-text("Outcome") select', 'rejected');
    await page.waitForFunction(() => location.search.includes('outcome=rejected'));
    const rejected = (await window.said('deliveries', { outcome: 'rejected' })).data;
    assert.ok(rejected.every((one) => one.why_none));
  }),
};
