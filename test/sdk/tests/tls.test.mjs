// SDKs over wss, with TLS and TURN of the server on one port.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Browser } from '../harness/browser.mjs';
import { GoParticipant } from '../harness/goparticipant.mjs';
import { wantVideo } from '../harness/media.mjs';
import { Server, freePort } from '../harness/server.mjs';

test('a browser and the Go SDK talk over wss, with TURN on the same port', async () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'rollcall-tls-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  const [cert, key] = [path.join(dir, 'cert.pem'), path.join(dir, 'key.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1',
    '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', key, '-out', cert], { stdio: 'pipe' });
  process.env.SSL_CERT_FILE = cert; // the Go SDK checks it

  const port = await freePort('tcp');
  const server = await Server.start({
    port,
    tls: { cert_file: cert, key_file: key },
    turn: { enabled: true, udp_port: 0, tls_port: port, domain: 'localhost' },
  });
  after(() => server.close());
  assert.ok(server.ws.startsWith('wss://'));
  const browser = await Browser.start({ flags: ['--ignore-certificate-errors'] });
  after(() => browser.close());

  const alice = await browser.join(server, 'secured', 'alice');
  const bob = await GoParticipant.join(server, 'secured', 'bob');
  after(() => bob.leave());
  await alice.publishCamera();
  await bob.publishCamera();
  await wantVideo(alice, 'bob');
  await wantVideo(bob, 'alice');
});
