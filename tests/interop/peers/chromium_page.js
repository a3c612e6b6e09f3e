// What chromium_client.py has the browser do. The checks are those of `src/checks.rs`, under the same names.

'use strict';

const MIB = 1 << 20;
const NO_STATUS = 1005;
const ABNORMAL = 1006;
const TIME_LIMIT = 60_000;

function ensure(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

function octets(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  return bytes;
}

// Bytes of which `size` are text; what a cut leaves of a character becomes dots.
function text(size, block) {
  const encoded = new TextEncoder().encode(block);
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += encoded.length) bytes.set(encoded.subarray(0, size - at), at);
  let end = size;
  while (end > 0 && end > size - 4 && (bytes[end - 1] & 0xc0) === 0x80) end--;
  if (end > 0) end--;
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, end)) + '.'.repeat(size - end);
}

// `size` bytes of text of one to four bytes a character.
function characters(size) {
  return text(size, Array.from(octets(4099), (byte) => 'kö€😀\u07ff\uffff'.match(/./gu)[byte % 6]).join(''));
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

const bytesOf = (string) => new TextEncoder().encode(string);

// A connection with its events in a queue, in the order they come.
class Connection {
  static async open(url, subprotocols = []) {
    const connection = new Connection();
    const ws = new WebSocket(url, subprotocols);
    ws.binaryType = 'arraybuffer';
    connection.ws = ws;
    connection.events = [];
    const push = (event) => {
      connection.events.push(event);
      connection.wake?.();
    };
    ws.onmessage = ({ data }) => push({ message: typeof data === 'string' ? data : new Uint8Array(data) });
    await new Promise((resolve, reject) => {
      ws.onopen = resolve;
      ws.onclose = () => reject(new Error('not opened'));
    });
    ws.onclose = ({ code, reason, wasClean }) => push({ code, reason, wasClean });
    return connection;
  }

  async next() {
    while (this.events.length === 0) await new Promise((resolve) => (this.wake = resolve));
    return this.events.shift();
  }

  async message() {
    const event = await this.next();
    ensure(event.message !== undefined, `got ${JSON.stringify(event)} for a message`);
    return event.message;
  }

  async closed() {
    const event = await this.next();
    ensure(event.code, `got ${JSON.stringify(event)} for a close`);
    return event;
  }

  async finish() {
    this.ws.close(1000, 'done');
    const answer = await this.closed();
    ensure(answer.code === 1000 && answer.wasClean, `1000 was answered with ${JSON.stringify(answer)}`);
    return { code: 1000, reason: 'done' };
  }
}

function compare(wanted, got) {
  ensure(typeof wanted === typeof got, `sent ${typeof wanted}, got ${typeof got}`);
  let at = 0;
  while (at < wanted.length && wanted[at] === got[at]) at++;
  ensure(at === wanted.length && at === got.length, `${wanted.length} came back as ${got.length}, different from ${at}`);
}

async function echo(url, data) {
  const connection = await Connection.open(url);
  connection.ws.send(data);
  compare(data, await connection.message());
  return connection.finish();
}

async function withPong(url, ...all) {
  const connection = await Connection.open(url);
  for (const data of all) {
    connection.ws.send(data);
    compare(data, await connection.message());
    compare('pong', await connection.message());
  }
  return connection.finish();
}

async function answersPing(url, payload) {
  const connection = await Connection.open(url);
  connection.ws.send(payload);
  compare('pong', await connection.message());
  return connection.finish();
}

async function exchange(url, batches) {
  const connection = await Connection.open(url);
  for (const batch of batches) {
    for (const data of batch) connection.ws.send(data);
    for (const data of batch) compare(data, await connection.message());
  }
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
    // a browser insists on one of those it offered
    ensure(offered.length && chosen === '', error.message);
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

// name, path, query, function, its arguments
function* checks(full) {
  for (const [name, text] of [
    ['ascii', 'Hello, World'],
    ['utf-8', '\ufeffGrüße, 世界 \0 😀 \u{10ffff}'],
    ['empty', ''],
    ['16-mib', characters(16 * MIB)],
  ]) {
    yield [`text-${name}`, '/', '', echo, text];
  }
  for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, MIB, 16 * MIB]) {
    yield [`binary-${size}`, '/', '', echo, octets(size)];
  }
  for (const [name, data] of [
    ['text', characters(1000)],
    ['empty-text', ''],
    ['binary-65536', octets(65_536)],
    ['binary-1-mib', octets(MIB)],
  ]) {
    if (full) yield [`fragments-received-${name}`, '/fragmented', '', withPong, data];
  }
  const pipelined = Array.from({ length: 1000 }, (_, n) => (n % 2 ? octets(n % 140) : `message ${n}`));
  yield ['pipelined-1000', '/', '', exchange, [pipelined]];
  for (const size of [0, 5, 125]) {
    if (full) yield [`ping-by-server-${size}`, '/ping', '', answersPing, octets(size)];
  }
  for (const [name, close] of CLOSES) {
    const allowed = !close.length || close[0] === 1000 || close[0] >= 3000;
    if (allowed) yield [`close-by-client-${name}`, '/', '', closeByClient, close];
    const path = close.length ? `/close/${close[0]}/${encodeURIComponent(close[1])}` : '/close';
    if (full) yield [`close-by-server-${name}`, path, '', closeByServer, close];
  }
  if (full) {
    for (const how of ['fin', 'inside', 'reset']) yield [`drop-by-server-${how}`, `/drop/${how}`, '', dropByServer];
    yield ['subprotocol-chosen', '/', '', subprotocol, ['other', 'superchat', 'chat'], 'superchat'];
    yield ['subprotocol-none-in-common', '/', '', subprotocol, ['other'], ''];
  }
  yield ['subprotocol-not-offered', '/', '', subprotocol, [], ''];
}

