import { useState } from 'react';
import { CopyButton } from '../../ui/CopyButton';
import { CopyIcon } from '../../ui/icons';
import { messageOf } from '../api/client';
import { usePolled } from '../api/usePolled';
import { Dialog } from '../ui/Dialog';
import { Menu } from '../ui/Menu';
import { Empty, Loading, Problem } from '../ui/states';
import { plural } from '../ui/format';
import { inputs, isLive, mediaOf, requestOf, statusOf, type Ingress as Endpoint } from './ingress';
import { useIngress, useIngressActions } from './queries';
import './ingress.css';

type Asked = { kind: 'new' } | { kind: 'key' | 'delete'; endpoint: Endpoint };

// Ingress is the page of streams that come from encoders: the endpoints at which
// they may, and what comes there now.
export default function Ingress() {
  const query = useIngress();
  usePolled(query);
  const [asked, setAsked] = useState<Asked>();
  const endpoints = query.data;
  const live = endpoints?.filter(isLive).length ?? 0;
  const close = () => setAsked(undefined);
  // The dialog of a new endpoint closes after it has made way for that of the key.
  const closeNew = () => setAsked((now) => (now?.kind === 'new' ? undefined : now));
  return (
    <>
      <div className="page-head">
        <h1>Ingress</h1>
        {endpoints && endpoints.length > 0 && (
          <span className="sum" role="status" data-testid="ingress-sum">
            {plural(endpoints.length, 'endpoint')}, {live} live
          </span>
        )}
        <span className="page-space" />
        <button type="button" className="button small primary" onClick={() => setAsked({ kind: 'new' })} data-testid="add-ingress">
          Add an endpoint
        </button>
      </div>
      {query.isPending && <Loading what="the endpoints" />}
      {query.isError && !query.data && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {endpoints?.length === 0 && (
        <Empty title="No encoder may send yet">
          Add an endpoint: a URL and a stream key for OBS, ffmpeg or any encoder that speaks WHIP or RTMP. What it sends is a participant of the room.
        </Empty>
      )}
      {endpoints && endpoints.length > 0 && (
        <ul className="ingresses" aria-label="Ingress endpoints">
          {endpoints.map((endpoint) => (
            <Card key={endpoint.ingress_id} endpoint={endpoint} onAsk={setAsked} />
          ))}
        </ul>
      )}
      {asked?.kind === 'new' && <NewDialog onMade={(endpoint) => setAsked(endpoint.stream_key ? { kind: 'key', endpoint } : undefined)} onClose={closeNew} />}
      {asked?.kind === 'key' && <KeyDialog endpoint={asked.endpoint} onClose={close} />}
      {asked?.kind === 'delete' && <DeleteDialog endpoint={asked.endpoint} onClose={close} />}
    </>
  );
}

function Card({ endpoint, onAsk }: { endpoint: Endpoint; onAsk: (asked: Asked) => void }) {
  const { enable } = useIngressActions();
  const [refused, setRefused] = useState('');
  const { label, tone } = statusOf(endpoint);
  const name = endpoint.name || endpoint.participant_identity;
  const enabled = endpoint.enabled !== false;
  const error = refused || endpoint.state?.error;
  const change = async (to: boolean) => {
    setRefused('');
    try {
      await enable(endpoint.ingress_id, to);
    } catch (err) {
      setRefused(messageOf(err));
    }
  };
  return (
    <li className="ingress" data-testid="ingress" data-id={endpoint.ingress_id} data-status={endpoint.state?.status}>
      <div className="ingress-name">
        <span className="tag" data-tone={tone}>
          {label}
        </span>
        <strong>{name}</strong>
        <small>
          <span className="tag">{inputs[endpoint.input_type]}</span>
          <span>
            {endpoint.participant_identity} in {endpoint.room_name || 'no room yet'}
          </span>
        </small>
      </div>
      <p className="ingress-media">{mediaOf(endpoint)}</p>
      <Menu
        label={`Actions for ${name}`}
        testid="ingress-menu"
        items={[
          ...(endpoint.reusable
            ? [
                { id: 'key', label: 'URL and stream key…', onChoose: () => onAsk({ kind: 'key', endpoint }) },
                { id: 'enable', label: enabled ? 'Let nobody in' : 'Let encoders in', onChoose: () => void change(!enabled) },
              ]
            : []),
          { id: 'delete', label: 'Delete…', destructive: true, onChoose: () => onAsk({ kind: 'delete', endpoint }) },
        ]}
      />
      {error && (
        <p className="ingress-error" role="status" data-testid="ingress-error">
          {error}
        </p>
      )}
    </li>
  );
}

function NewDialog({ onMade, onClose }: { onMade: (endpoint: Endpoint) => void; onClose: () => void }) {
  const { create } = useIngressActions();
  const [input, setInput] = useState('WHIP_INPUT');
  return (
    <Dialog title="Add an endpoint" action="Add" onSubmit={async (form) => onMade(await create(requestOf(form)))} onClose={onClose}>
      <div className="field">
        <label htmlFor="in-input">How it sends</label>
        <select id="in-input" name="input" value={input} onChange={(event) => setInput(event.target.value)} data-testid="in-input">
          <option value="WHIP_INPUT">WHIP: OBS, GStreamer, pages</option>
          <option value="RTMP_INPUT">RTMP: OBS, ffmpeg, cameras</option>
          <option value="URL_INPUT">It is fetched from a URL</option>
        </select>
      </div>
      {input === 'URL_INPUT' && (
        <div className="field">
          <label htmlFor="in-url">URL</label>
          <input id="in-url" name="url" required placeholder="https://example.com/film.mp4" />
          <p className="hint">A file, HLS or SRT. It begins at once.</p>
        </div>
      )}
      <div className="field">
        <label htmlFor="in-room">Room</label>
        <input id="in-room" name="room" required autoFocus data-testid="in-room" />
      </div>
      <div className="field">
        <label htmlFor="in-identity">Identity of the participant</label>
        <input id="in-identity" name="identity" required data-testid="in-identity" />
      </div>
      <div className="field">
        <label htmlFor="in-participant">Its name</label>
        <input id="in-participant" name="participant" />
      </div>
      <div className="field">
        <label htmlFor="in-name">Name of the endpoint, for people</label>
        <input id="in-name" name="name" />
      </div>
      <label className="check">
        <input type="checkbox" name="screen" />
        It is a screen, not a camera
      </label>
    </Dialog>
  );
}

function KeyDialog({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  const whip = endpoint.input_type === 'WHIP_INPUT';
  return (
    <Dialog title="Where the encoder sends" action="I have it" onSubmit={() => Promise.resolve()} onClose={onClose}>
      <p>Whoever has the stream key can publish. It is in no event and no log.</p>
      <h3>{whip ? 'WHIP endpoint' : 'Server'}</h3>
      <p className="ingress-secret">
        <code data-testid="ingress-url">{endpoint.url}</code>
        <CopyButton text={endpoint.url} label="Copy the URL" icon={<CopyIcon />} />
      </p>
      <h3>{whip ? 'Bearer token' : 'Stream key'}</h3>
      <p className="ingress-secret">
        <code data-testid="ingress-key">{endpoint.stream_key}</code>
        <CopyButton text={endpoint.stream_key} label="Copy the stream key" icon={<CopyIcon />} />
      </p>
    </Dialog>
  );
}

function DeleteDialog({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  const { remove } = useIngressActions();
  return (
    <Dialog title={`Delete ${endpoint.name || endpoint.participant_identity}?`} action="Delete" destructive onSubmit={() => remove(endpoint.ingress_id)} onClose={onClose}>
      <p>{isLive(endpoint) ? 'What comes there now ends at once. ' : ''}Its stream key does not work any more.</p>
    </Dialog>
  );
}
