// How values are written: a number and a unit that a person would say. Unknown is a dash, never a zero.

import type { Measured } from './api';
import type { CardPanel, Cell, Format } from './panels';

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

export interface Written {
  number: string;
  unit: string;
}

export const UNKNOWN = '–';

/** `2.3` and `days`, with `more` digits than usual. A unit without a space before it starts with `/`. */
export function write(value: number, format: Format, more = 0, like = value): Written {
  const [size, unit] = unitOf(like, format);
  const number = digits(value, size, more);
  return { number, unit: number === '1' ? unit.replace('days', 'day') : unit };
}

/** The field of a row that a card shows, and how: some packs measure frequency in days of a week. */
export function headed(panel: CardPanel, row?: Measured): [field: string, format: Format] {
  return row?.unit === 'days_per_week' ? ['value', 'weekly'] : [panel.value, panel.format];
}

/** `2.3 days`; a dash for unknown. Frequencies that stand side by side are told in the unit of one of them. */
export function text(value: number | null | undefined, format: Format, more = 0, like?: number): string {
  if (value === null || value === undefined) return UNKNOWN;
  return join(write(value, format, more, format === 'frequency' ? like : value));
}

/** The middle one of those above zero. */
export function middle(values: unknown[]): number | undefined {
  const above = values.filter((value): value is number => typeof value === 'number' && value > 0).sort((a, b) => a - b);
  return above[above.length >> 1];
}

/** `1.9–2.6 days`: both ends in the unit of `like`, the number that they are about, where they fit in it. */
export function range(low: number, high: number, format: Format, like = high): string {
  const [size, unit] = unitOf(like, format);
  const fits = (value: number) => format !== 'duration' || (Math.abs(value) >= size / 5 && Math.abs(value) < size * 1000);
  if (!fits(low) || !fits(high)) return `${text(low, format)} – ${text(high, format)}`;
  // Both ends of an interval are seldom the same: then it takes a digit more to tell.
  const more = Number(low < high && digits(low, size) === digits(high, size));
  return join({ number: `${digits(low, size, more)}${low < 0 || high < 0 ? ' to ' : '–'}${digits(high, size, more)}`, unit });
}

/** `−5.7 to −2.3 points` for shares, `−8 to −4.2 h` for times: how far a value has moved. */
export function shift(low: number, high: number, format: Format): string {
  if (format === 'rate') return `${signed(low * 100)} to ${signed(high * 100)} points`;
  return range(low, high, format, Math.abs(low) > Math.abs(high) ? low : high);
}

export function count(value: number): string {
  return minus(Math.round(value).toLocaleString('en-US'));
}

/** `1 change`, `2 changes`. */
export function some(n: number, what: string): string {
  return `${count(n)} ${what}${n === 1 ? '' : 's'}`;
}

/** A hash by its first ten digits; anything else as it is. */
export function short(id: unknown): string {
  return String(id ?? '').replace(/^([0-9a-f]{10})[0-9a-f]{30,54}$/, '$1');
}

/** Date and time in the view's zone: `2 Nov 2026, 14:05`, in one line. */
export function instant(value: string, zone: string): string {
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return value;
  return new Intl.DateTimeFormat('en-GB', { timeZone: zone, dateStyle: 'medium', timeStyle: 'short' }).format(date).replace('Sept', 'Sep').replaceAll(' ', '\u00a0');
}

/** A cell of a table of rows; links and rules are the table's own affair. */
export function cell(value: unknown, format: Cell, zone: string): string {
  if (value === null || value === undefined || value === '') return UNKNOWN;
  if (format === 'instant') return instant(String(value), zone);
  if (format === 'duration') return text(Number(value), 'duration');
  if (format === 'yes-no') return value ? 'Yes' : 'No';
  return String(value);
}

/** Rules by which links were found, and reasons why rows are left out. */
const RULES: Record<string, string> = {
  open: 'not recovered yet',
  first_deployment: 'came with the first deployment known of its service',
  cherry_pick: 'shipped before under another id',
  no_commit_time: 'no commit time that can be true',
  unshipped: 'not shipped',
  no_pull_request: 'without a known pull request',
  failed: 'failed before production',
  cancelled: 'cancelled',
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
  unattributed: 'none found',
};

/** How a link was found, or why a row is left out, in words. */
export function rule(id: unknown): string {
  return id ? (RULES[String(id)] ?? words(String(id))) : UNKNOWN;
}

const PARAMETERS: Record<string, string> = {
  bots: 'Bots',
  aggregate: 'Median of',
  attribution: 'Incidents are put on',
  count_failed_attempts: 'Failed attempts',
  fail_rate: 'Fail rate counts',
  failure: 'Failed by',
  first_deployment: 'First deployment',
  frequency: 'Frequency counts',
  gap_days: 'Gap that is left out, days',
  median: 'Which median',
  min_n: 'Fewest rows to be sure',
  recovery_start: 'Recovery starts at',
  recovery_unit: 'Recovery of',
  start: 'Lead time starts at',
  unit: 'Lead time of',
  window_hours: 'Incident window, hours',
  zero_lead_times: 'Lead times of zero',
};

/** What a parameter of a pack is called. */
export const parameter = (id: string) => PARAMETERS[id] ?? words(id);

/** `incident_window_seconds` as `incident window seconds`. */
export function words(id: string): string {
  return id.replaceAll(/[_-]/g, ' ');
}

type Unit = [size: number, name: string];

function unitOf(value: number, format: Format): Unit {
  if (format === 'duration') return duration(value);
  if (format === 'frequency') return frequency(value);
  return format === 'rate' ? [0.01, '%'] : [1, format === 'weekly' ? 'days/week' : ''];
}

function digits(value: number, size: number, more = 0): string {
  return size === 0.01 ? percent(value, more) : few(value / size, more);
}

function duration(seconds: number): Unit {
  const size = Math.abs(seconds);
  if (size < 90) return [1, 's'];
  if (size < 90 * MINUTE) return [MINUTE, 'min'];
  return size < 36 * HOUR ? [HOUR, 'h'] : [DAY, 'days'];
}

function frequency(perDay: number): Unit {
  if (perDay >= 1 || perDay === 0) return [1, '/day'];
  return perDay * 7 >= 1 ? [1 / 7, '/week'] : [1 / 30.44, '/month'];
}

function signed(value: number): string {
  return minus(value.toFixed(1).replace(/^-(0\.0)$/, '$1'));
}

function minus(number: string): string {
  return number.replace('-', '−');
}

/** One decimal below ten, none above. Little is not nothing: `<0.1`. */
function few(value: number, more = 0): string {
  const whole = Math.abs(value) >= 9.95 || (more === 0 && Number.isInteger(value));
  const digits = (whole ? 0 : 1) + more;
  const number = digits ? minus(value.toFixed(digits)) : count(value);
  return value > 0 && /^[0.]+$/.test(number) ? `<${number.replace(/0$/, '1')}` : number;
}

/** One decimal: `12.4`, `0.3`, `100`. More where one would make none or all of what is nearly so: `99.99`. */
function percent(share: number, more: number): string {
  const value = share * 100;
  if (value === 0 || value === 100) return String(value);
  if (more) return value.toFixed(1 + more);
  const digits = [1, 2, 3].find((digits) => !/^(0|100)\.0+$/.test(value.toFixed(digits)));
  return value.toFixed(digits ?? 4);
}

function join({ number, unit }: Written): string {
  if (unit === '') return number;
  return unit.startsWith('/') ? number + unit : `${number}\u00a0${unit}`;
}
