package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

// ivf is a file of which a tick is num/denom seconds.
func ivf(num, denom uint32, frames ...string) []byte {
	b := append([]byte("DKIF\x00\x00\x20\x00VP80"), 0x40, 1, 0xB4, 0)
	b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, denom), num)
	b = append(b, make([]byte, 8)...)
	for i, data := range frames {
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(b, uint32(len(data))), uint64(i))
		b = append(b, data...)
	}
	return b
}

func TestFramesOfIVFHaveTheirTimes(t *testing.T) {
	for _, tc := range []struct {
		num, denom uint32
		want       string
	}{{1, 1000, "one 0s, two 1ms"}, {1001, 30_000, "one 0s, two 33.366666ms"}, {2, 1, "one 0s, two 2s"}} {
		r := newIVFReader(bytes.NewReader(ivf(tc.num, tc.denom, "one", "two")), 100)
		got := ""
		for {
			at, data, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != "" {
				got += ", "
			}
			got += fmt.Sprintf("%s %v", data, at)
		}
		if got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

func TestMalformedIVFIsRefused(t *testing.T) {
	good := ivf(1, 1000, "frame")
	for name, b := range map[string][]byte{
		"no IVF": append([]byte("FLV"), good[3:]...), "no time base": ivf(1, 0, "frame"), "a tick of nothing": ivf(0, 1, "frame"),
		"a frame that is too large": ivf(1, 1000, "0123456789a"),
		"a time that overflows":     append(append(ivf(1<<31, 1), 1, 0, 0, 0), 255, 255, 255, 255, 255, 255, 255, 255, 0),
	} {
		r := newIVFReader(bytes.NewReader(b), 10)
		if at, data, err := r.next(); !errors.Is(err, errIVF) {
			t.Errorf("%s: %q at %v, %v", name, data, at, err)
		}
	}
	for n := range good { // what ends early says so
		if _, _, err := newIVFReader(bytes.NewReader(good[:n]), 10).next(); err == nil {
			t.Errorf("%d bytes of %d are a frame", n, len(good))
		}
	}
}

func FuzzIVF(f *testing.F) {
	f.Add(ivf(1, 1000, "one", "two"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newIVFReader(bytes.NewReader(b), 1<<16)
		for {
			at, _, err := r.next()
			if err != nil {
				return
			}
			if at < 0 {
				t.Fatalf("a frame at %v", time.Duration(at))
			}
		}
	})
}
