package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	rtc "github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/client/mediafile"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const joinAbout = `Joins a room as a participant and prints every event that a client has, until it is
interrupted, the room closes, or --for is over. It can publish files, or a test
card with a beep, and record what it receives: nothing is encoded or decoded.

  rollcall join demo --dev --test-card
  rollcall join demo --dev --publish film.webm --loop --identity cinema
  rollcall join demo --dev --record recordings --for 5m

Files are Ogg with Opus, IVF with VP8, VP9 or AV1, WebM with these, and H.264 or
H.265 as byte streams. Of an MP4, for example:

  ffmpeg -i film.mp4 -an -c copy -bsf:v h264_mp4toannexb film.h264`

// The test card: ten seconds of ffmpeg's testsrc and sine, as VP8 and Opus.
var (
	//go:embed testcard/card.ivf
	cardVideo []byte
	//go:embed testcard/card.ogg
	cardSound []byte
)

// stay is a participant's, from joining to leaving.
type stay struct {
	env      environment
	style    style
	json     bool
	record   string // directory, empty for none
	loop     bool
	publish  []string
	files    mediafile.Options
	testCard bool

	recording sync.WaitGroup

	mu     sync.Mutex // of what follows, and of standard output
	failed error
}

func joinRoom(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	s := &stay{env: env, style: styleFor(env.stdout, env.environ)}
	claims := token.Claims{Identity: "cli-" + strings.ToLower(rand.Text()[:6])}
	var raw string
	var limit time.Duration
	var opts rtc.Options
	fs := flag.NewFlagSet("rollcall join", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&claims.Identity, "identity", claims.Identity, "participant `identity` (default cli-…)")
	fs.StringVar(&claims.Name, "name", "", "display `name`")
	fs.StringVar(&claims.Metadata, "metadata", "", "metadata, any `text`")
	pairsVar(fs, "attribute", "attribute `name=value`; may be repeated", &claims.Attributes)
	fs.StringVar(&raw, "token", "", "access `token` to join with, instead of one made with the API key")
	fs.Func("publish", "`file` to publish; may be repeated", func(path string) error {
		s.publish = append(s.publish, path)
		return nil
	})
	fs.BoolVar(&s.loop, "loop", false, "begin files again when they end")
	fs.Float64Var(&s.files.FrameRate, "fps", 30, "`frames` a second of byte streams, which do not say (default 30)")
	fs.BoolVar(&s.testCard, "test-card", false, "publish a test card and a beep")
	fs.StringVar(&s.record, "record", "", "`directory` to record what is received in, a file for each track")
	fs.BoolVar(&opts.ManualSubscribe, "no-subscribe", false, "receive no tracks")
	fs.DurationVar(&limit, "for", 0, "leave after this `time`")
	values, err := parseArgs(fs, args, env, joinAbout, "ROOM")
	if err != nil {
		return err
	}
	if claims.Identity == "" {
		return usageError(errors.New("--identity cannot be empty"))
	}
	sources, err := s.open()
	if err != nil {
		return err
	}
	defer closeAll(sources)
	if s.record != "" {
		if err := os.MkdirAll(s.record, 0o755); err != nil {
			return err
		}
	}
	base, raw, err := f.ticket(env, raw, values[0], &claims)
	if err != nil {
		return err
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	s.json = f.json
	opts.SinglePeerConnection = true
	opts.Setup = s.follow
	r, err := rtc.Connect(ctx, base, raw, opts)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "rollcall: joined %s as %s; Ctrl-C leaves\n", r.Name(), r.Local().Identity())
	return s.run(ctx, r, sources)
}

// ticket returns where to join, and a token: the one given, or one made for it.
func (f *clientFlags) ticket(env environment, raw, room string, claims *token.Claims) (base, ticket string, err error) {
	if raw != "" {
		// Who has a token needs no key; any will do for the rest.
		f.key, f.secret = "none", "none"
	}
	c, err := f.client(env)
	if err != nil || raw != "" {
		return baseOf(c), raw, err
	}
	own := true
	claims.Video = &token.VideoGrant{RoomJoin: true, Room: room, CanUpdateOwnMetadata: &own}
	raw, err = token.Mint(c.key, c.secret, claims, time.Now(), 6*time.Hour)
	return c.base, raw, err
}

