// What is being looked at. All of it is in the address, so that a link shows the same; nothing else is kept.

import { addDays, addMonths, isDay, nDays, slots, startOf, today, type Bucket, type Day, type Stretch } from './days';
import { views } from './panels';

export const PRESETS = [
  { id: '30d', title: '30 days', days: 30, bucket: 'day' },
  { id: '90d', title: '90 days', days: 90, bucket: 'week' },
  { id: '6m', title: '6 months', months: 6, bucket: 'week' },
  { id: '12m', title: '12 months', months: 12, bucket: 'month' },
] as const;

export type PresetId = (typeof PRESETS)[number]['id'];

const DEFAULT_PRESET: PresetId = '90d';

const MOST_BUCKETS = 400;

/** What a pack's parameters are called in addresses, of the page and of the API. */
export const PARAMETERS = ['window_hours', 'first_deployment', 'count_failed_attempts', 'min_n', 'unit', 'start', 'failure', 'recovery_start', 'bots'] as const;

/** What single views ask besides: kept in the address while their view is shown. */
const OWN: Record<string, readonly string[]> = {
  compare: ['by', 'metric'],
  definitions: ['packs'],
  'quick-check': ['industry', 'year'],
  service: ['deployment'],
  sources: ['source', 'outcome'],
};

export interface State {
  /** Id of a view; empty where the address leads nowhere. */
  view: string;
  period: PresetId | Stretch;
  /** `null`: what suits the period. */
  bucket: Bucket | null;
  zone: string;
  teams: string[];
  services: string[];
  /** Whose definitions; empty for the usual ones. */
  pack: string;
  /** Parameters of the pack that are not as it has them. */
  parameters: Record<string, string>;
  /** What the view asks besides. */
  own: Record<string, string>;
  /** The number whose rows are shown; `at` is the start of a bucket, or `null` for the whole period. */
  explain: { metric: string; at: Day | null } | null;
  /** Trends shown as tables. */
  tables: string[];
}

export function parse(path: string, search: string): State {
  const query = new URLSearchParams(search);
  const view = views.find((one) => one.path === path)?.id ?? '';
  const [from, to] = [query.get('from'), query.get('to')];
  const preset = PRESETS.find(({ id }) => id === query.get('period'))?.id ?? DEFAULT_PRESET;
  const bucket = query.get('bucket');
  const metric = query.get('explain');
  const at = query.get('at');
  return {
    view,
    period: isDay(from) && isDay(to) && from < to ? { from, to } : preset,
    bucket: bucket === 'day' || bucket === 'week' || bucket === 'month' ? bucket : null,
    zone: zoneOr(query.get('tz'), 'UTC'),
    teams: query.getAll('team'),
    services: query.getAll('service'),
    pack: query.get('pack') ?? '',
    parameters: picked(query, PARAMETERS),
    own: picked(query, OWN[view] ?? []),
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
  if (state.pack) parts.set('pack', state.pack);
  for (const [key, value] of Object.entries({ ...state.parameters, ...state.own })) if (value) parts.set(key, value);
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
    return n === 1 ? 'the day before' : `the ${n.toLocaleString('en-US')} days before`;
  }
  return `the ${PRESETS.find(({ id }) => id === period)?.title} before`;
}

/** The filters as the API takes them, over `days`. */
export function question({ zone, teams, services, pack, parameters }: State, { from, to }: Stretch): URLSearchParams {
  const parts = new URLSearchParams({ from, to, tz: zone });
  if (pack) parts.set('pack', pack);
  for (const [key, value] of Object.entries(parameters)) parts.set(key, value);
  if (teams.length) parts.set('team', teams.join(','));
  if (services.length) parts.set('service', services.join(','));
  return parts;
}

/** The start of the bucket that a row's time lies in, whichever offset it is written with. */
export function slotOf(bucket: Bucket, time: string): Day {
  return startOf(bucket, time.slice(0, 10));
}

/** A question with more to it: `asking('stages', base, { bucket })`. */
export function asking(path: string, base: URLSearchParams, more: Record<string, string> = {}): string {
  const parts = new URLSearchParams(base);
  for (const [key, value] of Object.entries(more)) parts.set(key, value);
  return `${path}?${parts}`;
}

export class View {
  state = $state.raw<State>(here());
  days = $derived(stretch(this.state));
  bucket = $derived(bucketOf(this.state));
  slots = $derived(slots(this.bucket, this.days, today(this.state.zone)));
  /** The filters as the API takes them. */
  base = $derived(question(this.state, this.days));
  /** The same without whose definitions: for what has none. */
  filters = $derived(question({ ...this.state, pack: '', parameters: {} }, this.days));
  /** The one service that is looked at; empty where it is not one. */
  service = $derived(this.state.services.length === 1 ? (this.state.services[0] ?? '') : '');

  constructor() {
    addEventListener('popstate', () => (this.state = here()));
    addEventListener('click', (event) => this.#follow(event));
  }

  /** Changes the view and writes it into the address, as a step to go back to. */
  go(patch: Partial<State>): void {
    this.#to(this.href(patch));
  }

  /** The address that `patch` leads to. */
  href(patch: Partial<State>): string {
    return href(this.#after(patch));
  }

  /** Follows a link of the page without loading it anew, unless another window is wanted. */
  #follow(event: MouseEvent): void {
    const link = (event.target as Element).closest('a[href^="./"]');
    if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.#to(link.getAttribute('href') ?? '');
  }

  #to(at: string): void {
    const { view } = this.state;
    if (new URL(at, location.href).href !== location.href) history.pushState(null, '', at);
    this.state = here();
    if (view !== this.state.view) scrollTo(0, 0);
  }

  /** What was asked stays from view to view; what is only of one view goes. */
  #after(patch: Partial<State>): State {
    const moved = patch.view !== undefined && patch.view !== this.state.view;
    return { ...this.state, ...(moved ? { own: {}, tables: [], explain: null } : {}), ...patch };
  }
}

function here(): State {
  return parse(location.pathname.split('/').at(-1) ?? '', location.search);
}

/** Relative to the page, so that it can be served below a path. */
function href(state: State): string {
  return `./${views.find(({ id }) => id === state.view)?.path ?? ''}${query(state)}`;
}

function picked(query: URLSearchParams, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.flatMap((key) => (query.get(key) ? [[key, query.get(key) ?? '']] : [])));
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
