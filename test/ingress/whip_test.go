package ingress

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/client/mediafile"
)

// caller is a WHIP client of pion.
type caller struct {
	t       *testing.T
	pc      *webrtc.PeerConnection
	session string       // its URL
	asked   atomic.Int64 // how often for a key frame
	stop    chan struct{}
	once    sync.Once
	playing sync.WaitGroup
}

// call publishes the tracks by WHIP until the test ends, or close.
func (s *site) call(info *livekit.IngressInfo, tracks ...webrtc.TrackLocal) *caller {
	s.t.Helper()
	engine := webrtc.SettingEngine{}
	engine.SetIncludeLoopbackCandidate(true)
	engine.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(engine)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		s.t.Fatal(err)
	}
	c := &caller{t: s.t, pc: pc, stop: make(chan struct{})}
	s.t.Cleanup(c.close)
	for _, track := range tracks {
		tr, err := pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			s.t.Fatal(err)
		}
		c.playing.Go(func() { c.listen(tr.Sender()) })
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		s.t.Fatal(err)
	}
	<-gathered
	status, answer, header := c.request(http.MethodPost, info.Url, pc.LocalDescription().SDP, "Bearer "+info.StreamKey)
	if status != http.StatusCreated {
		s.t.Fatalf("%d %s", status, answer)
	}
	base, err := url.Parse(info.Url)
	if err != nil {
		s.t.Fatal(err)
	}
	c.session = base.JoinPath("/").ResolveReference(&url.URL{Path: header.Get("Location")}).String()
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (c *caller) request(method, url, body, authorization string) (status int, text string, header http.Header) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/sdp")
	req.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Header
}

// listen counts requests for key frames.
func (c *caller) listen(s *webrtc.RTPSender) {
	for {
		packets, _, err := s.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				c.asked.Add(1)
			}
		}
	}
}

func (c *caller) close() {
	c.once.Do(func() { close(c.stop) })
	_ = c.pc.GracefulClose()
	c.playing.Wait()
}

// pause waits until it is time, and says whether to go on.
func (c *caller) pause(until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.stop:
		return false
	}
}

// show sends pictures, of which the first is a key frame, again and again. It begins
// with the second: what is seen has been asked for. Of one picture each so many a packet
// is lost for good.
func (c *caller) show(track *webrtc.TrackLocalStaticRTP, payloader rtp.Payloader, all []client.Sample, losesEvery int) {
	c.playing.Go(func() {
		packets := rtp.NewPacketizer(1200, 96, 1, payloader, rtp.NewRandomSequencer(), 90_000)
		answered, at := c.asked.Load(), time.Now()
		for n, next := 1, 1; c.pause(at); n++ {
			if asked := c.asked.Load(); asked > answered {
				answered, next = asked, 0
			}
			sample := all[next%len(all)]
			ps := packets.Packetize(sample.Data, uint32(sample.Duration.Seconds()*90_000))
			for i, p := range ps {
				if lost := losesEvery > 0 && n%losesEvery == 0 && i == len(ps)/2; !lost {
					_ = track.WriteRTP(p)
				}
			}
			next++
			at = at.Add(sample.Duration)
		}
	})
}

// sound sends packets of sound again and again.
func (c *caller) sound(track *webrtc.TrackLocalStaticSample, all []client.Sample) {
	c.playing.Go(func() {
		at := time.Now()
		for n := 0; c.pause(at); n++ {
			sample := all[n%len(all)]
			_ = track.WriteSample(media.Sample{Data: sample.Data, Duration: sample.Duration})
			at = at.Add(sample.Duration)
		}
	})
}

// whip publishes by WHIP until the test ends: pictures, if it sends any.
func (s *site) whip(info *livekit.IngressInfo, sends bool) {
	s.t.Helper()
	picture := track(s.t, webrtc.NewTrackLocalStaticSample, webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "picture")
	c := s.call(info, picture)
	if sends {
		// The first bytes of a key frame of VP8, 640 by 480.
		c.sound(picture, []client.Sample{{Data: []byte{0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1, 0, 0}, Duration: 40 * time.Millisecond}})
	}
}

