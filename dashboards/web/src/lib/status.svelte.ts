// What every view has in common: how fresh the data are, whether the server answers, and who may look.

import type { Session } from './api';

class Status {
  /** Every delivery that arrived until then is in the answers. */
  through = $state.raw<string | null>(null);
  /** The last question got no answer. */
  failing = $state.raw(false);
  /** Who looks; nobody knows yet where it is empty. */
  session = $state.raw<Session | null>(null);
  /** The server wants a token first. */
  locked = $state.raw(false);
  /** Counts what was written from this page: who watches an answer asks again. */
  written = $state.raw(0);
}

export const status = new Status();
