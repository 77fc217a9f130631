package main

import (
	"fmt"
	"strings"
)

// goal is what a figure should reach, on two cores and a quiet disk.
type goal struct {
	workload, metric string
	atLeast          bool // or at most
	value            float64
}

func goals() []goal {
	return []goal{
		{"webhook_1000", "event to POST, p50", false, 1},
		{"webhook_1000", "event to POST, p99", false, 10},
		{"hung_1_of_100", "p99 with one hung ÷ all well", false, 1.2},
		{"hung_1_of_100", "events lost", false, 0},
		{"frozen_workers", "p99 with frozen workers less without", false, 1},
		{"recorded", "StartEgress to media on disk, p95", false, 300},
		{"recorded_room", "StartEgress to media on disk, p95", false, 1500},
		{"recorded", "CPU of a recorded minute", false, 0.6},
		{"recorded", "RSS of the worker, at most", false, 20},
		{"push_200k", "signed POSTs", true, 10_000},
		{"pull_1m", "catch-up of a million events", false, 10},
		{"log_append", "durable events, writers=1", true, 2_000},
		{"log_append", "durable events, writers=256", true, 50_000},
		{"room_emit", "emit, p99", false, 2},
		{"forward_path", "allocations per received packet, h264/down=200", false, 0},
		{"backlog_10m", "reopen after kill -9", false, 5},
		{"backlog_10m", "peak RSS, reopened and idle", false, 256},
		{"backlog_10m", "peak RSS, pushing", false, 256},
		{"backlog_10m", "peak RSS, pulled from the beginning", false, 256},
	}
}

// judge says what the goal of a figure is and whether the figure reaches it; ""
// for one without.
func judge(workload, metric string, figure float64) string {
	for _, g := range goals() {
		if g.workload != workload || g.metric != metric {
			continue
		}
		sign, reached := "≤", figure <= g.value
		if g.atLeast {
			sign, reached = "≥", figure >= g.value
		}
		verdict := "reached"
		if !reached {
			verdict = "MISSED"
		}
		return fmt.Sprintf("%s %s: %s", sign, strings.TrimSuffix(fmt.Sprintf("%.1f", g.value), ".0"), verdict)
	}
	return ""
}
