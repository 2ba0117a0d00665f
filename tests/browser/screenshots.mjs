// The pictures: what a reader of the README and of a review sees.
import { Window } from './page.mjs';

async function overview(browser, base, path, options, search = '', whole = false) {
  const window = await Window.open(browser, base, options);
  await window.go(search);
  await window.page.screenshot({ path, fullPage: whole, animations: 'disabled' });
  await window.close();
}

async function explain(browser, base, path, options) {
  const window = await Window.open(browser, base, options);
  await window.go('?explain=change-fail-rate');
  await window.explained();
  await window.page.screenshot({ path, animations: 'disabled' });
  await window.close();
}

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };

export const screenshots = {
  'screenshot.png': (browser, base, path) => overview(browser, base, path, WIDE),
  'overview-1280-light.png': (browser, base, path) => overview(browser, base, path, WIDE, '', true),
  'overview-1280-dark.png': (browser, base, path) => overview(browser, base, path, { ...WIDE, scheme: 'dark' }, '', true),
  'overview-390-light.png': (browser, base, path) => overview(browser, base, path, NARROW, '', true),
  'overview-390-dark.png': (browser, base, path) => overview(browser, base, path, { ...NARROW, scheme: 'dark' }, '', true),
  'explain-1280-light.png': (browser, base, path) => explain(browser, base, path, WIDE),
  'explain-1280-dark.png': (browser, base, path) => explain(browser, base, path, { ...WIDE, scheme: 'dark' }),
  'explain-390-light.png': (browser, base, path) => explain(browser, base, path, NARROW),
};
