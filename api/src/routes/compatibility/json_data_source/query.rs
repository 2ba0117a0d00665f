//! The panels' questions, and their answers as time series, tables and frames.

use chrono::DateTime;
use dorado_query::{Answer, Asked, Question, Row};
use serde_json::{Value, json};

use super::request::{AdHocFilter, AnnotationRequest, QueryRequest, Range, TargetRequest};
use super::target::{TARGETS, Target};
use crate::access::Reader;
use crate::api::Api;
use crate::names::Names;
use crate::problem::{Kind, Problem};
use crate::routes::annotations::{Annotation, What, happened};

/// Queries of one request at most.
const TARGETS_AT_MOST: usize = 100;

/// Answers each query of a panel, in their order.
pub(super) async fn answers(api: &Api, reader: &Reader, asked: &QueryRequest) -> Result<Vec<Value>, Problem> {
    let targets = asked.targets.as_deref().unwrap_or_default();
    if targets.len() > TARGETS_AT_MOST {
        return Err(Problem::new(Kind::InvalidBody, format!("{} queries at once", targets.len()))
            .parameter("targets")
            .expected(format!("at most {TARGETS_AT_MOST}")));
    }
    // Also where nothing is asked yet, so that a wrong filter shows at once.
    let mut narrowed = Asked::default();
    asked.filters.iter().flatten().try_for_each(|filter| narrow(&mut narrowed, filter))?;
    let mut answers = Vec::new();
    for request in targets.iter().filter(|target| !target.hide) {
        // A panel that somebody is still editing has a query without a target.
        let Some(id) = request.target.as_deref().filter(|id| !id.is_empty()) else { continue };
        let target = Target::find(id).ok_or_else(|| unknown_target(id))?;
        let asked = question_of(asked, request)?;
        answers.extend(answer(api, reader, target, &asked, request).await?);
    }
    Ok(answers)
}

async fn answer(
    api: &Api,
    reader: &Reader,
    target: Target,
    asked: &Asked,
    request: &TargetRequest,
) -> Result<Vec<Value>, Problem> {
    let question = Question::new(asked, reader.audience.clone(), api.end_of_minute())?;
    let group = question.group_by.map(dorado_query::GroupBy::as_str);
    let ref_id = request.ref_id.as_deref();
    let (answer, split) = match target {
        Target::Happened(what) => {
            let annotations = happened(api, question, what).await?;
            return Ok(vec![frame(&annotations, what, ref_id)]);
        }
        Target::Metric(metric) => {
            (api.ask(move |engine| async move { engine.series(metric, &question).await }).await?, None)
        }
        Target::Stages => (api.ask(move |engine| async move { engine.stages(&question).await }).await?, Some("stage")),
    };
    let format = text(&request.payload, "format")?.unwrap_or_else(|| "time_series".to_owned());
    if !["time_series", "table"].contains(&format.as_str()) {
        return Err(Problem::new(Kind::InvalidParameter, "there is no such format")
            .parameter("format")
            .value(format)
            .expected("time_series or table"));
    }
    if format == "table" || request.r#type.as_deref() == Some("table") {
        return Ok(vec![table(&answer, ref_id)]);
    }
    let field = text(&request.payload, "field")?.unwrap_or_else(|| "value".to_owned());
    series(&answer, &Shape { target, field: &field, keys: [group, split], ref_id })
}

/// How rows become lines.
struct Shape<'a> {
    target: Target,
    field: &'a str,
    /// Columns that tell lines apart.
    keys: [Option<&'static str>; 2],
    ref_id: Option<&'a str>,
}

fn series(answer: &Answer, shape: &Shape<'_>) -> Result<Vec<Value>, Problem> {
    let mut lines: Vec<(String, Vec<Value>)> = Vec::new();
    for row in &answer.data {
        let Some(value) = row.get(shape.field).filter(|value| value.is_number() || value.is_null()) else {
            let known: Vec<&str> =
                row.iter().filter(|(_, v)| v.is_number() || v.is_null()).map(|(key, _)| key.as_str()).collect();
            return Err(Problem::new(Kind::InvalidParameter, "the answer has no number of this name")
                .parameter("field")
                .value(shape.field)
                .expected(format!("one of {}", known.join(", "))));
        };
        let name = line_name(row, shape);
        let point = json!([value, time_of(row)]);
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(point),
            None => lines.push((name, vec![point])),
        }
    }
    let line =
        |(name, points): (String, Vec<Value>)| json!({"target": name, "refId": shape.ref_id, "datapoints": points});
    Ok(lines.into_iter().map(line).collect())
}

