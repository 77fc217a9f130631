// Which events each SDK has, by what it exports: the names to which an application can
// listen.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import * as browser from 'livekit-client';
import * as node from '@livekit/rtc-node';
import { agentPython, suite } from './paths.mjs';

/** Functions that take events by their usual names, and return those that the SDK has: {room, participant}. */
export const exported = {
  browser(events) {
    return {
      room: among(events, Object.keys(browser.RoomEvent)),
      participant: among(events, Object.keys(browser.ParticipantEvent), (event) => event.replace('ParticipantAttributes', 'Attributes')),
    };
  },

  node(events) {
    return { room: among(events, Object.keys(node.RoomEvent)), participant: among(events, Object.keys(node.ParticipantEvent ?? {})) };
  },

  python(events) {
    const names = JSON.parse(execFileSync(agentPython, ['-c', `
import json, typing
from livekit import rtc
from livekit.rtc import room
assert not hasattr(rtc.Participant, "on"), "its participants have events"
print(json.dumps(typing.get_args(room.EventTypes)))
`], { encoding: 'utf8' }));
    return { room: among(events, names, snake), participant: [] };
  },

  // What the crate has, and the library tells; an event of a participant would be there, too.
  rust(events) {
    const names = JSON.parse(execFileSync(agentPython, ['-c', `
import json
from livekit.rtc._proto import ffi_pb2, room_pb2
fields = lambda message: [f.name for f in message.DESCRIPTOR.oneofs_by_name["message"].fields]
assert not [f for f in fields(ffi_pb2.FfiEvent) if "participant" in f], "its participants have events"
print(json.dumps(fields(room_pb2.RoomEvent)))
`], { encoding: 'utf8' }));
    const other = { DataReceived: 'data_packet_received', ParticipantPermissionsChanged: 'participant_permission_changed' };
    return { room: among(events, names, (event) => other[event] ?? snake(event)), participant: [] };
  },

  go(events) {
    const fields = (type) => [...execFileSync('go', ['doc', 'github.com/livekit/server-sdk-go/v2', type], {
      cwd: path.join(suite, 'goparticipant'), encoding: 'utf8',
    }).matchAll(/^\t(On\w+) /gm)].map(([, name]) => name);
    const other = {
      ParticipantMetadataChanged: 'OnMetadataChanged', ParticipantAttributesChanged: 'OnAttributesChanged', DataReceived: 'OnDataPacket',
    };
    const names = (event) => other[event] ?? `On${event}`;
    const participant = fields('ParticipantCallback'); // the room's has all of them too
    return { room: among(events, [...fields('RoomCallback'), ...participant], names), participant: among(events, participant, names) };
  },
};

const snake = (event) => event.replace(/\B[A-Z]/g, '_$&').toLowerCase();

function among(events, names, spell = (event) => event) {
  return events.filter((event) => names.includes(spell(event)));
}
