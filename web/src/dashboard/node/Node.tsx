import { useState } from 'react';
import { useFeed } from '../api/useFeed';
import { Chart, type Line } from '../ui/Chart';
import { Loading, Problem } from '../ui/states';
import { bitrate, bytes, count, dateTime, duration, latency, perSecond as often, plural, share } from '../ui/format';
import { gauge, mergeNode, niceTop, perSecond, ratio, span, type Node as NodeState, type NodeMessage, type NodeSample, type Point } from './series';
import './node.css';

// Node is the server as a process: whether it is well, now and in the last minutes.
export default function Node() {
  const [node, setNode] = useState<NodeState>();
  const feed = useFeed('/stats/node', (messages) =>
    setNode((known) => mergeNode(known, messages.map((message) => JSON.parse(message.data) as NodeMessage))),
  );
  const now = node?.samples.at(-1);
  if (!node || !now) return feed.state === 'refused' ? <Problem error={feed.why} /> : <Loading what="the state of the server" />;
  return (
    <>
      <div className="page-head">
        <h1>Node</h1>
        <span className="sum">
          Rollcall {node.version} · up for{' '}
          <time dateTime={node.startedAt} title={dateTime(node.startedAt)} data-testid="uptime">
            {duration(Date.parse(now.at) - Date.parse(node.startedAt))}
          </time>
        </span>
      </div>
      <div className="node">
        <Figures now={now} />
        <Charts node={node} now={now} />
        <div className="node-tables">
          <Routes now={now} />
          <LogFacts now={now} />
        </div>
      </div>
    </>
  );
}

function Figures({ now }: { now: NodeSample }) {
  const figures: [string, number, string][] = [
    ['rooms', now.rooms, 'Rooms'],
    ['participants', now.participants, 'Participants'],
    ['connections', now.connections, 'Connections'],
    ['video', now.videoTracks, 'Video tracks'],
    ['audio', now.audioTracks, 'Audio tracks'],
    ['subscriptions', now.subscriptions, 'Forwarded tracks'],
  ];
  return (
    <dl className="node-figures">
      {figures.map(([id, value, label]) => (
        <div key={id}>
          <dt>{label}</dt>
          <dd data-testid={`node-${id}`} data-value={value}>
            {count(value)}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Charts({ node, now }: { node: NodeState; now: NodeSample }) {
  const { samples, processors } = node;
  const to = Date.parse(now.at);
  // As far back as there is something, but no minute of it drawn too wide.
  const first = Date.parse(samples[0]?.at ?? now.at);
  const from = Math.min(Math.max(first, to - span), to - 60_000);
  const chart = (testid: string, title: string, format: (value: number) => string, least: number, lines: Line[], unit = 1) => {
    const most = Math.max(...lines.flatMap((line) => line.points.map((point) => point.value)), 0);
    const top = niceTop(most / unit, least) * unit;
    const last = lines.map((line) => (line.points.length > 0 ? format(line.points.at(-1)?.value ?? 0) : '–')).join(' · ');
    return <Chart title={title} now={last} lines={lines} from={from} to={to} top={top} format={format} testid={testid} />;
  };
  const synced = samples.filter((s) => s.log.syncMs > 0); // there was something to sync
  const one = (label: string, points: Point[]): Line[] => [{ label, points, tone: 1 }];
  const ways = (first: string, a: Point[], second: string, b: Point[]): Line[] => [
    { label: first, points: a, tone: 1 },
    { label: second, points: b, tone: 2 },
  ];
  return (
    <div className="charts">
      {chart('chart-cpu', `Processor, of ${processors}`, (v) => share(v), 0.1, one('busy', gauge(samples, (s) => s.cpu / processors)))}
      {chart('chart-memory', 'Memory: resident · in use', bytes, 1, ways('resident', gauge(samples, (s) => s.memory), 'in use', gauge(samples, (s) => s.heap)), 1 << 20)}
      {chart('chart-bits', 'Media, payload: in · out', bitrate, 1000, ways('in', perSecond(samples, (s) => 8 * s.in.bytes), 'out', perSecond(samples, (s) => 8 * s.out.bytes)))}
      {chart('chart-packets', 'Packets: in · out', often, 10, ways('in', perSecond(samples, (s) => s.in.packets), 'out', perSecond(samples, (s) => s.out.packets)))}
      {chart('chart-loss', 'Lost: in · out', share, 0.01, ways('in', ratio(samples, (s) => s.in.lost, (s) => s.in.packets), 'out', ratio(samples, (s) => s.out.lost, (s) => s.out.packets)))}
      {chart('chart-nack', 'NACKs: ours · of clients', often, 1, ways('ours', perSecond(samples, (s) => s.in.nacks), 'of clients', perSecond(samples, (s) => s.out.nacks)))}
      {chart('chart-pli', 'Key frame requests: ours · of clients', often, 1, ways('ours', perSecond(samples, (s) => s.in.plis), 'of clients', perSecond(samples, (s) => s.out.plis)))}
      {chart('chart-sync', 'Sync of the log: mean · 99 of 100', latency, 1, ways('mean', gauge(synced, (s) => s.log.syncMs), '99 of 100', gauge(synced, (s) => s.log.syncP99Ms)))}
      {chart('chart-events', 'Events written', often, 1, one('events', perSecond(samples, (s) => s.log.last)))}
    </div>
  );
}

const candidates: Record<string, string> = {
  host: 'directly',
  srflx: 'behind NAT, address from STUN',
  prflx: 'behind NAT, address from its packets',
  relay: 'through a TURN relay',
};

function Routes({ now }: { now: NodeSample }) {
  const all = now.routes.reduce((sum, route) => sum + route.count, 0);
  return (
    <section aria-labelledby="routes-title">
      <h2 id="routes-title">How clients are reached</h2>
      {all === 0 && <p className="none">No connection is up.</p>}
      <ul className="routes">
        {now.routes.map((route) => (
          <li key={route.protocol + route.candidate} data-testid="route" data-protocol={route.protocol} data-candidate={route.candidate} data-count={route.count}>
            <span>
              {route.protocol.toUpperCase()} <span className="tag">{route.candidate}</span> <small>{candidates[route.candidate]}</small>
            </span>
            <span className="route-bar" aria-hidden="true">
              <i style={{ width: `${(100 * route.count) / all}%` }} />
            </span>
            <strong>{count(route.count)}</strong>
          </li>
        ))}
      </ul>
    </section>
  );
}

function LogFacts({ now: { log, goroutines } }: { now: NodeSample }) {
  return (
    <section aria-labelledby="log-title">
      <h2 id="log-title">Event log</h2>
      <dl className="facts">
        <div>
          <dt>On disk</dt>
          <dd data-testid="log-disk" data-value={log.disk}>{bytes(log.disk)}</dd>
        </div>
        <div>
          <dt>Events</dt>
          <dd>
            {log.last >= log.first ? `${count(log.last - log.first + 1)} kept, ${count(log.first)} to ${count(log.last)}` : 'none'}
          </dd>
        </div>
        <div>
          <dt>Not yet durable</dt>
          <dd>{plural(log.waiting, 'event')}</dd>
        </div>
        <div>
          <dt>Syncs</dt>
          <dd data-testid="log-commits" data-value={log.commits}>{count(log.commits)} since the start</dd>
        </div>
        <div>
          <dt>Goroutines</dt>
          <dd>{count(goroutines)}</dd>
        </div>
      </dl>
    </section>
  );
}
