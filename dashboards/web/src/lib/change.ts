// What changed against the period before, in words, and how sure that is. No direction without evidence.

import type { Measured, Total } from './api';
import { text, write } from './format';
import type { Format } from './panels';

export interface Change {
  tone: 'better' | 'worse' | 'none' | 'unknown';
  /** Only where the change is clear. */
  arrow: '↑' | '↓' | '';
  /** `12 % shorter`, `No clear change`. */
  text: string;
  /** What the number was. */
  was: string;
}

/** Words for more and less of a metric. */
const WORDS: Record<Format, [more: string, less: string]> = {
  frequency: ['more often', 'less often'],
  count: ['more', 'fewer'],
  duration: ['longer', 'shorter'],
  rate: ['higher', 'lower'],
};

/** `better` says which way is good: less, where nothing is said. */
type Compared = Measured & { better?: unknown };

export function change(total: Compared, field: string, format: Format): Change {
  const was = previous(total, field, format);
  if (!total.verdict) return { tone: 'unknown', arrow: '', text: 'Nothing to compare with', was };
  if (total.verdict === 'no_clear_change') return { tone: 'none', arrow: '', text: 'No clear change', was };
  const tone = total.verdict === 'better' ? 'better' : 'worse';
  const rises = (total.verdict === 'better') === (total.better === 'higher');
  const [more, less] = WORDS[format];
  const size = difference(total, format, rises);
  return {
    tone,
    arrow: rises ? '↑' : '↓',
    text: `${size}${size && ' '}${rises ? more : less}`,
    was,
  };
}

/** How much, where both periods' values say the same as the verdict. */
function difference(total: Compared, format: Format, rises: boolean): string {
  const [now, then] = [total.value, total.previous_value];
  if (now === null || now === undefined || then === null || then === undefined) return '';
  const by = now - then;
  if (by === 0 || by > 0 !== rises) return '';
  if (format === 'rate') return `${write(Math.abs(by), 'rate').number} points`;
  if (then === 0) return '';
  const percent = (Math.abs(by) / then) * 100;
  if (percent >= 300) return `${(now / then).toFixed(0)} times`;
  return `${percent < 10 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

function previous(total: Compared, field: string, format: Format): string {
  const then = total.previous_value;
  if (then === null || then === undefined) return '';
  if (field === 'value') return text(then, format);
  const told = total[`previous_${field}`];
  if (typeof told === 'number') return text(told, format);
  // A count becomes a frequency by the same number of days.
  const [now, shown] = [total.value, total[field]];
  if (!now || typeof shown !== 'number') return '';
  return text((then * shown) / now, format);
}

/** One sentence for the head of the page. */
export function headline(totals: Total[], titles: (metric: string) => string): { tone: string; text: string }[] {
  const named = (verdict: string) => totals.filter((total) => total.verdict === verdict).map((total) => titles(total.metric));
  const [better, worse, same] = [named('better'), named('worse'), named('no_clear_change')];
  const parts: { tone: string; text: string }[] = [];
  if (better.length) parts.push({ tone: 'better', text: `${list(better)} better` });
  if (worse.length) parts.push({ tone: 'worse', text: `${list(worse)} worse` });
  if (same.length === totals.length) parts.push({ tone: 'none', text: 'no clear change in any of the five' });
  else if (same.length) parts.push({ tone: 'none', text: `no clear change in ${list(same)}` });
  return parts;
}

function list(names: string[]): string {
  const lower = names.map((name) => name.charAt(0).toLowerCase() + name.slice(1));
  return lower.length < 2 ? (lower[0] ?? '') : `${lower.slice(0, -1).join(', ')} and ${lower.at(-1)}`;
}
