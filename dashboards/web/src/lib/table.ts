// What a table shows: columns say how a row is written, ordered and opened.

export interface Cells<R> {
  title: string;
  text: (row: R) => string;
  /** A second, lighter line. */
  note?: (row: R) => string | undefined;
  /** What to order by; columns without one cannot be ordered by. */
  by?: (row: R) => string | number | null | undefined;
  number?: boolean;
  /** Names the row. */
  head?: boolean;
  /** How good or bad the value is. */
  tone?: (row: R) => string;
  /** An address outside of the page. */
  link?: (row: R) => string | undefined;
  /** What a click on it does; nothing where there is nothing to open. */
  open?: (row: R) => (() => void) | null;
}

export interface Order {
  column: number;
  down: boolean;
}

/** A copy in order; unknown comes last either way. */
export function ordered<R>(rows: R[], columns: Cells<R>[], order: Order | null): R[] {
  const by = order && columns[order.column]?.by;
  if (!by) return rows;
  const sign = order.down ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [by(a) ?? null, by(b) ?? null];
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'en'));
  });
}

/** An address that may be linked to: whatever a source sends, it is never a script. */
export function safe(url: unknown): string | undefined {
  return typeof url === 'string' && /^https?:\/\//.test(url) ? url : undefined;
}