// Batches of messages for one connection.
function* messages(name) {
  const batch = 16;
  if (name.endsWith('mib')) {
    for (const data of [readings(MIB), octets(MIB), characters(MIB), bytesOf(readings(MIB))]) yield [data];
    return;
  }
  for (let at = 0; at < 12 * batch; at += batch) yield Array.from({ length: batch }, (_, n) => telemetry(at + n));
  for (const size of [0, 1, 2, 3, 125, 126, 127, 1000, 4096, 65_536]) {
    for (const data of [octets(size), bytesOf(readings(size)), new Uint8Array(size), characters(size), readings(size)]) {
      yield [data];
    }
  }
}

function* variants(all, full) {
  for (const variant of all) {
    const [name, , query] = variant.split('|');
    yield [`deflate-${name}`, '/', query, exchange, messages(name)];
    if (full && !name.endsWith('mib')) {
      const all = [telemetry(1), '', characters(1000), octets(65_536), readings(65_536), octets(0), bytesOf(readings(5000))];
      yield [`deflate-${name}-fragmented`, '/fragmented', query, withPong, ...all];
    }
  }
}

function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${TIME_LIMIT / 1000} s`)), TIME_LIMIT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const report = (lines) => fetch('/report', { method: 'POST', body: lines });

async function main() {
  const { url, echo_only, only, skip, variant } = await (await fetch('/arguments')).json();
  for (const [name, path, query, check, ...parameters] of variant.length ? variants(variant, !echo_only) : checks(!echo_only)) {
    if (!name.includes(only) || skip.some((part) => name.includes(part))) continue;
    const target = `${path}?check=${name}${query && '&'}${query}`;
    try {
      const seen = await inTime(check(url + target, ...parameters));
      await report(`${seen ? `expect ${target} ${seen.code} ${seen.reason}\n` : ''}ok ${name}`);
    } catch (error) {
      await report(`FAIL ${name}: ${error.message.replaceAll('\n', ' ')}`);
    }
  }
  await report('end');
}

main().catch((error) => report(`FAIL page: ${error.message}`).then(() => report('end')));
