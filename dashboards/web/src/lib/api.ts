// The API as the page uses it: shapes of the answers, and one function that asks. Addresses are relative
// to the page, so that both can be served below a path.

/** A row of a metric: fields are null where they are unknown. */
export interface Row {
  metric: string;
  time?: string | null;
  value: number | null;
  n: number;
  numerator?: number | null;
  denominator?: number | null;
  low?: number | null;
  high?: number | null;
  enough_data?: boolean;
  [field: string]: unknown;
}

/** A metric over the whole period, against the one before. */
export interface Total extends Row {
  title: string;
  unit: string;
  better: 'higher' | 'lower';
  n_excluded?: number | null;
  per_day?: number | null;
  share_of_days?: number | null;
  value_confirmed?: number | null;
  n_open?: number | null;
  p90?: number | null;
  previous_value?: number | null;
  previous_n?: number | null;
  verdict?: 'better' | 'worse' | 'no_clear_change' | null;
  shift?: number | null;
  shift_low?: number | null;
  shift_high?: number | null;
  p_value?: number | null;
}

export interface Meta {
  better?: 'higher' | 'lower';
  pack?: string;
  parameters?: Record<string, unknown>;
  complete_through?: string | null;
  from?: string;
  to?: string;
  next_cursor?: string | null;
  /** Names asked for that nobody has told, by parameter. */
  unknown?: Record<string, string[]>;
}

export interface Summary {
  data: Total[];
  series: Row[];
  meta: Meta;
}

/** A row behind a number: a change or a deployment. */
export interface Evidence {
  service?: string | null;
  url?: string | null;
  included?: boolean;
  excluded_reason?: string | null;
  confidence?: string | null;
  [field: string]: unknown;
}

export interface Explanation {
  data: Evidence[];
  meta: Meta & {
    metric: string;
    title: string;
    definition: string;
    rule_notes?: string[];
    value: number | null;
    n: number;
    numerator?: number | null;
    denominator?: number | null;
    excluded?: { reason: string; n: number }[];
    api_call?: string;
  };
}

export interface Service {
  service: string;
  repository?: string | null;
  team?: string | null;
  n_deployments?: number;
  last_deployment_at?: string | null;
}

export interface Team {
  team: string;
  parent?: string | null;
  n_services?: number;
}

/** Who looks, and what they may. */
export interface Session {
  signed_in: boolean;
  by: 'token' | 'session' | 'loopback' | null;
  name: string | null;
  scopes: string[];
  may: { read: boolean; read_everything: boolean; ingest: boolean; administer: boolean };
  meta?: undefined;
}

/** Rows of any kind, and what they are. */
export interface Rows<T, M = object> {
  data: T[];
  meta: Meta & M;
}

interface Page<T> {
  data: T[];
  meta: { next_cursor?: string | null };
}

/** What went wrong, as problem+json says it; `status` 0 where no answer came at all. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly parameter?: string,
    readonly value?: string,
    readonly expected?: string,
  ) {
    super(detail || title);
  }
}

/** Where a question, a path with its query, is answered. */
export function address(question: string): string {
  return new URL(`api/v1/${question}`, document.baseURI).href;
}

/** Asks, and gives the answer's text: who asks again and again can see that nothing changed. */
export function ask(question: string, signal: AbortSignal): Promise<string> {
  return send(question, { signal, headers: { accept: 'application/json' }, cache: 'no-cache' });
}

/** Writes: `POST` with a body, `DELETE` without. */
export function tell(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<string> {
  const json = body === undefined ? {} : { headers: { accept: 'application/json', 'content-type': 'application/json' }, body: JSON.stringify(body) };
  return send(path, { method, ...json });
}

async function send(question: string, request: RequestInit): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch(address(question), request);
  } catch (cause) {
    if (request.signal?.aborted) throw cause;
    throw new Problem(0, 'No answer', 'The server cannot be reached. Is it still running?');
  }
  const body = await answer.text();
  if (!answer.ok) throw problem(answer, body);
  return body;
}

/** Every row of a list, page by page, up to `most`. */
export async function all<T>(path: string, most: number, signal: AbortSignal): Promise<T[]> {
  const rows: T[] = [];
  const question = new URLSearchParams({ limit: '1000' });
  while (rows.length < most) {
    const page = JSON.parse(await ask(`${path}?${question}`, signal)) as Page<T>;
    rows.push(...page.data);
    if (!page.meta.next_cursor || page.data.length === 0) break;
    question.set('cursor', page.meta.next_cursor);
  }
  return rows;
}

function problem(answer: Response, body: string): Problem {
  try {
    const told = JSON.parse(body) as Record<string, unknown>;
    const field = (name: string) => (told[name] === undefined || told[name] === null ? undefined : String(told[name]));
    return new Problem(
      answer.status,
      field('title') ?? answer.statusText,
      field('detail') ?? '',
      field('parameter'),
      field('value'),
      field('expected'),
    );
  } catch {
    return new Problem(answer.status, answer.statusText || `Status ${answer.status}`, body.slice(0, 300));
  }
}
