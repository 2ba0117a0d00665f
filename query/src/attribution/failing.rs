//! incident → deployment, and from there: which deployments failed, when service was restored, and
//! which deployments were rework. Every finding carries its rule and how sure it is.

use chrono::TimeDelta;
use dorado_lake::{Incident, Instant, Override, Tier, Verdict};

use super::shipping::Shipped;
use super::{Attempt, Hit};
use crate::catalog::{Catalog, ReworkRule};
use crate::gold::{Blamed, Cause, CauseRule, Confidence, FailureRule, Outcome, evidence};

/// What the judgement of one service's deployments is made from.
pub(crate) struct Evidence<'a> {
    pub(crate) service: &'a str,
    /// Successful production attempts in order of their finish.
    pub(crate) successes: &'a [Attempt<'a>],
    /// Attempts that ended without reaching production.
    pub(crate) misses: &'a [Attempt<'a>],
    /// Incidents that hit the service or name one of its deployments.
    pub(crate) incidents: &'a [Hit<'a>],
    /// Standing overrides, in order of decision.
    pub(crate) overrides: &'a [&'a Override],
    pub(crate) shipped: &'a Shipped,
    pub(crate) catalog: &'a Catalog,
    /// How long before an incident a deployment may have finished to be its probable cause.
    pub(crate) window: TimeDelta,
}

/// One reason to say that a success failed.
struct Finding {
    rule: FailureRule,
    /// When the rollback or remediation finished; `None` where the reason is an incident or a person.
    remedied_at: Option<Instant>,
}

/// Judges every attempt and attributes every incident.
pub(crate) fn judge(evidence: &Evidence<'_>) -> (Vec<Outcome>, Vec<Cause>) {
    let causes: Vec<Cause> = evidence.incidents.iter().filter_map(|i| evidence.cause(i)).collect();
    let mut findings: Vec<Vec<Finding>> = evidence.successes.iter().map(|_| Vec::new()).collect();
    let mut rework = evidence.flagged_rework();
    evidence.find_remedies(&mut findings, &mut rework);
    evidence.find_reverts(&mut findings, &mut rework);
    evidence.find_overrides(&mut findings, &mut rework);
    let outcomes = (0..evidence.successes.len())
        .map(|number| evidence.outcome(number, &findings[number], &causes, rework[number].clone()))
        .chain(evidence.misses.iter().map(|miss| evidence.row(miss)))
        .collect();
    (outcomes, causes)
}

