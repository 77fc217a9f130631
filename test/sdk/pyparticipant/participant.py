"""One participant built on the unmodified LiveKit SDK for Python.

Like goparticipant, it joins a room, tells every SDK event as a JSON line on
standard output, and carries out commands that it reads as JSON lines from
standard input. It leaves when its standard input ends.
"""

import array
import asyncio
import json
import math
import sys

from livekit import rtc
from livekit.protocol import models

SOURCES = {
    rtc.TrackSource.SOURCE_CAMERA: "camera",
    rtc.TrackSource.SOURCE_MICROPHONE: "microphone",
}
QUALITIES = {
    rtc.ConnectionQuality.QUALITY_POOR: "poor",
    rtc.ConnectionQuality.QUALITY_GOOD: "good",
    rtc.ConnectionQuality.QUALITY_EXCELLENT: "excellent",
    rtc.ConnectionQuality.QUALITY_LOST: "lost",
}


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Participant:
    def __init__(self):
        self.room = rtc.Room()
        self.frames = {}  # identity -> pictures received
        self.energy = {}  # identity -> sum of squared samples received
        self.tasks = set()
        self.record()

    def record(self):
        on = self.room.on
        # The SDK does not keep to one order of a participant and its publication.
        of_track = {
            "track_published": "trackPublished",
            "track_unpublished": "trackUnpublished",
            "track_subscribed": "trackSubscribed",
            "track_unsubscribed": "trackUnsubscribed",
            "track_muted": "trackMuted",
            "track_unmuted": "trackUnmuted",
        }
        for name, event in of_track.items():
            on(name, lambda *args, event=event: self.told_of_track(event, args))
        on("local_track_published", lambda pub, _: tell("localTrackPublished", sid=pub.sid))
        on("local_track_unpublished", lambda pub: tell("localTrackUnpublished", sid=pub.sid))
        on("participant_connected", lambda p: tell("participantConnected", identity=p.identity, sid=p.sid))
        on("participant_disconnected", lambda p: tell("participantDisconnected", identity=p.identity, sid=p.sid))
        on("active_speakers_changed", lambda all: tell("activeSpeakers", identities=[p.identity for p in all]))
        on("connection_quality_changed", lambda p, q: tell("connectionQuality", identity=p.identity, quality=QUALITIES[q]))
        on("participant_attributes_changed", lambda changed, p: tell("attributes", identity=p.identity, changed=dict(changed)))
        on("participant_metadata_changed", lambda p, _, now: tell("metadata", identity=p.identity, metadata=now))
        on("participant_permissions_changed", lambda p, now: tell("permissions", identity=p.identity, canPublish=now.can_publish))
        on("room_metadata_changed", lambda _, now: tell("roomMetadata", metadata=now))
        on("data_received", lambda d: tell(
            "data", **{"from": d.participant.identity if d.participant else ""},
            text=d.data.decode(), topic=d.topic, reliable=d.kind == rtc.DataPacketKind.KIND_RELIABLE))
        on("reconnecting", lambda: tell("reconnecting"))
        on("reconnected", lambda: tell("reconnected"))
        on("disconnected", lambda reason: tell("disconnected", reason=models.DisconnectReason.Name(reason)))

    def told_of_track(self, event, args):
        who = next(a for a in args if isinstance(a, rtc.Participant))
        pub = next(a for a in args if isinstance(a, rtc.TrackPublication))
        if event == "trackSubscribed":
            self.task(self.receive(next(a for a in args if isinstance(a, rtc.Track)), who.identity))
        kind = "video" if pub.kind == rtc.TrackKind.KIND_VIDEO else "audio"
        tell(event, identity=who.identity, sid=pub.sid, kind=kind, source=SOURCES.get(pub.source), mime=pub.mime_type)

    def task(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def receive(self, track, identity):
        if track.kind == rtc.TrackKind.KIND_VIDEO:
            async for _ in rtc.VideoStream(track):
                self.frames[identity] = self.frames.get(identity, 0) + 1
        else:
            async for event in rtc.AudioStream(track):
                energy = sum((s / 32768) ** 2 for s in event.frame.data[::16])
                self.energy[identity] = self.energy.get(identity, 0) + energy

    async def publish_microphone(self):
        rate, n = 48_000, 0
        source = rtc.AudioSource(rate, 1)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)

        async def hum():
            nonlocal n
            while True:
                samples = array.array("h", (int(12_000 * math.sin(2 * math.pi * 440 * (n + i) / rate)) for i in range(rate // 50)))
                n += len(samples)
                await source.capture_frame(rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples)))

        self.task(hum())
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        publication = await self.room.local_participant.publish_track(track, options)
        return {"sid": publication.sid}

    def answer_calls(self, method):
        async def answer(call):
            return f"{method} {call.payload}"

        self.room.local_participant.register_rpc_method(method, answer)

    def listen(self, topic):
        async def text(reader, identity):
            tell("text", **{"from": identity}, text=await reader.read_all())

        async def read_bytes(reader, identity):
            got = b"".join([chunk async for chunk in reader])
            tell("bytes", **{"from": identity}, size=len(got), sum=sum(got))

        self.room.register_text_stream_handler(topic, lambda reader, who: self.task(text(reader, who)))
        self.room.register_byte_stream_handler(topic, lambda reader, who: self.task(read_bytes(reader, who)))

    async def do(self, op, args):
        if op == "join":
            url, token, connections = args
            one = None if connections is None else connections == 1
            await self.room.connect(url, token, rtc.RoomOptions(single_peer_connection=one))
            return {"sid": self.room.local_participant.sid}
        if op == "publishMicrophone":
            return await self.publish_microphone()
        if op == "unpublish":
            return await self.room.local_participant.unpublish_track(*args)
        if op == "mute":
            sid, muted = args
            track = self.room.local_participant.track_publications[sid].track
            return track.mute() if muted else track.unmute()
        if op == "videoFrames":
            return self.frames.get(*args, 0)
        if op == "audioEnergy":
            return self.energy.get(*args, 0)
        local = self.room.local_participant
        if op == "sendData":
            text, topic, to = args
            return await local.publish_data(text, reliable=True, topic=topic, destination_identities=to)
        if op == "answerCalls":
            return self.answer_calls(*args)
        if op == "call":
            identity, method, payload = args
            return await local.perform_rpc(destination_identity=identity, method=method, payload=payload)
        if op == "listen":
            return self.listen(*args)
        if op == "sendText":
            text, topic = args
            await local.send_text(text, topic=topic)
            return None
        if op == "sendBytes":
            size, topic = args
            writer = await local.stream_bytes("file", total_size=size, topic=topic)
            await writer.write(bytes(i % 256 for i in range(size)))
            return await writer.aclose()
        raise ValueError(f"unknown command {op}")


async def main():
    participant = Participant()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        command = json.loads(line)
        try:
            result = await participant.do(command["op"], command["args"])
            tell("reply", id=command["id"], result=result)
        except Exception as error:  # whatever the SDK throws is an answer
            tell("reply", id=command["id"], error=str(error) or repr(error))
    for task in list(participant.tasks):
        task.cancel()
    await participant.room.disconnect()


asyncio.run(main())
