package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/at-wat/ebml-go/webm"
	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4/pkg/media/oggwriter"
)

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// mediaFiles are one small file of each kind, and what plays from it.
func mediaFiles(t testing.TB) map[string][]byte {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var ogg bytes.Buffer
	w, err := oggwriter.NewWith(&ogg, 48000, 2)
	must(err)
	for i := range 3 {
		must(w.WriteRTP(&rtp.Packet{Header: rtp.Header{Timestamp: uint32(i+1) * 960}, Payload: []byte{0xf8, byte(i)}}))
	}
	must(w.Close())

	ivf := append([]byte("DKIF\x00\x00\x20\x00VP80"), 64, 1, 240, 0) // 320x240
	ivf = binary.LittleEndian.AppendUint32(ivf, 25)
	ivf = binary.LittleEndian.AppendUint32(ivf, 1)
	ivf = append(ivf, 3, 0, 0, 0, 0, 0, 0, 0)
	for i := range 3 {
		ivf = binary.LittleEndian.AppendUint32(ivf, 2)
		ivf = binary.LittleEndian.AppendUint64(ivf, uint64(i))
		ivf = append(ivf, 0x10, byte(i))
	}

	var h264 []byte
	for _, nal := range [][]byte{{0x67, 1}, {0x68, 2}, {0x65, 3}, {0x41, 4}, {0x41, 5}} {
		h264 = append(append(h264, 0, 0, 0, 1), nal...)
	}

	var mkv bytes.Buffer
	tracks, err := webm.NewSimpleBlockWriter(nopCloser{&mkv}, []webm.TrackEntry{
		{TrackNumber: 1, TrackUID: 1, CodecID: "A_OPUS", TrackType: 2, Audio: &webm.Audio{SamplingFrequency: 48000, Channels: 2}},
		{TrackNumber: 2, TrackUID: 2, CodecID: "V_VP8", TrackType: 1, Video: &webm.Video{PixelWidth: 320, PixelHeight: 240}},
	})
	must(err)
	for i := range 3 {
		_, err := tracks[0].Write(true, int64(i)*20, []byte{0xf8, byte(i)})
		must(err)
		_, err = tracks[1].Write(i == 0, int64(i)*40, []byte{0x10, byte(i)})
		must(err)
	}
	must(tracks[0].Close())
	must(tracks[1].Close())
	return map[string][]byte{".ogg": ogg.Bytes(), ".ivf": ivf, ".h264": h264, ".webm": mkv.Bytes()}
}

func TestFilesPlayAsTheyWereRecorded(t *testing.T) {
	type played struct {
		Track        int
		At, Duration time.Duration
		Data         string
	}
	const ms = time.Millisecond
	third := time.Second / 30
	want := map[string][]played{
		".ogg": {{0, 0, 20 * ms, "\xf8\x00"}, {0, 20 * ms, 20 * ms, "\xf8\x01"}, {0, 40 * ms, 20 * ms, "\xf8\x02"}},
		".ivf": {{0, 0, 40 * ms, "\x10\x00"}, {0, 40 * ms, 40 * ms, "\x10\x01"}, {0, 80 * ms, 40 * ms, "\x10\x02"}},
		".h264": {
			{0, 0, third, "\x00\x00\x00\x01\x67\x01\x00\x00\x00\x01\x68\x02\x00\x00\x00\x01\x65\x03"},
			{0, third, third, "\x00\x00\x00\x01\x41\x04"}, {0, 2 * third, third, "\x00\x00\x00\x01\x41\x05"},
		},
		".webm": {
			{0, 0, 20 * ms, "\xf8\x00"}, {1, 0, 40 * ms, "\x10\x00"}, {0, 20 * ms, 20 * ms, "\xf8\x01"},
			{0, 40 * ms, 20 * ms, "\xf8\x02"}, {1, 40 * ms, 40 * ms, "\x10\x01"}, {1, 80 * ms, 40 * ms, "\x10\x02"},
		},
	}
	for extension, content := range mediaFiles(t) {
		f, err := readFile(bytes.NewReader(content), extension)
		if err != nil {
			t.Errorf("%s: %v", extension, err)
			continue
		}
		var got []played
		for {
			fr, err := f.source.next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s: %v", extension, err)
				}
				break
			}
			got = append(got, played{fr.track, fr.at, fr.Duration, string(fr.Data)})
		}
		if diff := cmp.Diff(want[extension], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", extension, diff)
		}
	}
	if _, err := readFile(bytes.NewReader(nil), ".mp3"); !errors.Is(err, ErrUnknownMedia) {
		t.Errorf("unknown extension: %v", err)
	}
}

func FuzzFiles(f *testing.F) {
	kinds := []string{".ogg", ".ivf", ".h264", ".webm"}
	for extension, content := range mediaFiles(f) {
		for i, k := range kinds {
			if k == extension {
				f.Add(byte(i), content)
				f.Add(byte(i), content[:len(content)/2])
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, content []byte) {
		file, err := readFile(bytes.NewReader(content), kinds[int(kind)%len(kinds)])
		if err != nil {
			return
		}
		for range 1 << 16 {
			fr, err := file.source.next()
			if err != nil {
				return
			}
			if fr.track < 0 || fr.track >= len(file.tracks) || fr.at < 0 || fr.Duration < 0 {
				t.Fatalf("frame %+v", fr)
			}
		}
	})
}

func TestOpusPacketsSayHowLongTheyLast(t *testing.T) {
	for _, c := range []struct {
		packet []byte
		want   time.Duration
	}{
		{nil, 0}, {[]byte{0 << 3}, 10 * time.Millisecond}, {[]byte{3 << 3}, 60 * time.Millisecond},
		{[]byte{12 << 3}, 10 * time.Millisecond}, {[]byte{16 << 3}, 2500 * time.Microsecond}, {[]byte{31 << 3}, 20 * time.Millisecond},
		{[]byte{31<<3 | 1}, 40 * time.Millisecond}, {[]byte{31<<3 | 3, 5}, 100 * time.Millisecond}, {[]byte{31<<3 | 3}, 20 * time.Millisecond},
	} {
		if got := opusDuration(c.packet); got != c.want {
			t.Errorf("%x: %v, want %v", c.packet, got, c.want)
		}
	}
}
