// The page's arithmetic and words, without a browser.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createServer } from 'vite';

const vite = await createServer({ server: { middlewareMode: true, hmr: false, ws: false }, appType: 'custom', logLevel: 'error' });
after(() => vite.close());
globalThis.location = { search: '', pathname: '/' };
const load = (file) => vite.ssrLoadModule(`/src/lib/${file}`);
const [days, format, changes, ticks, views, path, files, table, marks, stages, panels] = await Promise.all(
  ['days.ts', 'format.ts', 'change.ts', 'ticks.ts', 'view.svelte.ts', 'path.ts', 'save.ts', 'table.ts', 'marks.ts', 'stages.ts', 'panels.ts'].map(load),
);
const plain = (text) => text.replaceAll('\u00a0', ' ');

test('buckets cover the period, cut ones are marked', () => {
  const slots = days.slots('week', { from: '2026-10-28', to: '2026-11-18' }, '2026-11-17');
  assert.deepEqual(
    slots.map(({ start, from, to, whole }) => [start, from, to, whole]),
    [
      ['2026-10-26', '2026-10-28', '2026-11-02', false],
      ['2026-11-02', '2026-11-02', '2026-11-09', true],
      ['2026-11-09', '2026-11-09', '2026-11-16', true],
      ['2026-11-16', '2026-11-16', '2026-11-18', false],
    ],
  );
});

test('a week that is not over is not whole', () => {
  const [slot] = days.slots('week', { from: '2026-11-02', to: '2026-11-09' }, '2026-11-08');
  assert.equal(slot.whole, false);
});

test('months of other lengths end on their last day', () => {
  assert.equal(days.addMonths('2026-08-31', -6), '2026-02-28');
  assert.equal(days.addMonths('2024-01-31', 1), '2024-02-29');
  assert.equal(days.endOf('month', '2026-12-01'), '2027-01-01');
});

test('a Sunday belongs to the week of the Monday before', () => {
  assert.equal(days.startOf('week', '2027-01-03'), '2026-12-28');
});

test('only days that exist are days', () => {
  assert.ok(days.isDay('2028-02-29'));
  for (const wrong of ['2026-02-29', '2026-13-01', '26-01-01', '', null]) assert.ok(!days.isDay(wrong), String(wrong));
});

test('stretches are said as people say them', () => {
  assert.equal(days.stretchText({ from: '2026-11-02', to: '2026-11-09' }), '2–8 Nov 2026');
  assert.equal(days.stretchText({ from: '2026-11-02', to: '2026-11-03' }), '2 Nov 2026');
  assert.equal(days.stretchText({ from: '2025-12-30', to: '2026-01-02' }), '30 Dec 2025 – 1 Jan 2026');
});

test('nearly all is not all, and nearly none is not none', () => {
  const said = (value) => plain(format.text(value, 'rate'));
  assert.deepEqual([0.99989, 0.0004, 0.000004, 1, 0].map(said), ['99.99 %', '0.04 %', '0.0004 %', '100 %', '0 %']);
});

test('the head of the page names what changed with its size, and counts what did not', () => {
  const panel = (metric) => ({ metric, title: metric === 'rate' ? 'Change fail rate' : 'Change lead time', value: 'value', format: metric === 'rate' ? 'rate' : 'duration' });
  const total = (metric, verdict, now, then) => ({ metric, verdict, better: 'lower', n: 9, value: now, previous_value: then });
  const said = (...totals) => changes.headline(totals, panel).map(({ text, sure }) => text + sure);
  assert.deepEqual(said(total('time', 'better', 80, 100), total('rate', 'no_clear_change', 0.1, 0.1)), ['↓ change lead time 20 % shorter, clearly better', 'no clear change in change fail rate']);
  assert.deepEqual(said(total('rate', 'worse', 0.12, 0.1)), ['↑ change fail rate 2.0 points higher, clearly worse']);
  assert.deepEqual(said(total('time', null, 80, null)), []);
});

