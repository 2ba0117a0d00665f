// Light or dark: as the system says, until somebody says otherwise on this machine.

export type Choice = 'system' | 'light' | 'dark';

const KEY = 'dorado-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

export class Theme {
  choice = $state.raw<Choice>(stored());
  #system = $state.raw<'light' | 'dark'>(dark.matches ? 'dark' : 'light');

  constructor() {
    dark.addEventListener('change', () => (this.#system = dark.matches ? 'dark' : 'light'));
    this.show();
  }

  /** The other one than is seen now. */
  toggle(): void {
    this.choice = this.seen() === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem(KEY, this.choice);
    } catch {
      // Storage can be forbidden; then the choice holds until the page is left.
    }
    this.show();
  }

  seen(): 'light' | 'dark' {
    if (this.choice !== 'system') return this.choice;
    return this.#system;
  }

  private show(): void {
    if (this.choice === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.choice;
  }
}

function stored(): Choice {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : 'system';
  } catch {
    return 'system';
  }
}
