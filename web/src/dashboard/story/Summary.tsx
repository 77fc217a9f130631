import { count, duration, latency, plural } from '../ui/format';
import { ending, type Session } from './history';
import { levels, type Level, type Story } from './story';

const levelLabels: Record<Level, string> = { excellent: 'excellent', good: 'good', poor: 'poor', lost: 'lost' };

// Summary is the session in figures: those of the server once it is over, and until
// then those of what has happened so far.
export function Summary({ session, story, now }: { session: Session; story: Story; now: number }) {
  const totals = story.totals(now);
  const over = story.to !== undefined || !session.open;
  const judged = levels.reduce((sum, level) => sum + totals.quality[level], 0);
  const why = ending(story.actor || session.actor, story.reason || session.reason);
  return (
    <dl className="figures" data-testid="summary">
      <Figure label={over ? 'Lasted' : 'Open for'} value={duration(totals.durationMs)} id="duration" />
      <Figure label="People" value={count(totals.people)} more={`${totals.stays === totals.people ? '' : `${plural(totals.stays, 'stay')}, `}${totals.peak} at most`} id="people" />
      <Figure label="Join to media" value={totals.mediaMs === undefined ? '–' : latency(totals.mediaMs)} more={totals.joinMs === undefined ? '' : `connected in ${latency(totals.joinMs)}`} id="media" />
      <Figure label="Talked" value={duration(totals.talkMs)} more={plural(totals.tracks, 'track')} id="talk" />
      <Figure label="Reconnects" value={count(totals.resumes)} more={totals.aborted > 0 ? `${totals.aborted} never got in` : ''} id="resumes" />
      <div className="figure quality" data-testid="figure-quality">
        <dt>Quality</dt>
        <dd>
          {judged === 0 ? (
            '–'
          ) : (
            <>
              <span className="histogram" aria-hidden="true">
                {levels.map((level) => (
                  <i key={level} data-level={level} style={{ flexGrow: totals.quality[level] / judged }} hidden={totals.quality[level] === 0} />
                ))}
              </span>
              <small>
                {levels
                  .filter((level) => totals.quality[level] > 0)
                  .map((level) => `${Math.max(1, Math.round((100 * totals.quality[level]) / judged))} % ${levelLabels[level]}`)
                  .join(', ')}
              </small>
            </>
          )}
        </dd>
      </div>
      <Figure label={over ? 'Ended' : 'State'} value={over ? why || 'ended' : 'live'} more={over && (story.actor || session.actor) ? `by ${byWhom(story.actor || session.actor || '')}` : ''} id="end" />
    </dl>
  );
}

function byWhom(actor: string): string {
  return { client: 'a participant', server: 'the server', api: 'a call of the API', crash: 'conclusion after a crash' }[actor] ?? actor;
}

function Figure({ label, value, more = '', id }: { label: string; value: string; more?: string; id: string }) {
  return (
    <div className="figure" data-testid={`figure-${id}`}>
      <dt>{label}</dt>
      <dd>
        {value}
        {more !== '' && <small>{more}</small>}
      </dd>
    </div>
  );
}
