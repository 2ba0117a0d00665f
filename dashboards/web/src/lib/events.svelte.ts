// The deployments and incidents of the period, as marks for charts. Deployments only where they can be told apart.

import type { Deployment, Incident, Rows } from './api';
import { live } from './live.svelte';
import { marks } from './marks';
import { asking, type View } from './view.svelte';

const MOST_DEPLOYMENTS = 300;

export class Events {
  #deployments;
  #incidents;
  #view: () => View;

  constructor(view: () => View, n: () => number) {
    this.#view = view;
    const few = $derived(n() > 0 && n() <= MOST_DEPLOYMENTS);
    this.#deployments = live<Rows<Deployment>>(() => (few ? asking('deployments', listed(view()), { limit: '1000' }) : ''));
    this.#incidents = live<Rows<Incident>>(() => asking('incidents', listed(view()), { limit: '1000' }));
  }

  get marks() {
    const { bucket, slots, state } = this.#view();
    const shipped = this.deployments.filter(({ tier, status }) => tier === 'production' && status === 'success');
    return marks(
      [
        ...shipped.map(({ finished_at, failed }) => ({ time: finished_at, kind: failed ? ('failed' as const) : ('deployment' as const) })),
        ...this.incidents.map(({ opened_at }) => ({ time: opened_at, kind: 'incident' as const })),
      ],
      bucket,
      slots,
      state.zone,
    );
  }

  get deployments(): Deployment[] {
    return this.#deployments.value?.data ?? [];
  }

  get incidents(): Incident[] {
    return this.#incidents.value?.data ?? [];
  }
}

/** The filters that a list knows. */
export function listed(view: View): URLSearchParams {
  const parts = new URLSearchParams();
  for (const key of ['from', 'to', 'tz', 'team', 'service']) {
    const value = view.base.get(key);
    if (value) parts.set(key, value);
  }
  return parts;
}
