package metrics

import "strings"

// egress is what is recorded.
func (c collector) egress(e emitter) {
	s := c.s.Egress.Stats()
	e.gauge("egress_running", "Recordings that run.", float64(s.Running))
	for status, n := range s.Ended {
		how := strings.ToLower(strings.TrimPrefix(status.String(), "EGRESS_"))
		e.counter("egress_ended_total", "Recordings that ended, by their status.", n, label{"status", how})
	}
	e.fcounter("egress_missing_seconds_total", "How much of what was published is in no recording, of those that ended.", s.Missing.Seconds())
	e.counter("egress_dropped_pictures_total", "Pictures that the machine was too slow to encode, of recordings that ended.", s.Dropped)
}
