import { useId, useState } from 'react';
import { RemoteTrackPublication, VideoQuality, type TrackPublication } from 'livekit-client';
import { PinIcon, SignalIcon } from '../ui/icons';
import { Popover } from '../ui/Popover';
import { bitrateText, type Reception, type Sent } from './reception';
import type { Flow } from './useFlow';

interface TileToolsProps {
  name: string;
  publication: TrackPublication | undefined;
  flow: Flow;
  // The menu is open and wants to be told what flows.
  onOpen: (open: boolean) => void;
  pinned: boolean;
  onPin: () => void;
}

// TileTools are the buttons in a tile's corner: pin, and what arrives.
export function TileTools({ name, publication, flow, onOpen, pinned, onPin }: TileToolsProps) {
  return (
    <div className="tile-tools">
      {publication && (
        <Popover label={`Picture of ${name}`} className="tile-tool" icon={<SignalIcon />} testid="tile-menu" panelClassName="tile-menu" onOpen={onOpen}>
          {() => <Menu publication={publication} flow={flow} />}
        </Popover>
      )}
      <button type="button" className="tile-tool" aria-pressed={pinned} aria-label={pinned ? `Unpin ${name}` : `Pin ${name}`} title={pinned ? 'Unpin' : 'Pin'} data-testid="pin" onClick={onPin}>
        <PinIcon />
      </button>
    </div>
  );
}

function Menu({ publication, flow }: { publication: TrackPublication; flow: Flow }) {
  return publication instanceof RemoteTrackPublication ? (
    <>
      <QualityChoice publication={publication} />
      <Arrives received={flow.received} subscribed={publication.isDesired} />
    </>
  ) : (
    <Goes layers={flow.sent ?? []} />
  );
}

const choices = [
  { id: 'high', label: 'As good as it fits', quality: VideoQuality.HIGH },
  { id: 'medium', label: 'Medium at most', quality: VideoQuality.MEDIUM },
  { id: 'low', label: 'Low', quality: VideoQuality.LOW },
] as const;

function QualityChoice({ publication }: { publication: RemoteTrackPublication }) {
  const group = useId();
  // The publication does not tell when the wish changes; it changes only here.
  const [, setTimes] = useState(0);
  const chosen = publication.isDesired ? publication.videoQuality : undefined;
  const choose = (quality: VideoQuality | undefined) => {
    if (quality === undefined) publication.setSubscribed(false);
    else {
      if (!publication.isDesired) publication.setSubscribed(true);
      publication.setVideoQuality(quality);
    }
    setTimes((n) => n + 1);
  };
  return (
    <fieldset className="quality-choice">
      <legend>Receive</legend>
      {choices.map(({ id, label, quality }) => (
        <label key={id}>
          <input type="radio" name={group} checked={chosen === quality} data-testid="quality" data-quality={id} onChange={() => choose(quality)} />
          {label}
        </label>
      ))}
      <label>
        <input type="radio" name={group} checked={chosen === undefined} data-testid="quality" data-quality="none" onChange={() => choose(undefined)} />
        Do not receive
      </label>
    </fieldset>
  );
}

function Arrives({ received, subscribed }: { received: Reception | undefined; subscribed: boolean }) {
  if (!subscribed) return null;
  if (!received || received.width === 0) return <p className="flow-none">No picture arrives.</p>;
  return (
    <dl className="flow" data-testid="arrives" data-layer={received.layer} data-width={received.width} data-bitrate={Math.round(received.bitrate)}>
      <dt>Arrives</dt>
      <dd>
        {received.width}×{received.height}, {received.rate} a second
      </dd>
      <dt>Bitrate</dt>
      <dd>{bitrateText(received.bitrate)}</dd>
      {received.layer && (
        <>
          <dt>Layer</dt>
          <dd>{received.layer}</dd>
        </>
      )}
      <dt>Codec</dt>
      <dd>{received.codec}</dd>
    </dl>
  );
}

function Goes({ layers }: { layers: readonly Sent[] }) {
  if (layers.length === 0) return <p className="flow-none">Nothing is sent.</p>;
  return (
    <table className="layers" data-testid="sends">
      <caption>You send</caption>
      <tbody>
        {layers.map((layer) => (
          <tr key={layer.layer} data-active={layer.active} data-layer={layer.layer}>
            <th scope="row">{layer.layer || 'one layer'}</th>
            <td>{layer.active ? `${layer.width}×${layer.height}` : 'nobody watches'}</td>
            <td>{layer.active ? bitrateText(layer.bitrate) : ''}</td>
            <td>{layer.active && layer.limit !== 'none' ? `held by ${layer.limit}` : ''}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

// FlowNote is what arrives, or goes, in one line on the tile.
export function FlowNote({ flow }: { flow: Flow }) {
  const { received } = flow;
  if (received && received.width > 0) {
    return (
      <span className="flow-note" data-testid="flow-note">
        {received.width}×{received.height} · {bitrateText(received.bitrate)}
        {received.layer && ` · ${received.layer}`}
      </span>
    );
  }
  const active = flow.sent?.filter((layer) => layer.active) ?? [];
  const [best] = active;
  if (!best) return null;
  const total = active.reduce((sum, layer) => sum + layer.bitrate, 0);
  return (
    <span className="flow-note" data-testid="flow-note">
      ↑ {best.width}×{best.height} · {bitrateText(total)}
      {active.length > 1 && ` · ${active.length} layers`}
    </span>
  );
}
