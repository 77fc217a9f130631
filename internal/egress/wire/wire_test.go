package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsSentIsRead(t *testing.T) {
	job := Job{ID: "EG_x", Path: "/a.webm", Track: Track{MimeType: "video/VP8", ClockRate: 90000, Channels: 2}}
	b := AppendJob(nil, job)
	b = AppendFrame(b, Packet, []byte("12345678"), []byte("packet"))
	b = AppendFrame(b, End)
	r := NewReader(bytes.NewReader(b))
	got, err := r.Job()
	if diff := cmp.Diff(job, got); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	if kind, content, err := r.Next(); kind != Packet || string(content) != "12345678packet" || err != nil {
		t.Errorf("%q %q %v", kind, content, err)
	}
	if kind, content, err := r.Next(); kind != End || len(content) != 0 || err != nil {
		t.Errorf("%q %q %v", kind, content, err)
	}
	if _, _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if _, err := NewReader(bytes.NewReader(b[:len(b)-1])).Job(); err != nil {
		t.Error(err)
	}
	if _, _, err := NewReader(bytes.NewReader(AppendFrame(nil, Packet, []byte("x"))[:5])).Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("within a frame: %v", err)
	}
	if _, err := NewReader(bytes.NewReader(AppendFrame(nil, End))).Job(); !errors.Is(err, ErrFrame) {
		t.Errorf("no job first: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(AppendFrame(AppendJob(nil, Job{ID: "x"}), Lost, []byte{0, 0, 0, 1}))
	f.Add([]byte{'p', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		_, _ = r.Job()
		for {
			if _, content, err := r.Next(); err != nil {
				return
			} else if len(content) > maxFrame {
				t.Fatalf("a frame of %d bytes", len(content))
			}
		}
	})
}
