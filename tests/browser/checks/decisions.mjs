// A person knows better than the rules: says so with name and reason, the numbers follow, and it can be taken back.
import assert from 'node:assert/strict';
import { check } from './common.mjs';

const REASON = `The alert was a drill, ${Date.now()}`;

async function failRate(window, at) {
  const { series } = await window.summary();
  return series.find((one) => one.metric === 'change-fail-rate' && one.time.startsWith(at));
}

export const checks = {
  'a deployment is said to have failed, the numbers follow, and it is taken back': check(async (window) => {
    await window.go();
    const { page } = window;
    const { series } = await window.summary();
    const week = series.filter((one) => one.metric === 'change-fail-rate' && one.n > one.numerator && one.n < 200).at(-2);
    const at = week.time.slice(0, 10);
    await window.open('change-fail-rate', at);
    const rows = page.locator('dialog tr[data-row="counted"]', { has: page.getByRole('cell', { name: 'No', exact: true }) });
    while ((await rows.count()) === 0) await page.click('dialog button:has-text("Show more")');
    await rows.first().locator('.decide').click();
    assert.deepEqual(await window.violations('dialog'), []);
    const form = page.locator('dialog form');
    await form.locator('input >> nth=0').fill('Ada');
    await form.locator('input >> nth=1').fill(REASON);
    await form.locator('button[type="submit"]').click();
    await form.waitFor({ state: 'detached', timeout: 60_000 });
    await window.explained();
    const numerator = week.numerator + 1;
    await page.waitForFunction((n) => document.querySelector('dialog [data-field="answer"]')?.textContent.replaceAll(',', '').includes(`${n} of `), numerator, { timeout: 60_000 });
    assert.equal((await failRate(window, at)).numerator, numerator);

    await window.go('data-quality');
    const mine = page.locator('[data-override]', { hasText: REASON });
    await mine.waitFor();
    assert.match(await mine.innerText(), /The deployment failed[^]*Ada/);
    await mine.locator('button:has-text("Take back")').click();
    await mine.locator('input >> nth=0').fill('Ben');
    await mine.locator('input >> nth=1').fill('It was real.');
    await mine.locator('button[type="submit"]').click();
    await mine.filter({ hasText: 'Taken back by Ben' }).waitFor({ timeout: 60_000 });
    await window.go();
    assert.equal((await failRate(window, at)).numerator, week.numerator);
  }),

  'numbers that follow a decision late are waited for': check(async (window) => {
    const { page } = window;
    const now = new Date().toISOString();
    const done = [];
    await page.route('**/api/v1/overrides', (route) =>
      route.request().method() === 'POST' ? route.fulfill({ status: 201, json: { decided_at: now, withdrawn_at: null, visible: false } }) : route.continue(),
    );
    // What was delivered is there at once, and what is computed from it is not.
    await page.route('**/api/v1/metrics/deployment-frequency?bucket=all', (route) => {
      done.push('looked');
      return route.fulfill({ json: { data: [], meta: { complete: done.length > 1, complete_through: now } } });
    });
    await window.go('?explain=change-fail-rate');
    await window.explained();
    await page.locator('dialog .decide').first().click();
    await page.fill('dialog form input >> nth=0', 'Ada');
    await page.fill('dialog form input >> nth=1', 'because');
    page.on('request', (request) => request.url().includes('/explain?') && done.push('asked again'));
    await page.click('dialog form button[type="submit"]');
    await page.waitForSelector('dialog form', { state: 'detached' });
    await window.explained();
    assert.deepEqual(done, ['looked', 'looked', 'asked again']);
  }),

  'what the server says against a decision is shown': check(async (window) => {
    window.expected.push(/422/);
    const { page } = window;
    await page.route('**/api/v1/overrides', (route) =>
      route.request().method() === 'POST'
        ? route.fulfill({ status: 422, contentType: 'application/problem+json', body: JSON.stringify({ title: 'Unprocessable', status: 422, detail: 'there is no such deployment' }) })
        : route.continue(),
    );
    await window.go('?explain=change-fail-rate');
    await window.explained();
    await page.locator('dialog .decide').first().click();
    await page.fill('dialog form input >> nth=0', 'Ada');
    await page.fill('dialog form input >> nth=1', 'because');
    await page.click('dialog form button[type="submit"]');
    await page.waitForSelector('dialog form [role="alert"]:has-text("no such deployment")');
  }),
};
