// Where the marks of an axis go: durations in units that people say, rates up to a round share.

import type { TrendPanel } from './panels';

/** From a value to its place in pixels. */
export interface Scale {
  (value: number): number;
  domain(): [number, number];
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** Steps of a linear axis of time. */
const STEPS = [
  1, 2, 5, 10, 15, 30,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
  DAY, 2 * DAY, 3 * DAY, 5 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 60 * DAY, 90 * DAY, 180 * DAY, 365 * DAY, 730 * DAY, 1825 * DAY,
];

/** Round numbers on a logarithmic axis of time. */
const ROUND = [1, 10, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 1825 * DAY];

const CAPS = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1];

/** Values further apart than this are told apart only on a logarithmic axis. */
const FAR_APART = 25;

export interface Axis {
  scale: Scale;
  ticks: number[];
  logarithmic: boolean;
}

/** The axis for `values` (those that must be seen), from `bottom` up to `top` in pixels. */
export function axis(kind: TrendPanel['axis'], values: number[], bottom: number, top: number): Axis {
  if (kind === 'rate') return rates(values, bottom, top);
  if (kind === 'duration') return durations(values, bottom, top);
  const most = Math.max(1, ...values);
  const step = roundStep(most / 4);
  const n = Math.ceil(most / step);
  return { scale: linear([0, n * step], bottom, top), ticks: steps(n, step), logarithmic: false };
}

function linear(domain: [number, number], bottom: number, top: number): Scale {
  const [low, high] = domain;
  return Object.assign((value: number) => bottom + ((value - low) / (high - low || 1)) * (top - bottom), { domain: () => domain });
}

function log(domain: [number, number], bottom: number, top: number): Scale {
  const straight = linear([Math.log(domain[0]), Math.log(domain[1])], bottom, top);
  return Object.assign((value: number) => straight(Math.log(value)), { domain: () => domain });
}

/** The whole number of 1, 2 or 5 with noughts that is at least `least`. */
function roundStep(least: number): number {
  let size = 1;
  while (size * 10 <= least) size *= 10;
  return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= least) ?? size;
}

function steps(n: number, step: number): number[] {
  return Array.from({ length: n + 1 }, (_, i) => i * step);
}

function rates(values: number[], bottom: number, top: number): Axis {
  const most = Math.max(0, ...values);
  const cap = CAPS.find((share) => share >= most) ?? Math.ceil(most);
  const scale = linear([0, cap], bottom, top);
  const n = cap === 0.15 || cap === 0.3 || cap === 0.6 ? 3 : cap === 0.05 || cap === 0.5 || cap >= 1 ? 5 : 4;
  return { scale, ticks: Array.from({ length: n + 1 }, (_, i) => (cap * i) / n), logarithmic: false };
}

function durations(values: number[], bottom: number, top: number): Axis {
  const above = values.filter((value) => value > 0);
  const [least, most] = [Math.min(...above), Math.max(...above)];
  if (above.length && above.length === values.length && most / least > FAR_APART) {
    const [low, high] = [least * 0.8, most * 1.2];
    const inside = ROUND.filter((tick) => tick >= low && tick <= high);
    return { scale: log([low, high], bottom, top), ticks: inside, logarithmic: true };
  }
  const reach = above.length ? most : DAY;
  const step = STEPS.find((step) => reach / step <= 4.2) ?? reach / 4;
  const n = Math.max(1, Math.ceil(reach / step));
  return {
    scale: linear([0, n * step], bottom, top),
    ticks: steps(n, step),
    logarithmic: false,
  };
}

/** A tick in as few letters as can be: `6 h`, `3 d`, `10 %`. */
export function tickText(kind: TrendPanel['axis'], value: number): string {
  if (kind === 'rate') return `${Number((value * 100).toFixed(2))} %`;
  if (kind === 'count') return value.toLocaleString('en-US');
  if (value === 0) return '0';
  const short = (size: number, unit: string) => `${Number((value / size).toFixed(1))} ${unit}`;
  if (value < MINUTE) return short(1, 's');
  if (value < HOUR) return short(MINUTE, 'min');
  if (value < DAY) return short(HOUR, 'h');
  return value < 730 * DAY ? short(DAY, 'd') : short(365 * DAY, 'y');
}
