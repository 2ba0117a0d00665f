//! Words that the demo's changes and incidents are titled with.

const ROUTINE: [&str; 16] = [
    "Add",
    "Extend",
    "Simplify",
    "Speed up",
    "Document",
    "Test",
    "Move",
    "Split",
    "Remove unused parts of",
    "Log more of",
    "Validate input of",
    "Cache",
    "Configure",
    "Translate",
    "Measure",
    "Update",
];
const URGENT: [&str; 4] = ["Fix", "Repair", "Guard", "Restore"];
const PARTS: [&str; 24] = [
    "request timeouts",
    "retry policy",
    "the health check",
    "error messages",
    "paging",
    "currency rounding",
    "session expiry",
    "the admin view",
    "address parsing",
    "empty results",
    "audit trail",
    "the nightly export",
    "connection pool",
    "feature flag for new users",
    "rate limits",
    "image sizes",
    "search filters",
    "the settings page",
    "webhook delivery",
    "date formats",
    "the import job",
    "tracing",
    "database indexes",
    "dependency versions",
];
const SYMPTOMS: [&str; 12] = [
    "error rate above its objective",
    "slow responses",
    "requests time out",
    "memory grows without bound",
    "wrong totals shown",
    "queue is not drained",
    "cannot be reached",
    "users are signed out",
    "stale data shown",
    "duplicate messages sent",
    "nightly job failed",
    "certificate rejected",
];

/// A change's title; `place` is any number.
pub(super) fn change_title(place: usize, is_urgent: bool) -> String {
    let verbs: &[&str] = if is_urgent { &URGENT } else { &ROUTINE };
    let part = PARTS[place / verbs.len() % PARTS.len()];
    format!("{} {part}", verbs[place % verbs.len()])
}

/// An incident's title; `place` is any number.
pub(super) fn incident_title(service: &str, place: usize) -> String {
    format!("{service}: {}", SYMPTOMS[place % SYMPTOMS.len()])
}
