// A certificate that is signed by itself, and how Chromium is told to trust it.

import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { scratch } from './paths.mjs';

/** Makes a certificate for a host; returns {certFile, keyFile, flags}. */
export function certificate(host) {
  const [certFile, keyFile] = ['cert', 'key'].map((what) => path.join(scratch, `${host}-${what}.pem`));
  const { status, stderr } = spawnSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`, '-keyout', keyFile, '-out', certFile,
  ], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl: ${stderr}`);
  const key = new X509Certificate(readFileSync(certFile)).publicKey.export({ type: 'spki', format: 'der' });
  const spki = createHash('sha256').update(key).digest('base64');
  return { certFile, keyFile, flags: [`--ignore-certificate-errors-spki-list=${spki}`] };
}
