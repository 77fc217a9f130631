import type { Person } from './room';

const bars: Record<string, number> = { excellent: 3, good: 2, poor: 1, lost: 0 };

// Quality is how a connection was judged last, as bars and in a word.
export function Quality({ quality, score }: { quality: string; score: number }) {
  if (quality === '') return <span className="none">not yet known</span>;
  return (
    <span className="quality" data-quality={quality} title={quality === 'lost' ? 'Lost' : `${score.toFixed(1)} of 5`}>
      <svg viewBox="0 0 16 14" width="16" height="14" aria-hidden="true">
        {[0, 1, 2].map((i) => (
          <rect key={i} x={i * 5.5} y={9 - i * 4.5} width="4" height={5 + i * 4.5} rx="1" className={i < (bars[quality] ?? 0) ? 'on' : 'off'} />
        ))}
      </svg>
      <span>{quality}</span>
    </span>
  );
}

// Way is how somebody's media travels: protocol, and what ICE found.
export function Way({ person }: { person: Person }) {
  const main = person.receives.state === 'connected' || person.publishes.state === 'none' ? person.receives : person.publishes;
  if (main.protocol === '') return <span className="none">{main.state === 'none' ? 'none' : main.state}</span>;
  return (
    <span className="way" title={ways[main.candidate]}>
      {main.protocol.toUpperCase()} <span className="tag" data-tone={main.protocol === 'tcp' || main.candidate === 'relay' ? 'warn' : undefined}>{main.candidate}</span>
      {main.state !== 'connected' && <span className="tag" data-tone="bad">{main.state}</span>}
    </span>
  );
}

const ways: Record<string, string> = {
  host: 'The client is reached at its own address',
  srflx: 'The client is behind NAT and is reached at the address that a STUN server saw',
  prflx: 'The client is behind NAT and is reached at the address that its packets come from',
  relay: 'The client is reached through a TURN relay',
};
