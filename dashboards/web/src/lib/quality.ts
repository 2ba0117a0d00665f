// How complete the data behind a number are, and what would make them more so.

import type { Check, Rows } from './api';

export type Quality = Rows<Check>;

/** What each metric leans on. */
const LEANS_ON: Record<string, string[]> = {
  'deployment-frequency': ['deployment_service', 'services_without_data'],
  'change-lead-time': ['deployment_revision', 'change_linked', 'change_commit_time'],
  'change-fail-rate': ['deployment_service', 'service_incidents', 'incidents_attributed'],
  'failed-deployment-recovery-time': ['service_incidents', 'incidents_attributed'],
  'deployment-rework-rate': ['deployment_revision', 'deployment_service'],
};

/** The weakest of the checks that a metric leans on. */
export function weakest(checks: Check[], metric: string): Check | undefined {
  return checks
    .filter(({ check, value }) => LEANS_ON[metric]?.includes(check) && value !== null)
    .sort((a, b) => (a.value ?? 1) - (b.value ?? 1))[0];
}
