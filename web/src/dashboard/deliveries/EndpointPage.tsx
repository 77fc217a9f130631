import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { isRefusal, messageOf } from '../api/client';
import { usePolled } from '../api/usePolled';
import { Dialog } from '../ui/Dialog';
import { BackIcon } from '../ui/icons';
import { Loading, Problem } from '../ui/states';
import { count, dateTime, duration, latency, plural, share } from '../ui/format';
import { Attempts } from './Attempts';
import { DeadLetters } from './DeadLetters';
import { EndpointDialog } from './EndpointDialog';
import { Figure, sourceOf } from './Endpoints';
import { outcome, stateOf, successRate, type Endpoint } from './endpoint';
import { Lanes } from './Lanes';
import { useActions, useEndpoint } from './queries';
import { Recoveries, RecoverDialog } from './Recoveries';
import { SecretDialog } from './SecretDialog';
import { Settings } from './Settings';

type Tab = 'attempts' | 'waiting' | 'dead' | 'recoveries' | 'settings';
// Said is how something went; answer is what the receiver said to it, maybe at length.
interface Said {
  tone: 'good' | 'bad';
  text: string;
  answer?: string | undefined;
}
type Asking = 'recover' | 'rotate' | 'edit' | 'delete' | undefined;

// EndpointPage is one endpoint: how deliveries to it go, and what can be done.
export function EndpointPage({ id }: { id: string }) {
  const query = useEndpoint(id);
  usePolled(query);
  if (query.isPending) return <Loading what="the endpoint" />;
  // What was there until now and is refused has ended: the endpoint of a room with that.
  if (query.isError && (!query.data || isRefusal(query.error))) {
    return (
      <>
        <div className="page-head">
          <Link href="/" className="button quiet" aria-label="All endpoints" title="All endpoints">
            <BackIcon />
          </Link>
          <h1>Endpoint</h1>
        </div>
        <Problem error={query.error} onRetry={() => void query.refetch()} />
      </>
    );
  }
  return query.data && <Shown endpoint={query.data} />;
}

