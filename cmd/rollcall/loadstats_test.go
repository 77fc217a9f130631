package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
)

func TestPercentilesAreRightToAnEighth(t *testing.T) {
	var l latencies
	if got := l.percentile(0.5); got != 0 {
		t.Errorf("nothing has the median %s", got)
	}
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	l.add(-time.Second) // a clock that went back
	for share, want := range map[float64]time.Duration{0.01: 10 * time.Millisecond, 0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		got := l.percentile(share)
		if off := float64(got-want) / float64(want); off < -0.125 || off > 0.125 {
			t.Errorf("percentile %g is %s, want %s", share, got, want)
		}
	}
}

func TestPacketsThatNeverComeAreLost(t *testing.T) {
	for _, c := range []struct {
		what string
		seqs []uint16
		lost int64
	}{
		{"in order", []uint16{7, 8, 9, 10}, 0},
		{"a gap", []uint16{7, 8, 11}, 2},
		{"one comes after all", []uint16{7, 9, 8}, 0},
		{"around the end", []uint16{65534, 65535, 0, 2}, 1},
		{"late, around the end", []uint16{65535, 1, 0}, 0},
	} {
		var s stream
		lost := int64(0)
		for _, seq := range c.seqs {
			lost += s.packet(&rtp.Header{SequenceNumber: seq})
		}
		if lost != c.lost {
			t.Errorf("%s: %d lost, want %d", c.what, lost, c.lost)
		}
	}
}

func TestUsageOfAProcess(t *testing.T) {
	busy := time.Now()
	for time.Since(busy) < 30*time.Millisecond {
	}
	cpu, resident, err := usage(os.Getpid())
	if err != nil || cpu <= 0 || resident < 1<<20 {
		t.Errorf("this process used %s and has %d bytes, %v", cpu, resident, err)
	}
	if _, _, err := usage(1 << 30); err == nil || !strings.Contains(err.Error(), "no such process") {
		t.Errorf("a process that is not there: %v", err)
	}
}
