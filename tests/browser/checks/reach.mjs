// Everybody can use it: axe in every view, width and scheme; the keyboard alone; print; and a door where a token is wanted.
import assert from 'node:assert/strict';
import { answered, check, has, METRICS, tabTo, VIEWS } from './common.mjs';

async function fits(page) {
  const wide = (await page.evaluate(() => document.documentElement.scrollWidth)) - page.viewportSize().width;
  assert.ok(wide <= 0, `the page is ${wide} px wider than its window`);
}

async function accessible(window) {
  const { page } = window;
  await fits(page);
  assert.deepEqual(await window.violations(), [], 'overview');
  await page.click('[data-trend="change-lead-time"] header [aria-pressed]');
  assert.deepEqual(await window.violations(), [], 'a trend as table');
  for (const filter of ['Period', 'Team', 'Service', 'Zone']) {
    await page.click(`.filters button:has-text("${filter}")`);
    await page.waitForSelector('.sheet');
    if (filter !== 'Period') await page.waitForSelector('[role="option"]');
    assert.deepEqual(await window.violations(), [], `${filter} open`);
    await page.keyboard.press('Escape');
  }
  await page.locator('[data-trend="change-fail-rate"] [tabindex="0"]').focus();
  assert.deepEqual(await window.violations(), [], 'a point in focus');
  for (const metric of METRICS) {
    await window.open(metric);
    assert.deepEqual(await window.violations('dialog'), [], `rows of ${metric}`);
    await page.keyboard.press('Escape');
  }
}

/** Holds back what the API says: answers come one at a time, in the order in which they were asked for. */
async function held(page) {
  const waiting = [];
  const hold = (route) => new Promise((go) => waiting.push(go)).then(() => route.continue().catch(() => undefined));
  await page.route('**/api/v1/**', hold);
  return {
    /** Lets answers come, one after the other, until `done`. */
    async until(done, each = () => undefined) {
      while (!(await done())) {
        waiting.shift()?.();
        await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
        await each();
      }
    },
    async end() {
      await page.unroute('**/api/v1/**', hold);
      for (const go of waiting.splice(0)) go();
    },
  };
}

export const checks = {
  'a view is reached, asked and read by keyboard alone': check(async (window) => {
    await window.go();
    const { page } = window;
    await tabTo(page, 'nav a[href^="./compare"]');
    await page.keyboard.press('Enter');
    await window.settled();
    assert.match(page.url(), /\/compare/);
    await page.waitForSelector('main select');
    await tabTo(page, 'main select');
    await page.keyboard.type('Change fail');
    await page.waitForFunction(() => new URLSearchParams(location.search).get('metric') === 'change-fail-rate');
    await window.settled();
    await tabTo(page, '[data-panel="compare"] [aria-pressed]');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-panel="compare"] table');
    await page.keyboard.press('Enter');
    await tabTo(page, '[data-group] [data-at]', 60);
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await window.explained();
    assert.ok(await has(page, 'dialog *'), 'the focus is in the drawer');
  }),

  'the focus stays in what is chosen, whatever loads meanwhile': check(async (window) => {
    const { page } = window;
    const controls = {
      compare: 'main select',
      'quick-check': 'main select',
      definitions: '[data-panel="parameters"] select',
      sources: '[data-panel="deliveries"] select',
      service: 'main input[type="search"]',
    };
    for (const [view, control] of Object.entries(controls)) {
      const answers = await held(page);
      await page.goto(new URL(view, window.base).href);
      await answers.until(() => page.locator(control).count());
      await tabTo(page, control, 60);
      const focused = await page.evaluateHandle(() => document.activeElement);
      const stays = async (when) => assert.ok(await focused.evaluate((one) => one === document.activeElement), `${view}: the focus is lost ${when}`);
      const all = () => answers.until(() => page.evaluate(() => !document.querySelector('main[aria-busy="true"]')), () => stays('when an answer comes'));
      await all();
      await page.keyboard.press('ArrowDown');
      await stays('when another is chosen');
      await all();
      await answers.end();
      await window.settled();
      await stays('when all is there');
    }
  }),

  'the content is one key away': check(async (window) => {
    await window.go('compare');
    await window.page.keyboard.press('Tab');
    await window.page.keyboard.press('Enter');
    assert.ok(await has(window.page, 'main'));
  }),

  'a server that wants a token gets a door, and the token is not kept': check(async (window) => {
    window.expected.push(/401/);
    const { page } = window;
    const closed = { type: 'urn:dorado:problem:token-needed', title: 'A token is needed', status: 401, detail: 'send a token' };
    let open = false;
    let told = null;
    await page.route('**/api/v1/**', async (route) => {
      const request = route.request();
      if (request.method() === 'POST') {
        told = request.postDataJSON();
        open = told.token === 'dorado_right';
      }
      const session = new URL(request.url()).pathname.endsWith('/session');
      if (session && (open || request.method() === 'GET')) {
        await route.fulfill({ json: { signed_in: open, by: open ? 'session' : null, name: open ? 'a leader' : null, scopes: [], teams: null, may: { read: open, read_everything: open, ingest: false, administer: false } } });
      } else if (open) await route.continue();
      else await route.fulfill({ status: 401, contentType: 'application/problem+json', body: JSON.stringify(closed) });
    });
    await page.goto(window.base);
    await page.waitForSelector('input[type="password"]');
    assert.deepEqual(await window.violations(), []);
    await page.keyboard.type('dorado_wrong');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role="alert"]');
    await page.fill('input[type="password"]', 'dorado_right');
    await page.keyboard.press('Enter');
    await page.waitForSelector('article[data-metric]');
    assert.equal((await window.cards()).length, 5);
    assert.deepEqual(told, { token: 'dorado_right' });
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    assert.doesNotMatch(kept, /dorado_right/);
    await page.waitForSelector('header button:has-text("Sign out")');
  }),

  'who reads only a team is not shown what is for others': check(async (window) => {
    const may = { read: true, read_everything: false, ingest: false, administer: false };
    await answered(window, '**/api/v1/session', 200, { signed_in: true, by: 'session', name: 'a team', scopes: ['read:a'], teams: ['a'], may });
    await window.go('?explain=change-fail-rate');
    await window.explained();
    await window.page.waitForSelector('nav a[href^="./sources"]', { state: 'detached' });
    assert.equal(await window.page.locator('dialog .decide').count(), 0);
  }),

  ...Object.fromEntries(
    [1280, 390].flatMap((width) =>
      ['light', 'dark'].flatMap((scheme) => [
        [
          `axe finds nothing on the overview at ${width} px in ${scheme}`,
          check(
            async (window) => {
              await window.go();
              await accessible(window);
            },
            { width, height: 900, scheme },
          ),
        ],
        [
          `axe finds nothing in the other views at ${width} px in ${scheme}`,
          check(
            async (window) => {
              window.expected.push(/404 .*\/nowhere$/);
              for (const view of await VIEWS(window.base)) {
                await window.go(view);
                await fits(window.page);
                assert.deepEqual(await window.violations(), [], view);
              }
            },
            { width, height: 900, scheme },
          ),
        ],
      ]),
    ),
  ),
};
