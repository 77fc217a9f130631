"""Publishes a test picture and a tone by WHIP, with GStreamer's webrtcbin, until its input
ends.

gstreamer.py URL KEY

Debian 12 has no whipclientsink. What that does besides webrtcbin is in here: a POST,
when all candidates are gathered, and a DELETE.
"""

import sys
import threading
import urllib.request
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = """
webrtcbin name=out bundle-policy=max-bundle
videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! queue !
  vp8enc deadline=1 cpu-used=8 target-bitrate=800000 keyframe-max-dist=3000 ! rtpvp8pay picture-id-mode=15-bit !
  application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96 ! out.
audiotestsrc is-live=true ! audioconvert ! audioresample ! queue ! opusenc ! rtpopuspay !
  application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=97 ! out.
"""


class Client:
    """A WHIP client. Its methods are called in the main loop, or by way of it."""

    def __init__(self, url, key):
        self.url, self.key = url, key
        self.session = self.failed = None
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.out = self.pipeline.get_by_name("out")
        self.out.connect("on-negotiation-needed", lambda _: GLib.idle_add(self.offer))
        self.out.connect("notify::ice-gathering-state", lambda *_: GLib.idle_add(self.gathered))
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: self.fail(str(message.parse_error())))

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        return self.failed

    def fail(self, why):
        self.failed = why
        self.loop.quit()

    def offer(self):
        for i in range(2):
            self.out.emit("get-transceiver", i).set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        self.out.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise, _):
        reply = promise.get_reply()  # has to be there for as long as the offer is looked at
        self.out.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(self):
        description = self.out.get_property("local-description")
        state = self.out.get_property("ice-gathering-state")
        if self.session or not description or state != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        try:
            headers = {"Content-Type": "application/sdp"}
            text, location = self.request("POST", self.url, description.sdp.as_text().encode(), headers)
        except OSError as e:
            self.fail(f"POST: {e}")
            return
        self.session = urljoin(self.url, location)
        _, answer = GstSdp.SDPMessage.new_from_text(text)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer)
        self.out.emit("set-remote-description", answer, Gst.Promise.new())
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self):
        sys.stdin.read()
        GLib.idle_add(self.leave)

    def leave(self):
        try:
            self.request("DELETE", self.session, None, {})
        except OSError as e:
            self.failed = f"DELETE: {e}"
        self.loop.quit()

    def request(self, method, url, body, headers):
        headers = headers | {"Authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode(), answer.headers.get("Location")


Gst.init(None)
sys.exit(Client(*sys.argv[1:]).run())
