// Builds the page into ../dist, which is committed: names are stable and nothing in it depends on when or
// where it was built. No inline script or style, so that the page runs under `script-src 'self'; style-src 'self'`.
import { readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

/** What ends up in the bundle, and so has to be named with its licence. */
const BUNDLED = [
  '@fontsource-variable/inter',
  'svelte',
];

/** Writes NOTICES.txt: the licence of each bundled package. */
function notices() {
  return {
    name: 'notices',
    generateBundle() {
      const texts = BUNDLED.map((name) => {
        const at = (file) => readFileSync(new URL(`node_modules/${name}/${file}`, import.meta.url), 'utf8');
        const { version } = JSON.parse(at('package.json'));
        const licence = ['LICENSE', 'LICENSE.md'].reduce((text, file) => text ?? tryRead(() => at(file)), undefined);
        if (!licence) throw new Error(`${name} has no licence file`);
        return `${name} ${version}\n\n${licence.replaceAll('\r\n', '\n').trim()}\n`;
      });
      this.emitFile({ type: 'asset', fileName: 'NOTICES.txt', source: texts.join(`\n${'-'.repeat(80)}\n\n`) });
    },
  };
}

function tryRead(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The page's own script is deferred by its type; `crossorigin` on files of the same origin says nothing. */
function plainTags() {
  return {
    name: 'plain-tags',
    transformIndexHtml: { order: 'post', handler: (html) => html.replaceAll(' crossorigin', '') },
  };
}

/** The page takes over no page that a server rendered: what Svelte has for that is left out, a thirtieth of the script.
    Svelte keeps it behind this flag for bundlers to drop, but its own `mount` sets the flag. */
function neverHydrates() {
  return {
    name: 'never-hydrates',
    apply: 'build',
    transform(code, id) {
      if (!id.endsWith('svelte/src/internal/client/dom/hydration.js')) return undefined;
      if (!code.includes('export let hydrating = false;')) throw new Error('svelte keeps `hydrating` elsewhere now');
      return { code: code.replace('export let hydrating = false;', 'export const hydrating = false;').replace(/^\thydrating = .*;$/m, ''), map: null };
    },
  };
}

/** The page keeps no state that is written to part by part: what Svelte has for that is left out, and `$state(` refused, which
    would do nothing. */
function neverProxies() {
  return {
    name: 'never-proxies',
    apply: 'build',
    enforce: 'pre',
    transform(code, id) {
      if (/\/web\/src\//.test(id) && /\$(state|bindable)\(/.test(code)) this.error('write `$state.raw(`: see neverProxies in vite.config.js');
      if (!id.endsWith('svelte/src/internal/client/proxy.js')) return undefined;
      return { code: 'export const proxy = (value) => value, get_proxied_value = proxy, is = Object.is;', map: null };
    },
  };
}

/** The page waits for nothing while it draws, and its only boundary is the one that `mount` makes, which catches nothing: what
    Svelte has for those that do is left out, and `await` in a template or `<svelte:boundary>` would not build. */
function neverPends() {
  return {
    name: 'never-pends',
    apply: 'build',
    enforce: 'pre',
    transform(code, id) {
      if (id.endsWith('.svelte') && /<svelte:boundary|\{[@#]?(await|const .*= await)\b/.test(code)) this.error('see neverPends in vite.config.js');
      const settled = 'if (async.length === 0 && pending.length === 0) {';
      if (id.endsWith('svelte/src/internal/client/reactivity/async.js')) {
        if (!code.includes(settled)) throw new Error('svelte asks elsewhere now whether there is something to wait for');
        return { code: code.replace(settled, 'if (true) {'), map: null };
      }
      if (!id.endsWith('svelte/src/internal/client/dom/blocks/boundary.js')) return undefined;
      return {
        code: `import { EFFECT_PRESERVED, EFFECT_TRANSPARENT } from '#client/constants';
import { block, branch } from '../../reactivity/effects.js';
export const boundary = (node, _, children) => block(() => void branch(() => children(node)), EFFECT_TRANSPARENT | EFFECT_PRESERVED), pending = () => 0;`,
        map: null,
      };
    },
  };
}

/** Svelte's own messages are the names of pages about them, each in a function; `vite` in development tells them in full. */
function fewWords() {
  return {
    name: 'few-words',
    apply: 'build',
    transform(code, id) {
      if (!/svelte\/src\/internal\/.*(errors|warnings)\.js$/.test(id)) return undefined;
      return { code: code.replace(/`https:\/\/svelte\.dev\/e\/\w+`/g, "'svelte'"), map: null };
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [neverHydrates(), neverProxies(), neverPends(), fewWords(), svelte(), notices(), plainTags()],
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    rollupOptions: {
      output: {
        entryFileNames: 'assets/app.js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
      },
    },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
});
