// What changed against the period before, in words, and how sure that is. No direction without evidence.

import type { Measured, Total } from './api';
import { count, headed, text, write } from './format';
import type { CardPanel, Format } from './panels';

export interface Change {
  tone: 'better' | 'worse' | 'none' | 'unknown';
  /** Only where the change is clear. */
  arrow: '↑' | '↓' | '';
  /** `12 % shorter`, `No clear change`. */
  text: string;
  /** What the number was. */
  was: string;
  /** Digits beyond the usual that tell it from what it was. */
  more: number;
}

/** Words for more and less of a metric. */
const WORDS: Record<Format, [more: string, less: string]> = {
  frequency: ['higher', 'lower'],
  weekly: ['higher', 'lower'],
  count: ['more', 'fewer'],
  duration: ['longer', 'shorter'],
  rate: ['higher', 'lower'],
};

/** `better` says which way is good: less, where nothing is said. */
type Compared = Measured & { better?: unknown };

export function change(total: Compared, field: string, format: Format): Change {
  const then = previous(total, field);
  const was = then === null ? '' : text(then, format);
  if (!total.verdict) return { tone: 'unknown', arrow: '', text: was ? `Was ${was}` : 'Nothing to compare with', was: '', more: 0 };
  if (total.verdict === 'no_clear_change') return { tone: 'none', arrow: '', text: 'No clear change', was, more: 0 };
  const tone = total.verdict === 'better' ? 'better' : 'worse';
  const rises = (total.verdict === 'better') === (total.better === 'higher');
  const [more, less] = WORDS[format];
  const shown = total[field] as number;
  const digits = then === null || then === shown ? 0 : ([0, 1, 2].find((more) => text(shown, format, more) !== text(then, format, more)) ?? 0);
  return {
    tone,
    arrow: rises ? '↑' : '↓',
    text: `${difference(total, format, rises)} ${rises ? more : less}`,
    was: then === null ? '' : text(then, format, digits),
    more: digits,
  };
}

/** What follows the text of a change: `than the 90 days before (5.0 days): clearly better`. */
export function against({ tone, was }: Change, before: string): string {
  const [than, sure] = tone === 'none' ? ['from', ''] : tone === 'unknown' ? ['in', ''] : ['than', `: clearly ${tone}`];
  return `${than} ${before}${was && ` (${was})`}${sure}`;
}

/** How much, where both periods' values say the same as the verdict: most rows can move one way, and the median not. */
function difference(total: Compared, format: Format, rises: boolean): string {
  const [now, then] = [total.value, total.previous_value];
  if (now === null || now === undefined || then === null || then === undefined) return 'mostly';
  const by = now - then;
  if (by === 0 || by > 0 !== rises) return 'mostly';
  if (format === 'rate') return `${write(Math.abs(by), 'rate').number} points`;
  if (then === 0) return 'far';
  const percent = (Math.abs(by) / then) * 100;
  return `${percent < 9.95 ? percent.toFixed(1) : count(percent)} %`;
}

function previous(total: Compared, field: string): number | null {
  const then = total.previous_value;
  if (then === null || then === undefined) return null;
  if (field === 'value') return then;
  // A count becomes a frequency by the same number of days.
  const [now, shown] = [total.value, total[field]];
  return now && typeof shown === 'number' ? (then * shown) / now : null;
}

const NUMBERS = ['none', 'one', 'two', 'three', 'four', 'five'];

/** One sentence for the head of the page: what changed and by how much; what did not is only counted. */
export function headline(totals: Total[], of: (metric: string) => CardPanel | undefined): { tone: string; text: string; sure: string }[] {
  const parts = totals.flatMap((total) => {
    const panel = of(total.metric);
    const told = panel && change(total, ...headed(panel, total));
    return told?.arrow ? [{ tone: told.tone as string, text: `${told.arrow} ${panel?.title.toLowerCase()} ${told.text}`, sure: `, clearly ${told.tone}` }] : [];
  });
  const still = totals.filter(({ verdict }) => verdict === 'no_clear_change');
  const n = still.length;
  if (n) parts.push({ tone: 'none', text: `no clear change in ${n === 1 ? of(still[0]?.metric ?? '')?.title.toLowerCase() : n === totals.length ? 'any of the five' : parts.length + n === totals.length ? `the other ${NUMBERS[n]}` : NUMBERS[n]}`, sure: '' });
  return parts;
}
