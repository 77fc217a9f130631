package flv

import (
	"testing"
	"time"
)

func TestTimesRunOnWhereTheirBitsEnd(t *testing.T) {
	for name, bits := range map[string]int{"31 bits": 31, "32 bits": 32} {
		t.Run(name, func(t *testing.T) {
			mask, begin := uint32(1<<bits-1), uint32(1<<bits-1000)
			if bits == 32 {
				begin = ^uint32(0) - 999
			}
			var c Clock
			for i := range 200 {
				// Sound comes 23 ms after the picture that stands before it, which is where
				// they pass the end at different times.
				for _, off := range []uint32{23, 0} {
					at := uint32(i)*40 + off
					if got, want := c.At((begin+at)&mask), time.Duration(int64(begin)+int64(at))*time.Millisecond; got != want {
						t.Fatalf("%d ms after the beginning is %v, want %v", at, got, want)
					}
				}
			}
			// Long afterwards as well, and over the end once more.
			for i := range 3000 {
				at := uint64(8000) + uint64(i)*1_000_000
				if bits == 31 {
					at = 8000 + uint64(i)*9_000
				}
				if got, want := c.At(uint32(uint64(begin)+at)&mask), time.Duration(uint64(begin)+at)*time.Millisecond; got != want {
					t.Fatalf("%d ms after the beginning is %v, want %v", at, got, want)
				}
			}
		})
	}
}

func TestJumpsOfAClockStayJumps(t *testing.T) {
	var c Clock
	c.At(5000)
	for _, ms := range []uint32{0, 3_600_000, 60_000, 1_500_000_000} {
		if got := c.At(ms); got != time.Duration(ms)*time.Millisecond {
			t.Errorf("%d ms is %v", ms, got)
		}
	}
}
