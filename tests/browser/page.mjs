// The page as the test handles it: a browser, what the page asked the server, and what it shows.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Chromium at `$CHROMIUM` or where Debian puts it; says so where there is none. */
export async function launch() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    throw new Error(`no Chromium at ${executablePath}: install Debian's package \`chromium\`, or name one in $CHROMIUM`);
  }
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}

/** One window on the page. Keeps what was asked of the server and whatever went wrong on the way. */
export class Window {
  static async open(browser, base, { width = 1280, height = 900, scheme = 'light' } = {}) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      // The page's policy forbids scripts that are not its own; axe is one. Its own scripts are checked
      // against the policy in a window without this.
      bypassCSP: true,
      reducedMotion: 'reduce',
      timezoneId: 'Europe/Berlin',
    });
    return new Window(await context.newPage(), base);
  }

  /** A window as a stranger has it: the server's own policy in force. */
  static async strict(browser, base) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    return new Window(await context.newPage(), base);
  }

  constructor(page, base) {
    Object.assign(this, { page, base, problems: [], foreign: [], asked: [], expected: [] });
    page.on('console', (message) => {
      const text = `${message.text()} ${message.location().url}`;
      const known = this.expected.some((pattern) => pattern.test(text));
      if (['error', 'warning'].includes(message.type()) && !known) this.problems.push(text);
    });
    page.on('pageerror', (error) => this.problems.push(error.message));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin !== new URL(base).origin && url.protocol !== 'data:') this.foreign.push(request.url());
      if (url.pathname.includes('/api/v1/')) this.asked.push(url);
    });
  }

  async go(search = '') {
    await this.page.goto(new URL(search || './', this.base).href);
    await this.settled();
  }

  /** Until the cards show the answer to the present question. */
  async settled() {
    await this.page.waitForSelector('main[aria-busy="false"]');
    await this.page.evaluate(() => document.fonts.ready);
  }

  search() {
    return new URL(this.page.url()).search;
  }

  /** What the API says to the question about `path` that the page asked last, of those that have `parameters`. */
  async said(path, parameters = {}) {
    const fits = (url) => url.pathname.endsWith(`/api/v1/${path}`) && Object.entries(parameters).every(([key, value]) => url.searchParams.get(key) === value);
    const asked = this.asked.findLast(fits);
    if (!asked) throw new Error(`the page did not ask for ${path} with ${JSON.stringify(parameters)}`);
    const answer = await fetch(asked, { headers: { accept: 'application/json' } });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** What the API says to the overview's question. */
  summary() {
    return this.said('summary', { group_by: null, compare: 'previous' });
  }

  /** Cards as shown: metric, number, unit and all words. */
  cards() {
    return this.page.$$eval('article[data-metric]', (articles) =>
      articles.map((article) => {
        const text = (field) => article.querySelector(`[data-field="${field}"]`)?.textContent?.trim() ?? null;
        return {
          metric: article.dataset.metric,
          number: text('value'),
          unit: text('unit'),
          certainty: text('certainty'),
          change: text('change')?.replace(/\s+/g, ' '),
          words: article.innerText.replace(/\s+/g, ' '),
        };
      }),
    );
  }

  async violations(within = 'html') {
    await this.page.evaluate(axe);
    const found = await this.page.evaluate(
      ([selector, values]) => globalThis.axe.run(selector, { runOnly: { type: 'tag', values } }),
      [within, RULES],
    );
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`);
  }

  async open(metric, at) {
    const place = at ? `[data-trend="${metric}"] [data-at="${at}"]` : `article[data-metric="${metric}"] h2 button`;
    await this.page.click(place, { position: at ? { x: 2, y: 40 } : undefined });
    await this.explained();
  }

  async explained() {
    await this.page.waitForSelector('dialog[open] [data-field="answer"]');
  }

  /** Asks for more until every row is there. */
  async everyRow() {
    for (;;) {
      const more = this.page.locator('dialog button', { hasText: 'Show more' });
      if ((await more.count()) === 0) break;
      const before = await this.page.locator('dialog tr[data-row]').count();
      await more.click();
      await this.page.waitForFunction((n) => document.querySelectorAll('dialog tr[data-row]').length > n, before);
    }
  }

  /** Clicks, and gives the file that comes of it. */
  async file(click) {
    const [download] = await Promise.all([this.page.waitForEvent('download'), click()]);
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  }

  close() {
    return this.page.context().close();
  }
}

const SECONDS = { s: 1, min: 60, h: 3600, days: 86_400 };
const DAYS = { '/day': 1, '/week': 7, '/month': 30.44 };

/** A number as shown, in the API's unit, and how much rounding can have moved it. */
export function shown(number, unit) {
  const digits = number.replaceAll(',', '');
  const half = 0.5 * 10 ** -(digits.split('.')[1]?.length ?? 0);
  const size = SECONDS[unit] ?? (unit === '%' ? 0.01 : DAYS[unit] ? 1 / DAYS[unit] : 1);
  return { value: Number(digits) * size, slack: half * size * 1.000001 + 1e-9 };
}
