//! Dashboards for Grafana, made of the same panels as the page: classic JSON (schemaVersion 42) over the Infinity data
//! source, one import each. Shapes: Grafana's dashboard schema and the plug-in's query model; facts found by trying are in
//! docs/grafana.md.

use serde_json::{Value, json};

use crate::panels::{Axis, Format, Mark, Panel, Series, Stroke, panels};

/// A dashboard's file name and content.
pub type File = (&'static str, Value);

/// The three dashboards.
pub fn dashboards() -> Vec<File> {
    vec![
        ("dashboards/grafana/overview.json", overview()),
        ("dashboards/grafana/teams.json", teams()),
        ("dashboards/grafana/service.json", service()),
    ]
}

/// The whole organisation, or some teams of it: the page's cards and trends, stages, and what happened.
fn overview() -> Value {
    let mut grid = Grid::default();
    let overview = &panels().dashboards[0].panels;
    for panel in overview {
        match panel {
            Panel::Card { metric, title, value, format, .. } => {
                grid.add(4 + u32::from(grid.panels.len() >= 4) * 4, 4, stat(metric, title, value, *format, TEAMS));
            }
            Panel::Trend { metric, title, format, mark, axis, series, .. } => {
                grid.add(12, 8, trend(title, *format, *mark, *axis, &[target("A", metric, TEAMS, series, None)]));
            }
        }
    }
    grid.add(12, 8, stages(TEAMS));
    dashboard("dorado-overview", "Dorado: overview", variable("team", "Team", "teams", Choice::Several), TEAMS, &grid)
}

/// Teams side by side: a metric each, a line a team. In order of their names, and never a ranking of people.
fn teams() -> Value {
    let mut grid = Grid::default();
    for panel in &panels().dashboards[0].panels {
        if let Panel::Trend { metric, title, format, mark, axis, series, .. } = panel {
            // The main line alone: bands of ten teams hide each other.
            let main: Vec<Series> = series.iter().filter(|line| line.stroke == Stroke::Main).cloned().collect();
            grid.add(24, 8, trend(title, *format, *mark, *axis, &[target("A", metric, TEAMS, &main, Some("team"))]));
        }
    }
    dashboard(
        "dorado-teams",
        "Dorado: teams compared",
        variable("team", "Team", "teams", Choice::Several),
        TEAMS,
        &grid,
    )
}

/// One service: its trends, its stages, its deployments.
fn service() -> Value {
    let mut grid = Grid::default();
    for panel in &panels().dashboards[0].panels {
        if let Panel::Trend { metric, title, format, mark, axis, series, .. } = panel {
            grid.add(12, 8, trend(title, *format, *mark, *axis, &[target("A", metric, SERVICE, series, None)]));
        }
    }
    grid.add(12, 8, stages(SERVICE));
    grid.add(24, 10, deployments());
    dashboard(
        "dorado-service",
        "Dorado: one service",
        variable("service", "Service", "services", Choice::One),
        SERVICE,
        &grid,
    )
}

/// A filter: the API's parameter and Grafana's variable.
type Filter = (&'static str, &'static str);

const TEAMS: Filter = ("team", "${team:csv}");
const SERVICE: Filter = ("service", "${service:csv}");

/// Whether one value of a variable is chosen, or several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    One,
    Several,
}

/// Panels in rows of 24 columns.
#[derive(Default)]
struct Grid {
    panels: Vec<Value>,
    x: u32,
    y: u32,
    height: u32,
}

impl Grid {
    fn add(&mut self, width: u32, height: u32, mut panel: Value) {
        if self.x + width > 24 {
            self.x = 0;
            self.y += self.height;
            self.height = 0;
        }
        panel["id"] = json!(self.panels.len() + 1);
        panel["gridPos"] = json!({"x": self.x, "y": self.y, "w": width, "h": height});
        self.x += width;
        self.height = self.height.max(height);
        self.panels.push(panel);
    }
}

fn dashboard(uid: &str, title: &str, variable: Value, filter: Filter, grid: &Grid) -> Value {
    let variables = [data_source_variable(), variable];
    json!({
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "11.6.0"},
            {"type": "datasource", "id": PLUGIN, "name": "Infinity", "version": "3.0.0"}
        ],
        "uid": uid,
        "title": title,
        "description": "DORA metrics by Dorado. Made from dashboards/panels.json: change it there.",
        "tags": ["dora", "dorado"],
        "schemaVersion": 42,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "time": {"from": "now-90d", "to": "now"},
        "timepicker": {},
        "timezone": "utc",
        "refresh": "",
        "links": [],
        "templating": {"list": variables},
        "annotations": {"list": [
            annotation("Failed deployments", "failures", "red", filter),
            annotation("Incidents", "incidents", "orange", filter),
            annotation("Deployments", "deployments", "blue", filter),
        ]},
        "panels": grid.panels,
    })
}

