import type { ReactNode } from 'react';
import { dateTime, perSecond } from '../ui/format';
import { sourceOf } from './Endpoints';
import type { Endpoint } from './endpoint';

// Settings is what an endpoint is like.
export function Settings({ endpoint }: { endpoint: Endpoint }) {
  const { filter } = endpoint;
  const rows: readonly { label: string; value: ReactNode }[] = [
    { label: 'URL', value: <code>{endpoint.url}</code> },
    { label: 'Id', value: <code>{endpoint.id}</code> },
    { label: 'Where it comes from', value: endpoint.source === 'config' ? 'the configuration: change it there and restart; it can be paused, tested and recovered here' : sourceOf(endpoint) },
    { label: 'Events', value: filter.events?.join(', ') ?? 'all that LiveKit has' },
    { label: 'But not', value: filter.exclude?.join(', ') ?? 'none' },
    { label: 'Rooms', value: filter.rooms?.join(', ') ?? 'all' },
    { label: 'Tags of the room', value: filter.tags ? Object.entries(filter.tags).map(([name, value]) => `${name}=${value}`).join(', ') : 'any' },
    { label: 'Order', value: endpoint.mode === 'parallel' ? 'each event by itself' : 'each room’s events one after the other' },
    { label: 'Batches', value: (endpoint.batch.max ?? 0) > 1 ? `up to ${endpoint.batch.max} events, gathered for ${endpoint.batch.waitMs ?? 0} ms` : 'none' },
    { label: 'Format', value: endpoint.format === 'cloudevents' ? 'CloudEvents 1.0, binary mode' : 'LiveKit’s webhook' },
    { label: 'Track events', value: endpoint.fullTrackContext ? 'with the whole room and participant' : 'as LiveKit sends them' },
    { label: 'An event that is refused alone', value: endpoint.block ? 'holds its room back' : 'becomes a dead letter' },
    { label: 'Rate', value: endpoint.rate > 0 ? `at most ${perSecond(endpoint.rate)}` : 'no limit' },
    { label: 'Headers', value: endpoint.headers.join(', ') || 'none' },
    { label: 'Signed with', value: `API key ${endpoint.apiKey}` },
    { label: 'Secrets', value: endpoint.secrets.map((secret) => (secret.expiresAt ? `one until ${dateTime(secret.expiresAt)}` : 'one that lasts')).join(', ') || 'the API secret' },
    ...(endpoint.created ? [{ label: 'Made', value: dateTime(endpoint.created) }] : []),
    ...(endpoint.updated ? [{ label: 'Changed', value: dateTime(endpoint.updated) }] : []),
  ];
  return (
    <dl className="settings">
      {rows.map(({ label, value }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
