// The API as the page uses it: shapes of the answers, and one function that asks. Addresses are relative
// to the page, so that both can be served below a path. The types of rows are those of docs/openapi.json.

import type * as schema from './schema';

/** A row as the API describes it: each key is there, and null where its value is unknown. */
type Known<T> = Required<T>;

/** What is measured in one bucket, or in the whole period. Panels name its fields. */
export type Measured = Known<schema.MetricRow> & Record<string, unknown>;

/** The same, of a named metric. */
export type Row = Known<schema.SummaryRow> & Record<string, unknown>;

/** A metric over the whole period, against the one before. */
export type Total = Row;

export type Meta = Omit<schema.Meta, 'unknown'> & {
  /** Names asked for that nobody has told, by parameter. */
  unknown?: Record<string, string[]> | null;
};

export interface Summary {
  data: Total[];
  series: Row[];
  meta: Meta;
}

/** A row behind a number: a change or a deployment. */
export type Evidence = Known<schema.ExplainedRow> & Record<string, unknown>;

export interface Explanation {
  data: Evidence[];
  meta: Known<schema.Explanation>;
}

export type Service = Known<schema.ServiceRow>;
export type Team = Known<schema.TeamRow>;
export type Deployment = Known<schema.DeploymentRow>;
export type Incident = Known<schema.IncidentRow>;
export type Source = Known<schema.SourceRow>;
export type Delivery = Known<schema.DeliveryRow>;
export type Unmapped = Known<schema.UnmappedRow>;
export type Check = Known<schema.QualityRow>;
export type Override = Known<schema.OverrideRow>;
export type Waiting = Known<schema.UnshippedRow>;
export type Rung = Known<schema.RungRow>;
export type Grown = Known<schema.RegressionRow>;
export type Score = Known<schema.ScoreRow>;
export type Cluster = Known<schema.LevelRow>;
export type Stage = Known<schema.StageRow> & Record<string, unknown>;

/** Who looks, and what they may. */
export type Session = schema.Session & { meta?: undefined };

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

/** Whether asking the same again can help. */
export function passes({ status }: Problem): boolean {
  return status < 400 || status >= 500;
}

/** Where a question, a path with its query, is answered. */
export function address(question: string): string {
  return new URL(`api/v1/${question}`, document.baseURI).href;
}

/** Asks, and gives the answer's text: who asks again and again can see that nothing changed. */
export function ask(question: string, signal?: AbortSignal): Promise<string> {
  return send(question, { ...(signal && { signal }), headers: { accept: 'application/json' }, cache: 'no-cache' });
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
export async function all<T>(path: string, most: number): Promise<T[]> {
  const rows: T[] = [];
  const question = new URLSearchParams({ limit: '1000' });
  while (rows.length < most) {
    const page = JSON.parse(await ask(`${path}?${question}`)) as Page<T>;
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
