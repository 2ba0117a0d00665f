// What must hold, each check a claim. A window is opened anew for each, so that none leans on another.
import assert from 'node:assert/strict';
import { shown, Window } from '../page.mjs';
import { answered, check, has, METRICS, row, tabTo } from './common.mjs';

/** Most rows that are counted one by one. */
const SMALL = 400;

/** The cards say what the API says, within what rounding may move. */
async function agree(window) {
  const [cards, { data }] = [await window.cards(), await window.summary()];
  assert.deepEqual(cards.map((card) => card.metric), METRICS);
  for (const card of cards) {
    const said = row(data, card.metric);
    const value = card.metric === 'deployment-frequency' ? said.per_day : said.value;
    if (value === null) {
      assert.match(card.words, /Not enough data/, card.metric);
      continue;
    }
    const seen = shown(card.number, card.unit);
    assert.ok(Math.abs(seen.value - value) <= seen.slack, `${card.metric}: shows ${card.number} ${card.unit}, the API says ${value}`);
    assert.ok(card.certainty.includes(`n = ${said.n.toLocaleString('en-US')}`), `${card.metric}: ${card.certainty}, n is ${said.n}`);
    assert.equal(/[↑↓]/.test(card.words), ['better', 'worse'].includes(said.verdict), `${card.metric}: ${card.change}, verdict ${said.verdict}`);
    assert.equal(/only \d/.test(card.words), said.enough_data === false, `${card.metric}: badge where there is too little`);
  }
  return data;
}

async function explainedN(window, metric, n) {
  const { page } = window;
  assert.equal((await page.textContent('dialog [data-field="n"]'))?.replaceAll(',', ''), String(n), `${metric}: n in the drawer`);
  await window.everyRow();
  assert.equal(await page.locator('dialog tr[data-row="counted"]').count(), n, `${metric}: rows counted`);
}

/** The team that most services belong to: likely to have rows. */
async function largestTeam(base) {
  const { data } = await (await fetch(new URL('api/v1/teams?limit=1000', base))).json();
  const teams = data.filter((team) => team.n_services > 0).sort((a, b) => b.n_services - a.n_services || (a.team < b.team ? -1 : 1));
  assert.ok(teams.length > 0, 'the organisation has teams');
  return teams[0].team;
}

async function chooseTeam(window, team) {
  const { page } = window;
  await page.click('.filters button:has-text("Team")');
  await page.fill('[role="combobox"]', team);
  await page.waitForSelector('[role="option"]');
  const options = await page.locator('[role="option"]').allInnerTexts();
  await page.locator('[role="option"]').nth(options.findIndex((text) => text.trim().split('\n')[0] === team)).click();
  await page.keyboard.press('Escape');
  await page.waitForFunction((name) => new URLSearchParams(location.search).get('team') === name, team);
  await window.settled();
}

const PROBLEM = { title: 'Unprocessable', status: 422, detail: '`team` is `nobody`: no such team', parameter: 'team', value: 'nobody', expected: 'one of 12 teams' };

