//! What `report` and `explain` share: whom they ask, a data directory or repositories read on the spot,
//! and what they ask.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, Months, TimeDelta, Utc};
use dorado_lake::Lake;
use dorado_query::{ADJUSTABLE, Asked, Audience, BadParameter, Engine, Error, List, Page, Question};

use super::git;
use crate::cli::{AskArgs, DataArgs, GitRules};
use crate::config::Config;

/// Somebody who can answer, and what was said about the reading.
pub(crate) struct Asking {
    /// Answers.
    pub(crate) engine: Engine,
    /// What it was read from.
    pub(crate) origin: String,
    /// What a reader of its answers should know.
    pub(crate) notes: Vec<String>,
    is_repository: bool,
}

/// Opens the data directory, or reads the repositories where any are named.
pub(crate) async fn open(
    repositories: &[PathBuf],
    rules: &GitRules,
    data: &DataArgs,
    config_file: Option<&Path>,
) -> Result<Asking> {
    let config = Config::read_without_warnings(config_file, data.data.as_deref())?;
    if repositories.is_empty() {
        return open_data(&config.data(data.data.as_deref()), &config).await;
    }
    let engine = Engine::open(Lake::open("memory://").await?, config.catalog()).await?;
    let (mut names, mut notes) = (Vec::new(), Vec::new());
    for repository in repositories {
        let history = git::read(&engine, repository, rules, None).await?;
        let prefix = if repositories.len() > 1 { format!("{}: ", history.repository) } else { String::new() };
        notes.extend(history.notes.iter().map(|note| format!("{prefix}{note}")));
        if history.n_deployments == 0 {
            notes.push(format!(
                "{prefix}no deployment found among {} tags: --tags 'v*' says which tags are releases, --branch main \
                 --every-merge takes each merge for one",
                history.n_tags
            ));
        }
        names.push(history.repository);
    }
    engine.refresh().await?;
    Ok(Asking { engine, origin: names.join(", "), notes, is_repository: true })
}

async fn open_data(url: &str, config: &Config) -> Result<Asking> {
    let nothing = || {
        anyhow!(
            "there is no data in `{url}`; make a sample: dorado demo --data {url}; or read a repository: dorado git \
             --data {url} REPOSITORY; or report on one without keeping anything: dorado report REPOSITORY"
        )
    };
    if !url.contains("://") && !Path::new(url).is_dir() {
        bail!(nothing());
    }
    let lake = Lake::open_read_only(url).await.with_context(|| format!("cannot open `{url}`"))?;
    let snapshot = lake.snapshot();
    let is_empty = FACT_TABLES.iter().all(|table| snapshot.months(table).is_empty());
    let engine = Engine::open(lake, config.catalog()).await?;
    if is_empty {
        bail!(nothing());
    }
    Ok(Asking { engine, origin: url.to_owned(), notes: Vec::new(), is_repository: false })
}

/// Where facts that count can be.
const FACT_TABLES: [&str; 3] = ["deployments", "changes", "incidents"];
/// Deployments in the default period below which a repository is asked about a longer one.
const FEW: i64 = 5;
/// The default period, as the query floor has it.
const DEFAULT_DAYS: i64 = 90;

impl Asking {
    /// The question that the flags ask, its bucket chosen to fit the period where none is asked for.
    pub(crate) async fn question(&mut self, args: &AskArgs) -> Result<Question> {
        let mut asked = asked(args)?;
        let packs = self.engine.catalog().packs.clone();
        if self.is_repository && asked.from.is_none() && asked.to.is_none() {
            self.reach_back(&mut asked).await?;
        }
        if asked.bucket.is_none() {
            // Thirty years by the week would be refused; only its length is looked at here.
            let whole = Asked { bucket: Some("all".into()), ..asked.clone() };
            let question = Question::with_packs(&whole, Audience::Everybody, Utc::now(), &packs).map_err(flag)?;
            asked.bucket = Some(fitting_bucket(question.to - question.from).to_owned());
        }
        Question::with_packs(&asked, Audience::Everybody, Utc::now(), &packs).map_err(flag)
    }

