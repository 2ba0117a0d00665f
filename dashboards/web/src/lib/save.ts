// What leaves the page as a file: rows as CSV or JSON, a chart as PNG. Made here, from what is shown.

type Cells = Record<string, unknown>;

/** Rows as CSV, all keys of all rows. A text that a spreadsheet would take for a formula gets a quote before it. */
export function csv(rows: Cells[]): string {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return [keys, ...rows.map((row) => keys.map((key) => row[key]))].map((cells) => cells.map(quoted).join(',')).join('\r\n') + '\r\n';
}

function quoted(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function save(name: string, type: string, data: BlobPart): void {
  const url = URL.createObjectURL(new Blob([data], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const KEPT = ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linejoin', 'opacity', 'font-size', 'font-weight', 'font-style', 'paint-order'];

const CAPTION = 24;

/** The charts of a panel and its words, as they are seen, at twice their size; `caption` says below of what they are. */
export async function png(panel: HTMLElement, name: string, caption: string): Promise<void> {
  const frame = panel.getBoundingClientRect();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [Math.round(frame.width * 2), Math.round((frame.height + CAPTION) * 2)];
  const paint = canvas.getContext('2d');
  if (!paint) return;
  paint.scale(2, 2);
  paint.fillStyle = getComputedStyle(panel).backgroundColor;
  paint.fillRect(0, 0, frame.width, frame.height + CAPTION);
  paint.textBaseline = 'middle';
  const range = document.createRange();
  const texts = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode() as Text | null; text; text = texts.nextNode() as Text | null) {
    const around = text.parentElement as Element;
    if (around.closest('svg, .no-print, .unseen, [aria-hidden]')) continue;
    const style = getComputedStyle(around);
    paint.fillStyle = style.color;
    paint.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    for (const { 0: word, index } of text.data.matchAll(/\S+/g)) {
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const at = range.getBoundingClientRect();
      paint.fillText(word, at.x - frame.x, at.y - frame.y + at.height / 2);
    }
  }
  const { color, fontFamily } = getComputedStyle(panel);
  paint.fillStyle = color;
  paint.font = `12px ${fontFamily}`;
  paint.fillText(caption, 16, frame.height + CAPTION / 2 - 4);
  for (const svg of panel.querySelectorAll<SVGSVGElement>('svg:not(.no-print *)')) {
    const at = svg.getBoundingClientRect();
    paint.drawImage(await picture(svg), at.x - frame.x, at.y - frame.y, at.width, at.height);
  }
  canvas.toBlob((blob) => blob && save(`${name}.png`, 'image/png', blob));
}

async function picture(svg: SVGSVGElement): Promise<HTMLImageElement> {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const drawn = copy.querySelectorAll('*');
  svg.querySelectorAll('*').forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const key of KEPT) drawn[i]?.setAttribute(key, style.getPropertyValue(key));
  });
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('font-family', getComputedStyle(document.body).fontFamily);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  return image;
}
