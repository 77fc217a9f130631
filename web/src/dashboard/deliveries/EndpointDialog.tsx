import { Dialog } from '../ui/Dialog';
import type { Endpoint } from './endpoint';
import { inputOf, shownList } from './form';
import { useActions } from './queries';

// EndpointDialog makes an endpoint, or changes one.
export function EndpointDialog({ edited, onDone, onClose }: { edited?: Endpoint; onDone: (endpoint: Endpoint) => void; onClose: () => void }) {
  const { create, change } = useActions();
  const submit = async (form: FormData) => {
    const input = inputOf(form, edited);
    onDone(edited ? await change(edited.id, input) : await create(input));
  };
  return (
    <Dialog title={edited ? 'Change the endpoint' : 'Add an endpoint'} action={edited ? 'Save' : 'Add'} onSubmit={submit} onClose={onClose}>
      <div className="field">
        <label htmlFor="ep-url">URL</label>
        <input id="ep-url" name="url" type="url" required placeholder="https://example.com/webhook" defaultValue={edited?.url} autoFocus={!edited} data-testid="ep-url" />
        {edited && <p className="hint">What a URL has behind ? is secret and not shown; it is kept as long as you leave the URL alone.</p>}
      </div>
      <div className="field">
        <label htmlFor="ep-description">Name for people</label>
        <input id="ep-description" name="description" defaultValue={edited?.description} data-testid="ep-description" />
      </div>
      <div className="field">
        <label htmlFor="ep-events">Events</label>
        <input id="ep-events" name="events" placeholder="all that LiveKit has" defaultValue={shownList(edited?.filter.events)} data-testid="ep-events" />
        <p className="hint">
          Names or globs, such as <code>room_*, participant_*</code>. <code>*</code> is all of them, with reconnects, mutes, quality and summaries.
        </p>
      </div>
      <details className="more-fields">
        <summary>Filters, order, headers</summary>
        <div className="field">
          <label htmlFor="ep-exclude">But not</label>
          <input id="ep-exclude" name="exclude" placeholder="room_metadata_changed" defaultValue={shownList(edited?.filter.exclude)} />
        </div>
        <div className="field">
          <label htmlFor="ep-rooms">Rooms</label>
          <input id="ep-rooms" name="rooms" placeholder="all" defaultValue={shownList(edited?.filter.rooms)} />
          <p className="hint">
            Names or globs with commas between them, such as <code>class-*, Board room</code>.
          </p>
        </div>
        <div className="field">
          <label htmlFor="ep-mode">Order</label>
          <select id="ep-mode" name="mode" defaultValue={edited?.mode ?? 'ordered'}>
            <option value="ordered">each room’s events one after the other</option>
            <option value="parallel">each event by itself, in any order</option>
          </select>
        </div>
        <div className="field">
          <label htmlFor="ep-format">Format</label>
          <select id="ep-format" name="format" defaultValue={edited?.format ?? 'livekit'}>
            <option value="livekit">LiveKit’s webhook</option>
            <option value="cloudevents">CloudEvents 1.0, binary mode</option>
          </select>
        </div>
        <div className="field">
          <label htmlFor="ep-rate">Requests a second, at most</label>
          <input id="ep-rate" name="rate" inputMode="decimal" placeholder="no limit" defaultValue={edited?.rate || ''} />
        </div>
        <div className="field">
          <label htmlFor="ep-headers">Headers to send along</label>
          <textarea id="ep-headers" name="headers" rows={2} placeholder="X-Tenant: 7" />
          {edited && edited.headers.length > 0 && <p className="hint">There are {edited.headers.join(', ')}, whose values are secret. What you write here replaces them all.</p>}
        </div>
        <label className="check">
          <input type="checkbox" name="fullTrackContext" defaultChecked={edited?.fullTrackContext} />
          Track events with the whole room and participant
        </label>
        <label className="check">
          <input type="checkbox" name="block" defaultChecked={edited?.block} />
          Hold a room back for an event that is refused, rather than give it up
        </label>
      </details>
    </Dialog>
  );
}
