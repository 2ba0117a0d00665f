// DORA's Quick Check of 2025, and the clusters of the years before, as the API gives them.

import type { Cluster, Meta, Rows, Score } from './api';
import type { QuickCheckMeta } from './schema';

export interface QuickCheck {
  data: Score[];
  meta: Meta & Pick<QuickCheckMeta, 'industry' | 'industry_title' | 'industries' | 'overall' | 'throughput' | 'stability' | 'notes'>;
}

export type Clusters = Rows<Cluster, { notes: string[] }>;

/** One decimal, or a dash. */
export function points(score: number | null | undefined): string {
  return score === null || score === undefined ? '–' : score.toFixed(1);
}
