import { useState } from 'react';
import { useLocation } from 'wouter';
import { Dialog } from '../ui/Dialog';
import { words, type Person } from '../rooms/room';
import { egress, useCapabilities } from './queries';
import type { Recording } from './recording';

interface Choice {
  id: string;
  label: string;
  // Its name in what the server says it can do.
  capability: string;
  method: string;
  request: (path: string) => object;
}

function choicesFor(room: string, person: Person | undefined): Choice[] {
  const file = (filepath: string) => ({ file_outputs: [{ filepath }] });
  if (!person) {
    return [
      { id: 'composite', label: 'Everybody, in a layout', capability: 'room, composite', method: 'StartRoomCompositeEgress', request: (path) => ({ room_name: room, layout: 'grid', ...file(path) }) },
      {
        id: 'sound',
        label: 'All that is heard',
        capability: 'room, sound',
        method: 'StartRoomCompositeEgress',
        request: (filepath) => ({ room_name: room, audio_only: true, file_outputs: [{ filepath, file_type: 'OGG' }] }),
      },
    ];
  }
  const { identity, tracks } = person.info;
  return [
    { id: 'participant', label: 'Sound and picture, also after a reconnect', capability: 'participant', method: 'StartParticipantEgress', request: (path) => ({ room_name: room, identity, ...file(path) }) },
    ...tracks.map((track) => ({
      id: track.sid,
      label: `The ${words(track.source === 'UNKNOWN' ? track.type : track.source)} alone, as it is`,
      capability: 'track',
      method: 'StartTrackEgress',
      request: (filepath: string) => ({ room_name: room, track_id: track.sid, file: { filepath } }),
    })),
  ];
}

// RecordDialog begins a recording of a room, or of somebody in it. What the server
// cannot do is shown with what it lacks.
export function RecordDialog({ room, person, onClose }: { room: string; person: Person | undefined; onClose: () => void }) {
  const [, go] = useLocation();
  const capabilities = useCapabilities();
  const [chosen, setChosen] = useState<string>();
  const choices = choicesFor(room, person).map((choice) => {
    const capability = capabilities.data?.egress.find(({ name }) => name === choice.capability);
    return { ...choice, why: capability && !capability.works ? (capability.reason ?? 'is not available') : undefined };
  });
  const first = choices.find((choice) => choice.why === undefined);
  const picked = choices.find((choice) => choice.id === chosen) ?? first;
  const start = async (form: FormData) => {
    if (!picked) throw new Error('Nothing of it can be recorded here.');
    const { egress_id } = await egress<Recording>(picked.method, picked.request(String(form.get('path') ?? '')));
    go(`~/dashboard/recordings/${encodeURIComponent(egress_id)}`);
  };
  return (
    <Dialog title={person ? `Record ${person.info.identity}` : `Record the room ${room}`} action="Record" onClose={onClose} onSubmit={start}>
      {capabilities.data?.busy && (
        <p className="hint" role="status">
          It would be refused now: {capabilities.data.busy}
        </p>
      )}
      <div role="radiogroup" aria-label="What to record" className="record-choices">
        {choices.map((choice) => (
          <label key={choice.id} className="check">
            <input
              type="radio"
              name="what"
              value={choice.id}
              checked={choice.id === picked?.id}
              disabled={choice.why !== undefined}
              onChange={() => setChosen(choice.id)}
              data-testid={`record-${choice.id}`}
            />
            <span>
              {choice.label}
              {choice.why !== undefined && <small className="hint">{choice.why}</small>}
            </span>
          </label>
        ))}
      </div>
      <div className="field">
        <label htmlFor="record-path">File, below the server’s directory</label>
        <input id="record-path" name="path" placeholder="{room_name}/{time}" spellCheck={false} autoComplete="off" data-testid="record-path" />
      </div>
      <p className="hint">Empty makes a name of the room and the time.</p>
    </Dialog>
  );
}
