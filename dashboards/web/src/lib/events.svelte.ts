// The deployments and incidents of the period, as marks for charts. Where deployments are too many to be told apart, one mark
// a bucket, the stronger the more.

import type { Deployment, Incident, Row, Rows } from './api';
import { live } from './live.svelte';
import { marks } from './marks';
import { asking, slotOf, type View } from './view.svelte';

const MOST_DEPLOYMENTS = 300;

export class Events {
  #deployments;
  #incidents;
  #view: () => View;
  #deployed: () => Row[];

  /** `deployed`: how many deployments each bucket has. */
  constructor(view: () => View, deployed: () => Row[]) {
    this.#view = view;
    this.#deployed = deployed;
    const n = $derived(deployed().reduce((sum, { n }) => sum + n, 0));
    const few = $derived(n > 0 && n <= MOST_DEPLOYMENTS);
    this.#deployments = live<Rows<Deployment>>(() => (few ? asking('deployments', listed(view()), { limit: '1000' }) : ''));
    this.#incidents = live<Rows<Incident>>(() => asking('incidents', listed(view()), { limit: '1000' }));
  }

  get marks() {
    const { bucket, slots, state } = this.#view();
    const shipped = this.deployments.filter(({ tier, status }) => tier === 'production' && status === 'success');
    const found = marks(
      [
        ...shipped.map(({ finished_at, failed }) => ({ time: finished_at, kind: failed ? ('failed' as const) : ('deployment' as const) })),
        ...this.incidents.map(({ opened_at }) => ({ time: opened_at, kind: 'incident' as const })),
      ],
      bucket,
      slots,
      state.zone,
    );
    if (shipped.length) return found;
    const rows = this.#deployed();
    const most = Math.max(...rows.map(({ n }) => n));
    const many = rows.flatMap(({ n, time }) => (n ? [{ at: slots.findIndex(({ start }) => start === slotOf(bucket, time ?? '')), kind: 'many' as const, share: n / most }] : []));
    return [...many, ...found];
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
