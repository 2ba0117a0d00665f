//! Who may do what, and who did: tokens, the page's sign-ins, the audit log. State and no facts, so it has a
//! SQLite file of its own beside the inbox, which the command line writes while a server reads it.

mod audit;
mod key;
mod scope;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use self::audit::note;
pub use self::audit::{Deed, Entry};
pub use self::key::{Key, KeyDigest, redacted};
pub use self::scope::{NoScope, Scope};
use crate::{Error, Instant};

const SCHEMA: &str = "
create table if not exists tokens (
    id text primary key,
    digest blob not null,
    name text not null,
    scopes text not null,
    created_at integer not null,
    expires_at integer,
    last_used_at integer,
    revoked_at integer
) strict, without rowid;
create table if not exists sessions (
    id text primary key,
    digest blob not null,
    token text not null references tokens (id),
    expires_at integer not null
) strict, without rowid;
create table if not exists audit (
    id integer primary key autoincrement,
    at integer not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail text
) strict;
create trigger if not exists audit_is_not_changed before update on audit
    begin select raise(abort, 'the audit log is only added to'); end;
create trigger if not exists audit_is_not_shortened before delete on audit
    begin select raise(abort, 'the audit log is only added to'); end;
";

/// A token's columns, in the order in which [`token`] reads them.
const TOKEN: &str = "t.id, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at, t.revoked_at";

/// Sign-ins of one token at once; the first to expire makes room.
const SESSIONS_AT_MOST: i64 = 100;

/// A token, without what it is proved with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// By what people name it.
    pub id: String,
    /// What it is for, in words.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Instant,
    /// From when on it is not valid.
    pub expires_at: Option<Instant>,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
}

impl Token {
    /// Whether it lets anybody in.
    pub fn is_valid(&self, now: Instant) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// A token that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What it is for, in words.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// From when on it is not valid.
    pub expires_at: Option<Instant>,
}

/// The file. One connection, used by one thread at a time.
#[derive(Debug)]
pub struct Register {
    connection: Mutex<Connection>,
}

