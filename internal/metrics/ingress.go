package metrics

// ingress is what comes from encoders.
func (c collector) ingress(e emitter) {
	s := c.s.Ingress.Stats()
	for _, in := range s.Inputs {
		by := label{"input", in.Input}
		e.gauge("ingress_endpoints", "Ingress endpoints that are there.", float64(in.Endpoints), by)
		e.gauge("ingress_sessions", "Sources that are let in, by what they do.", float64(in.Buffering), by, label{"state", "buffering"})
		e.gauge("ingress_sessions", "Sources that are let in, by what they do.", float64(in.Publishing), by, label{"state", "publishing"})
		e.counter("ingress_sessions_begun_total", "Sources that were let in.", in.Begun, by)
		for outcome, n := range in.Ended {
			e.counter("ingress_sessions_ended_total", "Sources that ended, by how they did.", n, by, label{"outcome", string(outcome)})
		}
		e.counter("ingress_received_bytes_total", "Bytes of media as they came from sources.", in.AudioBytes, by, label{"kind", "audio"})
		e.counter("ingress_received_bytes_total", "Bytes of media as they came from sources.", in.VideoBytes, by, label{"kind", "video"})
	}
	for reason, n := range s.Dropped {
		e.counter("ingress_dropped_frames_total", "Frames of sources that were left out, by reason.", n, label{"reason", string(reason)})
	}
	e.histogram("ingress_first_frame_duration_seconds", "From a source being let in to its first frame in the room.", s.FirstFrame)

	running, cpu := c.s.Transcoders.Stats()
	e.gauge("ingress_transcoders", "Children that fetch, decode and encode for ingress.", float64(running))
	e.fcounter("ingress_transcoder_cpu_seconds_total", "CPU time of these children, user and system.", cpu.Seconds())

	r := c.s.RTMP.Stats()
	e.gauge("rtmp_connections", "Connections of encoders by RTMP that are open.", float64(r.Open))
	e.counter("rtmp_connections_accepted_total", "Connections by RTMP that were taken.", r.Accepted)
	for _, refusal := range []struct {
		reason string
		n      uint64
	}{{"limit", r.Refused}, {"wrong_key", r.WrongKeys}, {"malformed", r.Malformed}} {
		e.counter("rtmp_refusals_total", "Connections by RTMP that were not taken, or ended for what they sent.", refusal.n, label{"reason", refusal.reason})
	}
}
