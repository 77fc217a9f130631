import { bitrate, share } from '../ui/format';
import { codecOf, sizeOf, words, type Layer, type Person, type Reception, type TrackFigures, type TrackInfo } from './room';

// MiniLayers are the tracks of somebody as small pictures: of sound a dot, of video
// its layers as bars, full ones for those that are sent.
export function MiniLayers({ person }: { person: Person }) {
  if (person.info.tracks.length === 0) return <span className="none">nothing</span>;
  return (
    <span className="mini">
      {person.info.tracks.map((info) => {
        const figures = person.tracks.find((track) => track.sid === info.sid);
        return <MiniTrack key={info.sid} info={info} layers={figures?.layers ?? []} />;
      })}
    </span>
  );
}

function MiniTrack({ info, layers }: { info: TrackInfo; layers: Layer[] }) {
  const live = layers.filter((layer) => layer.live).length;
  const title = `${words(info.source)}, ${codecOf(info.mimeType)}${info.muted ? ', muted' : layers.length > 1 ? `, ${live} of ${layers.length} layers sent` : ''}`;
  if (info.type === 'AUDIO') {
    return <i className="mini-audio" data-live={live > 0 && !info.muted} data-muted={info.muted} role="img" aria-label={title} title={title} />;
  }
  const height = 16;
  return (
    <svg className="mini-video" data-muted={info.muted} width={Math.max(layers.length, 1) * 7 - 1} height={height} role="img" aria-label={title}>
      <title>{title}</title>
      {layers.map((layer, i) => {
        const tall = layers.length === 1 ? height : height * (0.4 + (0.6 * i) / (layers.length - 1));
        return <rect key={layer.layer} x={i * 7 + 0.5} y={height - tall + 0.5} width="5" height={tall - 1} rx="1" className={layer.live && !info.muted ? (layer.wanted > 0 ? 'wanted' : 'live') : 'idle'} />;
      })}
    </svg>
  );
}

// LayersPicture is a video track with each of its layers: how large it is, what it
// takes, who wants it and who gets it.
export function LayersPicture({ info, figures, receptions }: { info: TrackInfo; figures: TrackFigures; receptions: readonly Reception[] }) {
  const most = Math.max(1, ...figures.layers.map((layer) => layer.bitrate));
  const video = info.type === 'VIDEO';
  return (
    <ul className="layers" aria-label="Layers">
      {[...figures.layers].reverse().map((layer) => {
        const size = video ? sizeOf(info, layer.layer, figures.layers.length) : undefined;
        const getting = receptions.filter((rx) => rx.layer === layer.layer && !rx.paused && !rx.starved).length;
        const wanted = layer.wanted > 0;
        return (
          <li key={layer.layer} data-testid="layer" data-layer={layer.layer} data-live={layer.live} data-wanted={layer.wanted} data-bitrate={layer.bitrate} data-fps={Math.round(layer.fps)}>
            <span className="layer-name">
              {video ? (size ? `${size.width}×${size.height}` : `layer ${layer.layer}`) : 'sound'}
              {layer.rid !== '' && <small> {layer.rid}</small>}
            </span>
            <span className="layer-bar" aria-hidden="true">
              <i data-wanted={wanted || !video} style={{ width: `${(100 * layer.bitrate) / most}%` }} />
            </span>
            <span className="layer-rate">{layer.live ? bitrate(layer.bitrate) : 'not sent'}</span>
            <span className="layer-more">
              {video && layer.live && layer.fps > 0 && <span>{Math.round(layer.fps)} fps</span>}
              {layer.lossShareIn > 0 && <span data-tone="warn">{share(layer.lossShareIn)} lost</span>}
              {video && <span>{wanted ? `wanted by ${layer.wanted}` : 'nobody asks for it'}</span>}
              {video && getting > 0 && <span>sent to {getting}</span>}
            </span>
          </li>
        );
      })}
      {figures.layers.length === 0 && <li className="none">No packet has come yet.</li>}
    </ul>
  );
}
