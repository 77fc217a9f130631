package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsSentIsRead(t *testing.T) {
	job := Job{ID: "EG_x", Kind: Pass, Outputs: []Output{{Kind: File, Path: "/a"}}, Journal: "/j"}
	b := AppendJSON(nil, JobFrame, job)
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
	f.Add(AppendFrame(AppendJSON(nil, JobFrame, Job{ID: "x"}), Lost, []byte{0, 0, 0, 1}))
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

func TestJournalNamesWhatWasNoted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if all, err := Journal(path); err != nil || len(all) != 0 {
		t.Errorf("before the first: %v %v", all, err)
	}
	want := []Entry{{Output: 1, Path: "/a.webm"}, {Path: "/b_00001.m4s", Part: Segment, Begun: 7}}
	for _, e := range want {
		if err := Note(path, e); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"output":0,"path":"/unfin`)
	_ = f.Close()
	got, err := Journal(path)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
