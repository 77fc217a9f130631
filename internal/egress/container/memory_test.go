package container

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// written writes frames into a new file, some of them at a time, and returns what is in
// it. after is called with the memory of each frame when it has been written.
func written(t *testing.T, format Format, codec Codec, frames []Frame, after func(last []byte)) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a"+string(format))
	w, err := Create(path, format, []Track{{Codec: codec, Channels: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		f.Data = bytes.Clone(f.Data)
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
		after(f.Data)
		if i%6 == 5 {
			if err := w.Put(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNothingOfAFrameIsKept(t *testing.T) {
	for _, s := range sources {
		t.Run(fmt.Sprintf("%s in %s", s.codec, s.format), func(t *testing.T) {
			frames := media(t, s.name, s.codec)
			kept := written(t, s.format, s.codec, frames, func([]byte) {})
			gone := written(t, s.format, s.codec, frames, func(last []byte) {
				for i := range last {
					last[i] = 0xee
				}
			})
			if len(kept) == 0 || !bytes.Equal(kept, gone) {
				t.Errorf("%d bytes, %d and others of frames that are gone", len(kept), len(gone))
			}
		})
	}
}

// A recording goes on for hours: what is written should leave little garbage.
func TestWritingLeavesLittleGarbage(t *testing.T) {
	const count, size = 600, 12500 // 20 s at 3 Mbit/s
	for _, s := range []struct {
		codec  Codec
		format Format
		name   string
	}{{VP8, WebM, "card.ivf"}, {H264, MP4, "card.h264"}} {
		t.Run(string(s.format), func(t *testing.T) {
			first := media(t, s.name, s.codec)[0]
			w, err := Create(filepath.Join(t.TempDir(), "a"+string(s.format)), s.format, []Track{{Codec: s.codec}})
			if err != nil {
				t.Fatal(err)
			}
			f := Frame{Data: make([]byte, size)}
			var before, after runtime.MemStats
			if err := w.Write(first); err != nil {
				t.Fatal(err)
			}
			for i := range count + 60 {
				if i == 60 {
					runtime.ReadMemStats(&before)
				}
				f.At = time.Duration(i+1) * time.Second / 30
				if err := w.Write(f); err != nil {
					t.Fatal(err)
				}
				if i%6 == 5 {
					if err := w.Put(); err != nil {
						t.Fatal(err)
					}
				}
			}
			runtime.ReadMemStats(&after)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if garbage := float64(after.TotalAlloc-before.TotalAlloc) / (count * size); garbage > 0.1 {
				t.Errorf("%.2f bytes of memory for each that is written", garbage)
			}
		})
	}
}
