// The pictures: what a reader of the README and of a review sees.
import { busiest } from './checks/common.mjs';
import { Window } from './page.mjs';

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };

/** Waits until what is asked besides the main answer is there too. */
async function picture(browser, base, path, options, view, whole) {
  const window = await Window.open(browser, base, options);
  await window.go(view);
  if (view.includes('explain=')) await window.explained();
  await window.page.waitForLoadState('networkidle');
  await window.page.screenshot({ path, fullPage: whole, animations: 'disabled' });
  await window.close();
}

const VIEWS = {
  overview: () => './',
  compare: () => 'compare',
  service: async (base) => `service?service=${await busiest(base)}`,
  services: () => 'service',
  definitions: () => 'definitions?first_deployment=all',
  'quick-check': () => 'quick-check',
  'data-quality': () => 'data-quality',
  sources: () => 'sources',
  explain: () => '?explain=change-fail-rate',
};

export const screenshots = {
  'screenshot.png': (browser, base, path) => picture(browser, base, path, WIDE, './', false),
  ...Object.fromEntries(
    Object.entries(VIEWS).flatMap(([name, view]) =>
      [WIDE, NARROW].flatMap((size) =>
        ['light', 'dark'].map((scheme) => [
          `${name}-${size.width}-${scheme}.png`,
          async (browser, base, path) => picture(browser, base, path, { ...size, scheme }, await view(base), name !== 'explain'),
        ]),
      ),
    ),
  ),
};
