// The echo server of README.md with node's ws.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

// `require`, because unlike `import` it also looks in NODE_PATH
const { WebSocketServer } = createRequire(import.meta.url)('ws');

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, deflate: { type: 'boolean', default: false } },
});

function fragments(data) {
  const size = Math.floor(data.length / 50) + 1;
  const parts = [Buffer.alloc(0)];
  for (let at = 0; at < data.length; at += size) parts.push(data.subarray(at, at + size));
  parts.push(Buffer.alloc(0));
  return parts;
}

function pong(ws, payload) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => ws.close(4000, 'no pong'), 10_000);
    ws.on('pong', (got) => {
      if (!got.equals(payload)) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

function drop(socket, how) {
  if (how === 'reset') {
    socket.resetAndDestroy();
  } else if (how === 'inside') {
    socket.end(Buffer.from([0x82, 100, 1, 2, 3]));
  } else {
    socket.end();
  }
}

async function answer(ws, socket, path, data, binary) {
  const [what, ...rest] = path.split('/').slice(1);
  if (what === 'fragmented') {
    const parts = fragments(data);
    const between = Buffer.from('in between');
    const answered = pong(ws, between);
    parts.forEach((part, index) => {
      if (index === Math.floor(parts.length / 2)) ws.ping(between);
      ws.send(part, { binary, fin: index === parts.length - 1 });
    });
    await answered;
    ws.send('pong');
  } else if (what === 'ping') {
    const answered = pong(ws, data);
    ws.ping(data);
    await answered;
    ws.send('pong');
  } else if (what === 'close') {
    ws.send(data, { binary });
    if (rest.length === 0) ws.close();
    else ws.close(Number(rest[0]), decodeURIComponent(rest[1]));
  } else if (what === 'drop') {
    drop(socket, rest[0]);
  } else {
    ws.send(data, { binary });
  }
}

// What the query of a request target says of permessage-deflate, as options of ws.
function insisted(target) {
  const query = new URLSearchParams(target.split('?')[1]);
  const options = {};
  for (const [name, value] of query) {
    if (name === 'check') continue;
    options[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = value ? Number(value) : true;
  }
  return options;
}

const servers = new Map();

// One for each set of options, made when it is needed.
function serverFor(target) {
  const options = insisted(target);
  const key = JSON.stringify(options);
  if (!servers.has(key)) {
    const server = new WebSocketServer({
      noServer: true,
      maxPayload: 64 * 1024 * 1024,
      // by default ws compresses nothing shorter than 1024 bytes
      perMessageDeflate: values.deflate && { threshold: 0, ...options },
      handleProtocols: (offered) => [...offered].find((name) => ['chat', 'superchat'].includes(name)) ?? false,
    });
    servers.set(key, server);
  }
  return servers.get(key);
}

const http = createServer();
http.on('upgrade', (request, socket, head) => {
  serverFor(request.url).handleUpgrade(request, socket, head, (ws) => {
    console.log(`opened ${request.url} ${ws.extensions || '-'}`);
    const path = request.url.split('?')[0];
    ws.on('message', (data, binary) => answer(ws, request.socket, path, data, binary));
    ws.on('error', () => {});
    ws.on('close', (code, reason) => console.log(`closed ${request.url} ${code} ${reason}`));
  });
});
http.listen(Number(values.port), '127.0.0.1', () => console.log(`listening ${http.address().port}`));
