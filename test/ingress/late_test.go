package ingress

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// message is one of RTMP that has media, as a file of FLV has it as a tag.
type message struct {
	kind byte
	at   time.Duration
	body []byte
}

// messages are those of what ffmpeg makes.
func messages(t *testing.T, args ...string) (all []message) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source.flv")
	makeFile(t, path, args...)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := flv.NewReader(f, 1<<20); ; {
		kind, ms, body, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind != flv.TypeScript {
			all = append(all, message{kind, time.Duration(ms) * time.Millisecond, bytes.Clone(body)})
		}
	}
}

// late has what is of a kind, or all but what configures its decoder, come later.
func late(all []message, kind byte, by time.Duration, config bool) []message {
	all = slices.Clone(all)
	for i, m := range all {
		if m.kind == kind && (config || m.body[1] != 0) { // 0: of AVC and AAC, the configuration
			all[i].at += by
		}
	}
	slices.SortStableFunc(all, func(a, b message) int { return int(a.at - b.at) })
	return all
}

// publisher is an encoder of RTMP which says no more than it has to, and reads nothing.
type publisher struct {
	net.Conn
	t *testing.T
}

func (s *site) publisher(info *livekit.IngressInfo) *publisher {
	s.t.Helper()
	u, err := url.Parse(info.Url)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	p := &publisher{c, s.t}
	const shake = 1536
	p.write(append([]byte{3}, make([]byte, shake)...))
	answer := make([]byte, 1+2*shake)
	if _, err := io.ReadFull(c, answer); err != nil {
		s.t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	p.write(answer[1 : 1+shake])
	const setChunk, command = 1, 20
	p.send(0, setChunk, 0, binary.BigEndian.AppendUint32(nil, 1<<24)) // each message is one chunk
	for n, words := range [][]string{{"connect", strings.TrimPrefix(u.Path, "/")}, {"createStream"}, {"publish", info.StreamKey, "live"}} {
		body := append(text([]byte{2}, words[0]), 0)
		body = binary.BigEndian.AppendUint64(body, math.Float64bits(float64(n+1)))
		if n == 0 {
			body = append(text(append(text(append(body, 3), "app"), 2), words[1]), 0, 0, 9)
		} else {
			body = append(body, 5)
			for _, w := range words[1:] {
				body = text(append(body, 2), w)
			}
		}
		p.send(uint32(n/2), command, 0, body)
	}
	return p
}

// text appends a text of AMF0, without its type.
func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func (p *publisher) write(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *publisher) send(stream uint32, kind byte, at time.Duration, body []byte) {
	p.t.Helper()
	b := append([]byte{3}, u24(int(at/time.Millisecond))...)
	b = append(append(b, u24(len(body))...), kind)
	p.write(append(binary.LittleEndian.AppendUint32(b, stream), body...))
}

func u24(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }

// play sends each message when it is due, the first at once.
func (p *publisher) play(all []message) {
	p.t.Helper()
	began := time.Now()
	for _, m := range all {
		time.Sleep(time.Until(began.Add(m.at - all[0].at)))
		p.send(1, m.kind, m.at, m.body)
	}
}

// Pictures of a camera that is slow to start are seen when they come, and sound of a
// microphone heard; the other goes on meanwhile.
func TestTracksThatComeLateAreSeenAndHeard(t *testing.T) {
	t.Parallel()
	preset := func(r *livekit.CreateIngressRequest) {
		r.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: livekit.IngressVideoEncodingPreset_H264_540P_25FPS_2_LAYERS}}
	}
	for _, tc := range []struct {
		name   string
		b      int
		kind   byte // what is late
		config bool // also what configures its decoder
		change func(*livekit.CreateIngressRequest)
	}{
		{"pictures", 0, flv.TypeVideo, true, nil},
		{"pictures with B-frames", 2, flv.TypeVideo, true, nil},
		{"pictures in layers", 0, flv.TypeVideo, true, preset},
		{"pictures with B-frames that were told of", 2, flv.TypeVideo, false, nil},
		{"sound", 0, flv.TypeAudio, true, nil},
		{"sound beside B-frames", 2, flv.TypeAudio, true, nil},
		{"sound beside B-frames that was told of", 2, flv.TypeAudio, false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var change []func(*livekit.CreateIngressRequest)
			if tc.change != nil {
				change = append(change, tc.change)
			}
			s := start(t)
			info := s.create(change...)
			v := s.view("show")
			all := late(messages(t, oneGroup("320x180", tc.b, 4)[1:]...), tc.kind, 3*time.Second, tc.config)
			first, second := audio, video
			if tc.kind == flv.TypeAudio {
				first, second = second, first
			}
			early := slices.IndexFunc(all, func(m message) bool { return m.kind == tc.kind && m.at >= 3*time.Second })
			p := s.publisher(info)
			p.play(all[:early])
			eventually(t, "what is there is there", func() bool { return v.got(first).frames > 30 })
			if n := v.got(second).frames; n > 0 {
				t.Errorf("%d of what is late has come", n)
			}
			p.play(all[early:])
			p.Close()
			eventually(t, "it ends", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_INACTIVE })
			state := s.state(info.IngressId)
			if len(state.Tracks) != 2 || state.Video.GetMimeType() != "video/H264" || state.Video.GetWidth() != 320 || state.Audio.GetMimeType() != "audio/aac" {
				t.Errorf("the state is %v", state)
			}
			pictures, sound := v.got(video), v.got(audio)
			n, _ := decoded(t, "h264", pictures.bytes)
			wantSteps(t, "sound", sound.stamps, 48_000, 100)
			if n < 85 || sound.frames < 120 || pictures.tracks != 1 || sound.tracks != 1 {
				t.Errorf("%d pictures of %d tracks decode, %d packets of sound of %d came", n, pictures.tracks, sound.frames, sound.tracks)
			}
		})
	}
}