const PLUGIN: &str = "yesoreyeram-infinity-datasource";

/// What is chosen by [`data_source_variable`].
fn data_source() -> Value {
    json!({"type": PLUGIN, "uid": "${datasource}"})
}

/// Which Infinity data source asks Dorado: the provisioned one, else the first. It is a variable and no input of the
/// import, because Grafana asks nobody for inputs where it reads dashboards from a folder.
fn data_source_variable() -> Value {
    json!({
        "type": "datasource", "name": "datasource", "label": "Data source", "query": PLUGIN,
        "current": {"selected": true, "text": "Dorado", "value": "dorado"},
        "refresh": 1, "multi": false, "includeAll": false, "hide": 0, "regex": "", "skipUrlSync": false, "options": [],
    })
}

/// A question to the API: its parameters beside the dashboard's period, and the columns of its answer by type.
fn question(
    ref_id: &str,
    path: &str,
    format: &str,
    parameters: &[(&str, &str)],
    columns: &[(&str, &str, &str)],
) -> Value {
    let period = [("from", "${__timeFrom:date:iso}"), ("to", "${__timeTo:date:iso}")];
    let parameters: Vec<Value> =
        period.iter().chain(parameters).map(|(key, value)| json!({"key": key, "value": value})).collect();
    let columns: Vec<Value> = columns
        .iter()
        .map(|(selector, text, kind)| json!({"selector": selector, "text": text, "type": kind}))
        .collect();
    json!({
        "refId": ref_id, "type": "json", "source": "url", "parser": "backend", "format": format, "url": path,
        "url_options": {"method": "GET", "data": "", "params": parameters},
        "root_selector": "data", "columns": columns, "filters": [], "computed_columns": [],
    })
}

fn target(ref_id: &str, metric: &str, filter: Filter, series: &[Series], group: Option<&str>) -> Value {
    let mut parameters = vec![filter, ("bucket", "week")];
    let mut columns = vec![("time", "Time", "timestamp")];
    if let Some(group) = group {
        parameters.push(("group_by", group));
        columns.push((group, "Team", "string"));
    }
    columns.extend(series.iter().map(|line| (line.field.as_str(), line.label.as_str(), "number")));
    let mut target = question(ref_id, &format!("/api/v1/metrics/{metric}"), "timeseries", &parameters, &columns);
    target["datasource"] = data_source();
    target
}

fn unit(format: Format) -> &'static str {
    match format {
        Format::Count | Format::Frequency => "short",
        Format::Duration => "s",
        Format::Rate => "percentunit",
    }
}

fn stat(metric: &str, title: &str, field: &str, format: Format, filter: Filter) -> Value {
    let path = format!("/api/v1/metrics/{metric}");
    let columns = [(field, title, "number")];
    let mut target = question("A", &path, "table", &[filter, ("bucket", "all")], &columns);
    target["datasource"] = data_source();
    let title = if format == Format::Frequency { format!("{title} (a day)") } else { title.to_owned() };
    json!({
        "type": "stat", "title": title, "datasource": data_source(), "targets": [target],
        "fieldConfig": {"defaults": {"unit": unit(format), "noValue": "not enough data", "decimals": 1,
            "color": {"mode": "fixed", "fixedColor": "text"}}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false}, "graphMode": "none",
            "colorMode": "value", "textMode": "value"},
    })
}

fn trend(title: &str, format: Format, mark: Mark, axis: Axis, targets: &[Value]) -> Value {
    let style = if mark == Mark::Bars { "bars" } else { "line" };
    let points = if mark == Mark::Bars { "never" } else { "always" };
    let mut defaults = json!({"unit": unit(format), "custom": {
        "drawStyle": style, "fillOpacity": if mark == Mark::Bars { 80 } else { 0 }, "lineWidth": 2, "pointSize": 6,
        // What is unknown is a gap.
        "showPoints": points, "spanNulls": false}});
    if axis != Axis::Duration {
        defaults["min"] = json!(0);
    }
    json!({
        "type": "timeseries", "title": title, "datasource": data_source(), "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"}},
    })
}

fn stages(filter: Filter) -> Value {
    let columns = [("time", "Time", "timestamp"), ("stage", "Stage", "string"), ("value", "Median", "number")];
    let mut target = question("A", "/api/v1/stages", "timeseries", &[filter, ("bucket", "week")], &columns);
    target["datasource"] = data_source();
    trend("Stages of lead time", Format::Duration, Mark::Line, Axis::Duration, &[target])
}

