package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-rtc/rollcall/internal/histogram"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// collector reads the sources at each scrape.
type collector struct{ s Sources }

// Describe sends nothing: what there is depends on what happened.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	e := emitter{out}
	e.gauge("build_info", "What is running; always 1.", 1, label{"version", c.s.Version}, label{"goversion", runtime.Version()})
	ready := 1.0
	if c.s.Ready() != nil {
		ready = 0
	}
	e.gauge("ready", "Whether the server takes new clients.", ready)
	e.gauge("start_time_seconds", "When the server started, in seconds since 1970.", float64(c.s.Started.UnixMilli())/1e3)
	c.rooms(e)
	c.media(e)
	c.signal(e)
	c.log(e)
	c.webhooks(e)
	c.agents(e)
	c.relay(e)
	c.egress(e)
	c.ingress(e)
}

func (c collector) rooms(e emitter) {
	s := c.s.Rooms.Stats()
	e.gauge("rooms", "Rooms that are open.", float64(s.Rooms))
	e.counter("rooms_opened_total", "Rooms that were opened, those that a restart brought back included.", s.RoomsOpened)
	e.gauge("participants", "Participants who have joined.", float64(s.Participants))
	e.gauge("tracks", "Tracks that are published.", float64(s.AudioTracks), label{"kind", "audio"})
	e.gauge("tracks", "Tracks that are published.", float64(s.VideoTracks), label{"kind", "video"})
	e.gauge("subscriptions", "Tracks that are forwarded, each to one participant.", float64(s.Subscriptions))
	e.counter("joins_accepted_total", "Clients that were let in.", s.Accepted)
	e.counter("joins_completed_total", "Clients that were let in and whose transport came up.", s.Joined)
	for reason, n := range s.Aborted {
		e.counter("joins_aborted_total", "Clients that were let in and whose transport never came up, by how it ended.", n, label{"reason", reason})
	}
	for reason, n := range s.Left {
		e.counter("participants_left_total", "Participants who left, by reason.", n, label{"reason", reason})
	}
	e.histogram("join_duration_seconds", "From being let in to the transport being up.", s.JoinTime)
	e.histogram("first_media_duration_seconds", "From being let in to the first track, published or received.", s.FirstMedia)
}

func (c collector) media(e emitter) {
	t := c.s.Media.Traffic()
	e.gauge("peer_connections", "Peer connections of clients: of some one, of others one for each way.", float64(t.Connections))
	e.counter("offer_reminders_total", "Requests to clients with one connection for an offer that they owed: they had been asked before, or had announced a track.", t.Reminders)
	e.gauge("paced_connections", "Connections that have shown a limit, on which key frames are spread.", float64(t.Paced.Connections))
	e.gauge("paced_waiting_packets", "Packets of video that wait so that they do not go in bursts.", float64(t.Paced.Waiting))
	e.counter("paced_packets_total", "Packets of video that have waited.", t.Paced.Packets)
	for r, n := range t.Routes {
		e.gauge("ice_connections", "Connections that are up, by transport and the type of the client's candidate.", float64(n),
			label{"protocol", r.Protocol}, label{"candidate", r.Candidate})
	}
	for _, kind := range []struct {
		name string
		ways peer.Ways
	}{{"audio", t.Audio}, {"video", t.Video}} {
		for _, way := range []struct {
			name string
			flow peer.Flow
		}{{"in", kind.ways.In}, {"out", kind.ways.Out}} {
			labels := []label{{"direction", way.name}, {"kind", kind.name}}
			f := way.flow
			e.counter("media_packets_total", "Media packets from clients (in) and to them (out), without those sent again.", f.Packets, labels...)
			e.counter("media_payload_bytes_total", "Bytes of payload in those packets.", f.Bytes, labels...)
			e.counter("media_lost_packets_total", "Packets that did not arrive; out, as clients report it.", f.Lost, labels...)
			e.counter("media_nacks_total", "Packets that the receiving side asked for again.", f.NACKs, labels...)
			e.counter("media_resent_packets_total", "Packets that came (in) or were sent (out) because they were asked for.", f.Resent, labels...)
			e.counter("media_plis_total", "Key frames that the receiving side asked for.", f.PLIs, labels...)
		}
	}
}

func (c collector) signal(e emitter) {
	s := c.s.Signal.Stats()
	e.gauge("signal_connections", "Signal connections (WebSockets) that are open.", float64(s.Connections))
	e.counter("signal_connections_opened_total", "Signal connections that were opened.", s.Opened)
	e.counter("signal_resumes_total", "Those that went on with a session whose connection had dropped.", s.Resumed)
	e.counter("signal_refusals_total", "Clients that were not let in.", s.Refused)
	e.counter("signal_rate_limited_total", "Those of them that came too often.", s.Limited)
	e.counter("signal_cut_off_total", "Clients that sent too much once they were in.", s.CutOff)
}

