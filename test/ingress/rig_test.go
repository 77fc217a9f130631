package ingress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/server"
	"github.com/rollcall-rtc/rollcall/internal/testkit/serving"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const (
	apiKey    = "APIingress"
	apiSecret = "a-secret-for-tests-of-at-least-32-characters"

	// patience is how long anything may take on a busy machine.
	patience = time.Minute
)

// site is a server with RTMP.
type site struct {
	t              *testing.T
	*server.Server // nil if it is another process
	api            livekit.Ingress
	at             string // its address
	http           *http.Client
	secure         bool // it speaks TLS
}

// authorities has the site be known by these certificates, of which its own is one.
func (s *site) authorities(pool *x509.CertPool) {
	s.secure = true
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	s.api = livekit.NewIngressProtobufClient("https://"+s.at, &http.Client{Transport: authorized{s.http.Transport}})
}

// need skips where there is no ffmpeg, except in CI.
func need(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("ffmpeg is not here; apt-get install ffmpeg")
	}
}

func start(t *testing.T, extra ...string) *site {
	t.Helper()
	need(t)
	if len(extra) == 0 {
		extra = []string{"ingress: {rtmp: {port: -1}, allow_networks: [127.0.0.0/8]}"}
	}
	s := serving.Run(t, serving.Options{Key: apiKey, Secret: apiSecret, YAML: extra, Level: slog.LevelDebug})
	return siteAt(t, s.Addr().String(), s)
}

// siteAt is the site of a server, or of a process, nil, at an address.
func siteAt(t *testing.T, addr string, s *server.Server) *site {
	api := livekit.NewIngressProtobufClient("http://"+addr, &http.Client{Transport: authorized{http.DefaultTransport}})
	return &site{t: t, Server: s, api: api, at: addr}
}

// authorized adds a token to requests.
type authorized struct{ next http.RoundTripper }

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := token.Mint(apiKey, apiSecret, &token.Claims{Video: &token.VideoGrant{IngressAdmin: true}}, time.Now(), time.Hour)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+raw)
	return a.next.RoundTrip(r)
}

func (s *site) create(change ...func(*livekit.CreateIngressRequest)) *livekit.IngressInfo {
	s.t.Helper()
	req := &livekit.CreateIngressRequest{InputType: livekit.IngressInput_RTMP_INPUT, Name: "studio", RoomName: "show", ParticipantIdentity: "encoder"}
	for _, f := range change {
		f(req)
	}
	info, err := s.api.CreateIngress(s.t.Context(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	return info
}

func (s *site) state(id string) *livekit.IngressState {
	s.t.Helper()
	list, err := s.api.ListIngress(s.t.Context(), &livekit.ListIngressRequest{IngressId: id})
	if err != nil || len(list.Items) != 1 {
		s.t.Fatalf("list: %v %v", list, err)
	}
	return list.Items[0].State
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// pushing is an ffmpeg that pushes.
type pushing struct {
	t   *testing.T
	cmd *exec.Cmd
	out strings.Builder
}

// push starts ffmpeg with these arguments, to the ingress.
func (s *site) push(info *livekit.IngressInfo, args ...string) *pushing {
	s.t.Helper()
	p := &pushing{t: s.t}
	args = append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, args...)
	p.cmd = exec.Command("ffmpeg", append(args, "-f", "flv", info.Url+"/"+info.StreamKey)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

func (p *pushing) wait() {
	p.t.Helper()
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("ffmpeg: %v\n%s", err, p.out.String())
	}
}

// viewer is somebody in the room, who keeps what comes.
type viewer struct {
	room *client.Room

	mu     sync.Mutex
	kinds  map[livekit.TrackType]*kept
	people []livekit.ParticipantInfo_Kind
	spoke  [][]string // who spoke, each time that it changed
	tasks  sync.WaitGroup
}

// kept is what came of a kind of track.
type kept struct {
	codec  string
	frames int
	bytes  []byte // of video
	ends   []int  // of each frame, in bytes
	at     []time.Time
	stamps []uint32
	first  time.Time
	tracks int
	track  *client.RemoteTrack // the first
	all    []client.Sample
}

func (s *site) view(room string) *viewer {
	s.t.Helper()
	raw, err := token.Mint(apiKey, apiSecret, &token.Claims{Identity: "viewer", Video: &token.VideoGrant{RoomJoin: true, Room: room}}, time.Now(), time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	v := &viewer{kinds: make(map[livekit.TrackType]*kept)}
	ctx, cancel := context.WithCancel(context.Background())
	url := "ws://" + s.at
	if s.secure {
		url = "wss://" + s.at
	}
	v.room, err = client.Connect(ctx, url, raw, client.Options{HTTPClient: s.http, Setup: func(r *client.Room) {
		client.On(r, func(e client.TrackSubscribed) {
			v.mu.Lock()
			v.people = append(v.people, e.Participant.Kind())
			v.mu.Unlock()
			v.tasks.Go(func() { v.keep(ctx, e.Track) })
		})
		client.On(r, func(e client.ActiveSpeakersChanged) {
			var who []string
			for _, p := range e.Speakers {
				who = append(who, p.Identity())
			}
			v.mu.Lock()
			v.spoke = append(v.spoke, who)
			v.mu.Unlock()
		})
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		ctx, done := context.WithTimeout(context.Background(), patience)
		defer done()
		_ = v.room.Disconnect(ctx)
		v.tasks.Wait()
	})
	return v
}

func (v *viewer) keep(ctx context.Context, t *client.RemoteTrack) {
	v.mu.Lock()
	k := v.kinds[t.Kind()]
	if k == nil {
		k = &kept{codec: t.Codec().MimeType, track: t}
		v.kinds[t.Kind()] = k
	}
	k.tracks++
	v.mu.Unlock()
	d := depacketizer(t.Codec().MimeType)
	frames := samplebuilder.New(256, d, t.Codec().ClockRate)
	for p := range t.Packets(ctx) {
		frames.Push(p.Clone())
		for f := frames.Pop(); f != nil; f = frames.Pop() {
			now := time.Now()
			v.mu.Lock()
			k.all = append(k.all, client.Sample{Data: f.Data, Timestamp: f.PacketTimestamp})
			if k.frames++; k.first.IsZero() {
				k.first = now
			}
			if t.Kind() == livekit.TrackType_VIDEO {
				k.bytes = append(k.bytes, f.Data...)
			}
			k.ends, k.at, k.stamps = append(k.ends, len(k.bytes)), append(k.at, now), append(k.stamps, f.PacketTimestamp)
			v.mu.Unlock()
		}
	}
}

// depacketizer is that of a codec; of those which clients do not take apart, too.
func depacketizer(mime string) rtp.Depacketizer {
	switch strings.ToLower(mime) {
	case "video/h265":
		return new(codecs.H265Depacketizer)
	case "video/av1":
		return new(codecs.AV1Depacketizer)
	case "video/vp8":
		return new(codecs.VP8Packet)
	case "video/vp9":
		return new(codecs.VP9Packet)
	case "audio/opus":
		return new(codecs.OpusPacket)
	}
	return new(codecs.H264Packet)
}

func (v *viewer) got(kind livekit.TrackType) kept {
	v.mu.Lock()
	defer v.mu.Unlock()
	if k := v.kinds[kind]; k != nil {
		return *k
	}
	return kept{}
}