fn line_name(row: &Row, shape: &Shape<'_>) -> String {
    let parts: Vec<&str> = shape.keys.iter().flatten().map(|key| row[*key].as_str().unwrap_or("unknown")).collect();
    let mut name = if parts.is_empty() { shape.target.title().to_owned() } else { parts.join(" · ") };
    if shape.field != "value" {
        name = format!("{name} ({})", shape.field);
    }
    name
}

/// Milliseconds since 1970.
fn time_of(row: &Row) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(row.get("time")?.as_str()?).ok()?.timestamp_millis())
}

fn table(answer: &Answer, ref_id: Option<&str>) -> Value {
    let names: Vec<&String> = answer.data.first().map(|row| row.keys().collect()).unwrap_or_default();
    let kind = |name: &str| {
        let first = answer.data.iter().find_map(|row| row.get(name).filter(|value| !value.is_null()));
        match first {
            _ if name == "time" => "time",
            Some(Value::String(_)) => "string",
            Some(Value::Bool(_)) => "boolean",
            _ => "number",
        }
    };
    let columns: Vec<Value> = names.iter().map(|name| json!({"text": name, "type": kind(name)})).collect();
    let cell = |row: &Row, name: &String| if name == "time" { json!(time_of(row)) } else { row[name].clone() };
    let rows: Vec<Value> = answer.data.iter().map(|row| names.iter().map(|name| cell(row, name)).collect()).collect();
    json!({"type": "table", "refId": ref_id, "columns": columns, "rows": rows})
}

fn frame(annotations: &[Annotation], what: What, ref_id: Option<&str>) -> Value {
    let millis = |at: &Option<String>| {
        at.as_deref().and_then(|at| DateTime::parse_from_rfc3339(at).ok()).map(|at| at.timestamp_millis())
    };
    let column = |name: &str, kind: &str, values: Vec<Value>| json!({"name": name, "type": kind, "values": values});
    let all = |cell: &dyn Fn(&Annotation) -> Value| annotations.iter().map(cell).collect::<Vec<_>>();
    json!({"refId": ref_id, "name": what.title(), "fields": [
        column("time", "time", all(&|a| json!(millis(&Some(a.time.clone()))))),
        column("timeEnd", "time", all(&|a| json!(millis(&a.time_end)))),
        column("title", "string", all(&|a| json!(a.title))),
        column("text", "string", all(&|a| json!(a.text))),
        column("tags", "string", all(&|a| json!(a.tags))),
    ]})
}

/// The annotations that an older client asks for.
pub(super) async fn annotations(api: &Api, reader: &Reader, asked: &AnnotationRequest) -> Result<Vec<Value>, Problem> {
    let query = asked.annotation.as_ref().and_then(|annotation| annotation.query.as_deref());
    let what = match query.map(str::trim).filter(|query| !query.is_empty()) {
        None => What::Deployments,
        Some(query) => What::find(query).ok_or_else(|| unknown_target(query))?,
    };
    let range = asked.range.clone().unwrap_or_default();
    let asked = Asked { from: range.from, to: range.to, ..Asked::default() };
    let question = Question::new(&asked, reader.audience.clone(), api.end_of_minute())?;
    let millis = |at: &str| DateTime::parse_from_rfc3339(at).ok().map(|at| at.timestamp_millis());
    let told = happened(api, question, what).await?.into_iter().map(|annotation| {
        json!({
            "time": millis(&annotation.time),
            "timeEnd": annotation.time_end.as_deref().and_then(millis),
            "title": annotation.title,
            "text": annotation.text,
            "tags": annotation.tags.split(',').filter(|tag| !tag.is_empty()).collect::<Vec<_>>(),
        })
    });
    Ok(told.collect())
}

/// The question of a query: its form's fields, the dashboard's period, zone and filters.
fn question_of(panel: &QueryRequest, request: &TargetRequest) -> Result<Asked, Problem> {
    let Range { from, to } = panel.range.clone().unwrap_or_default();
    let payload = &request.payload;
    let zone = panel.timezone.as_deref().filter(|zone| zone.contains('/'));
    let mut asked = Asked {
        from,
        to,
        bucket: text(payload, "bucket")?.or_else(|| panel.interval_ms.map(|width| bucket_of(width).to_owned())),
        tz: text(payload, "tz")?.or_else(|| zone.map(String::from)),
        service: several(&payload["service"]),
        team: several(&payload["team"]),
        repository: several(&payload["repository"]),
        environment: several(&payload["environment"]),
        group_by: text(payload, "group_by")?,
        pack: text(payload, "pack")?,
        ..Asked::default()
    };
    for filter in panel.filters.iter().flatten() {
        narrow(&mut asked, filter)?;
    }
    Ok(asked)
}

