// The two shapes that charts draw: a line and the area between two lines, both with gaps where nothing is known.

export type Spot = readonly [x: number, y: number] | null;

/** Straight from spot to spot. */
export function line(spots: Spot[]): string {
  return runs(spots)
    .map((run) => `M${run.map(point).join('L')}${run.length === 1 ? 'Z' : ''}`)
    .join('');
}

/** Between `upper` and `lower`, which are over the same places. */
export function area(upper: Spot[], lower: Spot[]): string {
  const both = upper.map((spot, i): Spot => (lower[i] ? spot : null));
  let at = 0;
  return runs(both)
    .map((run) => {
      at = both.indexOf(run[0] ?? null, at);
      const back = lower.slice(at, at + run.length).reverse() as Exclude<Spot, null>[];
      return `M${run.map(point).join('L')}L${back.map(point).join('L')}Z`;
    })
    .join('');
}

function runs(spots: Spot[]): Exclude<Spot, null>[][] {
  const all: Exclude<Spot, null>[][] = [];
  let known = false;
  for (const spot of spots) {
    if (spot && known) all.at(-1)?.push(spot);
    else if (spot) all.push([spot]);
    known = spot !== null;
  }
  return all;
}

function point([x, y]: Exclude<Spot, null>): string {
  return `${round(x)},${round(y)}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