function Shown({ endpoint }: { endpoint: Endpoint }) {
  const { id, status } = endpoint;
  const actions = useActions();
  const [, navigate] = useLocation();
  const [tab, setTab] = useState<Tab>('attempts');
  const [asking, setAsking] = useState<Asking>();
  const [secret, setSecret] = useState<{ value: string; until?: string }>();
  const [said, setSaid] = useState<Said>();
  const [busy, setBusy] = useState(false);
  const { tone, label, says } = stateOf(endpoint);
  const rate = successRate(status);
  const own = endpoint.source === 'api';
  const held = status?.state === 'paused' || status?.state === 'disabled';

  const act = async (what: () => Promise<Said | undefined>) => {
    setBusy(true);
    setSaid(undefined);
    try {
      setSaid(await what());
    } catch (err) {
      setSaid({ tone: 'bad', text: messageOf(err) });
    }
    setBusy(false);
  };
  const test = () =>
    act(async () => {
      const attempt = await actions.test(id);
      if (attempt.delivered) return { tone: 'good', text: `The sample was accepted: ${outcome(attempt)} in ${latency(attempt.latencyMs)}.` };
      return { tone: 'bad', text: `The sample was refused: ${outcome(attempt)}`, answer: attempt.response };
    });

  const tabs: readonly { tab: Tab; label: string; more?: number | undefined }[] = [
    { tab: 'attempts', label: 'Attempts' },
    { tab: 'waiting', label: 'Waiting', more: status?.lag },
    { tab: 'dead', label: 'Dead letters', more: status?.deadLetters },
    { tab: 'recoveries', label: 'Recoveries' },
    { tab: 'settings', label: 'Settings' },
  ];
  return (
    <>
      <div className="page-head">
        <Link href="/" className="button quiet" aria-label="All endpoints" title="All endpoints">
          <BackIcon />
        </Link>
        <h1>{endpoint.description || endpoint.url}</h1>
        <span className="tag" data-tone={tone} role="status" data-testid="endpoint-state" data-state={status?.state}>
          {label}
        </span>
        <span className="page-space" />
        <div className="endpoint-actions" role="group" aria-label="Actions">
          <button type="button" className="button small" disabled={busy} onClick={() => void test()} data-testid="test">
            Test
          </button>
          <button type="button" className="button small" disabled={busy} onClick={() => void act(() => (held ? actions.resume(id) : actions.pause(id)).then(() => undefined))} data-testid={held ? 'resume' : 'pause'}>
            {held ? 'Resume' : 'Pause'}
          </button>
          <button type="button" className="button small" onClick={() => setAsking('recover')} data-testid="recover">
            Recover…
          </button>
          {own && (
            <>
              <button type="button" className="button small" onClick={() => setAsking('rotate')} data-testid="rotate">
                Rotate secret…
              </button>
              <button type="button" className="button small" onClick={() => setAsking('edit')} data-testid="edit">
                Change…
              </button>
            </>
          )}
          {endpoint.source !== 'config' && (
            <button type="button" className="button small" onClick={() => setAsking('delete')} data-testid="delete">
              Delete…
            </button>
          )}
        </div>
      </div>
      <p className="endpoint-says">
        {endpoint.description && <span className="endpoint-url">{endpoint.url}</span>} <span>{says}</span> <span className="tag">{sourceOf(endpoint)}</span>
      </p>
      {said && (
        <div className="said-line" data-tone={said.tone} role="status" data-testid="said">
          {said.text}
          {said.answer && <pre tabIndex={0}>{said.answer}</pre>}
        </div>
      )}
      <dl className="endpoint-figures wide-figures">
        <Figure label="Waiting" value={status ? count(status.lag) : '–'} more={status && status.oldestPendingMs > 0 ? `the oldest for ${duration(status.oldestPendingMs)}` : ''} bad={(status?.oldestPendingMs ?? 0) > 30_000} id="lag" />
        <Figure label="Accepted" value={rate === undefined ? '–' : share(rate)} more={status ? `${plural(status.successes, 'success', 'successes')}, ${plural(status.failures, 'failure')}` : ''} id="rate" />
        <Figure label="Rooms with work" value={status ? count(status.lanes) : '–'} more={status ? `${count(status.inFlight)} being sent` : ''} id="lanes" />
        <Figure label="Dead letters" value={status ? count(status.deadLetters) : '–'} more={status && status.abandoned > 0 ? `${count(status.abandoned)} given up so far` : ''} bad={(status?.deadLetters ?? 0) > 0} id="dead" />
        <Figure label="Gone from the log" value={status ? count(status.missing) : '–'} bad={(status?.missing ?? 0) > 0} id="missing" />
      </dl>
      {status?.lastError && (
        <p className="endpoint-error" data-testid="last-error">
          Last failure{status.lastErrorAt ? ` at ${dateTime(status.lastErrorAt)}` : ''}: {status.lastError}
        </p>
      )}
      <div className="tabs" role="tablist" aria-label="Of this endpoint">
        {tabs.map((one) => (
          <button key={one.tab} type="button" role="tab" id={`tab-${one.tab}`} aria-selected={tab === one.tab} aria-controls="tab-panel" tabIndex={tab === one.tab ? 0 : -1} onClick={() => setTab(one.tab)} onKeyDown={(event) => arrow(event, tabs.map(({ tab }) => tab), one.tab, setTab)} data-testid={`tab-${one.tab}`}>
            {one.label}
            {(one.more ?? 0) > 0 && <span className="badge">{count(one.more ?? 0)}</span>}
          </button>
        ))}
      </div>
      <div className="tab-panel" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`}>
        {tab === 'attempts' && <Attempts id={id} />}
        {tab === 'waiting' && <Lanes id={id} />}
        {tab === 'dead' && <DeadLetters id={id} />}
        {tab === 'recoveries' && <Recoveries id={id} onRecover={() => setAsking('recover')} />}
        {tab === 'settings' && <Settings endpoint={endpoint} />}
      </div>
      {asking === 'recover' && <RecoverDialog id={id} onDone={() => setTab('recoveries')} onClose={() => setAsking(undefined)} />}
      {asking === 'edit' && <EndpointDialog edited={endpoint} onDone={() => setSaid({ tone: 'good', text: 'The endpoint was changed.' })} onClose={() => setAsking(undefined)} />}
      {asking === 'delete' && (
        <Dialog title="Delete the endpoint?" action="Delete" destructive onSubmit={() => actions.remove(id).then(() => navigate('/'))} onClose={() => setAsking(undefined)}>
          <p>
            {endpoint.url} is told nothing more, also of what waits for it{status && status.lag > 0 ? `: ${plural(status.lag, 'event')}` : ''}. The events themselves stay in the log.
          </p>
        </Dialog>
      )}
      {asking === 'rotate' && (
        <Dialog
          title="Rotate the secret?"
          action="Rotate"
          onSubmit={async (form) => {
            const hours = Number(form.get('hours'));
            const rotated = await actions.rotate(id, Math.round(hours * 3600));
            if (rotated.secret) setSecret({ value: rotated.secret, ...(hours > 0 && { until: dateTime(Date.now() + hours * 3_600_000) }) });
          }}
          onClose={() => setAsking(undefined)}
        >
          <p>The endpoint gets a new secret, shown once. The old one signs along with it for a while, so that you can change the receiver without refusing anything.</p>
          <div className="field">
            <label htmlFor="rotate-hours">The old one signs for, in hours</label>
            <input id="rotate-hours" name="hours" type="number" min="0" max="168" step="any" defaultValue="24" required />
          </div>
        </Dialog>
      )}
      {secret && <SecretDialog secret={secret.value} {...(secret.until !== undefined && { until: secret.until })} onClose={() => setSecret(undefined)} />}
    </>
  );
}

// arrow moves between tabs, as a tab list does.
function arrow(event: React.KeyboardEvent, all: readonly Tab[], at: Tab, go: (tab: Tab) => void): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const next = all[(all.indexOf(at) + step + all.length) % all.length];
  if (next === undefined) return;
  go(next);
  document.getElementById(`tab-${next}`)?.focus();
}
