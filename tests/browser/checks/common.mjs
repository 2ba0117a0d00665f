// What the checks have in common: a window a check, and how rows, keys and made-up answers are handled.
import assert from 'node:assert/strict';
import { shown, Window } from '../page.mjs';

export const METRICS = [
  'deployment-frequency',
  'change-lead-time',
  'change-fail-rate',
  'failed-deployment-recovery-time',
  'deployment-rework-rate',
];

async function inWindow(browser, base, options, use) {
  const window = await Window.open(browser, base, options);
  try {
    await use(window);
    assert.deepEqual(window.problems, [], 'nothing in the console');
    assert.deepEqual(window.foreign, [], 'no request to another origin');
  } finally {
    await window.close();
  }
}

export const check = (use, options = {}) => (browser, base) => inWindow(browser, base, options, use);

export function row(rows, metric) {
  const found = rows.find((one) => one.metric === metric);
  assert.ok(found, `the API says nothing of ${metric}`);
  return found;
}

/** Presses Tab until the focus is on what matches. */
export async function tabTo(page, selector, most = 40) {
  for (let i = 0; i < most; i += 1) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${selector} cannot be reached by ${most} presses of Tab`);
}

export const has = (page, selector) => page.evaluate((wanted) => Boolean(document.activeElement?.matches(wanted)), selector);

export async function answered(window, path, status, body, type = 'application/json') {
  await window.page.route(path, (route) => route.fulfill({ status, contentType: type, body: JSON.stringify(body) }));
}

/** A service with enough of everything to look at. */
export async function busiest(base) {
  const { data } = await (await fetch(new URL('api/v1/services?limit=1000', base))).json();
  return data.sort((a, b) => b.n_deployments - a.n_deployments || (a.service < b.service ? -1 : 1))[0].service;
}

/** Addresses of the views besides the overview. */
export async function VIEWS(base) {
  const service = await busiest(base);
  return ['compare', 'service', `service?service=${service}`, 'definitions', 'quick-check', 'data-quality', 'sources', 'nowhere'];
}

/** `4.8 days` is `value`, within what rounding may move; a dash is unknown. */
export function says(text, value, what) {
  const told = text.replaceAll('\u00a0', ' ').trim();
  if (value === null || value === undefined) return assert.match(told, /^(–|Not enough data)/, what);
  const [, number, unit = ''] = /^(-?[\d.,]+)\s*(\S*)/.exec(told) ?? [];
  assert.ok(number, `${what}: ${told}`);
  const seen = shown(number, unit);
  assert.ok(Math.abs(seen.value - value) <= seen.slack, `${what}: shows ${told}, the API says ${value}`);
}

export const headline = (one) => (one.metric === 'deployment-frequency' && one.unit !== 'days_per_week' ? one.per_day : one.value);