impl Evidence<'_> {
    /// The first rule that applies to an incident; `None` where it was not in production.
    fn cause(&self, hit: &Hit<'_>) -> Option<Cause> {
        let incident = hit.incident;
        let opened_at = incident.opened_at?;
        let environment = incident.environment.as_deref();
        if environment.is_some_and(|name| self.catalog.tier(name, None) != Tier::Production && !self.deploys_to(name)) {
            return None;
        }
        let latest = self.latest_before(incident, opened_at);
        let is_near = |a: &&Attempt<'_>| opened_at - a.finished_at <= self.window;
        let found = self.by_override(incident).or_else(|| {
            if hit.elsewhere.is_some() {
                return None;
            }
            let named = self.by_name(incident, opened_at).map(|a| (Some(a), CauseRule::Explicit));
            named
                .or_else(|| self.by_remedy(hit).map(|a| (Some(a), CauseRule::Remediated)))
                .or_else(|| latest.filter(is_near).map(|a| (Some(a), CauseRule::Proximity)))
        });
        let before = |a: &Attempt<'_>| (opened_at - a.finished_at).num_milliseconds();
        let (attempt, mut rule) = found.unwrap_or((None, CauseRule::Unattributed));
        let mut blamed = attempt.map(|a| blamed(a, before(a)));
        // What another service's deployment caused is no fault of this one's.
        if let Some(elsewhere) = hit.elsewhere.as_ref().filter(|e| found.is_none() || e.rule == CauseRule::Override) {
            rule = elsewhere.rule;
            blamed = Some(Blamed {
                source: elsewhere.source.clone(),
                deployment: elsewhere.deployment.clone(),
                before_ms: (opened_at - elsewhere.finished_at).num_milliseconds(),
            });
        }
        let is_baseline = incident.caused_by_change.as_deref().is_some_and(|change| self.shipped.is_baseline(change));
        let baseline = self.successes.first().filter(|_| is_baseline);
        let deployment = attempt.map(|a| a.deployment);
        Some(Cause {
            service: self.service.to_owned(),
            source: incident.source.clone(),
            incident: incident.id.clone(),
            title: incident.title.clone(),
            severity: incident.severity.clone(),
            opened_at,
            resolved_at: incident.resolved_at,
            deployment_source: blamed.as_ref().map(|b| b.source.clone()),
            deployment: blamed.as_ref().map(|b| b.deployment.clone()),
            rule,
            confidence: match (&blamed, rule) {
                (None, _) => None,
                (_, CauseRule::Proximity) => Some(Confidence::Probable),
                _ => Some(Confidence::Confirmed),
            },
            url: incident.url.clone(),
            repository: incident.repository.clone().or_else(|| deployment?.repository.clone()),
            environment: incident.environment.clone().or_else(|| Some(deployment?.environment.clone())),
            deployment_ms: blamed.map(|b| b.before_ms),
            latest: latest.map(|a| self::blamed(a, before(a))),
            baseline: baseline.map(|a| self::blamed(a, before(a))),
        })
    }

    fn deploys_to(&self, environment: &str) -> bool {
        self.successes.iter().any(|a| a.deployment.environment == environment)
    }

    /// `Some((None, _))` where a person said that no deployment caused it, or one that nobody knows yet.
    fn by_override(&self, incident: &Incident) -> Option<(Option<&Attempt<'_>>, CauseRule)> {
        let about = |o: &&&Override| o.incident.as_deref() == Some(incident.id.as_str());
        let decided = self.overrides.iter().rev().filter(about).find_map(|o| match o.verdict {
            Verdict::CausedBy => Some(o.deployment.as_deref().and_then(|id| self.success(id))),
            Verdict::NotCaused => Some(None),
            _ => None,
        })?;
        Some((decided, CauseRule::Override))
    }

    fn by_name(&self, incident: &Incident, opened_at: Instant) -> Option<&Attempt<'_>> {
        let named = incident.caused_by.as_deref().and_then(|name| self.named(name, opened_at));
        named.or_else(|| {
            let change = incident.caused_by_change.as_deref()?;
            self.shipped.success_of(change).map(|number| &self.successes[number])
        })
    }

    /// A success by its id, else the latest until `at` of that revision or version.
    fn named(&self, name: &str, at: Instant) -> Option<&Attempt<'_>> {
        if let Some(attempt) = self.success(name) {
            return Some(attempt);
        }
        let of_name = |a: &&Attempt<'_>| {
            let revision = a.deployment.revision.as_deref();
            let abbreviated = name.len() >= 7 && revision.is_some_and(|r| r.starts_with(name));
            abbreviated || revision == Some(name) || a.deployment.version.as_deref() == Some(name)
        };
        self.successes.iter().rev().filter(of_name).find(|a| a.finished_at <= at)
    }

    fn success(&self, id: &str) -> Option<&Attempt<'_>> {
        self.successes.iter().find(|a| a.deployment.id == id)
    }

    fn by_remedy(&self, hit: &Hit<'_>) -> Option<&Attempt<'_>> {
        let fixes = |a: &&Attempt<'_>| a.deployment.fixes_incident.as_deref() == Some(hit.incident.id.as_str());
        let own = self.successes.iter().filter(fixes).find_map(|a| self.repaired_by(a));
        // Of another service's deployments only an id is a name.
        own.or_else(|| {
            let others = hit.fixes.iter().filter(|fix| fix.service != self.service);
            others.map(|fix| (fix, self.success(&fix.repairs))).find_map(|(fix, repaired)| {
                repaired.filter(|a| (a.finished_at, &a.deployment.id) < (fix.finished_at, &fix.id))
            })
        })
    }

    /// The earlier success that a deployment says it repairs.
    fn repaired_by(&self, remedy: &Attempt<'_>) -> Option<&Attempt<'_>> {
        let name = remedy.deployment.repairs.as_deref()?;
        let earlier = &self.successes[..self.number_of(remedy)?];
        if let Some(by_id) = self.success(name) {
            return earlier.iter().find(|a| std::ptr::eq(*a, by_id));
        }
        let called = |a: &&Attempt<'_>| {
            a.deployment.revision.as_deref() == Some(name) || a.deployment.version.as_deref() == Some(name)
        };
        earlier.iter().rev().find(called)
    }

    /// The success that was there when an incident opened, however long.
    fn latest_before(&self, incident: &Incident, opened_at: Instant) -> Option<&Attempt<'_>> {
        let environment = incident.environment.as_deref().filter(|name| self.deploys_to(name));
        let end = self.successes.partition_point(|a| a.finished_at <= opened_at);
        let before = self.successes[..end].iter().rev();
        before.into_iter().find(|a| environment.is_none_or(|name| a.deployment.environment == name))
    }

    fn number_of(&self, attempt: &Attempt<'_>) -> Option<usize> {
        self.successes.iter().position(|a| std::ptr::eq(a, attempt))
    }

    fn flagged_rework(&self) -> Vec<Option<String>> {
        let rule: &ReworkRule = self.catalog.rework_of(self.service);
        self.successes
            .iter()
            .map(|a| {
                let d = a.deployment;
                match &d.flagged_by {
                    Some(by) if d.is_hotfix || d.is_rollback => Some(by.clone()),
                    _ if d.is_hotfix || d.is_rollback || d.is_unplanned => Some("flagged".to_owned()),
                    _ if d.fixes_incident.is_some() => Some("fixes_incident".to_owned()),
                    _ if rule.matches(d) => Some("name".to_owned()),
                    _ => None,
                }
            })
            .collect()
    }

    /// Rollbacks, hotfixes and roll-forwards: what each repairs failed.
    fn find_remedies(&self, findings: &mut [Vec<Finding>], rework: &mut [Option<String>]) {
        let previous = self.previous_in_environment();
        let back = self.goes_back();
        for (number, remedy) in self.successes.iter().enumerate() {
            let d = remedy.deployment;
            // What names nothing repairs the success before it; a name that nobody knows blames nobody.
            let (failed, is_named) = match d.repairs {
                Some(_) => (self.repaired_by(remedy).and_then(|a| self.number_of(a)), true),
                None => (previous[number], false),
            };
            let rule = match (d.is_rollback, back[number], d.is_hotfix || is_named) {
                (true, ..) => FailureRule::RolledBack,
                (_, true, _) => FailureRule::OlderRevision,
                (.., true) if d.flagged_by.is_some() => FailureRule::PatchRelease,
                (.., true) if is_named => FailureRule::Remediated,
                (.., true) => FailureRule::HotfixFollowed,
                _ => continue,
            };
            if back[number] {
                rework[number].get_or_insert_with(|| "older_revision".to_owned());
            }
            if let Some(failed) = failed {
                findings[failed].push(Finding { rule, remedied_at: Some(remedy.finished_at) });
                rework[number].get_or_insert_with(|| "remediation".to_owned());
            }
        }
    }

    /// Place of the success before each in its own environment.
    fn previous_in_environment(&self) -> Vec<Option<usize>> {
        let mut last = std::collections::HashMap::new();
        self.successes
            .iter()
            .enumerate()
            .map(|(number, a)| last.insert(a.deployment.environment.as_str(), number))
            .collect()
    }

    /// Whether each success went back, in its environment, to a revision deployed before the one it replaced.
    fn goes_back(&self) -> Vec<bool> {
        let mut seen: std::collections::HashMap<&str, (std::collections::HashSet<&str>, Option<&str>)> =
            std::collections::HashMap::new();
        self.successes
            .iter()
            .map(|a| {
                let d = a.deployment;
                let (before, current) = seen.entry(d.environment.as_str()).or_default();
                let revision = d.revision.as_deref().or(d.version.as_deref());
                let back = revision.is_some_and(|r| before.contains(r)) && *current != revision;
                before.extend(revision);
                *current = revision;
                back
            })
            .collect()
    }

    fn find_reverts(&self, findings: &mut [Vec<Finding>], rework: &mut [Option<String>]) {
        for (failed, remedy) in &self.shipped.reverts {
            let remedied_at = Some(self.successes[*remedy].finished_at);
            findings[*failed].push(Finding { rule: FailureRule::Reverted, remedied_at });
            // What a person says did not fail needed no remedy.
            if self.verdict_on(&self.successes[*failed]) != Some(Verdict::NotFailed) {
                rework[*remedy].get_or_insert_with(|| "revert".to_owned());
            }
        }
    }

    fn find_overrides(&self, findings: &mut [Vec<Finding>], rework: &mut [Option<String>]) {
        for (number, attempt) in self.successes.iter().enumerate() {
            let Some(decided) = self.decided_on(attempt) else { continue };
            if decided.verdict == Verdict::NotFailed {
                findings[number].clear();
                continue;
            }
            let remedy = decided.remedy.as_deref().and_then(|name| self.remedy_of(number, name));
            findings[number].push(Finding {
                rule: FailureRule::Override,
                remedied_at: remedy.map(|remedy| self.successes[remedy].finished_at),
            });
            if let Some(remedy) = remedy {
                rework[remedy].get_or_insert_with(|| "remediation".to_owned());
            }
        }
    }

    /// The success of this id, else the first after `failed` in its environment of this revision or version.
    fn remedy_of(&self, failed: usize, name: &str) -> Option<usize> {
        let environment = &self.successes[failed].deployment.environment;
        let is_named = |a: &Attempt<'_>| {
            let d = a.deployment;
            let is_of = d.revision.as_deref() == Some(name) || d.version.as_deref() == Some(name);
            is_of && d.environment == *environment
        };
        let later = failed + 1..self.successes.len();
        let by_id = later.clone().find(|n| self.successes[*n].deployment.id == name);
        by_id.or_else(|| later.clone().find(|n| is_named(&self.successes[*n])))
    }

    fn verdict_on(&self, attempt: &Attempt<'_>) -> Option<Verdict> {
        self.decided_on(attempt).map(|o| o.verdict)
    }

    /// The last decision on whether a deployment failed.
    fn decided_on(&self, attempt: &Attempt<'_>) -> Option<&Override> {
        let about = |o: &&&Override| o.deployment.as_deref() == Some(attempt.deployment.id.as_str());
        let decides = |o: &&&Override| matches!(o.verdict, Verdict::Failed | Verdict::NotFailed);
        self.overrides.iter().rev().copied().filter(|o| about(&o)).find(|o| decides(&o))
    }

    fn outcome(&self, number: usize, findings: &[Finding], causes: &[Cause], rework: Option<String>) -> Outcome {
        let attempt = &self.successes[number];
        let absolved = self.verdict_on(attempt) == Some(Verdict::NotFailed);
        let incidents: Vec<&Cause> = causes.iter().filter(|c| !absolved && c.names(attempt.deployment)).collect();
        let by_incident = incidents.iter().map(|c| (FailureRule::of_cause(c.rule), c.confidence));
        let by_finding = findings.iter().map(|f| (f.rule, Some(f.rule.confidence())));
        // The strongest reason is the one shown; `FailureRule` is ordered by strength.
        let reason = by_incident.chain(by_finding).filter_map(|(rule, c)| c.map(|c| (c, rule))).min();
        let recovery = if incidents.is_empty() {
            let remedies = findings.iter().filter_map(|f| Some((f.remedied_at?, f.rule.as_str())));
            remedies.min()
        } else {
            let ends: Option<Vec<Instant>> = incidents.iter().map(|c| c.resolved_at).collect();
            ends.into_iter().flatten().max().map(|end| (end, "incident_resolved"))
        };
        let mut outcome = self.row(attempt);
        outcome.failed = Some(reason.is_some());
        outcome.confirmed = Some(reason.is_some_and(|(c, _)| c == Confidence::Confirmed));
        outcome.failure_rule = reason.map(|(_, rule)| rule);
        outcome.confidence = reason.map(|(c, _)| c);
        let recovery = recovery.filter(|_| reason.is_some());
        outcome.recovered_at = recovery.map(|(at, _)| at);
        outcome.recovery_rule = recovery.map(|(_, rule)| rule);
        outcome.recovery_ms = outcome.recovered_at.map(|at| (at - attempt.finished_at).num_milliseconds());
        outcome.n_incidents = incidents.len() as i32;
        outcome.rework = Some(rework.is_some());
        outcome.rework_rule = rework;
        let before =
            self.successes[..number].iter().rev().find(|a| a.deployment.environment == attempt.deployment.environment);
        self.keep_evidence(number, findings, &mut outcome);
        outcome.since_previous_ms = before.map(|b| (attempt.finished_at - b.finished_at).num_milliseconds());
        outcome
    }

    /// What packs that look at failures another way need to know.
    fn keep_evidence(&self, number: usize, findings: &[Finding], outcome: &mut Outcome) {
        let attempt = &self.successes[number];
        let after = |at: Instant| (at - attempt.finished_at).num_milliseconds();
        let first = |rules: &[FailureRule]| {
            findings.iter().filter(|f| rules.contains(&f.rule)).filter_map(|f| f.remedied_at).min().map(after)
        };
        outcome.evidence = findings.iter().map(|f| f.rule.bit()).fold(0, std::ops::BitOr::bitor);
        outcome.rollback_ms = first(&[FailureRule::RolledBack, FailureRule::OlderRevision]);
        outcome.remediation_ms =
            first(&[FailureRule::Remediated, FailureRule::HotfixFollowed, FailureRule::PatchRelease]);
        outcome.revert_ms = first(&[FailureRule::Reverted]);
        if self.verdict_on(attempt) == Some(Verdict::NotFailed) {
            outcome.evidence = evidence::ABSOLVED;
        } else if let Some(revert) = self.shipped.baseline_reverts.iter().min().filter(|_| number == 0) {
            outcome.evidence |= evidence::BASELINE_REVERTED;
            outcome.revert_ms = Some(after(self.successes[*revert].finished_at));
        }
        let is_absolved = |first: &Attempt<'_>| self.verdict_on(first) == Some(Verdict::NotFailed);
        if self.shipped.baseline_reverts.contains(&number) && !self.successes.first().is_some_and(is_absolved) {
            outcome.evidence |= evidence::REVERTS_BASELINE;
        }
    }

    fn row(&self, attempt: &Attempt<'_>) -> Outcome {
        let d = attempt.deployment;
        Outcome {
            service: self.service.to_owned(),
            environment: d.environment.clone(),
            repository: d.repository.clone(),
            team: d.team.clone(),
            source: d.source.clone(),
            deployment: d.id.clone(),
            revision: d.revision.clone(),
            version: d.version.clone(),
            url: d.url.clone(),
            status: d.status,
            reached: attempt.reached,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            failed: None,
            confirmed: None,
            failure_rule: None,
            confidence: None,
            recovered_at: None,
            recovery_ms: None,
            recovery_rule: None,
            n_incidents: 0,
            n_changes: 0,
            rework: None,
            rework_rule: None,
            since_previous_ms: None,
            evidence: 0,
            rollback_ms: None,
            remediation_ms: None,
            revert_ms: None,
        }
    }
}

fn blamed(attempt: &Attempt<'_>, before_ms: i64) -> Blamed {
    Blamed { source: attempt.deployment.source.clone(), deployment: attempt.deployment.id.clone(), before_ms }
}
