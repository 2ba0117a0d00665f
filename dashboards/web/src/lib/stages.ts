// The stages of lead time, in order. Their medians do not add up to the median of the whole, and nothing here says so.

import type { LeftOut } from './schema';
import type { Rows, Stage } from './api';

export type Stages = Rows<Stage, { left_out: LeftOut[] }>;

export const STAGES = ['coding', 'pickup', 'review', 'merge', 'deploy'];

/** What each stage is from and to. */
export const MEANING: Record<string, string> = {
  coding: 'first commit → opened',
  pickup: '→ first review',
  review: '→ approved',
  merge: '→ merged',
  deploy: '→ shipped',
};

export interface Segment {
  stage: string;
  i: number;
  /** Share of the widest, from 0. */
  from: number;
  to: number;
  row: Stage;
}

/** The stages side by side, each as wide as its median; `whole` is the length of the whole bar. */
export function segments(rows: Stage[], whole: number): Segment[] {
  let at = 0;
  return STAGES.flatMap((stage, i) => {
    const row = rows.find((one) => one.stage === stage);
    if (!row?.value || whole <= 0) return [];
    const from = at;
    at += row.value / whole;
    return [{ stage, i, from, to: at, row }];
  });
}

export function length(rows: Stage[]): number {
  return rows.reduce((sum, { value }) => sum + (value ?? 0), 0);
}
