// What is being looked at. All of it is in the address, so that a link shows the same; nothing else is kept.

import { addDays, addMonths, isDay, nDays, startOf, today, type Bucket, type Day, type Stretch } from './days';

export const PRESETS = [
  { id: '30d', title: '30 days', days: 30, bucket: 'day' },
  { id: '90d', title: '90 days', days: 90, bucket: 'week' },
  { id: '6m', title: '6 months', months: 6, bucket: 'week' },
  { id: '12m', title: '12 months', months: 12, bucket: 'month' },
] as const;

export type PresetId = (typeof PRESETS)[number]['id'];

const DEFAULT_PRESET: PresetId = '90d';

const MOST_BUCKETS = 400;

export interface State {
  period: PresetId | Stretch;
  /** `null`: what suits the period. */
  bucket: Bucket | null;
  zone: string;
  teams: string[];
  services: string[];
  /** The number whose rows are shown; `at` is the start of a bucket, or `null` for the whole period. */
  explain: { metric: string; at: Day | null } | null;
  /** Trends shown as tables. */
  tables: string[];
}

export function parse(search: string): State {
  const query = new URLSearchParams(search);
  const [from, to] = [query.get('from'), query.get('to')];
  const preset = PRESETS.find(({ id }) => id === query.get('period'))?.id ?? DEFAULT_PRESET;
  const bucket = query.get('bucket');
  const metric = query.get('explain');
  const at = query.get('at');
  return {
    period: isDay(from) && isDay(to) && from < to ? { from, to } : preset,
    bucket: bucket === 'day' || bucket === 'week' || bucket === 'month' ? bucket : null,
    zone: zoneOr(query.get('tz'), 'UTC'),
    teams: query.getAll('team'),
    services: query.getAll('service'),
    explain: metric ? { metric, at: isDay(at) ? at : null } : null,
    tables: query.getAll('table'),
  };
}

/** The address's query: what is as usual is left out. */
export function query(state: State): string {
  const parts = new URLSearchParams();
  if (typeof state.period === 'object') {
    parts.set('from', state.period.from);
    parts.set('to', state.period.to);
  } else if (state.period !== DEFAULT_PRESET) parts.set('period', state.period);
  if (state.bucket) parts.set('bucket', state.bucket);
  if (state.zone !== 'UTC') parts.set('tz', state.zone);
  for (const team of state.teams) parts.append('team', team);
  for (const service of state.services) parts.append('service', service);
  for (const table of state.tables) parts.append('table', table);
  if (state.explain) {
    parts.set('explain', state.explain.metric);
    if (state.explain.at) parts.set('at', state.explain.at);
  }
  const text = parts.toString();
  return text && `?${text}`;
}

/** Days looked at; presets end with today. */
export function stretch({ period, zone }: State, now = new Date()): Stretch {
  if (typeof period === 'object') return period;
  const preset = PRESETS.find(({ id }) => id === period);
  const to = addDays(today(zone, now), 1);
  if (preset && 'months' in preset) return { from: addMonths(to, -preset.months), to };
  return { from: addDays(to, -(preset?.days ?? 90)), to };
}

export function bucketOf(state: State): Bucket {
  if (state.bucket) return fitting(state.bucket, nDays(stretch(state)));
  if (typeof state.period !== 'object') return PRESETS.find(({ id }) => id === state.period)?.bucket ?? 'week';
  const n = nDays(state.period);
  if (n <= 45) return 'day';
  return n <= 210 ? 'week' : 'month';
}

/** The bucket, or the next larger one of which there are not too many to draw. */
function fitting(bucket: Bucket, n: number): Bucket {
  if (bucket === 'day' && n <= MOST_BUCKETS) return 'day';
  return bucket !== 'month' && n / 7 <= MOST_BUCKETS ? 'week' : 'month';
}

/** `the 90 days before`, to compare with. */
export function before({ period }: State): string {
  if (typeof period === 'object') {
    const n = nDays(period);
    return n === 1 ? 'the day before' : `the ${n} days before`;
  }
  return `the ${PRESETS.find(({ id }) => id === period)?.title} before`;
}

/** The filters as the API takes them, over `days`. */
export function question({ zone, teams, services }: State, { from, to }: Stretch): URLSearchParams {
  const parts = new URLSearchParams({ from, to, tz: zone });
  if (teams.length) parts.set('team', teams.join(','));
  if (services.length) parts.set('service', services.join(','));
  return parts;
}

/** The start of the bucket that a row's time lies in, whichever offset it is written with. */
export function slotOf(bucket: Bucket, time: string): Day {
  return startOf(bucket, time.slice(0, 10));
}

export class View {
  state = $state.raw<State>(parse(location.search));

  constructor() {
    addEventListener('popstate', () => (this.state = parse(location.search)));
  }

  /** Changes the view and writes it into the address, as a step to go back to. */
  go(patch: Partial<State>): void {
    const next = { ...this.state, ...patch };
    const search = query(next);
    if (search !== query(this.state)) history.pushState(null, '', location.pathname + search);
    this.state = next;
  }
}

function zoneOr(zone: string | null, otherwise: string): string {
  if (!zone) return otherwise;
  try {
    today(zone);
    return zone;
  } catch {
    return otherwise;
  }
}
