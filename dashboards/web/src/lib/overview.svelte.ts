// The overview's answer, kept current: asked again when the view changes, and every few seconds while
// somebody looks, which costs the server a 304 where nothing changed.

import { ask, Problem, type Row, type Summary } from './api';

const AGAIN_MS = 3_000;
const SLOWEST_MS = 60_000;

export class Overview {
  summary = $state.raw<Summary | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** An answer to the present question is on its way. */
  loading = $state(true);
  /** What the summary answers; another question's answer stays on the page, faded, until the new one is in. */
  #text = '';

  /** Asks until stopped. */
  watch(question: URLSearchParams): () => void {
    const stop = new AbortController();
    let wait = AGAIN_MS;
    let timer = 0;
    this.loading = true;
    const once = async () => {
      if (document.visibilityState === 'visible' || this.loading) {
        wait = (await this.#ask(question, stop.signal)) ? AGAIN_MS : Math.min(wait * 2, SLOWEST_MS);
      }
      if (!stop.signal.aborted) timer = window.setTimeout(once, wait);
    };
    void once();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }

  async #ask(question: URLSearchParams, signal: AbortSignal): Promise<boolean> {
    try {
      const text = await ask('summary', question, signal);
      if (text !== this.#text) this.summary = JSON.parse(text) as Summary;
      this.#text = text;
      this.problem = null;
      this.loading = false;
      return true;
    } catch (cause) {
      if (signal.aborted) return true;
      this.problem = cause instanceof Problem ? cause : new Problem(0, 'The answer cannot be read', String(cause));
      this.loading = false;
      return false;
    }
  }

  series(metric: string): Row[] {
    return this.summary?.series.filter((row) => row.metric === metric) ?? [];
  }
}