export const checks = {
  'the page runs under its own content security policy': async (browser, base) => {
    const window = await Window.strict(browser, base);
    const answer = await window.page.goto(base);
    const policy = answer.headers()['content-security-policy'] ?? '';
    assert.ok(policy, 'the server sends a policy');
    assert.doesNotMatch(policy, /unsafe/, policy);
    await window.settled();
    assert.equal((await window.cards()).length, 5);
    assert.deepEqual(window.problems, []);
    assert.deepEqual(window.foreign, []);
    await window.close();
  },

  'five cards say what the API says': check(async (window) => {
    await window.go();
    const data = await agree(window);
    assert.ok(data.every((total) => total.value !== null), 'the organisation has something to show on every card');
    const sentence = await window.page.innerText('.sentence');
    const n = data.filter(({ verdict }) => verdict === 'better' || verdict === 'worse').length;
    assert.equal((sentence.match(/[↑↓]/g) ?? []).length, n, `as many changes as there are verdicts: ${sentence}`);
  }),

  'five trends have a column a bucket and a mark a value': check(async (window) => {
    await window.go();
    const { series } = await window.summary();
    const whole = await window.page.evaluate(() => [...document.querySelectorAll('[data-trend="change-lead-time"] [data-at]')].filter((one) => !/part/.test(one.ariaLabel)).map((one) => one.dataset.at));
    for (const metric of METRICS) {
      const rows = series.filter((one) => one.metric === metric);
      const trend = window.page.locator(`[data-trend="${metric}"]`);
      assert.equal(await trend.locator('[data-at]').count(), rows.length, `${metric}: columns`);
      const measured = rows.filter((one) => one.value !== null);
      assert.equal(await trend.locator('.bar, .mark').count(), measured.length, `${metric}: marks`);
      const few = metric === 'deployment-frequency' ? 0 : measured.filter((one) => one.enough_data === false).length;
      assert.equal(await trend.locator('.hollow.mark').count(), few, `${metric}: hollow marks`);
      const cut = measured.filter(({ time }) => !whole.includes(time.slice(0, 10))).length;
      assert.equal(await trend.locator('.part').count() > 0, cut > 0, `${metric}: what is cut is told apart`);
    }
  }),

  'every trend is marked with deployments and incidents, be they few or many': check(async (window) => {
    const { page } = window;
    for (const [view, mark] of [['./', 'rect.many'], [`?team=${await largestTeam(window.base)}&period=30d`, '.tick-mark']]) {
      await window.go(view);
      const trend = page.locator('[data-trend="change-lead-time"]');
      await trend.locator(mark).first().waitFor({ state: 'attached' });
      await trend.locator('path.incident').first().waitFor();
      assert.match(await trend.locator('.legend').innerText(), /deployment[^]*incidents opened/);
    }
    await window.go();
    await page.waitForSelector('[data-trend="change-lead-time"] rect.many');
    const { series } = await window.summary();
    const deployed = series.filter((one) => one.metric === 'deployment-frequency' && one.n > 0).map(({ n }) => n);
    const strength = await page.$$eval('[data-trend="change-lead-time"] svg[data-chart] rect.many', (all) => all.map((one) => Number(one.getAttribute('opacity'))));
    assert.equal(strength.length, deployed.length);
    assert.equal(strength.indexOf(Math.max(...strength)), deployed.indexOf(Math.max(...deployed)), 'the most deployments have the strongest mark');
  }),

  'unknown buckets are gaps, never zero': check(async (window) => {
    await window.go('?period=30d');
    const { series } = await window.summary();
    const unknown = series.filter((one) => one.value === null);
    for (const { metric, time } of unknown) {
      const label = await window.page.getAttribute(`[data-trend="${metric}"] [data-at="${time.slice(0, 10)}"]`, 'aria-label');
      assert.match(label, /not enough data/);
    }
  }),

  'a click on a point opens its rows, and they are n': check(async (window) => {
    await window.go();
    const { series } = await window.summary();
    for (const metric of METRICS) {
      const small = series.filter((one) => one.metric === metric && one.n > 0 && one.n <= SMALL);
      assert.ok(small.length, `${metric} has a bucket with few enough rows to count`);
      const { time, n } = small.sort((a, b) => b.n - a.n)[0];
      await window.open(metric, time.slice(0, 10));
      assert.match(window.search(), new RegExp(`explain=${metric}&at=`));
      await explainedN(window, metric, n);
      await window.page.keyboard.press('Escape');
      await window.page.waitForSelector('dialog', { state: 'detached' });
      assert.doesNotMatch(window.search(), /explain/);
    }
  }),

  'the numerator of a rate is the rows that say yes': check(async (window) => {
    await window.go();
    const { series } = await window.summary();
    for (const metric of ['change-fail-rate', 'deployment-rework-rate']) {
      const small = series.filter((one) => one.metric === metric && one.n > 0 && one.n <= SMALL);
      const { time, n, value } = small.sort((a, b) => b.n - a.n)[0];
      await window.open(metric, time.slice(0, 10));
      await window.everyRow();
      const yes = await window.page.locator('dialog tr[data-row="counted"]', { has: window.page.getByRole('cell', { name: 'Yes', exact: true }) }).count();
      assert.equal(yes, Math.round(value * n), metric);
      await window.page.keyboard.press('Escape');
    }
  }),

  'rows lead to the tool that they came from': check(async (window) => {
    const { page } = window;
    for (const [metric, path] of [['change-lead-time', /\/commit\//], ['change-fail-rate', /\/deployments\//]]) {
      await window.go(`?explain=${metric}`);
      await window.explained();
      const { data } = await window.said(`metrics/${metric}/explain`);
      const links = await page.$$eval('dialog tr[data-row] td.wide a', (all) => all.map((one) => [one.href, one.target, one.rel]));
      assert.deepEqual(links, data.map(({ url }) => [url, '_blank', 'noreferrer']));
      assert.match(links[0][0], path);
    }
  }),

  'the call that the drawer shows gives the same number': check(async (window) => {
    await window.go('?explain=change-lead-time');
    await window.explained();
    const call = await window.page.textContent('dialog .call code');
    const url = /'(http[^']+)'/.exec(call)?.[1];
    const { meta } = await (await fetch(url)).json();
    assert.equal(meta.n, row((await window.summary()).data, 'change-lead-time').n);
  }),

  'a team changes the address and the numbers': check(async (window) => {
    await window.go();
    const before = await window.cards();
    await chooseTeam(window, await largestTeam(window.base));
    const after = await window.cards();
    assert.notDeepEqual(after.map((card) => card.words), before.map((card) => card.words));
    await agree(window);
  }),

  'a service is found among all by typing, and only those in sight are drawn': check(async (window) => {
    await window.go();
    const { page } = window;
    const { data } = await (await fetch(new URL('api/v1/services?limit=1000', window.base))).json();
    const wanted = data.filter((one) => one.n_deployments > 0).at(-1)?.service;
    await page.click('.filters button:has-text("Service")');
    await page.waitForSelector('[role="option"]');
    assert.ok((await page.locator('[role="option"]').count()) <= 20, 'options drawn');
    await page.keyboard.type(wanted);
    await page.waitForFunction((name) => document.querySelector('[role="option"]')?.textContent.includes(name), wanted);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    await window.settled();
    assert.deepEqual(new URLSearchParams(window.search()).getAll('service'), [wanted]);
    if (await page.locator('article[data-metric]').count()) await agree(window);
  }),

  'presets, custom days, buckets and the zone agree with the API': check(async (window) => {
    await window.go();
    const { page } = window;
    await page.click('.filters button:has-text("Period")');
    await page.click('.sheet button:has-text("30 days")');
    await window.settled();
    assert.equal(window.search(), '?period=30d');
    await agree(window);
    await page.click('.buckets label:has-text("week")');
    await window.settled();
    assert.match(window.search(), /bucket=week/);
    const to = new Date(Date.now() - 10 * 864e5).toISOString().slice(0, 10);
    const from = new Date(Date.now() - 60 * 864e5).toISOString().slice(0, 10);
    await page.click('.filters button:has-text("Period")');
    await page.fill('.sheet input >> nth=0', from);
    await page.fill('.sheet input >> nth=1', to);
    await page.click('.sheet button[type="submit"]');
    await window.settled();
    assert.match(window.search(), new RegExp(`from=${from}&to=`));
    await agree(window);
    await page.click('.filters button:has-text("Zone")');
    await page.keyboard.type('new_york');
    await page.keyboard.press('Enter');
    await window.settled();
    assert.match(window.search(), /tz=America%2FNew_York/);
    await agree(window);
  }),

  'a reload of the address shows the same': check(async (window) => {
    await window.go();
    await chooseTeam(window, await largestTeam(window.base));
    await window.page.click('.buckets label:has-text("month")');
    await window.settled();
    await window.page.click('[data-trend="change-lead-time"] header [aria-pressed]');
    await window.open('change-fail-rate');
    const seen = async () => ({
      search: window.search(),
      cards: (await window.cards()).map((card) => card.words),
      table: await window.page.locator('[data-trend="change-lead-time"] table').innerText(),
      rows: await window.page.locator('dialog tr[data-row]').allInnerTexts(),
      answer: await window.page.locator('dialog [data-field="answer"]').innerText(),
    });
    const before = await seen();
    await window.page.reload();
    await window.settled();
    await window.explained();
    assert.deepEqual(await seen(), before);
  }),

  'back goes back': check(async (window) => {
    await window.go();
    const before = await window.cards();
    await chooseTeam(window, await largestTeam(window.base));
    await window.open('change-lead-time');
    await window.page.goBack();
    await window.page.waitForSelector('dialog', { state: 'detached' });
    assert.match(window.search(), /^\?team=/);
    await window.page.goBack();
    await window.page.waitForFunction(() => location.search === '');
    await window.settled();
    assert.deepEqual(await window.cards(), before);
  }),

  'the rows are reached by keyboard alone': check(async (window) => {
    await window.go();
    const { page } = window;
    await tabTo(page, 'article[data-metric="change-lead-time"] h2 button');
    await page.keyboard.press('Enter');
    await window.explained();
    assert.ok(await has(page, 'dialog *'), 'the focus is in the drawer');
    for (let i = 0; i < 80; i += 1) {
      await page.keyboard.press('Tab');
      assert.ok(!(await has(page, 'main *, header a, nav *')), 'the focus stays in the drawer');
    }
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
    assert.ok(await has(page, 'article[data-metric="change-lead-time"] h2 button'), 'the focus returns to the card');
    await tabTo(page, '[data-trend="change-lead-time"] [data-at]');
    const last = await page.evaluate(() => document.activeElement.dataset.at);
    await page.keyboard.press('ArrowLeft');
    const left = await page.evaluate(() => document.activeElement.dataset.at);
    assert.ok(left < last, `${left} is before ${last}`);
    assert.match(await page.locator('.tip').innerText(), /Median/, 'what is in focus is read out');
    await page.keyboard.press('Enter');
    await window.explained();
    assert.match(window.search(), new RegExp(`at=${left}`));
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
    assert.ok(await has(page, `[data-trend="change-lead-time"] [data-at="${left}"]`), 'the focus returns to the point');
    await page.keyboard.press('Tab');
    assert.ok(!(await has(page, '[data-trend="change-lead-time"] [data-at]')), 'a chart is one stop');
  }),

  'every chart has its table': check(async (window) => {
    await window.go();
    const { series } = await window.summary();
    for (const metric of METRICS) {
      const trend = window.page.locator(`[data-trend="${metric}"]`);
      await trend.locator('header [aria-pressed]').click();
      assert.equal(await trend.locator('tbody tr').count(), series.filter((one) => one.metric === metric).length);
    }
    assert.equal(new URLSearchParams(window.search()).getAll('table').length, 5);
  }),

  'light and dark can be chosen against the system': check(async (window) => {
    await window.go();
    const ground = () => window.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await window.page.click('header .theme');
    assert.notEqual(await ground(), light);
    await window.page.reload();
    await window.settled();
    assert.notEqual(await ground(), light, 'it is kept');
  }),

  'a problem is shown in the words of the server': check(async (window) => {
    window.expected.push(/422/);
    await answered(window, '**/api/v1/summary?*', 422, PROBLEM, 'application/problem+json');
    await window.page.goto(new URL('?team=nobody', window.base).href);
    const alert = await window.page.locator('[role="alert"]').innerText();
    for (const word of ['no such team', 'nobody', 'one of 12 teams', '422']) assert.ok(alert.includes(word), alert);
    assert.deepEqual(await window.violations(), []);
    await window.page.unroute('**/api/v1/summary?*');
    await window.page.click('[role="alert"] button');
    await window.settled();
    assert.equal((await window.cards()).length, 5);
  }),

  'a server that went away is said, and comes back by itself': check(async (window) => {
    window.expected.push(/ERR_FAILED|Failed to load/);
    await window.go();
    await window.page.route('**/api/v1/summary?*', (route) => route.abort());
    await window.page.waitForSelector('[role="alert"]', { timeout: 15_000 });
    assert.equal((await window.cards()).length, 5, 'the last numbers stay');
    await window.page.unroute('**/api/v1/summary?*');
    await window.page.waitForSelector('[role="alert"]', { state: 'detached', timeout: 30_000 });
  }),

  'too little is said to be too little': check(async (window) => {
    await window.page.route('**/api/v1/summary?*', async (route) => {
      const answer = await (await route.fetch()).json();
      Object.assign(row(answer.data, 'change-lead-time'), { value: null, n: 0, low: null, high: null, verdict: null });
      Object.assign(row(answer.data, 'change-fail-rate'), { n: 3, enough_data: false, verdict: null });
      await route.fulfill({ json: answer });
    });
    await window.go();
    const cards = await window.cards();
    assert.match(cards[1].words, /Not enough data.*Send changes/);
    assert.doesNotMatch(cards[1].words, /(^|\s)0(\s|$)/);
    assert.match(cards[2].words, /only 3/);
    for (const card of cards.slice(1, 3)) assert.doesNotMatch(card.words, /[↑↓]/);
    assert.deepEqual(await window.violations(), []);
  }),

  'an empty lake says how to send the first deployment': check(async (window) => {
    const nothing = { value: null, n: 0, low: null, high: null, enough_data: false, verdict: null };
    await answered(window, '**/api/v1/summary?*', 200, { data: METRICS.map((metric) => ({ metric, ...nothing })), series: [], meta: { complete_through: null } });
    for (const list of ['services', 'teams']) await answered(window, `**/api/v1/${list}?*`, 200, { data: [], meta: { next_cursor: null } });
    for (const view of ['', 'service', 'compare']) {
      await window.go(view);
      await window.page.waitForSelector('pre');
      assert.match(await window.page.locator('main').innerText(), /No deployments yet: send one[^]*curl[^]*api\/v1\/events/);
      assert.deepEqual(await window.violations(), [], view);
    }
  }),

  'rows that could not be had are asked for again': check(async (window) => {
    window.expected.push(/503/);
    let failing = true;
    await window.page.route('**/explain?*', (route) =>
      failing ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify({ title: 'Not now', status: 503, detail: 'the store does not answer' }) }) : route.continue(),
    );
    await window.go('?explain=change-fail-rate');
    await window.page.waitForSelector('dialog [role="alert"]:has-text("the store does not answer")');
    failing = false;
    await window.explained();
    assert.equal(await window.page.locator('dialog [role="alert"]:visible').count(), 0);
  }),

  'a slow server shows where the numbers will be': check(async (window) => {
    let answer;
    const wait = new Promise((resolve) => (answer = resolve));
    await window.page.route('**/api/v1/summary?*', async (route) => {
      await wait;
      await route.continue();
    });
    await window.page.goto(window.base);
    await window.page.waitForSelector('.bones');
    assert.deepEqual(await window.violations(), []);
    answer();
    await window.settled();
  }),

  'printed, it is light and has no buttons': check(async (window) => {
    await window.go('?period=30d');
    await window.page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    assert.equal(await window.page.locator('nav').isVisible(), false);
    assert.equal(await window.page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)');
  }),
};