    /// Where a repository has hardly any deployment lately: the last twelve months of its history.
    async fn reach_back(&mut self, asked: &mut Asked) -> Result<()> {
        let whole = Asked { bucket: Some("all".into()), pack: None, adjustments: Vec::new(), ..asked.clone() };
        let lately = Question::new(&whole, Audience::Everybody, Utc::now()).map_err(flag)?;
        let summary = self.engine.summary(&lately).await.map_err(explained)?;
        let n = summary.data.first().and_then(|row| row["n"].as_i64()).unwrap_or(0);
        let Some(last) = self.last_deployment(&lately).await?.filter(|_| n < FEW) else { return Ok(()) };
        let from = last.checked_sub_months(Months::new(12)).unwrap_or(last - TimeDelta::days(365));
        // The end is not part of a period.
        let to = (last + TimeDelta::seconds(1)).min(Utc::now());
        asked.from = Some(from.to_rfc3339());
        asked.to = Some(to.to_rfc3339());
        self.notes.insert(0, format!(
            "{} in the last {DEFAULT_DAYS} days, so this is about the 12 months up to the last one, on {}; --from and --to \
             choose a period",
            if n == 0 { "there is no deployment".to_owned() } else { format!("there are only {n} deployments") },
            last.format("%Y-%m-%d"),
        ));
        Ok(())
    }

    async fn last_deployment(&self, question: &Question) -> Result<Option<DateTime<Utc>>> {
        let page = Page { limit: 10_000, cursor: None };
        let services = self.engine.list(List::Services, question, &page).await.map_err(explained)?;
        let at = |text: &str| Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc));
        Ok(services.data.iter().filter_map(|row| at(row.get("last_deployment_at")?.as_str()?)).max())
    }
}

fn asked(args: &AskArgs) -> Result<Asked> {
    Ok(Asked {
        from: args.from.clone(),
        to: args.to.clone(),
        bucket: args.bucket.clone(),
        tz: args.tz.clone(),
        service: args.only_service.clone(),
        team: args.team.clone(),
        repository: args.repository.clone(),
        environment: args.only_environment.clone(),
        group_by: None,
        pack: args.pack.clone(),
        adjustments: args.set.iter().map(|text| adjustment(text)).collect::<Result<_>>()?,
        compare: Some("previous".into()),
    })
}

/// `window_hours=48`, taken apart.
fn adjustment(text: &str) -> Result<(&'static str, String)> {
    let named = text.split_once('=').and_then(|(name, value)| {
        let known = ADJUSTABLE.into_iter().find(|known| *known == name.trim())?;
        Some((known, value.to_owned()))
    });
    named.ok_or_else(|| anyhow!("--set is `{text}`; expected PARAMETER=VALUE, with one of {}", ADJUSTABLE.join(", ")))
}

/// The bucket that cuts a period into some dozen parts.
fn fitting_bucket(length: TimeDelta) -> &'static str {
    match length.num_days() {
        ..=20 => "day",
        21..=190 => "week",
        191..=1_100 => "month",
        1_101..=3_700 => "quarter",
        _ => "year",
    }
}

/// A parameter as the command line calls it, and what would have been right.
pub(crate) fn flag(bad: BadParameter) -> anyhow::Error {
    let BadParameter { parameter, value, problem, expected } = bad;
    let name = match parameter {
        "service" => "--only-service".to_owned(),
        "environment" => "--only-environment".to_owned(),
        "metric" => "the metric".to_owned(),
        name if ADJUSTABLE.contains(&name) => format!("--set {name}"),
        other => format!("--{other}"),
    };
    anyhow!("{name} is `{value}`: {problem}; expected {expected}")
}

/// Why there is no answer, in the words of the command line.
pub(crate) fn explained(error: Error) -> anyhow::Error {
    match error {
        Error::BadParameter(bad) => flag(bad),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_cut_into_some_dozen_parts() {
        for (days, bucket) in [(7, "day"), (90, "week"), (365, "month"), (2_000, "quarter"), (9_000, "year")] {
            assert_eq!(fitting_bucket(TimeDelta::days(days)), bucket, "{days} days");
        }
    }

    #[test]
    fn a_wrong_flag_is_named_as_it_was_typed() {
        let bad = Question::new(
            &Asked { bucket: Some("fortnight".into()), ..Asked::default() },
            Audience::Everybody,
            Utc::now(),
        );
        let said = bad.map_err(flag).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.starts_with("--bucket is `fortnight`"), "{said}");
        assert!(said.contains("week"), "{said}");
    }
}
