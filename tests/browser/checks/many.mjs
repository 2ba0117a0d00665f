// An organisation of 2,000 services: found by typing, drawn only where in sight.
import assert from 'node:assert/strict';
import { answered, check, METRICS } from './common.mjs';

const N = 2_000;
const name = (i) => `service-${String(i).padStart(4, '0')}`;
const services = Array.from({ length: N }, (_, i) => ({ service: name(i), team: `team-${i % 120}`, repository: `acme/${name(i)}`, environments: 'production', n_deployments: i + 1, first_deployment_at: '2026-01-01T00:00:00Z', last_deployment_at: '2026-11-01T00:00:00Z' }));
const teams = Array.from({ length: 120 }, (_, i) => ({ team: `team-${i}`, parent: null, n_services: 17 }));

/** The list in pages, as the server gives it. */
async function paged(window, path, rows) {
  await window.page.route(`**/api/v1/${path}?*`, (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get('cursor') ?? 0);
    const next = from + 1000 < rows.length ? String(from + 1000) : null;
    return route.fulfill({ json: { data: rows.slice(from, from + 1000), meta: { next_cursor: next } } });
  });
}

async function large(window) {
  await paged(window, 'services', services);
  await paged(window, 'teams', teams);
}

export const checks = {
  'of 2,000 services only those in sight are drawn, and typing finds one': check(async (window) => {
    await large(window);
    await window.go('service');
    const { page } = window;
    await page.waitForSelector('main tbody tr');
    assert.match(await page.innerText('main [role="status"]'), /2,000 services/);
    assert.ok((await page.locator('main tbody tr').count()) < 60, 'rows drawn');
    assert.equal(await page.getAttribute('main table', 'aria-rowcount'), String(N + 1));
    await page.locator('main .scroll').evaluate((list) => (list.scrollTop = list.scrollHeight));
    await page.waitForSelector(`main tbody :text-is("${name(N - 1)}")`);
    assert.deepEqual(await window.violations(), []);
    const started = Date.now();
    await page.fill('main input[type="search"]', name(1234));
    await page.waitForFunction(() => document.querySelectorAll('main tbody tr').length === 1);
    assert.ok(Date.now() - started < 1000, `found in ${Date.now() - started} ms`);
    await page.click(`main tbody :text-is("${name(1234)}")`);
    await window.settled();
    assert.equal(window.search(), `?service=${name(1234)}`);
  }),

  'on paper a list of 2,000 services has all of them': check(async (window) => {
    await large(window);
    await window.go('service');
    const { page } = window;
    await page.waitForSelector('main tbody tr');
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
    await page.waitForFunction((n) => document.querySelectorAll('main tbody tr').length === n, N);
    await page.evaluate(() => dispatchEvent(new Event('afterprint')));
    await page.waitForFunction(() => document.querySelectorAll('main tbody tr').length < 60);
  }),

  'columns order 2,000 services': check(async (window) => {
    await large(window);
    await window.go('service');
    const { page } = window;
    await page.click('main thead button:has-text("Deployments")');
    assert.equal(await page.getAttribute('main thead th:has-text("Deployments")', 'aria-sort'), 'descending');
    await page.waitForSelector(`main tbody tr:first-child :text-is("${name(N - 1)}")`);
  }),

  'the numbers of 2,000 services fit on the overview': check(async (window) => {
    await large(window);
    const rows = services.flatMap(({ service }) => METRICS.map((metric) => ({ metric, service, team: null, value: 1, per_day: 1, n: 9, enough_data: true, better: 'lower', verdict: null })));
    await window.page.route('**/api/v1/summary?*group_by=*', (route) => route.fulfill({ json: { data: rows, series: [], meta: {} } }));
    const { data } = await (await fetch(new URL('api/v1/teams?limit=1000', window.base))).json();
    await window.go(`?team=${data.find((one) => one.n_services > 2).team}`);
    await window.page.waitForSelector('[data-panel="by-service"] tbody tr');
    assert.ok((await window.page.locator('[data-panel="by-service"] tbody tr').count()) < 60);
  }),
};
