// What happened meanwhile: deployments and incidents, by their place among the buckets of a chart.

import { nDays, startOf, type Bucket, type Slot } from './days';
import { some } from './format';

export interface Mark {
  /** In buckets from the first: 1.5 is the middle of the second. */
  at: number;
  kind: 'deployment' | 'failed' | 'incident' | 'many';
  /** Of `many`, deployments of a whole bucket: how many there are, of the most that a bucket has. */
  share?: number;
}

interface Happened {
  time: string | null | undefined;
  kind: Mark['kind'];
}

/** The marks of what lies in `slots`. */
export function marks(happened: Happened[], bucket: Bucket, slots: Slot[], zone: string): Mark[] {
  const places = new Map(slots.map((slot, i) => [slot.start, { slot, i }]));
  const wall = new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', hourCycle: 'h23' });
  return happened.flatMap(({ time, kind }) => {
    if (!time) return [];
    const [on = '', hour] = wall.format(new Date(time)).split(', ');
    const place = places.get(startOf(bucket, on));
    if (!place) return [];
    const { slot, i } = place;
    const whole = bucket === 'day' ? 1 : bucket === 'week' ? 7 : 30.5;
    return [{ at: i + Math.min(0.98, (nDays({ from: slot.start, to: on }) + Number(hour) / 24) / whole), kind }];
  });
}

/** What happened in one bucket, in words. */
export function beside(all: Mark[], i: number): string[] {
  const n = (kind: Mark['kind']) => all.filter((mark) => mark.kind === kind && Math.floor(mark.at) === i).length;
  const said = (n: number, what: string, then = '') => (n ? [some(n, what) + then] : []);
  return [...said(n('failed'), 'failed deployment'), ...said(n('incident'), 'incident', ' opened')];
}
