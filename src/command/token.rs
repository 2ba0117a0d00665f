//! `dorado token`: makes, lists and revokes tokens. A server on the same directory may run; it learns of it
//! within a second.

use std::path::Path;

use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use dorado_lake::{NewToken, Register, Scope, Token};
use tracing::warn;

use super::open;
use super::output::deliver;
use super::table::{Side, Table};
use crate::cli::{DataArgs, TokenCommand};
use crate::config::Config;

/// Who the audit log says it was.
const ACTOR: &str = "cli";

/// Does what was asked with the tokens of a data directory.
pub(crate) fn run(command: &TokenCommand, config_file: Option<&Path>) -> Result<()> {
    match command {
        TokenCommand::Create { name, scope, expires, data } => {
            let config = Config::read_without_warnings(config_file, data.data.as_deref())?;
            let scopes = scope.iter().map(|text| Ok(text.parse()?)).collect::<Result<Vec<Scope>>>()?;
            let now = Utc::now();
            let expires_at = expires.as_deref().map(|text| end(text, now)).transpose()?.flatten();
            if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
                bail!("`{name}` is no name for a token: expected 1 to 100 characters");
            }
            warn_of_unknown_teams(&scopes, &config);
            let new = NewToken { name: name.trim().to_owned(), scopes, expires_at };
            let (_, key) = register(data, &config)?.create(&new, ACTOR, now)?;
            deliver(&format!("{}\n", key.show()), None)
        }
        TokenCommand::List { all, data } => {
            let config = Config::read_without_warnings(config_file, data.data.as_deref())?;
            let tokens = register(data, &config)?.tokens()?;
            let now = Utc::now();
            let shown: Vec<&Token> = tokens.iter().filter(|token| *all || token.is_valid(now)).collect();
            let n_hidden = tokens.len() - shown.len();
            let mut lines = table(&shown, now).lines();
            if n_hidden > 0 {
                lines.push(format!("{n_hidden} more that are expired or revoked; --all lists them"));
            }
            deliver(&(lines.join("\n") + "\n"), None)
        }
        TokenCommand::Revoke { id, data } => {
            let config = Config::read_without_warnings(config_file, data.data.as_deref())?;
            let register = register(data, &config)?;
            let tokens = register.tokens()?;
            let named: Vec<&Token> = tokens.iter().filter(|token| token.id == *id || token.name == *id).collect();
            let token = match named.as_slice() {
                [token] => token,
                [] => bail!("no token has the id or the name `{id}`: `dorado token list --all` shows them"),
                _ => bail!("several tokens are called `{id}`: name one by its id, as `dorado token list` shows it"),
            };
            if !register.revoke(&token.id, ACTOR, Utc::now())? {
                bail!("the token `{}` was revoked before", token.id);
            }
            deliver(&format!("revoked {} ({})\n", token.id, token.name), None)
        }
    }
}

fn register(data: &DataArgs, config: &Config) -> Result<Register> {
    open::register(&config.data(data.data.as_deref()), config)
}

/// A team that no configuration names may still be one that deployments name.
fn warn_of_unknown_teams(scopes: &[Scope], config: &Config) {
    for scope in scopes {
        if let Scope::Read(Some(team)) = scope
            && !config.teams.iter().any(|known| known.name == *team)
            && !config.services.iter().any(|service| service.team.as_ref() == Some(team))
        {
            warn!("the configuration names no team `{team}`; the token is made all the same");
        }
    }
}

/// `90d`, `12h`, a date or an instant; `never` for none.
fn end(text: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let number = |unit: char| text.strip_suffix(unit).and_then(|n| n.parse::<u32>().ok()).map(i64::from);
    let at = if text == "never" {
        return Ok(None);
    } else if let Some(days) = number('d') {
        now.checked_add_signed(TimeDelta::days(days))
    } else if let Some(hours) = number('h') {
        now.checked_add_signed(TimeDelta::hours(hours))
    } else {
        dorado_query::instant("expires", text, chrono_tz::Tz::UTC).ok()
    };
    match at.filter(|at| *at > now) {
        Some(at) => Ok(Some(at)),
        None => bail!("`{text}` is no end for a token: expected 90d, 12h, a later date as 2027-01-31, or never"),
    }
}

fn table(tokens: &[&Token], now: DateTime<Utc>) -> Table {
    let columns = ["id", "name", "scopes", "created", "expires", "last used", "state"];
    let mut table = Table::new(&columns.map(|column| (column, Side::Left)));
    let day = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    for token in tokens {
        let scopes: Vec<String> = token.scopes.iter().map(ToString::to_string).collect();
        let state = match (token.revoked_at, token.is_valid(now)) {
            (Some(_), _) => "revoked",
            (None, true) => "valid",
            (None, false) => "expired",
        };
        table.push(&[
            token.id.clone(),
            token.name.clone(),
            scopes.join(", "),
            day(token.created_at),
            token.expires_at.map_or_else(|| "never".to_owned(), day),
            token.last_used_at.map_or_else(|| "never".to_owned(), day),
            state.to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_end_is_a_time_from_now_a_date_or_never() {
        let now = DateTime::parse_from_rfc3339("2026-11-26T00:00:00Z").unwrap().with_timezone(&Utc);
        assert_eq!(end("2d", now).unwrap(), Some(now + TimeDelta::days(2)));
        assert_eq!(end("12h", now).unwrap(), Some(now + TimeDelta::hours(12)));
        assert_eq!(end("2026-11-27", now).unwrap(), Some(now + TimeDelta::days(1)));
        assert_eq!(end("never", now).unwrap(), None);
        for wrong in ["", "soon", "0d", "-1d", "2026-11-25", "99999999999d"] {
            assert!(end(wrong, now).is_err(), "{wrong}");
        }
    }
}