func (c collector) log(e emitter) {
	s := c.s.Log.Stats()
	e.counter("events_appended_total", "Events that the log took.", s.Appended)
	e.counter("events_refused_total", "Events that the log did not take, because it had ended or was full.", s.Refused, label{"reason", "ended"})
	e.counter("events_refused_total", "Events that the log did not take, because it had ended or was full.", s.RefusedByQuota, label{"reason", "quota"})
	e.gauge("event_log_first_seq", "The place of the oldest event that is kept.", float64(c.s.Log.First()))
	e.gauge("event_log_last_seq", "The place of the newest event that is durable.", float64(c.s.Log.Last()))
	e.gauge("event_log_events_bytes", "Bytes of events that are kept, before compression; 0 unless the configuration limits them.", float64(s.Bytes))
	e.gauge("event_log_disk_bytes", "Bytes that the log takes on the disk.", float64(c.s.Log.DiskUsage()))
	e.gauge("event_log_waiting_events", "Events that are appended and not yet written.", float64(s.Waiting))
	e.counter("event_log_append_waits_total", "How often an event had to wait because too many were not yet written.", s.Waits)
	e.fcounter("event_log_append_wait_seconds_total", "How long they waited.", s.WaitTime.Seconds())
	e.histogram("event_log_commit_duration_seconds", "How long a group of events took to be written and synced.", c.s.Log.CommitTimes())
}

func (c collector) agents(e emitter) {
	s := c.s.Agents.Stats()
	e.gauge("agent_workers", "Workers of agents that are connected.", float64(s.Workers))
	e.gauge("agent_jobs", "Jobs of agents.", float64(s.Pending), label{"state", "pending"})
	e.gauge("agent_jobs", "Jobs of agents.", float64(s.Running), label{"state", "running"})
}

func (c collector) relay(e emitter) {
	if c.s.Relay == nil {
		return
	}
	s := c.s.Relay.Stats()
	e.gauge("turn_sessions", "Participants who may relay.", float64(s.Sessions))
	e.gauge("turn_allocations", "Relays that are open.", float64(s.Relays))
	e.gauge("turn_tls_connections", "Connections to TURN over TLS.", float64(s.Connections))
	e.counter("turn_allocations_made_total", "Relays that were opened.", s.Allocations)
	for _, r := range []struct {
		reason string
		n      uint64
	}{{"unauthorized", s.Unauthorized}, {"quota", s.OverQuota}, {"failed", s.Failed}, {"forbidden", s.Forbidden}} {
		e.counter("turn_refusals_total", "Requests and packets that TURN refused.", r.n, label{"reason", r.reason})
	}
	e.counter("turn_dropped_packets_total", "Packets above the bit rate that a participant may relay.", s.OverBitrate)
	e.counter("turn_bytes_total", "Bytes that were relayed from clients (in) and to them (out).", s.BytesUp, label{"direction", "in"})
	e.counter("turn_bytes_total", "Bytes that were relayed from clients (in) and to them (out).", s.BytesDown, label{"direction", "out"})
}

type label struct{ name, value string }

// emitter makes metrics of one scrape.
type emitter struct{ out chan<- prometheus.Metric }

func desc(name, help string, labels []label) (*prometheus.Desc, []string) {
	names, values := make([]string, len(labels)), make([]string, len(labels))
	for i, l := range labels {
		names[i], values[i] = l.name, l.value
	}
	return prometheus.NewDesc("rollcall_"+name, help, names, nil), values
}

func (e emitter) send(name, help string, kind prometheus.ValueType, v float64, labels []label) {
	d, values := desc(name, help, labels)
	e.out <- prometheus.MustNewConstMetric(d, kind, v, values...)
}

func (e emitter) gauge(name, help string, v float64, labels ...label) {
	e.send(name, help, prometheus.GaugeValue, v, labels)
}

func (e emitter) counter(name, help string, v uint64, labels ...label) {
	e.send(name, help, prometheus.CounterValue, float64(v), labels)
}

func (e emitter) fcounter(name, help string, v float64, labels ...label) {
	e.send(name, help, prometheus.CounterValue, v, labels)
}

func (e emitter) histogram(name, help string, h histogram.Snapshot) {
	buckets := make(map[float64]uint64, len(h.Bounds))
	for i, b := range h.Bounds {
		buckets[b.Seconds()] = h.Within[i]
	}
	d, _ := desc(name, help, nil)
	e.out <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum.Seconds(), buckets)
}
