// Holds our queries against GitHub's own schema, and sends every example payload that GitHub's maintainers collect to a
// running server: none may be refused, and none be unreadable.
//
//   node check.mjs ADDRESS SECRET

import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { validate } from '@octokit/graphql-schema';

const require = createRequire(import.meta.url);
const [address, secret] = process.argv.slice(2);
const wrong = [];

for (const name of ['pulls', 'commits']) {
  const query = readFileSync(new URL(`../../../ingest/src/source/github/collect/${name}.graphql`, import.meta.url), 'utf8');
  for (const error of validate(query)) wrong.push(`${name}.graphql: ${error.message}`);
}

let sent = 0;
let facts = 0;
const kinds = {};
for (const edition of ['api.github.com', 'ghes-35']) {
  for (const { name, examples } of require(`@octokit/webhooks-examples/${edition}/index.json`)) {
    for (const [n, example] of examples.entries()) {
      const body = JSON.stringify(example);
      const answer = await fetch(`${address}/webhooks`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-github-event': name,
          'x-github-delivery': `${edition}-${name}-${n}`,
          'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
        },
        body,
      });
      const told = await answer.json();
      sent += 1;
      if (answer.status !== 202) wrong.push(`${edition} ${name} ${n}: ${answer.status} ${JSON.stringify(told)}`);
      else if (told.n_facts === 0 && !told.ignored) wrong.push(`${edition} ${name} ${n}: no facts and no reason`);
      facts += told.n_facts ?? 0;
      for (const fact of told.facts ?? []) kinds[fact.kind] = (kinds[fact.kind] ?? 0) + 1;
    }
  }
}

const settled = async () => {
  const ready = await (await fetch(`${address}/readyz`)).json();
  return ready.n_waiting === 0 && ready.gold_lag_arrivals === 0;
};
while (!(await settled())) await new Promise((done) => setTimeout(done, 100));
const { data } = await (await fetch(`${address}/api/v1/deliveries?outcome=rejected&limit=1000`)).json();
for (const row of data) wrong.push(`${row.id} could not be read: ${row.why_none}`);
for (const kind of ['change', 'pull_request', 'deployment']) if (!kinds[kind]) wrong.push(`no example gave a ${kind}`);

if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
console.log(`${sent} example payloads gave ${facts} facts: ${JSON.stringify(kinds)}; both queries are valid`);