func baseOf(c *client) string {
	if c == nil {
		return ""
	}
	return c.base
}

// open opens what is to be published.
func (s *stay) open() (sources []*mediafile.Track, err error) {
	for _, path := range s.publish {
		tracks, err := mediafile.Open(path, s.files)
		if err != nil {
			closeAll(sources)
			return nil, err
		}
		sources = append(sources, tracks...)
	}
	if s.testCard {
		for _, card := range [][]byte{cardVideo, cardSound} {
			track, err := mediafile.Read(bytes.NewReader(card), s.files)
			if err != nil {
				closeAll(sources)
				return nil, fmt.Errorf("test card: %w", err)
			}
			sources = append(sources, track...)
		}
	}
	return sources, nil
}

func closeAll(tracks []*mediafile.Track) {
	for _, t := range tracks {
		_ = t.Close()
	}
}

// follow prints events, and records tracks as they come.
func (s *stay) follow(r *rtc.Room) {
	events := r.Events(context.Background()) // ends with the room
	s.recording.Go(func() {
		for e := range events {
			s.tell(see(e, time.Now()))
		}
	})
	if s.record != "" {
		rtc.On(r, func(e rtc.TrackSubscribed) { s.recording.Go(func() { s.keep(e) }) })
	}
}

func (s *stay) tell(e seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.json {
		fmt.Fprintln(s.env.stdout, e.line(s.style))
		return
	}
	line, err := json.Marshal(e)
	if err != nil {
		panic("BUG: encode an event: " + err.Error())
	}
	fmt.Fprintf(s.env.stdout, "%s\n", line)
}

// keep records a track until it ends.
func (s *stay) keep(e rtc.TrackSubscribed) {
	name := fmt.Sprintf("%s-%s-%s", fileName(e.Participant.Identity()), strings.ToLower(e.Publication.Source().String()), e.Publication.SID())
	w, path, err := mediafile.Create(filepath.Join(s.record, name), e.Track.Codec().RTPCodecCapability)
	if err != nil {
		s.fail(fmt.Errorf("record %s: %w", name, err))
		return
	}
	if e.Track.Kind() == livekit.TrackType_VIDEO {
		_ = e.Track.RequestKeyFrame() // one comes in any case, later
	}
	fmt.Fprintf(s.env.stderr, "rollcall: recording %s\n", path)
	s.fail(errors.Join(mediafile.Record(context.Background(), e.Track, w), w.Close()))
}

// fileName is an identity without what file systems give a meaning.
func fileName(identity string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|.`, r) {
			return '_'
		}
		return r
	}, identity)
}

func (s *stay) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = errors.Join(s.failed, err)
}

// run publishes until ctx, the room, or everything that is published ends.
func (s *stay) run(ctx context.Context, r *rtc.Room, sources []*mediafile.Track) error {
	playing, stop := context.WithCancel(ctx)
	played := make(chan struct{})
	var all sync.WaitGroup
	for _, source := range sources {
		all.Go(func() {
			if err := s.play(playing, r, source); err != nil && playing.Err() == nil {
				s.fail(err)
			}
		})
	}
	go func() {
		all.Wait()
		if len(sources) > 0 {
			close(played)
		}
	}()
	select {
	case <-played:
	case <-ctx.Done():
	case <-r.Done():
	}
	stop()
	all.Wait()
	leave(r)
	s.recording.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *stay) play(ctx context.Context, r *rtc.Room, source *mediafile.Track) error {
	track := rtc.NewLocalTrack(source.Codec)
	if _, err := r.Local().Publish(ctx, rtc.PublishOptions{Width: source.Width, Height: source.Height}, track); err != nil {
		return err
	}
	return mediafile.Play(ctx, source, track, s.loop || s.testCard)
}
