import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Link } from 'wouter';
import { usePolled } from '../api/usePolled';
import { Age } from '../ui/Age';
import { Dialog } from '../ui/Dialog';
import { bytes, dateTime, duration } from '../ui/format';
import { BackIcon } from '../ui/icons';
import { Empty, Loading, Problem } from '../ui/states';
import { egress, useLink, useRecording } from './queries';
import { isHere, isSound, lengthOf, millis, stateOf, whatOf, type FileInfo, type Recording } from './recording';

// RecordingPage is one recording: how it does, and its files to watch.
export function RecordingPage({ id }: { id: string }) {
  const query = useRecording(id);
  usePolled(query);
  const recording = query.data;
  return (
    <div className="recording">
      <Head id={id} recording={recording ?? undefined} />
      {query.isPending && <Loading what="the recording" />}
      {query.isError && !recording && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {recording === null && <Empty title="There is no such recording">It may have ended more than a day ago. Its events are in the story of its room.</Empty>}
      {recording && <Shown recording={recording} />}
    </div>
  );
}

function Head({ id, recording }: { id: string; recording: Recording | undefined }) {
  const [stopping, setStopping] = useState(false);
  const queries = useQueryClient();
  const state = recording && stateOf(recording);
  return (
    <div className="page-head">
      <Link href="/" className="button quiet" aria-label="All recordings" title="All recordings">
        <BackIcon />
      </Link>
      <h1 title={id}>{recording ? whatOf(recording) : 'Recording'}</h1>
      {state && (
        <span className="tag" data-tone={state.tone} data-testid="recording-state">
          {state.label}
        </span>
      )}
      {recording && state?.live && (
        <span className="sum">
          for <Age since={millis(recording.started_at)} />
        </span>
      )}
      <span className="page-space" />
      {recording?.room_id && (
        <Link href={`~/dashboard/story/${encodeURIComponent(recording.room_id)}`} className="button small">
          Story
        </Link>
      )}
      {state?.live && recording?.status !== 'EGRESS_ENDING' && (
        <button type="button" className="button small danger" onClick={() => setStopping(true)} data-testid="recording-stop">
          Stop
        </button>
      )}
      {stopping && (
        <Dialog
          title="End this recording?"
          action="End it"
          destructive
          onClose={() => setStopping(false)}
          onSubmit={async () => {
            await egress('StopEgress', { egress_id: id });
            // Not the links to its files: what plays goes on.
            await queries.invalidateQueries({ queryKey: ['recordings', id], exact: true });
          }}
        >
          <p>What is recorded by now is kept.</p>
        </Dialog>
      )}
    </div>
  );
}

function Shown({ recording }: { recording: Recording }) {
  return (
    <>
      {recording.error && (
        <p className="recording-error" role="status" data-testid="recording-error">
          {recording.error}
        </p>
      )}
      {recording.file_results.map((file, number) => (
        <Player key={file.filename} recording={recording} file={file} number={number} />
      ))}
      <dl className="facts">
        <Fact label="Room">{recording.room_name || '–'}</Fact>
        <Fact label="Began">{dateTime(millis(recording.started_at))}</Fact>
        {Number(recording.ended_at) > 0 && <Fact label="Ended">{dateTime(millis(recording.ended_at))}</Fact>}
        {lengthOf(recording) > 0 && <Fact label="Length">{duration(lengthOf(recording))}</Fact>}
        {recording.details && <Fact label="Why it ended">{recording.details.replace(/^End reason: /, '')}</Fact>}
        {recording.file_results.map((file) => (
          <Fact key={file.location} label="File">
            <code className="value">{file.location}</code> {Number(file.size) > 0 && bytes(Number(file.size))}
          </Fact>
        ))}
        {recording.segment_results.map((list) => (
          <Fact key={list.playlist_location} label="Playlist">
            <code className="value">{list.playlist_location}</code> {list.segment_count} segments
          </Fact>
        ))}
        {recording.stream_results.map((stream) => (
          <Fact key={stream.url} label="Stream">
            <code className="value">{stream.url}</code> {stream.status.toLowerCase()}
          </Fact>
        ))}
        {recording.manifest_location && (
          <Fact label="Manifest">
            <code className="value">{recording.manifest_location}</code>
          </Fact>
        )}
        {recording.backup_storage_used && <Fact label="Backup">used, because the store took nothing in time</Fact>}
        <Fact label="Id">{recording.egress_id}</Fact>
      </dl>
    </>
  );
}

// Player shows a file that is on the server. What grows is shown as far as it is
// when the player asks, and all of it once it has ended.
function Player({ recording, file, number }: { recording: Recording; file: FileInfo; number: number }) {
  const here = isHere(file);
  const begun = Number(file.started_at) > 0;
  const link = useLink(recording.egress_id, number, here && begun);
  const media = useRef<HTMLVideoElement>(null);
  const { live } = stateOf(recording);
  const grew = useRef(live);
  useEffect(() => {
    if (live || !grew.current || !media.current || !link.data) return;
    grew.current = false;
    loadAgain(media.current, `${link.data}&whole`);
  }, [live, link.data]);
  if (!here) {
    return (
      <p className="recording-elsewhere" data-testid="recording-elsewhere">
        {file.filename} is in a store:{' '}
        <a href={file.location} rel="noreferrer" target="_blank">
          {new URL(file.location).host}
        </a>{' '}
        lets you watch it if you have the rights there.
      </p>
    );
  }
  if (link.isError) return <Problem error={link.error} onRetry={() => void link.refetch()} />;
  if (!link.data) return null;
  const Media = isSound(file) ? 'audio' : 'video';
  return (
    <figure className="recording-player">
      <Media ref={media} controls preload="metadata" src={link.data} data-testid="recording-player" aria-label={`${file.filename} of ${whatOf(recording)}`} />
      <figcaption>
        <span>{file.filename}</span>
        <a className="button small" href={`${link.data}&download`} download={file.filename} data-testid="recording-download">
          Download
        </a>
      </figcaption>
    </figure>
  );
}

// loadAgain has a player ask for its file once more, and go on where it was. Of the same
// address a browser would show what it has.
function loadAgain(media: HTMLMediaElement, address: string) {
  const { currentTime, paused, ended } = media;
  media.src = address;
  media.currentTime = currentTime;
  if (!paused && !ended) void media.play().catch(() => undefined); // it may have gone meanwhile
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}
