import { Participant, Track, TrackPublication } from 'livekit-client';

// How much of a payload is shown, in bytes.
const shownBytes = 2000;

// plainParticipant, plainPublication and plainTrack are what the SDK's objects
// say of themselves, without what they hold.
export function plainParticipant(p: Participant): object {
  return {
    sid: p.sid,
    identity: p.identity,
    name: p.name,
    isLocal: p.isLocal,
    isSpeaking: p.isSpeaking,
    audioLevel: p.audioLevel,
    connectionQuality: p.connectionQuality,
    metadata: p.metadata,
    attributes: p.attributes,
    permissions: plain(p.permissions),
    joinedAt: p.joinedAt?.toISOString(),
  };
}

export function plainPublication(pub: TrackPublication): object {
  return {
    trackSid: pub.trackSid,
    trackName: pub.trackName,
    kind: pub.kind,
    source: pub.source,
    mimeType: pub.mimeType,
    isMuted: pub.isMuted,
    isSubscribed: pub.isSubscribed,
    isEncrypted: pub.isEncrypted,
    simulcasted: pub.simulcasted,
    dimensions: pub.dimensions && { width: pub.dimensions.width, height: pub.dimensions.height },
  };
}

export function plainTrack(track: Track): object {
  return { sid: track.sid, kind: track.kind, source: track.source, streamState: track.streamState, isMuted: track.isMuted };
}

// plain is an argument of a listener as JSON can have it.
export function plain(value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object') return typeof value === 'function' ? undefined : value;
  if (value instanceof Participant) return plainParticipant(value);
  if (value instanceof TrackPublication) return plainPublication(value);
  if (value instanceof Track) return plainTrack(value);
  if (value instanceof Uint8Array) return plainBytes(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  // A message of the protocol knows its own JSON.
  if ('toJson' in value && typeof value.toJson === 'function') return (value.toJson as () => unknown)();
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}

function plainBytes(bytes: Uint8Array): object {
  const shown = bytes.subarray(0, shownBytes);
  const cut = shown.length < bytes.length ? { cut: true } : {};
  try {
    return { bytes: bytes.length, text: new TextDecoder('utf-8', { fatal: true }).decode(shown, { stream: shown.length < bytes.length }), ...cut };
  } catch {
    return { bytes: bytes.length, hex: Array.from(shown, (b) => b.toString(16).padStart(2, '0')).join(''), ...cut };
  }
}
