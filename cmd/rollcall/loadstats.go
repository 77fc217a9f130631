package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
)

// latencies counts durations in buckets that are an eighth of an octave wide: a
// percentile is right to 12 %. Safe for use from anywhere.
type latencies struct{ buckets [64 * 8]atomic.Uint64 }

func (l *latencies) add(d time.Duration) {
	n := uint64(max(d, 1))
	octave := bits.Len64(n) - 1
	eighth := n << (63 - octave) >> 60 & 7 // the three bits after the first
	l.buckets[octave*8+int(eighth)].Add(1)
}

// percentile returns what the given share of the durations is at or below; 0 if
// there are none.
func (l *latencies) percentile(share float64) time.Duration {
	total := uint64(0)
	for i := range l.buckets {
		total += l.buckets[i].Load()
	}
	if total == 0 {
		return 0
	}
	wanted, seen := uint64(share*float64(total)), uint64(0)
	for i := range l.buckets {
		if seen += l.buckets[i].Load(); seen > wanted || seen == total {
			return time.Duration(float64(uint64(1)<<(i/8)) * (1 + (float64(i%8)+0.5)/8))
		}
	}
	return 0
}

// traffic counts what a load sends and receives.
type traffic struct {
	joined, failed         atomic.Int64
	sent, received, lost   atomic.Int64 // RTP packets; lost are those never received
	messages, got          atomic.Int64 // data
	joins, delays, courier latencies

	mu    sync.Mutex
	first error // of the joins that failed
}

func (t *traffic) fail(err error) {
	t.failed.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		t.first = err
	}
}

// stream counts one track's packets at one subscriber, as RFC 3550 §A.3 does.
type stream struct {
	started       bool
	cycles, first int64
	highest       uint16
	received      int64
}

// packet takes a packet in, and returns by how many more than one the expected
// number of packets grew: what is missing now, or came after all.
func (s *stream) packet(h *rtp.Header) (missing int64) {
	before := s.expected() - s.received
	if !s.started {
		s.started, s.first, s.highest = true, int64(h.SequenceNumber), h.SequenceNumber
		before = 0
	}
	if ahead := h.SequenceNumber - s.highest; ahead < 1<<15 {
		if h.SequenceNumber < s.highest {
			s.cycles += 1 << 16
		}
		s.highest = h.SequenceNumber
	}
	s.received++
	return s.expected() - s.received - before
}

func (s *stream) expected() int64 {
	if !s.started {
		return 0
	}
	return s.cycles + int64(s.highest) - s.first + 1
}

