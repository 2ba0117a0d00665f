// What people said against the rules: kept with author and reason, listed, and taken back without being erased.

import { ask, tell, type Override, type Rows } from './api';
import { status } from './status.svelte';

export type Verdict = 'failed' | 'not_failed' | 'caused_by' | 'not_caused';
export type Overrides = Rows<Override>;

const SAID: Record<Verdict, string> = {
  failed: 'The deployment failed',
  not_failed: 'The deployment did not fail',
  caused_by: 'The incident belongs to the deployment',
  not_caused: 'The incident does not belong to the deployment',
};

export function said(verdict: string): string {
  return SAID[verdict as Verdict] ?? verdict;
}

/** Says it; every answer on the page is asked for again. */
export async function decide(override: { verdict: Verdict; deployment: string; incident?: string; author: string; reason: string }): Promise<void> {
  remember(override.author);
  await counted(await tell('POST', 'overrides', override));
}

export async function withdraw(id: string, author: string, reason: string): Promise<void> {
  remember(author);
  await counted(await tell('DELETE', `overrides/${encodeURIComponent(id)}?${new URLSearchParams({ author, reason })}`));
}

const TRIES = 30;

/** Waits until the answers have it, which they have at once unless the server is busy. Then all is asked for again. */
async function counted(told: string): Promise<void> {
  const { visible, decided_at, withdrawn_at } = JSON.parse(told) as Override & { visible: boolean };
  const at = Date.parse(withdrawn_at ?? decided_at ?? '');
  for (let through = visible ? at : 0, i = 0; through < at && i < TRIES; i += 1) {
    await new Promise((wait) => setTimeout(wait, 1000));
    const { meta } = JSON.parse(await ask('metrics/deployment-frequency?bucket=all')) as Rows<object>;
    if (meta.complete) through = Date.parse(meta.complete_through ?? '') || 0;
  }
  status.written += 1;
}

const KEY = 'dorado-author';

/** Who said the last one on this machine. */
export function author(): string {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // Storage can be forbidden; then the name is typed again.
  }
}