/// The widest of ours that is not wider than a point of the panel; at least a day.
fn bucket_of(interval_ms: f64) -> &'static str {
    const DAY: f64 = 86_400_000.0;
    match interval_ms / DAY {
        days if days >= 365.0 => "year",
        days if days >= 90.0 => "quarter",
        days if days >= 28.0 => "month",
        days if days >= 7.0 => "week",
        _ => "day",
    }
}

fn narrow(asked: &mut Asked, filter: &AdHocFilter) -> Result<(), Problem> {
    if filter.key.is_empty() {
        return Ok(());
    }
    if !["", "=", "=~", "=|"].contains(&filter.operator.as_str()) {
        return Err(Problem::new(Kind::InvalidParameter, "filters only choose; they leave nothing out")
            .parameter("operator")
            .value(&filter.operator)
            .expected("= or =~"));
    }
    let values = several(&json!(filter.value));
    let place = match Names::asked(&filter.key)? {
        Names::Teams => &mut asked.team,
        Names::Services => &mut asked.service,
        Names::Environments => &mut asked.environment,
        Names::Repositories => &mut asked.repository,
    };
    if place.is_empty() {
        *place = values;
    } else {
        place.retain(|value| values.contains(value));
        if place.is_empty() {
            // Two choices without anything in common: a name that nobody has.
            place.push("\u{0}".to_owned());
        }
    }
    Ok(())
}

/// A text of the form; none where it is empty.
fn text(payload: &Value, name: &str) -> Result<Option<String>, Problem> {
    match payload.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(other) => Err(Problem::new(Kind::InvalidParameter, "it is no text")
            .parameter(name)
            .value(other.to_string())
            .expected("a text, or nothing")),
    }
}

/// Several values as a dashboard writes them: a list, `(a|b)`, `{a,b}`, or one. Everything is no choice.
fn several(value: &Value) -> Vec<String> {
    if let Value::Array(items) = value {
        return items.iter().flat_map(several).collect();
    }
    let written = value.as_str().unwrap_or_default().trim();
    let inner = |open, close| written.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let values: Vec<&str> = match (inner('(', ')'), inner('{', '}')) {
        (Some(inside), _) => inside.split('|').collect(),
        (_, Some(inside)) => inside.split(',').collect(),
        _ => vec![written],
    };
    // A pattern escapes what is special in it; a name has no backslash.
    let plain = values.into_iter().map(|value| value.trim().replace('\\', ""));
    plain.filter(|value| !["", "$__all", ".*", "All"].contains(&value.as_str())).collect()
}

fn unknown_target(id: &str) -> Problem {
    let known: Vec<&str> = TARGETS.iter().map(Target::id).collect();
    Problem::new(Kind::InvalidParameter, "there is nothing of this name to ask")
        .parameter("target")
        .value(id)
        .expected(format!("one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_are_read_as_a_dashboard_writes_them() {
        for (written, values) in [
            (json!("(a|b)"), vec!["a", "b"]),
            (json!("{a,b}"), vec!["a", "b"]),
            (json!(["a", "b\\.c"]), vec!["a", "b.c"]),
            (json!("a"), vec!["a"]),
            (json!("$__all"), vec![]),
            (json!(null), vec![]),
            (json!(""), vec![]),
        ] {
            assert_eq!(several(&written), values, "{written}");
        }
    }

    #[test]
    fn a_bucket_is_never_wider_than_a_point() {
        for (days, bucket) in
            [(0.5, "day"), (6.9, "day"), (7.0, "week"), (31.0, "month"), (92.0, "quarter"), (366.0, "year")]
        {
            assert_eq!(bucket_of(days * 86_400_000.0), bucket, "{days}");
        }
    }

    #[test]
    fn a_filter_beside_a_choice_leaves_what_both_name() {
        let mut asked = Asked { team: vec!["a".to_owned(), "b".to_owned()], ..Asked::default() };
        let filter = |value: &str, operator: &str| AdHocFilter {
            key: "team".to_owned(),
            operator: operator.to_owned(),
            value: value.to_owned(),
        };
        assert!(narrow(&mut asked, &filter("b", "=")).is_ok());
        assert_eq!(asked.team, ["b"]);
        assert!(narrow(&mut asked, &filter("c", "=")).is_ok());
        assert_eq!(asked.team, ["\u{0}"], "no team at all, and not every team");
        assert!(narrow(&mut asked, &filter("b", "!=")).is_err());
    }
}
