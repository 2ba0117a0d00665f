// The panels, from ../../../panels.json, with their types. The Rust crate reads the same file.

import data from '../../../panels.json';

export type Format = 'count' | 'frequency' | 'weekly' | 'duration' | 'rate';
export type Cell = 'text' | 'link' | 'instant' | 'duration' | 'yes-no' | 'rule';

export interface CardPanel {
  id: string;
  kind: 'card';
  metric: string;
  title: string;
  value: string;
  format: Format;
  /** What the numerator counts. */
  counted?: string;
  missing: string;
}

export interface TrendPanel {
  id: string;
  kind: 'trend';
  metric: string;
  title: string;
  format: Format;
  mark: 'bars' | 'line' | 'points';
  axis: 'count' | 'duration' | 'rate';
  width: 'half' | 'third';
  band?: { low: string; high: string; label: string };
  series: { field: string; label: string; stroke: 'main' | 'second' | 'third' }[];
}

export interface Column {
  field: string;
  title: string;
  format: Cell;
}

type Panel = CardPanel | TrendPanel;

/** A view, by its place in the address below the page's own: empty for the first. */
export interface ViewPanel {
  id: string;
  path: string;
  title: string;
}

export const views: ViewPanel[] = data.views;

const panels = (data.dashboards[0]?.panels ?? []) as Panel[];

export const cards = panels.filter((panel) => panel.kind === 'card');
export const trends = panels.filter((panel) => panel.kind === 'trend');

export function card(metric: string): CardPanel | undefined {
  return cards.find((panel) => panel.metric === metric);
}

export function columns(metric: string): Column[] {
  return (data.explain.find((explain) => explain.metric === metric)?.columns ?? []) as Column[];
}
