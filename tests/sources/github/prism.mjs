// Holds every REST call of the collector against GitHub's own description of its API: Prism answers it from the
// description's examples, and refuses what the description does not allow. GraphQL has a schema of its own; here it is answered
// with nothing. A server of one's own is asked as such: REST in its folder, GraphQL beside it.
//
//   node prism.mjs DORADO FOLDER

import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

const require = createRequire(import.meta.url);
const [dorado, folder] = process.argv.slice(2);
const wrong = [];

/** Prism for one of the descriptions; its port and a way to end it. */
async function prism(description) {
  const cli = require.resolve('@stoplight/prism-cli/dist/index.js');
  const file = require.resolve(`@octokit/openapi/generated/${description}.json`);
  const port = await freePort();
  const running = spawn(process.execPath, [cli, 'mock', '--errors', '--port', port, '--host', '127.0.0.1', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (let tries = 0; ; tries += 1) {
    const up = await fetch(`http://127.0.0.1:${port}/meta`).catch(() => undefined);
    if (up) return { port, running };
    if (tries > 600 || running.exitCode !== null) throw new Error(`Prism does not serve ${description}`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(String(port)));
    });
  });
}

/** Stands before Prism: notes each call, answers GraphQL, and makes lists two pages long, as Prism's have no end. */
function front(port, rest, calls) {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const own = `http://127.0.0.1:${server.address().port}`;
    const url = new URL(request.url, own);
    if (url.pathname === (rest ? '/api/graphql' : '/graphql')) {
      const nodes = { pageInfo: { hasNextPage: false, endCursor: null }, nodes: [] };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ data: { repository: { nameWithOwner: null, pullRequests: nodes } } }));
      return;
    }
    const path = url.pathname.slice(rest.length);
    if (!url.pathname.startsWith(rest)) calls.push({ call: `${request.method} ${url.pathname}`, status: 'outside REST' });
    // GitHub recommends the media type that is asked for, and its description knows plain JSON only.
    if (!/^application\/vnd\.github\+json$/.test(request.headers.accept)) wrong.push(`${request.url} accepts ${request.headers.accept}`);
    const kept = Object.entries(request.headers).filter(([name]) => !['host', 'accept', 'connection'].includes(name));
    const headers = { ...Object.fromEntries(kept), accept: 'application/json' };
    const answer = await fetch(`http://127.0.0.1:${port}${path}${url.search}`, {
      method: request.method,
      headers,
      body: chunks.length > 0 ? Buffer.concat(chunks) : undefined,
    });
    const body = await answer.text();
    calls.push({ call: `${request.method} ${path}${url.search}`, status: answer.status, body });
    response.statusCode = answer.status;
    response.setHeader('content-type', answer.headers.get('content-type') ?? 'application/json');
    if (answer.headers.has('link') && !/[?&]page=2/.test(url.search)) {
      url.searchParams.set('page', '2');
      response.setHeader('link', `<${url}>; rel="next"`);
    }
    response.end(body);
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

async function collect({ description, rest, options, expected }) {
  const { port, running } = await prism(description);
  const calls = [];
  const server = await front(port, rest, calls);
  try {
    const home = `${folder}/${description}`;
    mkdirSync(home, { recursive: true });
    const config = `${home}/dorado.toml`;
    writeFileSync(
      config,
      `[[connection]]
source = "github"
url = "http://127.0.0.1:${server.address().port}${rest}"
since = "2000-01-01"
repositories = ["octocat/hello-world", "github/*"]
deployments = [{ deployments = {} }, { releases = {} }, { workflow = { name = "deploy.yml" } }, { workflow = { name = "Build" } }]
incident_labels = ["bug"]
hooks = ["octocat/hello-world/12", "github/7"]
${options(home)}
`,
    );
    const args = ['--config', config, '--data', `${home}/data`];
    const ran = await promisify(execFile)(dorado, ['collect', ...args], { env: { ...process.env, TOKEN: 'secret' } }).catch(
      (error) => error,
    );
    if (ran.code) wrong.push(`${description}: collecting failed: ${ran.stdout}${ran.stderr}`);
    for (const { call, status, body } of calls) {
      if (!(status < 400)) wrong.push(`${description}: ${call}: ${status} ${body}`);
    }
    for (const route of expected) {
      if (!calls.some(({ call }) => route.test(call))) wrong.push(`${description}: nothing asked for ${route}`);
    }
    // What is wrong is refused, so that the above says something.
    const refused = await fetch(`http://127.0.0.1:${port}/repos/octocat/hello-world/commits?per_page=many`);
    if (refused.status < 400) wrong.push(`${description}: Prism lets pass what is wrong: ${refused.status}`);
    await translated(description, config, `${home}/data`);
    return calls;
  } finally {
    server.close();
    running.kill();
  }
}