test('values get the unit that reads best', () => {
  const said = (value, as) => plain(format.text(value, as));
  assert.equal(said(45, 'duration'), '45 s');
  assert.equal(said(5400, 'duration'), '1.5 h');
  assert.equal(said(64_800, 'duration'), '18 h');
  assert.equal(said(198_720, 'duration'), '2.3 days');
  assert.equal(said(0.1243, 'rate'), '12.4 %');
  assert.equal(said(0, 'rate'), '0 %');
  assert.equal(said(3.21, 'frequency'), '3.2/day');
  assert.equal(said(0.5, 'frequency'), '3.5/week');
  assert.equal(said(0.05, 'frequency'), '1.5/month');
  assert.equal(said(0, 'frequency'), '0/day');
  assert.equal(said(0.001, 'frequency'), '<0.1/month', 'little is not nothing');
  assert.equal(said(1108, 'count'), '1,108');
});

test('one is not many', () => {
  assert.deepEqual([0, 1, 2].map((n) => format.some(n, 'change')), ['0 changes', '1 change', '2 changes']);
  assert.deepEqual(marks.beside([{ at: 0.2, kind: 'incident' }], 0), ['1 incident opened']);
});

test('frequencies side by side are in one unit', () => {
  const all = [0, 0.02, 0.23, 1.5];
  const usual = format.middle([null, ...all]);
  assert.equal(usual, 0.23);
  assert.deepEqual(all.map((one) => format.text(one, 'frequency', 0, usual)), ['0/week', '0.1/week', '1.6/week', '11/week']);
  assert.equal(plain(format.text(5400, 'duration', 0, usual)), '1.5 h');
});

test('unknown is a dash, never zero', () => {
  assert.equal(format.text(null, 'duration'), '–');
  assert.equal(format.text(undefined, 'rate'), '–');
  assert.equal(format.cell(null, 'yes-no', 'UTC'), '–');
});

test('an interval is in the unit of its number', () => {
  assert.equal(plain(format.range(4200, 6120, 'duration', 4860)), '70–102 min');
  assert.equal(plain(format.range(164_160, 224_640, 'duration', 198_720)), '1.9–2.6 days');
  assert.equal(plain(format.range(60, 2_592_000, 'duration', 86_400 * 2)), '60 s – 30 days');
  assert.equal(plain(format.range(86_400 * 15.7, 86_400 * 16.2, 'duration', 86_400 * 16)), '15.7–16.2 days');
  assert.equal(plain(format.range(-28_800, -15_120, 'duration')), '−8 to −4.2 h');
});

const total = { metric: 'change-lead-time', better: 'lower', n: 9, value: 88, previous_value: 100, previous_n: 9 };

test('a clear change has a direction and a size', () => {
  const found = changes.change({ ...total, verdict: 'better' }, 'value', 'duration');
  assert.deepEqual([found.tone, found.arrow, found.text], ['better', '↓', '12 % shorter']);
});

test('without evidence there is no direction', () => {
  for (const verdict of ['no_clear_change', null, undefined]) {
    const found = changes.change({ ...total, verdict }, 'value', 'duration');
    assert.equal(found.arrow, '');
    assert.doesNotMatch(found.text, /shorter|longer|%/);
  }
});

test('a verdict that the medians contradict gets no size', () => {
  const found = changes.change({ ...total, value: 101, verdict: 'better' }, 'value', 'duration');
  assert.deepEqual([found.arrow, found.text], ['↓', 'mostly shorter']);
});

test('a value and what it was are told apart where the change is', () => {
  const said = (value, previous_value, as) => {
    const found = changes.change({ ...total, value, previous_value, verdict: value < previous_value ? 'better' : 'worse' }, 'value', as);
    return [plain(format.text(value, as, found.more)), plain(found.was), found.text];
  };
  assert.deepEqual(said(347_000, 349_000, 'duration'), ['4.02 days', '4.04 days', '0.6 % shorter']);
  assert.deepEqual(said(0.1101, 0.1099, 'rate'), ['11.01 %', '10.99 %', '0.02 points higher']);
  assert.deepEqual(said(86_400 * 12.3, 86_400 * 11.8, 'duration'), ['12.3 days', '11.8 days', '4.2 % longer']);
  assert.deepEqual(said(345_600, 432_000, 'duration'), ['4 days', '5 days', '20 % shorter']);
  assert.deepEqual(said(360_100, 400_000, 'duration'), ['4.2 days', '4.6 days', '10 % shorter']);
});

