//! Which rows of a table a question asks about. A filter that a table has no column for is refused: leaving it
//! out would export what was not asked for.

use std::collections::BTreeSet;

use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::functions_nested::expr_fn::{array_has_any, make_array};
use datafusion::prelude::{Expr, coalesce, col, lit};
use dorado_lake::Instant;

use crate::answer::directory::{Directory, Selection};
use crate::answer::frame::{Over, asked_rows, instant_literal};
use crate::answer::relation::named_to;
use crate::catalog::Catalog;
use crate::engine::{Engine, Error};
use crate::question::{BadParameter, Filter, Question};
use crate::tables::among;

/// The partition of a table, which says nothing that the row does not.
const MONTH: &str = "month";

impl Engine {
    /// Rows of a gold table.
    pub(super) async fn results_of(
        &self,
        table: &str,
        question: &Question,
    ) -> Result<SendableRecordBatchStream, Error> {
        let tables = self.tables();
        let directory = self.directory_for(&tables, question.audience()).await?;
        let selection = directory.select(&question.filter, self.catalog())?;
        let period = (question.from, question.to);
        let mut rows = asked_rows(&tables, table, &selection, period)?.ok_or_else(|| missing(table))?;
        if table == "causes" {
            let over = Over { tables: &tables, directory: &directory, selection: &selection, question };
            rows = named_to(&over, rows)?;
        }
        refuse_what_is_not_there(&rows, table, &question.filter)?;
        Ok(rows.drop_columns(&[MONTH])?.execute_stream().await?)
    }

    /// Rows of a silver table: every version of the records that the question asks about.
    pub(super) async fn facts_of(&self, table: &str, question: &Question) -> Result<SendableRecordBatchStream, Error> {
        let tables = self.tables();
        let directory = self.directory_for(&tables, question.audience()).await?;
        // Facts are of every environment, so that a filter by one need not be a production one.
        let names = Filter { environments: BTreeSet::new(), ..question.filter.clone() };
        let selection = directory.select(&names, self.catalog())?;
        let mut rows = tables.table(table)?.ok_or_else(|| missing(table))?;
        refuse_what_is_not_there(&rows, table, &question.filter)?;
        rows = rows.filter(in_period(table, question))?;
        if let Some(services) = &selection.services {
            rows = rows.filter(of_services(table, services, &directory, self.catalog()))?;
        }
        for filter in by_column(&selection, &question.filter) {
            rows = rows.filter(filter)?;
        }
        Ok(rows.drop_columns(&[MONTH])?.execute_stream().await?)
    }
}

fn missing(table: &str) -> BadParameter {
    BadParameter {
        parameter: "name",
        value: table.to_owned(),
        problem: "there is no such table yet".into(),
        expected: "a table that something was told for".into(),
    }
}

fn refuse_what_is_not_there(rows: &DataFrame, table: &str, filter: &Filter) -> Result<(), BadParameter> {
    let has = |name: &str| rows.schema().has_column_with_unqualified_name(name);
    let has_service = has("service") || has("services");
    // Of an incident these are those of the deployment that is blamed; no question filters by them.
    let is_own = table != "causes";
    for (parameter, values, there) in [
        ("service", &filter.services, has_service),
        ("team", &filter.teams, has_service),
        ("repository", &filter.repositories, is_own && has("repository")),
        ("environment", &filter.environments, is_own && has("environment")),
    ] {
        if !values.is_empty() && !there {
            return Err(BadParameter {
                parameter,
                value: values.iter().cloned().collect::<Vec<_>>().join(","),
                problem: format!("the rows of `{table}` have no {parameter}"),
                expected: "another table, or no such filter".into(),
            });
        }
    }
    Ok(())
}

/// The instant that says best when a record happened.
fn happened(table: &str) -> Expr {
    let first = |columns: &[&str]| coalesce(columns.iter().map(|name| col(*name)).collect());
    match table {
        "deployments" => first(&["finished_at", "started_at"]),
        "changes" => first(&["merged_at", "committed_at", "authored_at"]),
        "pull_requests" => first(&["merged_at", "opened_at", "first_commit_at"]),
        "incidents" => col("opened_at"),
        _ => col("decided_at"),
    }
}

fn in_period(table: &str, question: &Question) -> Expr {
    let at = || happened(table);
    let within = at().gt_eq(instant_literal(question.from)).and(at().lt(instant_literal(question.to)));
    // Asked for from the beginning, what names no instant is there too.
    if question.from == Instant::UNIX_EPOCH { within.or(at().is_null()) } else { within }
}

fn by_column(selection: &Selection, filter: &Filter) -> Vec<Expr> {
    let named = [("repository", &selection.repositories), ("environment", &filter.environments)];
    named.into_iter().filter(|(_, names)| !names.is_empty()).map(|(column, names)| among(column, names)).collect()
}

/// Records of services: those that name one of them, and those that name none and lie in their repositories.
fn of_services(table: &str, services: &BTreeSet<String>, directory: &Directory, catalog: &Catalog) -> Expr {
    let entries = catalog.services.iter().filter(|entry| services.contains(&entry.name));
    let mut names = services.clone();
    names.extend(entries.flat_map(|entry| entry.aliases.iter().cloned()));
    let cards = services.iter().filter_map(|name| directory.services.get(name));
    let repositories: BTreeSet<String> = cards.flat_map(|card| card.repositories.iter().cloned()).collect();
    if names.is_empty() {
        return lit(false);
    }
    let (named, nameless) = if table == "incidents" {
        let wanted = make_array(names.iter().map(|name| lit(name.as_str())).collect());
        let none = datafusion::functions_nested::expr_fn::cardinality(col("services"));
        (array_has_any(col("services"), wanted), coalesce(vec![none, lit(0_u64)]).eq(lit(0_u64)))
    } else {
        (among("service", &names), col("service").is_null())
    };
    if repositories.is_empty() { named } else { named.or(nameless.and(among("repository", &repositories))) }
}