/** The examples that were collected can be read, and say something of each kind. */
async function translated(description, config, data) {
  const args = ['serve', '--config', config, '--data', data, '--listen', '127.0.0.1:0'];
  const server = spawn(dorado, args, { env: { ...process.env, TOKEN: 'secret' }, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const address = await new Promise((done, failed) => {
      let said = '';
      server.on('exit', () => failed(new Error(`the server ended: ${said}`)));
      server.stdout.on('data', (chunk) => {
        said += chunk;
        const found = /listening on (\S+)/.exec(said);
        if (found) done(found[1]);
      });
    });
    const rows = async (path) => (await (await fetch(`${address}/api/v1/${path}`)).json()).data;
    for (const row of await rows('deliveries?outcome=rejected&limit=1000')) {
      wrong.push(`${description}: ${row.id} could not be read: ${row.why_none}`);
    }
    // Its one example of an issue is a pull request.
    for (const kind of ['deployments', 'changes']) {
      const found = await rows(`${kind}?from=2008-01-01&to=2026-01-01&limit=1000`);
      if (!(found?.length > 0)) wrong.push(`${description}: the examples gave no ${kind}`);
    }
  } finally {
    server.removeAllListeners('exit');
    server.kill();
  }
}

const lists = [
  /^GET \/orgs\/github\/repos\?/,
  /^GET \/repos\/octocat\/hello-world\/commits\?.*page=2/,
  /^GET \/repos\/octocat\/hello-world\/deployments\?/,
  /^GET \/repos\/octocat\/hello-world\/deployments\/\d+\/statuses\?/,
  /^GET \/repos\/octocat\/hello-world\/releases\?/,
  /^GET \/repos\/octocat\/hello-world\/commits\/v1%2E0%2E0/,
  /^GET \/repos\/octocat\/hello-world\/actions\/workflows\/deploy\.yml\/runs\?/,
  /^GET \/repos\/octocat\/hello-world\/actions\/runs\?/,
  /^GET \/repos\/octocat\/hello-world\/issues\?/,
];
const asApp = (home) => {
  execFileSync('openssl', ['genrsa', '-out', `${home}/app.pem`, '2048'], { stdio: 'ignore' });
  return `app_id = "Iv1.8a61f9b3a7aba766"\ntoken = { file = "${home}/app.pem" }`;
};
const runs = [
  { description: 'api.github.com', rest: '', options: () => 'token = { env = "TOKEN" }', expected: lists },
  {
    description: 'ghes-3.19',
    rest: '/api/v3',
    options: asApp,
    expected: [
      ...lists,
      /^GET \/app$/,
      /^GET \/users\/octocat\/installation$/,
      /^POST \/app\/installations\/\d+\/access_tokens$/,
    ],
  },
];
const told = [];
for (const run of runs) {
  const calls = await collect(run);
  told.push(`${run.description}: ${calls.length} calls`);
}
if (wrong.length > 0) {
  console.error([...new Set(wrong)].slice(0, 40).join('\n'));
  process.exit(1);
}
console.log(`every REST call is valid by GitHub's description: ${told.join(', ')}`);