// track makes a track of a client's stream, as one of pion's functions does.
func track[T webrtc.TrackLocal](t *testing.T, of func(codec webrtc.RTPCodecCapability, id, stream string, options ...func(*webrtc.TrackLocalStaticRTP)) (T, error), codec webrtc.RTPCodecCapability, id string) T {
	t.Helper()
	made, err := of(codec, id, "stream")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// encoded asks for a WHIP endpoint whose media are encoded anew.
func encoded(r *livekit.CreateIngressRequest) {
	r.InputType, r.EnableTranscoding = livekit.IngressInput_WHIP_INPUT, proto.Bool(true)
}

// toMono asks for sound that is encoded to one channel.
func toMono(r *livekit.CreateIngressRequest) {
	r.Audio = &livekit.IngressAudioOptions{EncodingOptions: &livekit.IngressAudioOptions_Preset{Preset: livekit.IngressAudioEncodingPreset_OPUS_MONO_64KBS}}
}

// samples are those of a file that ffmpeg makes.
func samples(t *testing.T, name string, args ...string) (codec webrtc.RTPCodecCapability, all []client.Sample) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	makeFile(t, path, args...)
	tracks, err := mediafile.Open(path, mediafile.Options{FrameRate: 30})
	if err != nil || len(tracks) != 1 {
		t.Fatal(tracks, err)
	}
	defer tracks[0].Close()
	for {
		s, err := tracks[0].Next()
		if err == io.EOF {
			return tracks[0].Codec, all
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Data = slices.Clone(s.Data)
		all = append(all, s)
	}
}

// sizes are those of pictures of H.264, in the order in which they came first.
func sizes(stream []byte) (all []string) {
	for unit := range strings.SplitSeq(string(stream), "\x00\x00\x01") {
		var sps h264.SPS
		if unit = strings.TrimRight(unit, "\x00"); len(unit) > 3 && unit[0]&31 == 7 && sps.Unmarshal([]byte(unit)) == nil {
			if size := fmt.Sprintf("%dx%d", sps.Width(), sps.Height()); len(all) == 0 || all[len(all)-1] != size {
				all = append(all, size)
			}
		}
	}
	return all
}

// What WHIP brings is encoded anew if the endpoint asks for that: in layers, whatever
// the client's codec is, and also after packets were lost. One codec comes after the other:
// each has three encoders that have to keep up, beside the tests that run meanwhile.
func TestWHIPIsEncodedInLayers(t *testing.T) {
	t.Parallel()
	need(t)
	layered := func(r *livekit.CreateIngressRequest) {
		var layers []*livekit.VideoLayer
		for q := range uint32(3) {
			layers = append(layers, &livekit.VideoLayer{Quality: livekit.VideoQuality(q), Width: 128 << q, Height: 72 << q, Bitrate: 100_000 << q})
		}
		r.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Options{Options: &livekit.IngressVideoEncodingOptions{Layers: layers}}}
	}
	opus, heard := samples(t, "a.ogg", "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "4", "-ac", "1", "-c:a", "libopus")
	for _, tc := range []struct {
		name, file string
		encode     []string
		payloader  rtp.Payloader
		audio      func(*livekit.CreateIngressRequest)
	}{
		{"VP8, and sound as it comes", "a.ivf", []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"}, &codecs.VP8Payloader{EnablePictureID: true}, nil},
		{"H264, and sound as it is asked for", "a.h264", []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"}, &codecs.H264Payloader{}, toMono},
		{"VP9, and sound as it is asked for", "a.ivf", []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"}, &codecs.VP9Payloader{}, toMono},
		{"H265, and sound as it is asked for", "a.h265", []string{"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=none:bframes=0"}, &codecs.H265Payloader{}, toMono},
	} {
		t.Run(tc.name, func(t *testing.T) {
			codec, shown := samples(t, tc.file, append([]string{"-f", "lavfi", "-i", "testsrc2=s=512x288:r=30", "-t", "3", "-pix_fmt", "yuv420p", "-b:v", "800k", "-g", "9999"}, tc.encode...)...)
			s := start(t)
			change := []func(*livekit.CreateIngressRequest){layered, encoded}
			if tc.audio != nil {
				change = append(change, tc.audio)
			}
			info := s.create(change...)
			picture, sound := track(t, webrtc.NewTrackLocalStaticRTP, codec, "picture"), track(t, webrtc.NewTrackLocalStaticSample, opus, "sound")
			v := s.view("show")
			c := s.call(info, sound, picture)
			c.sound(sound, heard)
			c.show(picture, tc.payloader, shown, 40)
			s.is(info, livekit.IngressState_ENDPOINT_PUBLISHING)
			eventually(t, "pictures and sound", func() bool { return v.got(video).frames > 30 && v.got(audio).frames > 50 })
			state := s.state(info.IngressId)
			if !strings.EqualFold(state.Video.GetMimeType(), codec.MimeType) || state.Video.Width != 512 || state.Audio.GetMimeType() != "audio/opus" || len(state.Tracks) != 2 {
				t.Errorf("%v", state)
			}
			pub := v.got(video).track.Publication()
			if got := pub.Info(); len(got.Layers) != 3 || v.got(video).codec != "video/H264" || got.Width != 512 {
				t.Errorf("it publishes %s in %v", v.got(video).codec, got)
			}
			for q, want := range []string{"128x72", "256x144", "512x288"} {
				if err := pub.SetSettings(t.Context(), client.TrackSettings{Quality: livekit.VideoQuality(q)}); err != nil {
					t.Fatal(err)
				}
				eventually(t, "pictures of "+want, func() bool {
					all := sizes(v.got(video).bytes)
					return len(all) > 0 && all[len(all)-1] == want
				})
			}
			before := v.got(video).frames
			eventually(t, "pictures after more losses", func() bool { return v.got(video).frames > before+45 })
			if c.asked.Load() < 2 {
				t.Errorf("the client was asked for %d key frames", c.asked.Load())
			}
			if status, text, _ := c.request(http.MethodDelete, c.session, "", ""); status != http.StatusOK {
				t.Fatal(status, text)
			}
			s.is(info, livekit.IngressState_ENDPOINT_INACTIVE)
			c.close()
			if tc.audio != nil {
				return // how clients end is the same for all codecs
			}

			// The next client falls silent, and is lost: its end is told all the same.
			again := s.call(info, sound, picture)
			again.sound(sound, heard)
			again.show(picture, tc.payloader, shown, 0)
			s.is(info, livekit.IngressState_ENDPOINT_PUBLISHING)
			again.close()
			eventually(t, "its end", func() bool { return s.state(info.IngressId).EndedAt > 0 })
		})
	}
}

// is waits until an endpoint has a status.
func (s *site) is(info *livekit.IngressInfo, want livekit.IngressState_Status) {
	s.t.Helper()
	eventually(s.t, "it is "+want.String(), func() bool { return s.state(info.IngressId).Status == want })
}

// Without ffmpeg on the server a client is told so, and the endpoint says it.
func TestWHIPThatCannotBeEncodedIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, "ingress: {rtmp: {port: -1}, ffmpeg: /nonexistent/ffmpeg}")
	info := s.create(encoded)
	const offer = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=rtpmap:111 opus/48000/2\r\n"
	c := &caller{t: t}
	status, text, _ := c.request(http.MethodPost, info.Url, offer, "Bearer "+info.StreamKey)
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "Debian package ffmpeg") {
		t.Error(status, text)
	}
	if state := s.state(info.IngressId); state.Status != livekit.IngressState_ENDPOINT_ERROR || !strings.Contains(state.Error, "Debian package ffmpeg") {
		t.Error(state)
	}
}
