// Access tokens: good ones by the server SDK, bad ones by hand.

import { createHmac } from 'node:crypto';
import { AccessToken } from 'livekit-server-sdk';

export const apiKey = 'APItestkey';
export const apiSecret = 'a-test-secret-of-at-least-32-characters';

/** A token that lets identity join room, with everything a participant may do. */
export async function joinToken(room, identity, { grant = {}, roomConfig, kind, ...options } = {}) {
  const token = new AccessToken(apiKey, apiSecret, { identity, ttl: 600, ...options });
  if (roomConfig) token.roomConfig = roomConfig;
  if (kind) token.kind = kind;
  token.addGrant({ room, roomJoin: true, canUpdateOwnMetadata: true, ...grant });
  return token.toJwt();
}

/**
 * A token written by hand, for what no SDK would mint.
 * Claims with the value undefined are left out.
 */
export function rawToken(claims, { alg = 'HS256', secret = apiSecret } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: apiKey, nbf: now - 10, exp: now + 600, ...claims };
  const signed = `${encode({ alg, typ: 'JWT' })}.${encode(payload)}`;
  const hash = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }[alg];
  const signature = hash ? createHmac(hash, secret).update(signed).digest('base64url') : '';
  return `${signed}.${signature}`;
}

function encode(object) {
  return Buffer.from(JSON.stringify(object)).toString('base64url');
}
