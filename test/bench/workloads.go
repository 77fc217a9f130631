package main

import "context"

// workload is one thing that is measured. run is one repetition.
type workload struct {
	name  string
	about string
	run   func(context.Context, *bench) (outcome, error)
	// long: it takes minutes, and runs only when its whole name is asked for.
	long bool
	// anywhere: it runs at any server of the protocol, see -beside.
	anywhere bool
}

func workloads() []workload {
	return []workload{
		{name: "video_1x10", about: "one camera at 1.5 Mbit/s to 10 subscribers", run: forwarding{camera, 1, 10}.run, anywhere: true},
		{name: "video_1x50", about: "to 50", run: forwarding{camera, 1, 50}.run, anywhere: true},
		{name: "video_1x200", about: "to 200", run: forwarding{camera, 1, 200}.run, anywhere: true},
		{name: "video_1x100", about: "to 100", run: forwarding{camera, 1, 100}.run, anywhere: true},
		{name: "video_1x300", about: "to 300: 45,000 packets/s", run: forwarding{camera, 1, 300}.run, anywhere: true},
		{name: "audio_1x50", about: "one microphone, 50 packets/s of 100 bytes, to 50 subscribers", run: forwarding{microphone, 1, 50}.run, anywhere: true},
		{name: "audio_3x50", about: "three microphones to 50", run: forwarding{microphone, 3, 50}.run, anywhere: true},
		{name: "video_4x75", about: "four cameras to 75: 45,000 packets/s", run: forwarding{camera, 4, 75}.run, anywhere: true},
		{name: "audio_3x200", about: "three microphones to 200", run: forwarding{microphone, 3, 200}.run, anywhere: true},
		{name: "audio_10x50", about: "ten microphones to 50", run: forwarding{microphone, 10, 50}.run, anywhere: true},
		{name: "video_4x75_paced", about: "four cameras to 75, two packets at a time, 5 ms apart", run: forwarding{camera.paced(), 4, 75}.run, anywhere: true},
		{name: "video_4x75_real", about: "the same, with pictures and packets of many sizes", run: forwarding{camera.real(), 4, 75}.run, anywhere: true},
		{name: "video_mesh10x3", about: "three rooms of ten who all publish", run: mesh{camera, 3, 10}.run, anywhere: true},
		{name: "data_reliable", about: "50 messages/s of 200 bytes to 50, in order and none lost", run: messaging{false, 50, 50}.run, anywhere: true},
		{name: "data_lossy", about: "the same, unordered and not repeated", run: messaging{true, 50, 50}.run, anywhere: true},
		{name: "first_video", about: "from dialling to the first packet of a camera that is there", run: arriving{camera, 5}.run, anywhere: true},
		{name: "first_audio", about: "the same of a microphone", run: arriving{microphone, 5}.run, anywhere: true},
		{name: "join_200", about: "joins into a room of 200, receiving connection up", run: crowding{200, 20}.run, anywhere: true},
		{name: "frozen_workers", about: "one camera to 10, recorded by ten workers that are stopped", run: frozen{forwarding{camera, 1, 10}, 10}.run},
		{name: "recorded", about: "a camera at 3 Mbit/s and a microphone, recorded as they are", run: recorded{3_000_000, 40}.run},
		{name: "recorded_room", about: "a room of four in a grid at 720p30, encoded, from StartEgress until media is in the file; needs ffmpeg", run: recordedRoom{4, 24}.run},
		{name: "join_room4", about: "joins and leaves in rooms of four, receiving connection up", run: joining{media: true, rate: 20}.run, anywhere: true},
		{name: "join_signal", about: "the same, signal connection only", run: joining{rate: 50}.run, anywhere: true},
		{name: "join_http", about: "the same, at net/http and a WebSocket library that answer all with one message of 1 KB, and know nothing", run: joining{rate: 50, floor: floorHTTP}.run},
		{name: "join_sockets", about: "the same without any library: what the machine takes for a connection", run: joining{rate: 50, floor: floorSockets}.run},
		{name: "idle", about: "100 subscribers in rooms of ten, nobody publishes", run: idling{100}.run, anywhere: true},
		{name: "webhook_1000", about: "1,000 durable events a second to a healthy receiver", run: hooking{1000}.run},
		{name: "hung_1_of_100", about: "100 endpoints of every event, one of which does not answer for a while", run: oneHung{100, 20}.run},
		{name: "push_200k", about: "a backlog pushed to one endpoint, signed, one event each, 1,000 rooms", run: draining{backlog{200_000, 1000}}.run},
		{name: "pull_1m", about: "a million events pulled as lines of JSON, client and server resuming", run: catchingUp{backlog{1_000_000, 1000}}.run},
		{name: "room_emit", about: "in process: an event on the room's goroutine, while the log commits", run: roomEmit.run},
		{name: "log_append", about: "in process: events made durable by 1, 16 and 256 writers", run: logAppend.run},
		{name: "delivery_posts", about: "in process: signed POSTs of one endpoint, 1,000 rooms, log in memory", run: deliveryPosts.run},
		{name: "delivery_latency", about: "in process: append to POST at 1,000 events/s, log in memory", run: deliveryLatency.run},
		{name: "delivery_sign", about: "in process: the headers of one attempt", run: deliverySign.run},
		{name: "forward_path", about: "in process: up-track to WriteRTP, without sockets and SRTP", run: forwardPath.run},
		{name: "backlog_10m", about: "ten million events behind: reopen after kill -9, push, pull; takes 6 GiB and ten minutes",
			run: millions{backlog{10_000_000, 1000}}.run, long: true},
	}
}