test('a panel says what a pack measures', () => {
  const trend = (metric) => panels.trends.find((one) => one.metric === metric);
  const days = panels.under(trend('deployment-frequency'), { frequency: 'days_per_week' });
  assert.deepEqual([days.title, days.format, days.series[0].label], ['Days with a deployment to production', 'weekly', 'Days with a deployment']);
  const rate = panels.under(trend('change-fail-rate'), { fail_rate: 'incidents' });
  assert.equal(rate.series[0].label, 'incidents ÷ deployments');
  const lead = panels.under(trend('change-lead-time'), { aggregate: 'median_of_daily_medians', unit: 'pull_request', start: 'merged' });
  assert.deepEqual([lead.series.map(({ label }) => label), lead.note], [['Median of daily medians', 'p75', 'p90'], 'pull requests, from the merge']);
  assert.equal(panels.under(trend('change-lead-time')).series[0].label, 'Median');
});

test('rates change by points', () => {
  const rate = { metric: 'change-fail-rate', better: 'lower', n: 9, value: 0.12, previous_value: 0.1, verdict: 'worse' };
  assert.equal(changes.change(rate, 'value', 'rate').text, '2.0 points higher');
});

test('axes end at round values that hold every point', () => {
  const rate = ticks.axis('rate', [0.02, 0.11], 100, 0);
  assert.deepEqual(rate.scale.domain(), [0, 0.15]);
  assert.deepEqual(ticks.axis('rate', [1], 100, 0).scale.domain(), [0, 1]);
  const time = ticks.axis('duration', [3600, 7200], 100, 0);
  assert.ok(!time.logarithmic && time.scale.domain()[1] >= 7200);
  const far = ticks.axis('duration', [60, 864_000], 100, 0);
  assert.ok(far.logarithmic && far.scale.domain()[0] <= 60 && far.scale.domain()[1] >= 864_000);
  assert.ok(far.ticks.length >= 2 && far.ticks.length <= 8);
  assert.ok(ticks.axis('duration', [0, 864_000], 100, 0).ticks.length > 1, 'zero has no logarithm');
});

test('the address says all of the view, and nothing that is as usual', () => {
  assert.equal(views.query(views.parse('', '')), '');
  const said = '?period=30d&bucket=day&tz=Europe%2FBerlin&team=a&team=b&service=c&table=change-fail-rate&explain=change-lead-time&at=2026-11-02';
  assert.equal(views.query(views.parse('', said)), said);
  const custom = '?from=2026-01-01&to=2026-02-01';
  assert.equal(views.query(views.parse('', custom)), custom);
});

test('an address with mistakes shows what is usual', () => {
  assert.equal(views.query(views.parse('', '?period=1y&bucket=hour&tz=Mars/Base&from=2026-02-01&to=2026-01-01')), '');
});

test('presets end with today in the zone', () => {
  const now = new Date('2026-11-02T23:30:00Z');
  assert.deepEqual(views.stretch(views.parse('', '?period=30d'), now), { from: '2026-10-04', to: '2026-11-03' });
  assert.deepEqual(views.stretch(views.parse('', '?period=30d&tz=Asia/Tokyo'), now), { from: '2026-10-05', to: '2026-11-04' });
  assert.equal(views.stretch(views.parse('', '?period=12m'), now).from, '2025-11-03');
});

test('a long period is not cut into thousands of buckets', () => {
  assert.equal(views.bucketOf(views.parse('', '?from=2020-01-01&to=2026-01-01&bucket=day')), 'week');
  assert.equal(views.bucketOf(views.parse('', '?period=12m&bucket=day')), 'day');
});

