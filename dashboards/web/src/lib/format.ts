// How values are written: a number and a unit that a person would say. Unknown is a dash, never a zero.

import type { Measured } from './api';
import type { CardPanel, Cell, Format } from './panels';

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

const SIZES: Record<string, number> = { min: MINUTE, h: HOUR, days: DAY };

export interface Written {
  number: string;
  unit: string;
}

export const UNKNOWN = '–';

/** `2.3` and `days`. A unit without a space before it starts with `/`. */
export function write(value: number, format: Format): Written {
  if (format === 'duration') return duration(value);
  if (format === 'rate') return { number: percent(value), unit: '%' };
  if (format === 'frequency') return frequency(value);
  if (format === 'weekly') return { number: few(value), unit: 'days/week' };
  return { number: few(value), unit: '' };
}

/** The field of a row that a card shows, and how: some packs measure frequency in days of a week. */
export function headed(panel: CardPanel, row?: Measured): [field: string, format: Format] {
  return row?.unit === 'days_per_week' ? ['value', 'weekly'] : [panel.value, panel.format];
}

/** `2.3 days`; a dash for unknown. */
export function text(value: number | null | undefined, format: Format): string {
  if (value === null || value === undefined) return UNKNOWN;
  return join(write(value, format));
}

/** `1.9–2.6 days`: both ends in the unit of `like`, the number that they are about, where they fit in it. */
export function range(low: number, high: number, format: Format, like = high): string {
  const [a, b] = [write(low, format), write(high, format)];
  const { unit } = write(like, format);
  const size = SIZES[unit];
  const fits = (value: number) => size !== undefined && Math.abs(value) >= size / 5 && Math.abs(value) < size * 1000;
  const dash = low < 0 || high < 0 ? ' to ' : '–';
  if (a.unit === b.unit && b.unit === unit) return join({ number: `${a.number}${dash}${b.number}`, unit });
  if (size && fits(low) && fits(high)) return join({ number: `${few(low / size)}${dash}${few(high / size)}`, unit });
  if (a.unit === b.unit) return join({ number: `${a.number}${dash}${b.number}`, unit: a.unit });
  return `${join(a)} – ${join(b)}`;
}

/** `-5.7 to -2.3 points` for shares, `-8 to -4.2 h` for times: how far a value has moved. */
export function shift(low: number, high: number, format: Format): string {
  if (format === 'rate') return `${signed(low * 100)} to ${signed(high * 100)} points`;
  return range(low, high, format, Math.abs(low) > Math.abs(high) ? low : high);
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Date and time in the view's zone: `2 Nov 2026, 14:05`. */
export function instant(value: string, zone: string): string {
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return value;
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
  }).format(date);
}

/** A cell of a table of rows; links and rules are the table's own affair. */
export function cell(value: unknown, format: Cell, zone: string): string {
  if (value === null || value === undefined || value === '') return UNKNOWN;
  if (format === 'instant') return instant(String(value), zone);
  if (format === 'duration') return text(Number(value), 'duration');
  if (format === 'yes-no') return value ? 'Yes' : 'No';
  return String(value);
}

const REASONS: Record<string, string> = {
  open: 'not recovered yet',
  first_deployment: 'came with the first deployment known of its service',
  cherry_pick: 'shipped before under another id',
  no_commit_time: 'no commit time that can be true',
  unshipped: 'not shipped',
  no_pull_request: 'have no known pull request',
  failed: 'the deployment did not succeed',
  cancelled: 'the deployment was cancelled',
};

const RULES: Record<string, string> = {
  ancestry: 'history of commits',
  explicit: 'named outright',
  flagged: 'flagged by its source',
  hotfix_followed: 'a hotfix followed',
  incident_explicit: 'an incident names it',
  incident_proximity: 'an incident soon after',
  incident_remediated: 'what ended an incident names it',
  incident_resolved: 'its incident was resolved',
  older_revision: 'back to an older revision',
  override: 'a person said so',
  patch_release: 'a patch release followed',
  proximity: 'opened soon after',
  remediated: 'a later one repaired it',
  reverted: 'a change of it was reverted',
  time: 'time of merging',
};

/** How a link was found, in words. */
export function rule(id: unknown): string {
  return id ? (RULES[String(id)] ?? words(String(id))) : UNKNOWN;
}

/** Why a row is left out, in words. */
export function reason(id: string | null | undefined): string {
  return id ? (REASONS[id] ?? words(id)) : 'no reason given';
}

const PARAMETERS: Record<string, string> = {
  bots: 'Bots',
  count_failed_attempts: 'Failed attempts',
  first_deployment: 'First deployment',
  min_n: 'Fewest rows to be sure',
  recovery_start: 'Recovery starts at',
  start: 'Lead time starts at',
  unit: 'Lead time of',
  window_hours: 'Incident window, hours',
};

/** What a parameter of a pack is called. */
export function parameter(id: string): string {
  return PARAMETERS[id] ?? words(id);
}

/** `incident_window_seconds` as `incident window seconds`. */
export function words(id: string): string {
  return id.replaceAll(/[_-]/g, ' ');
}

function duration(seconds: number): Written {
  const size = Math.abs(seconds);
  if (size < 90) return { number: few(seconds), unit: 's' };
  if (size < 90 * MINUTE) return { number: few(seconds / MINUTE), unit: 'min' };
  if (size < 36 * HOUR) return { number: few(seconds / HOUR), unit: 'h' };
  return { number: few(seconds / DAY), unit: 'days' };
}

function frequency(perDay: number): Written {
  if (perDay >= 1 || perDay === 0) return { number: few(perDay), unit: '/day' };
  if (perDay * 7 >= 1) return { number: few(perDay * 7), unit: '/week' };
  return { number: few(perDay * 30.44), unit: '/month' };
}

function signed(value: number): string {
  return value.toFixed(1).replace(/^-(0\.0)$/, '$1');
}

/** One decimal below ten, none above. */
function few(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 9.95) return count(value);
  return value.toFixed(1);
}

/** One decimal: `12.4`, `0.3`, `100`. More where one would make none or all of what is nearly so: `99.99`. */
function percent(share: number): string {
  const value = share * 100;
  if (value === 0 || value === 100) return String(value);
  const digits = [1, 2, 3].find((digits) => !/^(0|100)\.0+$/.test(value.toFixed(digits)));
  return value.toFixed(digits ?? 4);
}

function join({ number, unit }: Written): string {
  if (unit === '') return number;
  return unit.startsWith('/') ? number + unit : `${number}\u00a0${unit}`;
}
