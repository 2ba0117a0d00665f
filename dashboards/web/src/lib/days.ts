// Days of a calendar on the wall, as `2026-11-02`, and the buckets made of them. A time zone enters only in
// `today`: everything else is the same in every zone, and leaves DST to the server.

export type Day = string;
export type Bucket = 'day' | 'week' | 'month';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MS_A_DAY = 86_400_000;

/** A stretch of days, `to` excluded. */
export interface Stretch {
  from: Day;
  to: Day;
}

/** A bucket as drawn: `whole` is false where the period cuts it, or where it is not over yet. */
export interface Slot extends Stretch {
  start: Day;
  whole: boolean;
}

export function isDay(text: string | null): text is Day {
  return text !== null && /^\d{4}-\d\d-\d\d$/.test(text) && fromDate(toDate(text)) === text;
}

export function today(zone: string, now = new Date()): Day {
  return new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(now);
}

export function addDays(day: Day, n: number): Day {
  const date = toDate(day);
  date.setUTCDate(date.getUTCDate() + n);
  return fromDate(date);
}

/** The same day of another month, or that month's last day. */
export function addMonths(day: Day, n: number): Day {
  const date = toDate(day);
  const wanted = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + n);
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(wanted, last));
  return fromDate(date);
}

export function nDays({ from, to }: Stretch): number {
  return Math.round((toDate(to).getTime() - toDate(from).getTime()) / MS_A_DAY);
}

export function startOf(bucket: Bucket, day: Day): Day {
  if (bucket === 'month') return day.slice(0, 8) + '01';
  if (bucket === 'week') return addDays(day, -((toDate(day).getUTCDay() + 6) % 7));
  return day;
}

export function endOf(bucket: Bucket, start: Day): Day {
  if (bucket === 'month') return addMonths(start, 1);
  return addDays(start, bucket === 'week' ? 7 : 1);
}

/** Every bucket that the stretch touches; `complete` is the first day that is not over yet. */
export function slots(bucket: Bucket, { from, to }: Stretch, complete: Day): Slot[] {
  const all: Slot[] = [];
  for (let start = startOf(bucket, from); start < to; start = endOf(bucket, start)) {
    const end = endOf(bucket, start);
    all.push({
      start,
      from: start < from ? from : start,
      to: end > to ? to : end,
      whole: start >= from && end <= to && end <= complete,
    });
  }
  return all;
}

/** `2 Nov 2026`. */
export function dayText(day: Day): string {
  return `${shortDay(day)} ${day.slice(0, 4)}`;
}

/** `2 Nov`. */
export function shortDay(day: Day): string {
  return `${Number(day.slice(8))} ${monthText(day)}`;
}

/** `Nov`. */
export function monthText(day: Day): string {
  return MONTHS[Number(day.slice(5, 7)) - 1] ?? '';
}

/** `1 Aug – 29 Oct 2026`, `2–8 Nov 2026`: both days included, as people say it. */
export function stretchText({ from, to }: Stretch): string {
  const last = addDays(to, -1);
  if (from >= last) return dayText(from);
  if (from.slice(0, 7) === last.slice(0, 7)) return `${Number(from.slice(8))}–${dayText(last)}`;
  const first = from.slice(0, 4) === last.slice(0, 4) ? shortDay(from) : dayText(from);
  return `${first} – ${dayText(last)}`;
}

/** `Week of 2 Nov 2026`, `November` or a day; says so where the bucket is not whole. */
export function slotText(bucket: Bucket, slot: Slot): string {
  const year = slot.start.slice(0, 4);
  const name = {
    day: dayText(slot.start),
    week: `Week of ${dayText(slot.start)}`,
    month: `${monthText(slot.start)} ${year}`,
  }[bucket];
  return slot.whole ? name : `${name} (part)`;
}

function toDate(day: Day): Date {
  return new Date(`${day}T00:00:00Z`);
}

function fromDate(date: Date): Day {
  return Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, 10);
}
