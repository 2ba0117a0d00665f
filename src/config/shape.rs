//! Keys and types of a configuration, held against the JSON schema that its types give. So a key that is
//! added to a type is known here too.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{Mistake, nearest};

/// Adds every key that is unknown or missing, and every value of a wrong type.
pub(super) fn check(table: &DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    let root = super::schema();
    let mut shape = Shape { root: &root, mistakes };
    shape.table(table, 0, &root, "");
}

struct Shape<'a> {
    root: &'a Value,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Shape<'a> {
    fn value(&mut self, value: &Spanned<DeValue<'_>>, schema: &'a Value, path: &str) {
        let schema = self.resolved(schema);
        let at = value.span().start;
        if let Some(choices) = alternatives(schema) {
            let choices: Vec<&Value> = choices.into_iter().map(|choice| self.resolved(choice)).collect();
            match &choices[..] {
                choices if choices.iter().all(|choice| tag(choice).is_some()) => self.tagged(value, choices, path),
                [only] => self.value(value, only, path),
                _ => self.one_of(value, &choices, path),
            }
            return;
        }
        let expected = types(schema);
        let found = json_type(value.get_ref());
        let is_whole = found == "integer" && expected.contains(&"number");
        if !expected.is_empty() && !expected.contains(&found) && !is_whole {
            let said = match expected[0] {
                "array" if found == "object" => format!("expected an array of tables, as [[{path}]]"),
                name => format!("expected {}", with_article(name)),
            };
            self.wrong(at, format!("`{path}` is {}", with_article(value.get_ref().type_str())), said);
            return;
        }
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, at, schema, path),
            DeValue::Array(array) => {
                for item in array {
                    if let Some(items) = schema.get("items") {
                        self.value(item, items, path);
                    }
                }
            }
            DeValue::Integer(integer) => {
                let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
                let minimum = schema.get("minimum").and_then(Value::as_i64).map(i128::from);
                if let (Some(number), Some(minimum)) = (number, minimum)
                    && number < minimum
                {
                    self.wrong(at, format!("`{path}` is {number}"), format!("expected {minimum} or more"));
                }
            }
            _ => {}
        }
    }

    fn table(&mut self, table: &DeTable<'_>, at: usize, schema: &'a Value, path: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let known: Vec<&str> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match properties.and_then(|properties| properties.get(name)) {
                Some(schema) => {
                    let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                    self.value(value, schema, &path);
                }
                None => self.unknown_key(key.span().start, name, &known),
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(name) {
                self.wrong(at, format!("`{path}` has no `{name}`"), "it must have one".to_owned());
            }
        }
    }

    /// A table of one kind of several, told by its key `source`.
    fn tagged(&mut self, value: &Spanned<DeValue<'_>>, choices: &[&'a Value], path: &str) {
        let tags: Vec<&str> = choices.iter().filter_map(|choice| tag(choice)).collect();
        let at = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            let wrong = format!("`{path}` is {}", with_article(value.get_ref().type_str()));
            return self.wrong(at, wrong, format!("expected tables, as [[{path}]]"));
        };
        let Some(named) = table.get(TAG) else {
            return self.wrong(at, format!("`{path}` has no `{TAG}`"), format!("expected one of {}", tags.join(", ")));
        };
        if let Some(choice) = choices.iter().find(|choice| tag(choice) == named.get_ref().as_str()) {
            return self.table(table, at, choice, path);
        }
        let name = named.get_ref().as_str().unwrap_or_default();
        let right = nearest(name, tags.iter().copied())
            .map_or_else(|| format!("expected one of {}", tags.join(", ")), |near| format!("did you mean `{near}`?"));
        self.wrong(named.span().start, format!("`{path}.{TAG}` is `{name}`"), right);
    }

    /// A word of several, or a table with one key of several.
    fn one_of(&mut self, value: &Spanned<DeValue<'_>>, choices: &[&'a Value], path: &str) {
        let at = value.span().start;
        let words: Vec<&str> = choices.iter().flat_map(|choice| words(choice)).collect();
        let keyed = |choice: &&'a Value| choice.get("properties")?.as_object()?.iter().next();
        let keys: Vec<(&String, &Value)> = choices.iter().filter_map(keyed).collect();
        let names: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
        match value.get_ref() {
            DeValue::String(word) if words.contains(&word.as_ref()) => {}
            DeValue::String(word) if !words.is_empty() => {
                let right = nearest(word, words.iter().copied()).map_or_else(
                    || format!("expected one of {}", words.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                self.wrong(at, format!("`{path}` is `{word}`"), right);
            }
            DeValue::Table(table) if !names.is_empty() => {
                for (key, inner) in table {
                    match keys.iter().find(|(name, _)| name.as_str() == key.get_ref()) {
                        Some((name, schema)) => self.value(inner, schema, &format!("{path}.{name}")),
                        None => self.unknown_key(key.span().start, key.get_ref(), &names),
                    }
                }
                if table.len() != 1 {
                    let right = format!("expected exactly one of {}", names.join(", "));
                    self.wrong(at, format!("`{path}` has {} keys", table.len()), right);
                }
            }
            other => {
                let right = if words.is_empty() {
                    format!("expected a table with one of {}", names.join(", "))
                } else {
                    format!("expected one of {}", words.join(", "))
                };
                self.wrong(at, format!("`{path}` is {}", with_article(other.type_str())), right);
            }
        }
    }

    fn unknown_key(&mut self, at: usize, name: &str, known: &[&str]) {
        let right = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it takes none".to_owned(),
            None => format!("it takes {}", known.join(", ")),
        };
        self.wrong(at, format!("`{name}` is not a key here"), right);
    }

    fn wrong(&mut self, at: usize, wrong: String, right: String) {
        self.mistakes.push(Mistake::error(at, wrong, right));
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
        name.and_then(|name| self.root.get("$defs")?.get(name)).unwrap_or(schema)
    }
}

/// The key that tells kinds of tables apart.
const TAG: &str = "source";

/// The kind that a schema of a table is for.
fn tag(schema: &Value) -> Option<&str> {
    schema.get("properties")?.get(TAG)?.get("const")?.as_str()
}

/// What a schema may be one of, `null` aside: TOML has none.
fn alternatives(schema: &Value) -> Option<Vec<&Value>> {
    let choices = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    Some(choices.iter().filter(|choice| choice.get("type").and_then(Value::as_str) != Some("null")).collect())
}

/// The words that a schema of words takes.
fn words(schema: &Value) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    listed.chain(schema.get("const")).filter_map(Value::as_str).collect()
}

fn types(schema: &Value) -> Vec<&str> {
    let named = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name.as_str()],
        _ => Vec::new(),
    };
    named.into_iter().filter(|name| *name != "null").collect()
}

fn json_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) | DeValue::Datetime(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn with_article(name: &str) -> String {
    match name {
        "object" => "a table".to_owned(),
        "integer" | "array" => format!("an {name}"),
        name => format!("a {name}"),
    }
}
