// The echo server of README.md with node's ws.

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

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(values.port),
  maxPayload: 64 * 1024 * 1024,
  // by default ws compresses nothing shorter than 1024 bytes
  perMessageDeflate: values.deflate && { threshold: 0 },
  handleProtocols: (offered) => [...offered].find((name) => ['chat', 'superchat'].includes(name)) ?? false,
});

server.on('listening', () => console.log(`listening ${server.address().port}`));
server.on('connection', (ws, request) => {
  console.log(`opened ${request.url} ${ws.extensions || '-'}`);
  const path = request.url.split('?')[0];
  ws.on('message', (data, binary) => answer(ws, request.socket, path, data, binary));
  ws.on('error', () => {});
  ws.on('close', (code, reason) => console.log(`closed ${request.url} ${code} ${reason}`));
});
