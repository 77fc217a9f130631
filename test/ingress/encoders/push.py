"""Pushes a test picture and a tone by RTMP until its input ends, with FFmpeg's libraries of PyAV, which are newer
than Debian's.

push.py URL VIDEO AUDIO: encoders such as libx265 and libopus, or - for none.
"""

import sys
import threading
import time

import av
import av.filter

OPTIONS = {
    "libx265": {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "bframes=0:log-level=none:keyint=30"},
    "libsvtav1": {"preset": "12", "svtav1-params": "pred-struct=1:lp=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
}


def graph(source, arguments, sink):
    g = av.filter.Graph()
    g.add(source, arguments).link_to(g.add(sink))
    g.configure()
    return g


def main():
    url, video, audio = sys.argv[1:]
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    out = av.open(url, "w", format="flv", options={"rtmp_enhanced_codecs": "hvc1,av01,vp09,Opus"})
    tracks = []
    if video != "-":
        stream = out.add_stream(video, rate=30, options=OPTIONS.get(video, {}))
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.codec_context.gop_size = 30
        tracks.append([stream, graph("testsrc2", "size=320x180:rate=30", "buffersink"), "yuv420p", 0.0])
    if audio != "-":
        stream = out.add_stream(audio, rate=48000)
        stream.layout = "stereo"
        tracks.append([stream, graph("sine", "frequency=440:sample_rate=48000:samples_per_frame=960", "abuffersink"), None, 0.0])
    resampler = av.AudioResampler(format="flt" if audio == "libopus" else "fltp", layout="stereo", rate=48000)
    began = time.monotonic()
    while not over.is_set():
        track = min(tracks, key=lambda t: t[3])  # the one that is behind
        stream, source, pixels, at = track
        frame = source.pull()
        if pixels:
            frame = frame.reformat(format=pixels)
            frames, track[3] = [frame], at + 1 / 30
        else:
            frames, track[3] = resampler.resample(frame), at + 960 / 48000
        time.sleep(max(0, began + at - time.monotonic()))
        for f in frames:
            out.mux(stream.encode(f))
    for stream, *_ in tracks:
        out.mux(stream.encode())
    out.close()


main()
