// What people said against the rules: kept with author and reason, listed, and taken back without being erased.

import { tell, type Override, type Rows } from './api';
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
  await tell('POST', 'overrides', override);
  remember(override.author);
  status.written += 1;
}

export async function withdraw(id: string, author: string, reason: string): Promise<void> {
  await tell('DELETE', `overrides/${encodeURIComponent(id)}?${new URLSearchParams({ author, reason })}`);
  remember(author);
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
