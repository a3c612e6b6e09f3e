// Checks a server with node's ws. The checks are those of `src/checks.rs`, under the same names.

import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

// `require`, because unlike `import` it also looks in NODE_PATH
const WebSocket = createRequire(import.meta.url)('ws');

const MIB = 1 << 20;
const NO_STATUS = 1005;
const ABNORMAL = 1006;
const TIME_LIMIT = 60_000;

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    deflate: { type: 'boolean', default: false },
    'echo-only': { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    skip: { type: 'string', multiple: true, default: [] },
    variant: { type: 'string', multiple: true, default: [] },
  },
});
const base = values.url.replace(/\/$/, '');

function ensure(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

// `size` bytes of text of one to four bytes a character.
function characters(size) {
  const block = Buffer.from(Array.from(randomBytes(4099), (byte) => 'kö€😀\u07ff\uffff'.match(/./gu)[byte % 6]).join(''));
  const data = Buffer.alloc(size, block);
  let end = size;
  while (end > 0 && end > size - 4 && (data[end - 1] & 0xc0) === 0x80) end--;
  if (end > 0) end--; // the first byte of a character, which may be cut off
  return data.toString('utf8', 0, end) + '.'.repeat(size - end);
}

// The nth of many messages that resemble each other.
function telemetry(n) {
  const drift = (n * 7919) % 101;
  return JSON.stringify({
    device: `sensor-000${n % 5}`,
    time: 1764000000000 + 211 * n,
    temperature: 21 + drift / 100,
    humidity: 40 + drift / 10,
    state: n % 17 === 0 ? 'fault' : 'ok',
    sequence: n,
  });
}

function readings(size) {
  return Array.from({ length: Math.floor(size / 80) + 1 }, (_, n) => telemetry(n)).join('').slice(0, size);
}

// Batches of messages for one connection: each is [what, whether it is to be sent in fragments].
function* messages(name) {
  const batch = 16;
  if (name.endsWith('mib')) {
    for (const data of [readings(MIB), randomBytes(MIB), characters(MIB), Buffer.from(readings(MIB))]) yield [[data, false]];
    return;
  }
  for (let at = 0; at < 12 * batch; at += batch) {
    yield Array.from({ length: batch }, (_, n) => [telemetry(at + n), false]);
  }
  for (const size of [0, 1, 2, 3, 125, 126, 127, 1000, 4096, 65_536]) {
    for (const data of [randomBytes(size), Buffer.from(readings(size)), Buffer.alloc(size), characters(size), readings(size)]) {
      yield [[data, false]];
    }
  }
  for (const data of ['', telemetry(0), characters(1000), randomBytes(4096), readings(65_536), Buffer.alloc(0), Buffer.from(readings(20_000))]) {
    yield [[data, true]];
  }
  for (let at = 1000; at < 1000 + 3 * batch; at += batch) {
    yield Array.from({ length: batch }, (_, n) => [telemetry(at + n), n === 0]);
  }
}

function fragments(data) {
  const size = Math.floor(data.length / 50) + 1;
  const parts = [Buffer.alloc(0)];
  for (let at = 0; at < data.length; at += size) parts.push(data.subarray(at, at + size));
  parts.push(Buffer.alloc(0));
  return parts;
}

// A connection with its events in a queue, in the order they come.
class Connection {
  static async open(url, subprotocols = [], offer = {}) {
    const connection = new Connection();
    const ws = new WebSocket(url, subprotocols, {
      maxPayload: 64 * MIB,
      perMessageDeflate: values.deflate && { threshold: 0, ...offer },
    });
    connection.ws = ws;
    connection.events = [];
    const push = (event) => {
      connection.events.push(event);
      connection.wake?.();
    };
    ws.on('message', (data, binary) => push({ message: binary ? data : data.toString() }));
    ws.on('ping', (payload) => push({ ping: payload }));
    ws.on('pong', (payload) => push({ pong: payload }));
    ws.on('close', (code, reason) => push({ code, reason: reason.toString() }));
    await new Promise((resolve, reject) => {
      ws.on('open', resolve);
      ws.on('error', reject);
    });
    return connection;
  }

  async next() {
    while (this.events.length === 0) await new Promise((resolve) => (this.wake = resolve));
    return this.events.shift();
  }

  async message() {
    for (;;) {
      const event = await this.next();
      if (event.ping) continue;
      ensure(event.message !== undefined, `got ${JSON.stringify(event)} for a message`);
      return event.message;
    }
  }

  async pong(payload) {
    const event = await this.next();
    ensure(event.pong?.equals(payload), `got ${JSON.stringify(event)} for a pong`);
  }

  async closed() {
    const event = await this.next();
    ensure(event.code, `got ${JSON.stringify(event)} for a close`);
    return event;
  }

  async finish() {
    this.ws.close(1000, 'done');
    const answer = await this.closed();
    ensure(answer.code === 1000, `1000 was answered with ${answer.code} ${answer.reason}`);
    return { code: 1000, reason: 'done' };
  }
}

function compare(wanted, got) {
  ensure(typeof wanted === typeof got, `sent ${typeof wanted}, got ${typeof got}`);
  const [a, b] = [Buffer.from(wanted), Buffer.from(got)];
  if (a.equals(b)) return;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  throw new Error(`${a.length} bytes came back as ${b.length}, different from byte ${at}`);
}

async function echo(url, data) {
  const connection = await Connection.open(url);
  connection.ws.send(data);
  compare(data, await connection.message());
  return connection.finish();
}

async function sendFragmented(connection, data) {
  const binary = typeof data !== 'string';
  const parts = fragments(Buffer.from(data));
  const between = Buffer.from('in between');
  parts.forEach((part, index) => {
    if (index === Math.floor(parts.length / 2)) connection.ws.ping(between);
    connection.ws.send(part, { binary, fin: index === parts.length - 1 });
  });
  await connection.pong(between);
}

async function conversation(url, offer, name) {
  const connection = await Connection.open(url, [], offer);
  for (const batch of messages(name)) {
    for (const [data, fragmented] of batch) {
      if (fragmented) await sendFragmented(connection, data);
      else connection.ws.send(data);
    }
    for (const [data] of batch) compare(data, await connection.message());
  }
  return connection.finish();
}

async function conversationFragmented(url, offer) {
  const connection = await Connection.open(url, [], offer);
  for (const data of [telemetry(1), '', characters(1000), randomBytes(65_536), readings(65_536), Buffer.alloc(0), Buffer.from(readings(5000))]) {
    connection.ws.send(data);
    compare(data, await connection.message());
    compare('pong', await connection.message());
  }
  return connection.finish();
}

async function echoFragmented(url, data) {
  const connection = await Connection.open(url);
  await sendFragmented(connection, data);
  compare(data, await connection.message());
  return connection.finish();
}

async function fragmentedByServer(url, data) {
  const connection = await Connection.open(url);
  connection.ws.send(data);
  compare(data, await connection.message());
  compare('pong', await connection.message());
  return connection.finish();
}

async function pipelined(url) {
  const messages = Array.from({ length: 1000 }, (_, n) => (n % 2 ? randomBytes(n % 140) : `message ${n}`));
  const connection = await Connection.open(url);
  for (const message of messages) connection.ws.send(message);
  for (const message of messages) compare(message, await connection.message());
  return connection.finish();
}

async function ping(url, payload) {
  const connection = await Connection.open(url);
  connection.ws.ping(payload);
  await connection.pong(payload);
  return connection.finish();
}

async function answersPing(url, payload) {
  const connection = await Connection.open(url);
  connection.ws.send(payload);
  const event = await connection.next();
  ensure(event.ping?.equals(payload), `got ${JSON.stringify(event)} for a ping`);
  compare('pong', await connection.message());
  return connection.finish();
}

async function closeByClient(url, close) {
  const connection = await Connection.open(url);
  connection.ws.send('last words');
  compare('last words', await connection.message());
  connection.ws.close(...close);
  const [code, reason] = close.length ? close : [NO_STATUS, ''];
  const answer = await connection.closed();
  ensure(answer.code === code, `${code} was answered with ${answer.code} ${answer.reason}`);
  return { code, reason };
}

async function closeByServer(url, close) {
  const connection = await Connection.open(url);
  connection.ws.send('close');
  compare('close', await connection.message());
  const [code, reason] = close.length ? close : [NO_STATUS, ''];
  const got = await connection.closed();
  ensure(got.code === code && got.reason === reason, `got ${got.code} ${got.reason}, not ${code} ${reason}`);
  return { code, reason: '*' };
}

async function dropByClient(url) {
  const connection = await Connection.open(url);
  connection.ws.send('drop');
  compare('drop', await connection.message());
  connection.ws.terminate();
  return { code: ABNORMAL, reason: '*' };
}

async function dropByServer(url) {
  const connection = await Connection.open(url);
  connection.ws.send('drop');
  const { code } = await connection.closed();
  ensure(code === ABNORMAL, `got ${code}, not ${ABNORMAL}`);
}

async function subprotocol(url, offered, chosen) {
  let connection;
  try {
    connection = await Connection.open(url, offered);
  } catch (error) {
    // ws insists on one of those it offered
    ensure(offered.length && chosen === '' && error.message === 'Server sent no subprotocol', error.message);
    return undefined;
  }
  ensure(connection.ws.protocol === chosen, `the subprotocol is ${connection.ws.protocol}, not ${chosen}`);
  return connection.finish();
}

// name, and code and reason if there is a body
const CLOSES = [
  ['1000', [1000, 'bye']],
  ['1000-without-reason', [1000, '']],
  ['1001', [1001, 'going away']],
  ['1008', [1008, 'policy']],
  ['3000', [3000, 'registered']],
  ['4999', [4999, 'private']],
  ['non-ascii', [4000, 'Tschüß, 再见 👋']],
  ['longest-reason', [1000, 'ö'.repeat(61) + '.']],
  ['empty-body', []],
];

// permessage-deflate's parameters as they are in the header, as options of ws.
function parseOffer(text) {
  const options = {};
  for (const parameter of text.split(';').filter((part) => part.trim())) {
    const [name, value] = parameter.trim().split('=');
    options[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = value ? Number(value) : true;
  }
  // by default ws says that it knows this one
  options.clientMaxWindowBits ??= false;
  return options;
}

// name, path, function, its arguments
function* variants() {
  for (const variant of values.variant) {
    const [name, offer, query] = variant.split('|');
    const options = parseOffer(offer);
    yield [`deflate-${name}`, '/', query, conversation, options, name];
    if (!values['echo-only'] && !name.endsWith('mib')) {
      yield [`deflate-${name}-fragmented`, '/fragmented', query, conversationFragmented, options];
    }
  }
}

function* checks() {
  const full = !values['echo-only'];
  for (const [name, text] of [
    ['ascii', 'Hello, World'],
    ['utf-8', '\ufeffGrüße, 世界 \0 😀 \u{10ffff}'],
    ['empty', ''],
    ['16-mib', characters(16 * MIB)],
  ]) {
    yield [`text-${name}`, '/', echo, text];
  }
  for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, MIB, 16 * MIB]) {
    yield [`binary-${size}`, '/', echo, randomBytes(size)];
  }
  for (const [name, data] of [
    ['text', characters(1000)],
    ['empty-text', ''],
    ['binary-65536', randomBytes(65_536)],
    ['binary-1-mib', randomBytes(MIB)],
  ]) {
    yield [`fragments-sent-${name}`, '/', echoFragmented, data];
    if (full) yield [`fragments-received-${name}`, '/fragmented', fragmentedByServer, data];
  }
  yield ['pipelined-1000', '/', pipelined];
  for (const size of [0, 5, 125]) {
    yield [`ping-${size}`, '/', ping, randomBytes(size)];
    if (full) yield [`ping-by-server-${size}`, '/ping', answersPing, randomBytes(size)];
  }
  for (const [name, close] of CLOSES) {
    yield [`close-by-client-${name}`, '/', closeByClient, close];
    const path = close.length ? `/close/${close[0]}/${encodeURIComponent(close[1])}` : '/close';
    if (full) yield [`close-by-server-${name}`, path, closeByServer, close];
  }
  yield ['drop-by-client', '/', dropByClient];
  if (full) {
    for (const how of ['fin', 'inside', 'reset']) yield [`drop-by-server-${how}`, `/drop/${how}`, dropByServer];
    yield ['subprotocol-chosen', '/', subprotocol, ['other', 'superchat', 'chat'], 'superchat'];
    yield ['subprotocol-none-in-common', '/', subprotocol, ['other'], ''];
  }
  yield ['subprotocol-not-offered', '/', subprotocol, [], ''];
}

function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${TIME_LIMIT / 1000} s`)), TIME_LIMIT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function* selected() {
  if (values.variant.length) return yield* variants();
  for (const [name, path, ...rest] of checks()) yield [name, path, '', ...rest];
}

let allPassed = true;
for (const [name, path, query, check, ...parameters] of selected()) {
  if (!name.includes(values.only) || values.skip.some((part) => name.includes(part))) continue;
  const target = `${path}?check=${name}${query && '&'}${query}`;
  try {
    const seen = await inTime(check(base + target, ...parameters));
    if (seen) console.log(`expect ${target} ${seen.code} ${seen.reason}`);
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAIL ${name}: ${error.message.replaceAll('\n', ' ')}`);
    allPassed = false;
  }
}
process.exit(allPassed ? 0 : 1);
