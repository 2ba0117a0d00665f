// DORA's Quick Check of 2025, and the clusters of the years before, as the API gives them.

import type { Rows } from './api';

export interface Score {
  metric: string;
  title: string;
  unit: string;
  value: number | null;
  n: number;
  enough_data: boolean;
  class: number | null;
  class_title: string | null;
  /** From 0 to 10, 10 best. */
  score: number | null;
  industry_mean: number;
  industry_sd: number;
}

export type QuickCheck = Rows<
  Score,
  {
    industry: string;
    industry_title: string;
    industries: { id: string; title: string }[];
    overall: number | null;
    throughput: number | null;
    stability: number | null;
    notes?: string[];
  }
>;

export interface Cluster {
  year: number;
  metric: string;
  title: string;
  unit: string;
  value: number | null;
  n: number;
  enough_data: boolean;
  level: 'elite' | 'high' | 'medium' | 'low';
  published: string;
  falls_in: boolean | null;
}

export type Clusters = Rows<Cluster, { years: number[]; notes?: string[] }>;

/** One decimal, or a dash. */
export function points(score: number | null | undefined): string {
  return score === null || score === undefined ? '–' : score.toFixed(1);
}
