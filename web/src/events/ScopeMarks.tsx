import type { Scope } from './catalogue';

const letters: Record<Scope, string> = { room: 'R', participant: 'P' };

// ScopeMarks shows where an event is told, R at the room and P at a participant,
// filled where it was.
export function ScopeMarks({ of, seen }: { of: readonly Scope[]; seen: readonly Scope[] }) {
  return (
    <span className="scopes">
      {of.map((scope) => (
        <span
          key={scope}
          className="scope"
          data-scope={scope}
          data-seen={seen.includes(scope)}
          role="img"
          aria-label={`${scope} event${seen.includes(scope) ? '' : ', not told yet'}`}
          title={seen.includes(scope) ? `told at the ${scope}` : `${scope} event`}
        >
          {letters[scope]}
        </span>
      ))}
    </span>
  );
}
