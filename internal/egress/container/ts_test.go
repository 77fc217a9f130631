package container

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A segment whose writer died plays up to its last whole packet.
func TestSegmentOfTSIsCutAfterItsLastPacket(t *testing.T) {
	var out bytes.Buffer
	ts, err := NewTS(&out, []Track{{Codec: H264}, {Codec: AAC, Channels: 2, Rate: 48000}})
	if err != nil {
		t.Fatal(err)
	}
	picture := append([]byte{0, 0, 2, 0, 0x65}, make([]byte, 511)...)
	for i := range 30 {
		at := 20*time.Hour + time.Duration(i)*time.Second/30
		if err := ts.Write(Frame{Track: 0, At: at, Key: true, Data: picture}); err != nil {
			t.Fatal(err)
		}
		if err := ts.Write(Frame{Track: 1, At: at, Key: true, Data: make([]byte, 100)}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "a.ts")
	for cut := out.Len(); cut >= 0; cut -= 61 {
		if err := os.WriteFile(path, out.Bytes()[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		plays, err := RepairSegment("", path)
		stat, _ := os.Stat(path)
		if err != nil || stat.Size() != int64(cut/188*188) {
			t.Fatalf("cut at %d: %d bytes, %v", cut, stat.Size(), err)
		}
		if want := time.Second * time.Duration(cut) / time.Duration(out.Len()); plays > want+100*time.Millisecond || plays < want-100*time.Millisecond {
			t.Fatalf("cut at %d it plays %v, want %v", cut, plays, want)
		}
	}
	if _, err := NewTS(&out, []Track{{Codec: VP8}}); err == nil {
		t.Error("VP8 is in MPEG-TS")
	}
}

func TestFramesOfMP3AreKeptWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mp3")
	w, err := Create(path, MP3File, []Track{{Codec: MP3}})
	if err != nil {
		t.Fatal(err)
	}
	frame := append([]byte{0xff, 0xfb, 0x94, 0xc4}, make([]byte, 380)...) // 128 kbit/s at 48 kHz
	for i := range 50 {
		if err := w.Write(Frame{At: time.Duration(i) * 24 * time.Millisecond, Data: frame}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(Frame{Data: []byte("none")}); err == nil {
		t.Error("what is no frame is kept")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 384*40+100); err != nil {
		t.Fatal(err)
	}
	plays, err := Repair(path)
	if stat, _ := os.Stat(path); err != nil || plays != 960*time.Millisecond || stat.Size() != 384*40 {
		t.Errorf("%v, %v, %d bytes", plays, err, stat.Size())
	}
}
