// What Grafana makes of our answers. usage: node run.mjs ADDRESS
// 1. Each query of each dashboard, with Grafana's macros filled in, against the running server: the shape that the
//    Infinity data source needs (a flat array, one type a key, RFC 3339 times in order, the columns that are named).
// 2. The JSON data source's protocol: our answers through Grafana's own `toDataFrame`.
// No real Grafana runs here: it is in no registry.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { JSDOM } from "jsdom";

const address = process.argv[2];
const folder = new URL("../../dashboards/grafana/", import.meta.url);
const to = new Date((await get("/api/v1/summary")).meta.complete_through);
const from = new Date(to - 90 * 86_400_000);

async function get(path) {
  const response = await fetch(address + path);
  const body = await response.text();
  assert.equal(response.status, 200, `GET ${path}: ${body}`);
  return JSON.parse(body);
}

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(address + path, { method: "POST", headers, body: body === undefined ? "" : JSON.stringify(body) });
  const text = await response.text();
  assert.equal(response.status, 200, `POST ${path}: ${text}`);
  return JSON.parse(text);
}

// --- the dashboards' queries

// A service with something to show in every panel: the one that failed most often.
const period = `from=${from.toISOString()}&to=${to.toISOString()}`;
const rates = (await get(`/api/v1/metrics/change-fail-rate?bucket=all&group_by=service&${period}`)).data;
const [{ service }] = rates.toSorted((a, b) => (b.numerator ?? 0) - (a.numerator ?? 0));
const known = (await get("/api/v1/variables/teams")).data.map(({ __value }) => __value);
const macros = (teams) => ({
  "${__timeFrom:date:iso}": from.toISOString(),
  "${__timeTo:date:iso}": to.toISOString(),
  "${team:csv}": teams.join(","),
  "${service:csv}": service,
});
const filled = (value, teams) => Object.entries(macros(teams)).reduce((text, [macro, meant]) => text.replaceAll(macro, meant), value);

function* queries(of) {
  if (Array.isArray(of)) for (const item of of) yield* queries(item);
  else if (of && typeof of === "object") {
    if (of.url_options) yield of;
    else for (const value of Object.values(of)) yield* queries(value);
  }
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const empty = [];
let asked = 0;

async function check(file, query, teams) {
  const params = new URLSearchParams(query.url_options.params.map(({ key, value }) => [key, filled(value, teams)]));
  assert.ok(![...params.values()].some((value) => value.includes("$")), `${file}: a macro is left in ${params}`);
  const path = `${query.url}?${params}`;
  const { data } = await get(path);
  asked += 1;
  if (data.length === 0) empty.push(`${file}: ${path}`);
  const types = {};
  for (const row of data) {
    for (const [key, value] of Object.entries(row)) {
      if (value === null) continue;
      assert.ok(["string", "number", "boolean"].includes(typeof value), `${path}: ${key} is not flat`);
      types[key] ??= typeof value;
      assert.equal(typeof value, types[key], `${path}: ${key} has two types`);
    }
    for (const { selector, type } of query.columns) {
      assert.ok(selector in row, `${path}: there is no column ${selector}`);
      const wanted = type === "timestamp" ? "string" : type;
      if (row[selector] !== null) assert.equal(typeof row[selector], wanted, `${path}: ${selector}`);
      if (type === "timestamp" && row[selector] !== null) assert.match(row[selector], TIME);
    }
  }
  // Those below the chosen ones too, but not all.
  const named = new Set(data.map((row) => row.team));
  assert.ok(teams.length === 0 || named.size < known.length, `${path}: teams that nobody chose`);
  if (query.format !== "table") {
    const times = data.map((row) => Date.parse(row.time));
    assert.deepEqual(times, times.toSorted((a, b) => a - b), `${path}: not in order of time`);
  }
}

for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
  const dashboard = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  assert.equal(dashboard.schemaVersion, 42);
  for (const query of queries(dashboard)) {
    await check(file, query, []);
    // Nothing chosen is everything, several teams are a list.
    if (query.url_options.params.some(({ value }) => value === "${team:csv}")) await check(file, query, known.slice(0, 12));
  }
}
assert.deepEqual(empty, [], "a dashboard has a panel without data");
console.log(`  ${asked} queries of the dashboards have the shape that Infinity needs`);