// loadReport is what came of a load.
type loadReport struct {
	Seconds       float64 `json:"seconds"` // with everybody there
	Joined        int64   `json:"joined"`
	Failed        int64   `json:"failed"`
	JoinP50MS     float64 `json:"joinP50Ms"`
	JoinP99MS     float64 `json:"joinP99Ms"`
	PacketsIn     int64   `json:"packetsSent"`
	PacketsOut    int64   `json:"packetsReceived"`
	Lost          int64   `json:"packetsLost"`
	DelayP50MS    float64 `json:"mediaDelayP50Ms"`
	DelayP99MS    float64 `json:"mediaDelayP99Ms"`
	Messages      int64   `json:"messagesSent"`
	Delivered     int64   `json:"messagesReceived"`
	MessageP50MS  float64 `json:"messageDelayP50Ms"`
	MessageP99MS  float64 `json:"messageDelayP99Ms"`
	ServerCPU     float64 `json:"serverCpuSeconds,omitempty"`
	ServerMiB     float64 `json:"serverMiB,omitempty"`
	CPUPerPacket  float64 `json:"serverCpuPerPacketUs,omitempty"`
	CPUPerMessage float64 `json:"serverCpuPerMessageUs,omitempty"`
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// report is what there is to tell of the time from one count to another.
func (t *traffic) report(from, to count) loadReport {
	r := loadReport{
		Seconds: to.at.Sub(from.at).Seconds(), Joined: t.joined.Load(), Failed: t.failed.Load(),
		JoinP50MS: ms(t.joins.percentile(0.5)), JoinP99MS: ms(t.joins.percentile(0.99)),
		PacketsIn: to.sent - from.sent, PacketsOut: to.received - from.received, Lost: max(0, to.lost-from.lost),
		DelayP50MS: ms(t.delays.percentile(0.5)), DelayP99MS: ms(t.delays.percentile(0.99)),
		Messages: to.messages - from.messages, Delivered: to.got - from.got,
		MessageP50MS: ms(t.courier.percentile(0.5)), MessageP99MS: ms(t.courier.percentile(0.99)),
		ServerCPU: (to.cpu - from.cpu).Seconds(), ServerMiB: float64(to.resident) / (1 << 20),
	}
	switch {
	case r.ServerCPU == 0:
	case r.PacketsOut > 0:
		r.CPUPerPacket = r.ServerCPU * 1e6 / float64(r.PacketsOut)
	case r.Delivered > 0:
		r.CPUPerMessage = r.ServerCPU * 1e6 / float64(r.Delivered)
	}
	return r
}

func (r *loadReport) print(env environment) {
	per := func(n int64) string { return fmt.Sprintf("%d, %.0f a second", n, float64(n)/max(r.Seconds, 1e-9)) }
	pairs := []string{"participants", strconv.FormatInt(r.Joined, 10)}
	if r.Failed > 0 {
		pairs = append(pairs, "joins that failed", strconv.FormatInt(r.Failed, 10))
	}
	pairs = append(pairs, "join, p50 and p99", millis(r.JoinP50MS)+", "+millis(r.JoinP99MS), "measured for", fmt.Sprintf("%.0f s", r.Seconds))
	if r.PacketsIn > 0 {
		pairs = append(pairs, "packets sent", per(r.PacketsIn), "packets received", per(r.PacketsOut),
			"packets lost", fmt.Sprintf("%d, %.3f %%", r.Lost, 100*float64(r.Lost)/max(1, float64(r.PacketsOut+r.Lost))),
			"media delay, p50 and p99", millis(r.DelayP50MS)+", "+millis(r.DelayP99MS))
	}
	if r.Messages > 0 {
		pairs = append(pairs, "messages sent", per(r.Messages), "messages received", per(r.Delivered),
			"message delay, p50 and p99", millis(r.MessageP50MS)+", "+millis(r.MessageP99MS))
	}
	if r.ServerCPU > 0 {
		pairs = append(pairs, "server's CPU", fmt.Sprintf("%.0f %% of a core", 100*r.ServerCPU/max(r.Seconds, 1e-9)),
			"server's memory", fmt.Sprintf("%.0f MiB", r.ServerMiB))
		if r.CPUPerPacket > 0 {
			pairs = append(pairs, "CPU per packet received", fmt.Sprintf("%.1f µs", r.CPUPerPacket))
		}
		if r.CPUPerMessage > 0 {
			pairs = append(pairs, "CPU per message received", fmt.Sprintf("%.1f µs", r.CPUPerMessage))
		}
	}
	fields(env.stdout, pairs...)
}

func (r *loadReport) json(env environment) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	printJSON(env.stdout, raw)
	return nil
}

// count is how far everything was at a time.
type count struct {
	at                   time.Time
	sent, received, lost int64
	messages, got        int64
	cpu                  time.Duration
	resident             int64
}

// count counts. pid is of the server, 0 for none.
func (t *traffic) count(pid int) (c count, err error) {
	c = count{at: time.Now(), sent: t.sent.Load(), received: t.received.Load(), lost: t.lost.Load(), messages: t.messages.Load(), got: t.got.Load()}
	if pid > 0 {
		c.cpu, c.resident, err = usage(pid)
	}
	return c, err
}

// userHZ is the unit of times in /proc/PID/stat, on every architecture that Go
// runs on.
const userHZ = 100

// usage returns the CPU that a process has used so far, user and system, and the
// bytes of it that are in RAM.
func usage(pid int) (cpu time.Duration, resident int64, err error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	stat, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0, fmt.Errorf("--pid %d: there is no such process on this machine, or it does not run Linux", pid)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("--pid: %w", err)
	}
	// The name, in parentheses, may hold anything.
	rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(rest) < 22 {
		return 0, 0, fmt.Errorf("--pid: %s holds %q", path, stat)
	}
	var n [3]int64
	for i, at := range []int{11, 12, 21} { // utime, stime, rss of proc_pid_stat(5)
		if n[i], err = strconv.ParseInt(rest[at], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("--pid: %s: %w", path, err)
		}
	}
	return time.Duration(n[0]+n[1]) * time.Second / userHZ, n[2] * int64(os.Getpagesize()), nil
}
