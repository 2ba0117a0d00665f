// The dashboards as Grafana's own types see them, by the TypeScript compiler: nothing that Grafana does not know, each value
// one of those that it knows, the options and fields of each panel those of its kind. usage: node types.mjs
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";

const folder = new URL("../../dashboards/grafana/", import.meta.url);
// Where the compiler finds the packages, and nobody looks for sources.
const work = new URL("node_modules/.dashboards/", import.meta.url);
mkdirSync(work, { recursive: true });

const kinds = {
  stat: { options: "StatPanelCfg", custom: "Record<string, never>" },
  table: { options: "TablePanelCfg", custom: "schema.TableFieldOptions" },
  timeseries: { options: "TimeSeriesPanelCfg", custom: "schema.GraphFieldConfig" },
};
const head = [
  'import type * as schema from "@grafana/schema";',
  ...Object.entries(kinds).map(
    ([kind, { options }]) =>
      `import type { Options as ${kind}Options } from "@grafana/schema/dist/esm/raw/composable/${kind}/panelcfg/x/${options}_types.gen";`,
  ),
  // A file has words where Grafana's code has the names of an enumeration.
  "type Plain<T> = T extends string ? (string extends T ? string : `${T}`) : T extends (infer U)[] ? Plain<U>[]",
  "  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;",
  // What the Infinity data source reads, which Grafana's own types leave to it.
  "interface Column { selector: string; text: string; type: 'string' | 'number' | 'boolean' | 'timestamp' }",
  "interface Query extends schema.DataQuery {",
  "  type: 'json'; source: 'url'; parser: 'backend'; format: 'table' | 'timeseries' | 'dataframe'; url: string;",
  "  url_options: { method: 'GET'; data: string; params: { key: string; value: string }[] };",
  "  root_selector: string; columns: Column[]; filters: never[]; computed_columns: never[];",
  "}",
  "type Annotation = Omit<schema.AnnotationQuery, 'target'> & { target: Query };",
  "type Panel = Omit<Extract<schema.Panel, { targets?: unknown }>, 'targets'> & { targets: Query[] };",
  "type Asks = { query: { queryType: 'infinity'; refId: string; infinityQuery: Query } };",
  "type Variable = Omit<schema.VariableModel, 'query'> & (Asks | { query: string });",
  "type Imported = { __requires: { type: string; id: string; name: string; version: string }[] };",
  "type Dashboard = Omit<schema.Dashboard, 'annotations' | 'panels' | 'templating'> & Imported & {",
  "  annotations: { list: Annotation[] }; panels: Panel[]; templating: { list: Variable[] };",
  "};",
];

const shown = (value) => JSON.stringify(value, null, 1);
let panels = 0;
const files = readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => {
  const dashboard = JSON.parse(readFileSync(new URL(name, folder), "utf8"));
  const lines = [...head, `export const dashboard: Plain<Dashboard> = ${shown(dashboard)};`];
  for (const { id, type, options, fieldConfig } of dashboard.panels) {
    panels += 1;
    lines.push(`export const options${id}: Plain<Partial<${type}Options>> = ${shown(options)};`);
    const custom = fieldConfig.defaults.custom ?? {};
    lines.push(`export const custom${id}: Plain<Partial<${kinds[type].custom}>> = ${shown(custom)};`);
  }
  const file = new URL(name.replace(".json", ".ts"), work);
  writeFileSync(file, lines.join("\n"));
  return file.pathname;
});
const compiler = new URL("node_modules/typescript/bin/tsc", import.meta.url).pathname;
const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
execFileSync(process.execPath, [compiler, ...flags, ...files], { stdio: "inherit" });
console.log(`  ${files.length} dashboards with ${panels} panels are of Grafana's own types`);
