package main

import "context"

// workload is one thing that is measured. run is one repetition.
type workload struct {
	name  string
	about string
	run   func(context.Context, *bench) (outcome, error)
}

func workloads() []workload {
	return []workload{
		{"video_1x10", "one camera at 1.5 Mbit/s to 10 subscribers", forwarding{camera, 1, 10}.run},
		{"video_1x50", "to 50", forwarding{camera, 1, 50}.run},
		{"video_1x200", "to 200", forwarding{camera, 1, 200}.run},
		{"audio_1x50", "one microphone, 50 packets/s of 100 bytes, to 50 subscribers", forwarding{microphone, 1, 50}.run},
		{"audio_3x50", "three microphones to 50", forwarding{microphone, 3, 50}.run},
		{"join_room4", "joins and leaves in rooms of four, receiving connection up", joining{media: true, rate: 20}.run},
		{"join_signal", "the same, signal connection only", joining{rate: 50}.run},
		{"idle", "100 subscribers in rooms of ten, nobody publishes", idling{100}.run},
		{"webhook_1000", "1,000 durable events a second to a healthy receiver", hooking{1000}.run},
		{"hung_1_of_100", "100 endpoints of every event, one of which does not answer for a while", oneHung{100, 20}.run},
		{"push_200k", "a backlog pushed to one endpoint, signed, one event each, 1,000 rooms", draining{backlog{200_000, 1000}}.run},
		{"pull_1m", "a million events pulled as lines of JSON, client and server resuming", catchingUp{backlog{1_000_000, 1000}}.run},
		{"log_append", "in process: events made durable by 1, 16 and 256 writers", logAppend.run},
		{"delivery_posts", "in process: signed POSTs of one endpoint, 1,000 rooms, log in memory", deliveryPosts.run},
		{"delivery_latency", "in process: append to POST at 1,000 events/s, log in memory", deliveryLatency.run},
		{"delivery_sign", "in process: the headers of one attempt", deliverySign.run},
		{"forward_path", "in process: up-track to WriteRTP, without sockets and SRTP", forwardPath.run},
	}
}