impl Register {
    /// Opens or makes the register in a directory.
    ///
    /// # Errors
    /// The file cannot be opened, or a newer Dorado wrote it.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("register.sqlite");
        make_private(&path).map_err(|source| Error::Unavailable {
            table: "register".to_owned(),
            action: "make the file of",
            source: source.into(),
        })?;
        Self::from(Connection::open(path))
    }

    /// One that is gone with the value.
    ///
    /// # Errors
    /// SQLite does not start.
    pub fn in_memory() -> Result<Self, Error> {
        Self::from(Connection::open_in_memory())
    }

    fn from(connection: rusqlite::Result<Connection>) -> Result<Self, Error> {
        let prepared = connection.and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.execute_batch(SCHEMA)?;
            Ok(Self { connection: Mutex::new(connection) })
        });
        prepared.map_err(|source| Error::Register { action: "open the file", source })
    }

    /// Makes a token. Its key is in no other place.
    ///
    /// # Errors
    /// The file cannot be written, or the system gives no random numbers.
    pub fn create(&self, new: &NewToken, by: &str, now: Instant) -> Result<(Token, Key), Error> {
        let key = Key::random()?;
        let token = Token {
            id: key.digest().id(),
            name: new.name.clone(),
            scopes: new.scopes.clone(),
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let scopes: Vec<String> = new.scopes.iter().map(ToString::to_string).collect();
        let told = serde_json::json!({ "name": new.name, "scopes": scopes, "expires_at": new.expires_at });
        let digest = key.digest();
        let expires_at = new.expires_at.as_ref().map(Instant::timestamp_micros);
        self.write("keep a token", |transaction| {
            transaction.execute(
                "insert into tokens (id, digest, name, scopes, created_at, expires_at) values (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    token.id,
                    digest.0.as_slice(),
                    new.name,
                    serde_json::json!(scopes).to_string(),
                    now.timestamp_micros(),
                    expires_at
                ],
            )?;
            note(transaction, &Deed { actor: by, action: "token.created", subject: &token.id, detail: Some(told) }, now)
        })?;
        Ok((token, key))
    }

    /// All tokens, also those that let nobody in any more, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.read("read the tokens", |connection| {
            let mut statement =
                connection.prepare_cached(&format!("select {TOKEN} from tokens t order by t.created_at, t.id"))?;
            let tokens = statement.query_map([], token)?;
            tokens.collect()
        })
    }

    /// Revokes a token; false where it was revoked before or never was. Who is signed in with it is signed out.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn revoke(&self, id: &str, by: &str, now: Instant) -> Result<bool, Error> {
        self.write("revoke a token", |transaction| {
            let revoked = transaction.execute(
                "update tokens set revoked_at = ?2 where id = ?1 and revoked_at is null",
                params![id, now.timestamp_micros()],
            )?;
            if revoked > 0 {
                transaction.execute("delete from sessions where token = ?1", [id])?;
                note(transaction, &Deed { actor: by, action: "token.revoked", subject: id, detail: None }, now)?;
            }
            Ok(revoked > 0)
        })
    }

    /// The valid token that a key proves.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn token(&self, key: &KeyDigest, now: Instant) -> Result<Option<Token>, Error> {
        let sql = format!("select {TOKEN}, t.digest from tokens t where t.id = ?1");
        let found = self.proved(&sql, key)?;
        Ok(found.filter(|token| token.is_valid(now)))
    }

    /// Notes that a token is in use, where that was not noted within the hour.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn used(&self, token: &Token, now: Instant) -> Result<(), Error> {
        const OFTEN: chrono::TimeDelta = chrono::TimeDelta::hours(1);
        if token.last_used_at.is_some_and(|at| now - at < OFTEN) {
            return Ok(());
        }
        self.write("note that a token is used", |transaction| {
            transaction
                .execute("update tokens set last_used_at = ?2 where id = ?1", params![token.id, now.timestamp_micros()])
                .map(drop)
        })
    }

    /// Signs the holder of a token in.
    ///
    /// # Errors
    /// The file cannot be written, or the system gives no random numbers.
    pub fn sign_in(&self, token: &Token, expires_at: Instant, now: Instant) -> Result<Key, Error> {
        let key = Key::random()?;
        let digest = key.digest();
        self.write("keep a sign-in", |transaction| {
            transaction.execute("delete from sessions where expires_at <= ?1", [now.timestamp_micros()])?;
            transaction.execute(
                "delete from sessions where token = ?1 and id not in
                 (select id from sessions where token = ?1 order by expires_at desc limit ?2)",
                params![token.id, SESSIONS_AT_MOST - 1],
            )?;
            transaction.execute(
                "insert into sessions (id, digest, token, expires_at) values (?1, ?2, ?3, ?4)",
                params![digest.id(), digest.0.as_slice(), token.id, expires_at.timestamp_micros()],
            )?;
            let detail = Some(serde_json::json!({ "expires_at": expires_at }));
            note(transaction, &Deed { actor: &token.id, action: "session.created", subject: &token.id, detail }, now)
        })?;
        Ok(key)
    }

    /// The valid token of a sign-in that is not over. It is valid no longer than the sign-in.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn session(&self, key: &KeyDigest, now: Instant) -> Result<Option<Token>, Error> {
        let sql = format!(
            "select {}, s.digest from sessions s join tokens t on t.id = s.token where s.id = ?1",
            TOKEN.replace("t.expires_at", "min(s.expires_at, coalesce(t.expires_at, s.expires_at))")
        );
        let found = self.proved(&sql, key)?;
        Ok(found.filter(|token| token.is_valid(now)))
    }

    /// Ends a sign-in.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sign_out(&self, key: &KeyDigest) -> Result<(), Error> {
        self.write("end a sign-in", |transaction| {
            transaction
                .execute("delete from sessions where id = ?1 and digest = ?2", params![key.id(), key.0.as_slice()])
                .map(drop)
        })
    }

    /// The token that a query finds by the key's name, where the kept digest is the key's.
    fn proved(&self, sql: &str, key: &KeyDigest) -> Result<Option<Token>, Error> {
        self.read("look up a token", |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let found =
                statement.query_one([key.id()], |row| Ok((token(row)?, row.get::<_, Vec<u8>>(7)?))).optional()?;
            Ok(found.filter(|(_, digest)| key.is(digest)).map(|(token, _)| token))
        })
    }

    fn read<T>(&self, action: &'static str, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection).map_err(|source| Error::Register { action, source })
    }

    fn write<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let written = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        written.map_err(|source| Error::Register { action, source })
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let scopes: Vec<String> = serde_json::from_str(row.get_ref(2)?.as_str()?).unwrap_or_default();
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        // What a newer version wrote and this one does not know allows nothing.
        scopes: scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
        created_at: instant(row.get(3)?),
        expires_at: row.get::<_, Option<i64>>(4)?.map(instant),
        last_used_at: row.get::<_, Option<i64>>(5)?.map(instant),
        revoked_at: row.get::<_, Option<i64>>(6)?.map(instant),
    })
}

fn instant(micros: i64) -> Instant {
    Instant::from_timestamp_micros(micros).unwrap_or_default()
}

/// A file that only its owner can read, where the system has owners.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