// --- the JSON data source

const { window } = new JSDOM("<html></html>", { url: "http://localhost/" });
for (const name of ["document", "HTMLElement", "Element", "Node", "localStorage"]) globalThis[name] = window[name];
globalThis.window = window;
const { toDataFrame } = createRequire(import.meta.url)("@grafana/data");

assert.equal((await fetch(`${address}/grafana`)).status, 200);
assert.equal((await fetch(`${address}/grafana/`)).status, 200);
const metrics = await post("/grafana/metrics", {});
const range = { from: from.toISOString(), to: to.toISOString() };
const targets = metrics.map(({ value }, at) => ({ refId: `Q${at}`, target: value, payload: { bucket: "week" } }));
const answers = await post("/grafana/query", { range, intervalMs: 86_400_000, targets });
assert.deepEqual(new Set(answers.map((answer) => answer.refId)), new Set(targets.map((target) => target.refId)));
const frames = answers.map(toDataFrame);
for (const [at, frame] of frames.entries()) {
  assert.equal(frame.refId, answers[at].refId);
  assert.ok(frame.length > 0, `${answers[at].refId} is empty`);
  assert.equal(frame.fields[0].type, "time");
  for (const field of frame.fields) assert.equal(field.values.length, frame.length);
}
const lead = targets.find(({ target }) => target === "change-lead-time").refId;
const series = await get(`/api/v1/metrics/change-lead-time?bucket=week&from=${range.from}&to=${range.to}`);
const ours = series.data.map((row) => [Date.parse(row.time), row.value]);
const theirs = frames.find((frame) => frame.refId === lead).fields;
assert.deepEqual(theirs[0].values.map((time, at) => [time, theirs[1].values[at]]), ours, "Grafana reads the numbers that the API gives");

const team = (await post("/grafana/variable", { payload: { target: "teams" } }))[0].__value;
const one = (payload, filters) => post("/grafana/query", { range, filters, targets: [{ refId: "A", target: "deployment-frequency", payload: { bucket: "all", ...payload } }] });
const whole = (await one({}))[0].datapoints[0][0];
const narrowed = (await one({ team: `(${team})` }))[0].datapoints[0][0];
assert.ok(narrowed > 0 && narrowed < whole, `${team}: ${narrowed} of ${whole}`);
assert.equal((await one({}, [{ key: "team", operator: "=", value: team }]))[0].datapoints[0][0], narrowed);
assert.ok((await one({ group_by: "team" })).length > 1, "a line a team");
assert.equal(toDataFrame((await one({ format: "table" }))[0]).fields[0].type !== undefined, true);
assert.deepEqual((await post("/grafana/tag-keys")).map(({ text }) => text), ["team", "service", "environment", "repository"]);
assert.ok((await post("/grafana/tag-values", { key: "team" })).some(({ text }) => text === team));
assert.ok((await post("/grafana/search", { target: "lead" })).includes("change-lead-time"));
assert.ok((await post("/grafana/metric-payload-options", { metric: "change-lead-time", name: "bucket" })).length > 3);
const marks = await post("/grafana/annotations", { range, annotation: { name: "x", query: "failures" } });
assert.ok(marks.length > 0 && marks.every(({ time, title, tags }) => Number.isInteger(time) && title && Array.isArray(tags)));
const unknown = await fetch(`${address}/grafana/query`, { method: "POST", body: JSON.stringify({ targets: [{ target: "mttr" }] }) });
assert.equal(unknown.status, 422);
assert.match(await unknown.text(), /failed-deployment-recovery-time/);
console.log(`  ${frames.length} answers of the JSON data source are frames to Grafana's own code`);
