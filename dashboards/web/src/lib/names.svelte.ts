// The names to filter by. Teams and services are asked for when their list is opened.

import { all, Problem, type Service, type Team } from './api';

/** More names than this cannot be chosen by searching either. */
const MOST = 20_000;

/** A list that is opened again sooner shows what it showed. */
const FRESH_MS = 30_000;
const AGAIN_MS = 5_000;

class Names {
  teams = $state.raw<Team[]>([]);
  services = $state.raw<Service[]>([]);
  loading = $state.raw(false);
  problem = $state.raw('');
  #asked = 0;

  async load(): Promise<void> {
    if (Date.now() - this.#asked < FRESH_MS) return;
    this.#asked = Date.now();
    this.loading = this.services.length === 0 && !this.problem;
    try {
      [this.teams, this.services] = await Promise.all([all<Team>('teams', MOST), all<Service>('services', MOST)]);
      this.problem = '';
    } catch (cause) {
      this.#asked = 0;
      setTimeout(() => void this.load(), AGAIN_MS);
      this.problem = cause instanceof Problem ? cause.message : String(cause);
    }
    this.loading = false;
  }

  /** Services of `teams` and of the teams below them; all where none is named. */
  servicesOf(teams: string[]): Service[] {
    if (teams.length === 0) return this.services;
    const parents = new Map(this.teams.map(({ team, parent }) => [team, parent]));
    const inside = (team: string | null | undefined) => {
      const seen = new Set<string>();
      for (let at = team; at && !seen.has(at); at = parents.get(at)) {
        if (teams.includes(at)) return true;
        seen.add(at);
      }
      return false;
    };
    return this.services.filter(({ team }) => inside(team));
  }
}

/** All views share them. */
export const names = new Names();
