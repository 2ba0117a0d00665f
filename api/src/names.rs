//! The names that somebody may choose from: teams, services, environments, repositories.

use std::collections::BTreeSet;

use dorado_query::{Asked, List, Page, Question};

use crate::access::Reader;
use crate::api::Api;
use crate::problem::{Kind, Problem};

/// Which names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Teams,
    Services,
    Environments,
    Repositories,
}

/// Names at most: a choice of more is none.
const AT_MOST: usize = 10_000;

impl Names {
    pub(crate) const ALL: [Self; 4] = [Self::Teams, Self::Services, Self::Environments, Self::Repositories];

    /// What each is called in addresses.
    pub(crate) const PLURALS: [&str; 4] = ["teams", "services", "environments", "repositories"];

    /// The parameter that takes them.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Teams => "team",
            Self::Services => "service",
            Self::Environments => "environment",
            Self::Repositories => "repository",
        }
    }

    /// By the parameter's name, or the plural.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let called = Self::ALL.into_iter().zip(Self::PLURALS);
        called.into_iter().find(|(names, plural)| text == names.key() || text == *plural).map(|(names, _)| names)
    }

    /// The same, or a problem that lists them.
    pub(crate) fn asked(text: &str) -> Result<Self, Problem> {
        Self::of(text).ok_or_else(|| {
            Problem::new(Kind::InvalidParameter, "there are no such names")
                .parameter("target")
                .value(text)
                .expected("one of teams, services, environments, repositories")
        })
    }

    fn list(self) -> (List, &'static str) {
        match self {
            Self::Teams => (List::Teams, "team"),
            Self::Services => (List::Services, "service"),
            Self::Environments => (List::Environments, "environment"),
            Self::Repositories => (List::Services, "repository"),
        }
    }
}

/// The names that the reader may know, in order.
pub(crate) async fn names(api: &Api, reader: &Reader, which: Names) -> Result<Vec<String>, Problem> {
    names_of(api, reader, which, Vec::new()).await
}

/// The same, of services and repositories only those of some teams, where there are any.
pub(crate) async fn names_of(
    api: &Api,
    reader: &Reader,
    which: Names,
    team: Vec<String>,
) -> Result<Vec<String>, Problem> {
    let (list, column) = which.list();
    let asked = Asked { from: Some("0".to_owned()), bucket: Some("all".to_owned()), team, ..Asked::default() };
    let question = Question::new(&asked, reader.audience.clone(), api.end_of_minute())?;
    let mut found = BTreeSet::new();
    let mut cursor = None;
    loop {
        let (question, page) = (question.clone(), Page { limit: 1_000, cursor });
        let answer = api.ask(move |engine| async move { engine.list(list, &question, &page).await }).await?;
        let cells = answer.data.iter().filter_map(|row| row.get(column)?.as_str());
        // Of several repositories a service's row has a list.
        found.extend(cells.flat_map(|cell| cell.split(", ")).map(String::from));
        cursor = answer.meta.get("next_cursor").and_then(|cursor| cursor.as_str()).map(String::from);
        if cursor.is_none() || found.len() >= AT_MOST {
            return Ok(found.into_iter().take(AT_MOST).collect());
        }
    }
}
