import { useState, type FormEvent } from 'react';
import { Link, useLocation } from 'wouter';
import { usePolled } from '../api/usePolled';
import { Empty, Loading, Problem } from '../ui/states';
import { count, duration, plural, share, time } from '../ui/format';
import { EndpointDialog } from './EndpointDialog';
import { stateOf, successRate, summaryOf, type Endpoint } from './endpoint';
import { useEndpoints } from './queries';
import { SecretDialog } from './SecretDialog';

// Endpoints lists where events are delivered, and how that goes.
export function Endpoints() {
  const query = useEndpoints();
  usePolled(query);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Endpoint>();
  const [, navigate] = useLocation();
  const endpoints = query.data;

  return (
    <>
      <div className="page-head">
        <h1>Deliveries</h1>
        {endpoints && endpoints.length > 0 && (
          <span className="sum" role="status" data-testid="deliveries-sum">
            {summaryOf(endpoints)}
          </span>
        )}
        <span className="page-space" />
        <WhyBox />
        <button type="button" className="button small primary" onClick={() => setAdding(true)} data-testid="add-endpoint">
          Add an endpoint
        </button>
      </div>
      {query.isPending && <Loading what="the endpoints" />}
      {query.isError && !query.data && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {endpoints?.length === 0 && (
        <Empty title="Nobody is told of events yet">
          Add an endpoint: the URL at which your backend takes LiveKit’s webhooks. It gets every event from then on, signed and in order. To try
          one on this machine, run <code className="value">rollcall receive --dev</code>.
        </Empty>
      )}
      {endpoints && endpoints.length > 0 && (
        <ul className="endpoints" aria-label="Endpoints">
          {endpoints.map((endpoint) => (
            <Card key={endpoint.id} endpoint={endpoint} />
          ))}
        </ul>
      )}
      {adding && (
        <EndpointDialog
          onDone={(endpoint) => {
            if (endpoint.secret) setMade(endpoint);
            else navigate(`/${encodeURIComponent(endpoint.id)}`);
          }}
          onClose={() => setAdding(false)}
        />
      )}
      {made?.secret && <SecretDialog secret={made.secret} onClose={() => navigate(`/${encodeURIComponent(made.id)}`)} />}
    </>
  );
}

// WhyBox asks for an event by its id or number.
export function WhyBox() {
  const [, navigate] = useLocation();
  const ask = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const wanted = new FormData(event.currentTarget).get('event');
    if (typeof wanted === 'string' && wanted.trim() !== '') navigate(`/event/${encodeURIComponent(wanted.trim())}`);
  };
  return (
    <form className="why-box" onSubmit={ask} role="search" aria-label="Why did an event not arrive?">
      <input name="event" placeholder="Event id or number" aria-label="Event id or number" required data-testid="why-input" />
      <button type="submit" className="button small" data-testid="why-ask">
        Why?
      </button>
    </form>
  );
}

function Card({ endpoint }: { endpoint: Endpoint }) {
  const { status } = endpoint;
  const { tone, label } = stateOf(endpoint);
  const rate = successRate(status);
  return (
    <li className="endpoint" data-testid="endpoint" data-id={endpoint.id} data-state={status?.state}>
      <div className="endpoint-name">
        <span className="tag" data-tone={tone}>
          {label}
        </span>
        <Link href={`/${encodeURIComponent(endpoint.id)}`}>{endpoint.description || endpoint.url}</Link>
        <small>
          {endpoint.description && <span className="endpoint-url">{endpoint.url}</span>}
          <span className="tag">{sourceOf(endpoint)}</span>
          {endpoint.filter.events && <span className="tag">{endpoint.filter.events.join(', ')}</span>}
          {endpoint.filter.rooms && <span className="tag">rooms {endpoint.filter.rooms.join(', ')}</span>}
        </small>
      </div>
      <dl className="endpoint-figures">
        <Figure label="Waiting" value={status ? count(status.lag) : '–'} more={status && status.oldestPendingMs > 0 ? `for ${duration(status.oldestPendingMs)}` : ''} bad={(status?.oldestPendingMs ?? 0) > 30_000} id="lag" />
        <Figure label="Accepted" value={rate === undefined ? '–' : share(rate)} more={status && status.attempts > 0 ? `of ${plural(status.attempts, 'attempt')}` : ''} id="rate" />
        <Figure label="Dead letters" value={status ? count(status.deadLetters) : '–'} bad={(status?.deadLetters ?? 0) > 0} id="dead" />
      </dl>
      {status?.lastError && (
        <p className="endpoint-error" data-testid="last-error">
          {status.lastErrorAt && <time dateTime={status.lastErrorAt}>{time(status.lastErrorAt)}</time>} {status.lastError}
        </p>
      )}
    </li>
  );
}

export function sourceOf(endpoint: Endpoint): string {
  switch (endpoint.source) {
    case 'config':
      return 'of the configuration';
    case 'room':
      return `of room ${endpoint.scope ?? ''}`;
    case 'egress':
      return `of egress ${endpoint.scope ?? ''}`;
    default:
      return 'added here';
  }
}

export function Figure({ label, value, more = '', bad = false, id }: { label: string; value: string; more?: string; bad?: boolean; id: string }) {
  return (
    <div data-bad={bad} data-testid={`endpoint-${id}`}>
      <dt>{label}</dt>
      <dd>
        {value}
        {more !== '' && <small>{more}</small>}
      </dd>
    </div>
  );
}