test('a view is the last part of the path, and has parameters of its own', () => {
  const seen = views.parse('compare', '?metric=change-fail-rate&industry=media&min_n=9');
  assert.equal(seen.view, 'compare');
  assert.deepEqual(seen.own, { metric: 'change-fail-rate' });
  assert.deepEqual(seen.parameters, { min_n: '9' });
  assert.equal(views.query(seen), '?min_n=9&metric=change-fail-rate');
  assert.equal(views.parse('nowhere', '').view, '');
});

test('parameters of a pack go into the question', () => {
  const seen = views.parse('', '?pack=gitlab&window_hours=48&service=a&service=b');
  const asked = views.question(seen, { from: '2026-01-01', to: '2026-02-01' });
  assert.equal(String(asked), 'from=2026-01-01&to=2026-02-01&tz=UTC&pack=gitlab&window_hours=48&service=a%2Cb');
});

test('lines have gaps where nothing is known, and what stands alone is seen', () => {
  assert.equal(path.line([[0, 1], [1, 2], null, [3, 4]]), 'M0,1L1,2M3,4Z');
  assert.equal(path.area([[0, 1], [1, 1], null, [3, 1]], [[0, 2], [1, 3], [2, 2], null]), 'M0,1L1,1L1,3L0,2Z');
  assert.equal(path.area([null, [1, 1], [2, 1]], [null, [1, 3], [2, 3]]), 'M1,1L2,1L2,3L1,3Z');
});

test('a text that a spreadsheet would run is quoted', () => {
  const text = files.csv([{ a: '=1+1', b: -2, c: 'say "hi", you' }, { a: '@x', d: null }]);
  assert.equal(text, 'a,b,c,d\r\n\'=1+1,-2,"say ""hi"", you",\r\n\'@x,,,\r\n');
});

test('unknown comes last, whichever way a column is ordered', () => {
  const columns = [{ by: (row) => row }];
  assert.deepEqual(table.ordered([2, null, 10], columns, { column: 0, down: false }), [2, 10, null]);
  assert.deepEqual(table.ordered([2, null, 10], columns, { column: 0, down: true }), [10, 2, null]);
});

test('a script is no link', () => {
  assert.equal(table.safe('javascript:alert(1)'), undefined);
  assert.equal(table.safe('https://git.example/1'), 'https://git.example/1');
});

test('an event lies in the bucket of its day in the zone', () => {
  const slots = days.slots('week', { from: '2026-11-02', to: '2026-11-16' }, '2026-11-20');
  const at = (time, zone) => marks.marks([{ time, kind: 'incident' }], 'week', slots, zone).map((mark) => mark.at);
  assert.deepEqual(at('2026-11-08T23:30:00Z', 'UTC').map(Math.floor), [0]);
  assert.deepEqual(at('2026-11-08T23:30:00Z', 'Europe/Berlin').map(Math.floor), [1]);
  assert.deepEqual(at('2026-12-01T00:00:00Z', 'UTC'), []);
});

test('stages that are unknown leave no segment', () => {
  const rows = [{ stage: 'coding', value: 30 }, { stage: 'pickup', value: null }, { stage: 'review', value: 10 }];
  assert.deepEqual(stages.segments(rows, 40).map(({ stage, from, to }) => [stage, from, to]), [['coding', 0, 0.75], ['review', 0.75, 1]]);
});

test('a median of counts keeps its half', () => {
  assert.equal(format.text(2.5, 'count'), '2.5');
  assert.equal(format.text(3, 'count'), '3');
});

test('counts end at a round number', () => {
  const { scale, ticks: marked } = ticks.axis('count', [117], 100, 0);
  assert.deepEqual([scale.domain(), marked], [[0, 150], [0, 50, 100, 150]]);
  assert.deepEqual(ticks.axis('count', [1], 100, 0).ticks, [0, 1]);
});