fn deployments() -> Value {
    let columns = [
        ("finished_at", "Finished", "timestamp"),
        ("environment", "Environment", "string"),
        ("version", "Version", "string"),
        ("status", "Status", "string"),
        ("n_changes", "Changes", "number"),
        ("failed", "Failed", "boolean"),
        ("failure_rule", "How we know", "string"),
        ("recovered_at", "Recovered", "timestamp"),
        ("url", "Link", "string"),
    ];
    let mut target = question("A", "/api/v1/deployments", "table", &[SERVICE, ("limit", "100")], &columns);
    target["datasource"] = data_source();
    json!({
        "type": "table", "title": "Deployments, newest first", "datasource": data_source(), "targets": [target],
        "fieldConfig": {"defaults": {"custom": {"align": "auto"}}, "overrides": []},
        "options": {"showHeader": true, "cellHeight": "sm"},
    })
}

fn variable(name: &str, label: &str, names: &str, choice: Choice) -> Value {
    let columns = [("__text", "__text", "string"), ("__value", "__value", "string")];
    let mut asked = question("variable", &format!("/api/v1/variables/{names}"), "table", &[], &columns);
    asked["url_options"]["params"] = json!([]);
    let several = choice == Choice::Several;
    let mut variable = json!({
        "type": "query", "name": name, "label": label, "datasource": data_source(),
        "query": {"queryType": "infinity", "refId": "variable", "infinityQuery": asked},
        "refresh": 1, "sort": 1, "multi": several, "includeAll": several, "hide": 0, "regex": "", "skipUrlSync": false,
        "options": [],
    });
    if several {
        // No choice at all is no filter.
        variable["allValue"] = json!("");
        variable["current"] = json!({"selected": true, "text": ["All"], "value": ["$__all"]});
    }
    variable
}

fn annotation(name: &str, kind: &str, color: &str, filter: Filter) -> Value {
    let columns = [
        ("time", "time", "timestamp"),
        ("timeEnd", "timeEnd", "timestamp"),
        ("title", "title", "string"),
        ("text", "text", "string"),
        ("tags", "tags", "string"),
    ];
    json!({
        "name": name, "datasource": data_source(), "enable": kind != "deployments", "hide": false, "iconColor": color,
        "target": question("annotation", "/api/v1/annotations", "dataframe", &[filter, ("kind", kind)], &columns),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Every query of a dashboard, wherever it is.
    fn queries(of: &Value, found: &mut Vec<Value>) {
        match of {
            Value::Object(map) if map.contains_key("url_options") => found.push(of.clone()),
            Value::Object(map) => map.values().for_each(|value| queries(value, found)),
            Value::Array(items) => items.iter().for_each(|value| queries(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_query_is_read_by_the_back_end_with_typed_columns() {
        for (name, dashboard) in dashboards() {
            let mut found = Vec::new();
            queries(&dashboard, &mut found);
            assert!(found.len() >= 8, "{name}: {}", found.len());
            for query in found {
                assert_eq!(query["parser"], "backend", "{name}: alerts need it, and nulls stay nulls");
                assert!(!query["columns"].as_array().unwrap().is_empty(), "{name}: {query}");
                assert!(query["url"].as_str().unwrap().starts_with("/api/v1/"), "{name}: {query}");
            }
        }
    }

    #[test]
    fn whatever_asks_asks_the_data_source_that_is_chosen() {
        let provisioned = include_str!("../grafana/provisioning/datasources/dorado.yaml");
        for (name, dashboard) in dashboards() {
            let text = dashboard.to_string();
            assert!(
                !text.contains("__inputs") && !text.contains("DS_"),
                "{name}: a folder's dashboards have no inputs"
            );
            let variables = dashboard["templating"]["list"].as_array().unwrap();
            let current = variables[0]["current"]["value"].as_str().unwrap();
            assert_eq!(variables[0]["type"], "datasource", "{name}: before what it is needed for");
            assert!(provisioned.contains(&format!("uid: {current}\n")) && provisioned.contains(PLUGIN), "{current}");
            let lists =
                ["panels", "annotations"].map(|key| dashboard[key].as_array().or(dashboard[key]["list"].as_array()));
            for asking in lists.into_iter().flatten().flatten().chain(&variables[1..]) {
                assert_eq!(asking["datasource"]["uid"], "${datasource}", "{name}: {asking}");
            }
        }
    }

    #[test]
    fn panels_do_not_lie_on_each_other() {
        for (name, dashboard) in dashboards() {
            let mut taken = std::collections::HashSet::new();
            for panel in dashboard["panels"].as_array().unwrap() {
                let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
                for x in at("x")..at("x") + at("w") {
                    for y in at("y")..at("y") + at("h") {
                        assert!(x < 24 && taken.insert((x, y)), "{name}: {}", panel["title"]);
                    }
                }
            }
        }
    }
}
