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
  note?: string;
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
  /** What is measured, where that is not the usual. */
  note?: string;
}

export interface Column {
  field: string;
  title: string;
  format: Cell;
}

/** The choices in force, as every answer has them. */
export type Pack = Record<string, unknown>;

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

const STARTS: Record<string, string> = { first_commit: 'from the first commit', opened: 'from opening', merged: 'from the merge' };

/** A panel as it is to be read under a pack: what is measured may be another thing. */
export function under<P extends Panel>(panel: P, told?: Pack | null): P {
  const pack = told ?? {};
  const is = (key: string, value: string, then: string) => (pack[key] === value ? then : '');
  let [label, note, more] = ['', '', {}];
  if (panel.format === 'duration') {
    label = is('aggregate', 'median_of_daily_medians', 'Median of daily medians') || is('median', 'lower', 'Lower median');
    const parts = panel.metric === 'change-lead-time' ? [is('unit', 'pull_request', 'pull requests'), STARTS[String(pack.start)]] : [is('recovery_unit', 'incident', 'incidents'), is('recovery_start', 'incident', 'from opening')];
    note = parts.filter(Boolean).join(', ');
  } else if (panel.metric === 'change-fail-rate' && is('fail_rate', 'incidents', 'y')) {
    label = note = 'incidents ÷ deployments';
    more = { counted: 'incidents' };
  } else if (panel.kind === 'trend' && is('frequency', 'days_per_week', 'y') && panel.format === 'count') {
    [label, note, more] = ['Days with a deployment', 'of a week, median', { title: 'Days with a deployment to production', format: 'weekly' }];
  }
  if (label && 'series' in panel) more = { ...more, series: panel.series.map((one, i) => (i ? one : { ...one, label })) };
  return { ...panel, note, ...more };
}
