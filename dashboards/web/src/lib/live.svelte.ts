// An answer of the API, kept current: asked again when the question changes, when something was written, and
// every few seconds while somebody looks, which costs the server a 304 where nothing changed.

import { untrack } from 'svelte';
import { ask, Problem } from './api';
import { status } from './status.svelte';

const AGAIN_MS = 3_000;
const SELDOM_MS = 20_000;
const SLOWEST_MS = 60_000;

interface Answered {
  meta?: { complete_through?: string | null };
}

export class Live<T extends Answered> {
  value = $state.raw<T | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** An answer to the present question is on its way. */
  loading = $state.raw(true);
  /** What the value answers; another question's answer stays, faded, until the new one is in. */
  #text = '';

  /** Asks `question`, a path with its query, until stopped. */
  watch(question: string, again: number): () => void {
    const stop = new AbortController();
    let wait = again;
    let timer = 0;
    this.loading = true;
    const once = async () => {
      if (document.visibilityState === 'visible' || this.loading) {
        wait = (await this.#ask(question, stop.signal)) ? again : Math.min(wait * 2, SLOWEST_MS);
      }
      if (!stop.signal.aborted) timer = window.setTimeout(once, wait);
    };
    void once();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }

  async #ask(question: string, signal: AbortSignal): Promise<boolean> {
    try {
      const text = await ask(question, signal);
      if (text !== this.#text) this.value = JSON.parse(text) as T;
      this.#text = text;
      this.problem = null;
      const through = this.value?.meta?.complete_through;
      if (through) status.through = through;
      status.failing = false;
    } catch (cause) {
      if (signal.aborted) return true;
      this.problem = cause instanceof Problem ? cause : new Problem(0, 'The answer cannot be read', String(cause));
      status.failing = this.problem.status === 0;
      if (this.problem.status === 401) status.locked = true;
    }
    this.loading = false;
    return this.problem === null;
  }
}

/** Follows the answer to `question` for as long as the component is there; asks nothing where it is empty. */
export function live<T extends Answered>(question: () => string, often: 'often' | 'seldom' = 'seldom'): Live<T> {
  const answer = new Live<T>();
  const asked = $derived(question());
  $effect(() => {
    const text = asked;
    void status.written;
    if (!text) return;
    return untrack(() => answer.watch(text, often === 'often' ? AGAIN_MS : SELDOM_MS));
  });
  return answer;
}
