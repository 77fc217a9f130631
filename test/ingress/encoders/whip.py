"""Publishes a test picture and a tone by WHIP, with aiortc, until its input ends.

whip.py URL KEY
"""

import asyncio
import sys
from urllib.parse import urljoin

import aiohttp
import av.filter
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription


class Source(MediaStreamTrack):
    """What a filter of FFmpeg's makes, at its pace."""

    def __init__(self, kind, source, arguments, sink):
        super().__init__()
        self.kind = kind
        self.graph = av.filter.Graph()
        self.graph.add(source, arguments).link_to(self.graph.add(sink))
        self.graph.configure()
        self.began = None

    async def recv(self):
        frame = self.graph.pull()
        now = asyncio.get_running_loop().time()
        self.began = self.began if self.began is not None else now
        await asyncio.sleep(self.began + float(frame.pts * frame.time_base) - now)
        if self.kind == "video":
            pts, base = frame.pts, frame.time_base
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = pts, base
        return frame


async def main():
    url, key = sys.argv[1:]
    pc = RTCPeerConnection()
    pc.addTransceiver(Source("video", "testsrc2", "size=640x360:rate=15", "buffersink"), direction="sendonly")
    pc.addTransceiver(Source("audio", "sine", "frequency=440:sample_rate=48000:samples_per_frame=960", "abuffersink"), direction="sendonly")
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as http:
        offer = pc.localDescription.sdp
        async with http.post(url, data=offer, headers=headers | {"Content-Type": "application/sdp"}) as answer:
            text = await answer.text()
            if answer.status != 201:
                sys.exit(f"{answer.status} {text}")
            session = urljoin(url, answer.headers["Location"])
        await pc.setRemoteDescription(RTCSessionDescription(text, "answer"))
        await asyncio.to_thread(sys.stdin.read)
        async with http.delete(session, headers=headers) as answer:
            if answer.status != 200:
                sys.exit(f"DELETE: {answer.status}")
    await pc.close()


asyncio.run(main())
