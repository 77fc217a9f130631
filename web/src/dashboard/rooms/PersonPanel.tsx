import { Link } from 'wouter';
import { useBearer } from '../session/useSession';
import { Age } from '../ui/Age';
import { CloseIcon } from '../ui/icons';
import { bitrate, latency, plural, share } from '../ui/format';
import { PersonMenu, type Action } from './actions';
import { LayersPicture } from './Layers';
import { Quality, Way } from './Quality';
import { clientName, codecOf, deviceName, sizeOf, words, type Person, type Reception, type TrackFigures, type TrackInfo } from './room';

interface PersonPanelProps {
  person: Person;
  people: readonly Person[];
  room: string;
  onAction: (action: Action) => void;
  onClose: () => void;
}

// PersonPanel is one participant in full: who, what it sends and to whom that goes,
// what it receives.
export function PersonPanel({ person, people, room, onAction, onClose }: PersonPanelProps) {
  const { info } = person;
  const attributes = Object.entries(info.attributes);
  const outgoing = people.flatMap((other) => other.reception.filter((rx) => rx.publisher === info.identity));
  const incoming = person.reception.filter((rx) => rx.subscriber === info.identity);
  return (
    <div className="panel" data-testid="person-panel" data-identity={info.identity}>
      <header className="panel-head">
        <div>
          <h2>{info.name || info.identity}</h2>
          <p>
            {info.name && <>{info.identity} · </>}
            {info.sid}
          </p>
        </div>
        <PersonMenu person={person} onAction={onAction} />
        <button type="button" className="button quiet" aria-label="Close" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>

      <dl className="facts">
        <Fact label="State">
          {words(info.state)}, {words(info.kind)}
          {person.speaking && ', speaking'}
        </Fact>
        <Fact label="Quality">
          <Quality quality={person.quality} score={person.score} />
        </Fact>
        <Fact label="Connection">
          <Way person={person} />
        </Fact>
        <Fact label="Signal">
          {person.signal ? 'connected' : 'not connected'}
          {person.resumes > 0 && `, resumed ${plural(person.resumes, 'time')}`}
        </Fact>
        <Fact label="Peer connections">
          {person.single ? `one, ${person.publishes.state}` : `sends ${person.publishes.state}, receives ${person.receives.state}`}
        </Fact>
        <Fact label="Here for">
          <Age since={Number(info.joinedAtMs)} />
        </Fact>
        <Fact label="SDK">
          {clientName(person.client)}
          {person.client?.protocol ? `, protocol ${person.client.protocol}` : ''}
        </Fact>
        {deviceName(person.client) && <Fact label="Device">{deviceName(person.client)}</Fact>}
        <Fact label="May">{permissions(person)}</Fact>
        {info.metadata && (
          <Fact label="Metadata">
            <code className="value">{info.metadata}</code>
          </Fact>
        )}
        {attributes.length > 0 && (
          <Fact label="Attributes">
            <span className="tags">
              {attributes.map(([key, value]) => (
                <code key={key} className="value">
                  {key}={value}
                </code>
              ))}
            </span>
          </Fact>
        )}
      </dl>

      <section>
        <h3>
          Sends <span className="count">{info.tracks.length}</span>
        </h3>
        {info.tracks.length === 0 && <p className="none">Nothing.</p>}
        {info.tracks.map((track) => (
          <SentTrack
            key={track.sid}
            info={track}
            figures={person.tracks.find((figures) => figures.sid === track.sid)}
            receptions={outgoing.filter((rx) => rx.trackSid === track.sid)}
            room={room}
            onMute={(muted) => onAction({ kind: 'mute', person, track, muted })}
          />
        ))}
      </section>

      <section>
        <h3>
          Receives <span className="count">{incoming.length}</span>
        </h3>
        {incoming.length === 0 && <p className="none">Nothing.</p>}
        {incoming.length > 0 && <ReceptionTable receptions={incoming} people={people} room={room} by="publisher" />}
      </section>
    </div>
  );
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function permissions({ info: { permission } }: Person): string {
  const may = [
    permission.canPublish && (permission.canPublishSources.length > 0 ? `publish ${permission.canPublishSources.map(words).join(' and ')}` : 'publish'),
    permission.canSubscribe && 'subscribe',
    permission.canPublishData && 'send data',
    permission.canUpdateMetadata && 'change its own metadata',
  ].filter(Boolean);
  return may.length === 0 ? 'nothing' : may.join(', ');
}

interface SentTrackProps {
  info: TrackInfo;
  figures: TrackFigures | undefined;
  receptions: readonly Reception[];
  room: string;
  onMute: (muted: boolean) => void;
}

function SentTrack({ info, figures, receptions, room, onMute }: SentTrackProps) {
  const { admin } = useBearer();
  const stream = figures?.layers.find((layer) => layer.live) ?? figures?.layers[0];
  return (
    <article className="sent" data-testid="sent-track" data-sid={info.sid} data-source={info.source} data-muted={info.muted} data-subscribers={figures?.subscribers ?? 0}>
      <header>
        <strong>{words(info.source === 'UNKNOWN' ? info.type : info.source)}</strong>
        <span className="tag">{codecOf(info.mimeType)}</span>
        {info.encryption !== 'NONE' && <span className="tag">encrypted</span>}
        {info.muted && <span className="tag" data-tone="warn">muted</span>}
        <span className="page-space" />
        {admin && (
          <button type="button" className="button small" data-testid="mute" onClick={() => onMute(!info.muted)}>
            {info.muted ? 'Unmute' : 'Mute'}
          </button>
        )}
      </header>
      {figures && <LayersPicture info={info} figures={figures} receptions={receptions} />}
      {stream && (
        <p className="sent-figures">
          {info.sid} · jitter {latency(stream.jitterMs)}
          {stream.rttMs > 0 && ` · round trip ${latency(stream.rttMs)}`} · {plural(Math.max(stream.lost, 0), 'packet')} lost · {plural(stream.nacks, 'NACK')}
          {info.type === 'VIDEO' && ` · ${plural(stream.plis, 'PLI')}`}
        </p>
      )}
      {receptions.length > 0 && <ReceptionTable receptions={receptions} info={info} layers={figures?.layers.length ?? 1} people={[]} room={room} by="subscriber" />}
    </article>
  );
}

interface ReceptionTableProps {
  receptions: readonly Reception[];
  people: readonly Person[];
  room: string;
  by: 'publisher' | 'subscriber';
  info?: TrackInfo;
  layers?: number;
}

// ReceptionTable is who gets what: the layer that is forwarded, or why nothing is.
function ReceptionTable({ receptions, people, room, by, info, layers }: ReceptionTableProps) {
  return (
    <table className="receptions">
      <thead>
        <tr>
          <th>{by === 'subscriber' ? 'Goes to' : 'From'}</th>
          <th>Layer</th>
          <th className="numeric">Bit rate</th>
          <th className="numeric">Loss</th>
          <th className="numeric">Round trip</th>
        </tr>
      </thead>
      <tbody>
        {receptions.map((rx) => {
          const publisher = people.find((other) => other.info.identity === rx.publisher);
          const track = info ?? publisher?.info.tracks.find((t) => t.sid === rx.trackSid);
          const sent = layers ?? publisher?.tracks.find((t) => t.sid === rx.trackSid)?.layers.length ?? 1;
          return (
            <tr key={rx.trackSid + rx.subscriber} data-testid="reception" data-subscriber={rx.subscriber} data-publisher={rx.publisher} data-layer={rx.layer} data-paused={rx.paused} data-bitrate={rx.bitrate}>
              <td>
                <Link href={`/${encodeURIComponent(room)}/${encodeURIComponent(rx[by])}`}>{rx[by]}</Link>
                {by === 'publisher' && track && <small> {words(track.source)}</small>}
              </td>
              <td>{flow(rx, track, sent)}</td>
              <td className="numeric">{rx.bitrate > 0 ? bitrate(rx.bitrate) : '–'}</td>
              <td className="numeric">{share(rx.lossShare)}</td>
              <td className="numeric">{rx.rttMs > 0 ? latency(rx.rttMs) : '–'}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

// flow says what is forwarded, or why nothing is.
function flow(rx: Reception, track: TrackInfo | undefined, layers: number) {
  if (rx.paused) return <span className="tag">paused by wish</span>;
  if (rx.starved) return <span className="tag" data-tone="bad">paused, no room</span>;
  if (rx.muted) return <span className="tag">muted</span>;
  if (rx.layer < 0) return <span className="tag" data-tone="warn">waits for a key frame</span>;
  if (!track || track.type === 'AUDIO') return 'sound';
  const size = sizeOf(track, rx.layer, layers);
  const name = size ? `${size.width}×${size.height}` : `layer ${rx.layer}`;
  const limited = rx.allotted < Math.min(rx.maxLayer, layers - 1);
  return limited ? (
    <>
      {name}{' '}
      <span className="tag" data-tone="warn" title="Its connection carries no more">
        limited
      </span>
    </>
  ) : (
    name
  );
}
