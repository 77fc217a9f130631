package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	rtc "github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const loadAbout = `Puts load on a server: participants join, some publish sound, video or data, all
others receive it. It shows how that goes, and in the end a table: how long joins
took, how many packets came and were lost, how late, and, of a server on this
machine, what it cost. Participants and server share the machine's cores, so
measure cost per packet rather than how many packets are possible.

  rollcall load --dev --video 2 --subscribers 20
  rollcall load --dev --rooms 50 --audio 2 --subscribers 2 --join-rate 20 --pid $(pgrep rollcall)
  rollcall load --dev --data 1 --rate 100 --subscribers 50 --for 1m --json`

// load is what is asked for.
type load struct {
	c                  *client
	name               string
	rooms              int
	audio, video, data int // publishers of each in a room
	subscribers        int
	rate               int // messages a second of each publisher of data
	size               int // bytes of one
	bitrate            int // of video
	joinRate           float64
	duration           time.Duration
	pid                int

	traffic traffic
	began   time.Time // what is in packets is since then
	running sync.WaitGroup
}

func runLoad(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	l := &load{began: time.Now()}
	fs := flag.NewFlagSet("rollcall load", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&l.name, "room", "load-"+strings.ToLower(rand.Text()[:6]), "`name` of the room; with several rooms, what their names begin with (default load-…)")
	fs.IntVar(&l.rooms, "rooms", 1, "how `many` rooms, all alike (default 1)")
	fs.IntVar(&l.audio, "audio", 0, "how `many` in each room publish sound")
	fs.IntVar(&l.video, "video", 0, "how `many` in each room publish video")
	fs.IntVar(&l.data, "data", 0, "how `many` in each room publish data")
	fs.IntVar(&l.subscribers, "subscribers", 0, "how `many` more join each room to receive")
	fs.IntVar(&l.bitrate, "bitrate", 1500, "of a video, in `kbit/s` (default 1500)")
	fs.IntVar(&l.rate, "rate", 10, "`messages` a second of each who publishes data (default 10)")
	fs.IntVar(&l.size, "size", 100, "`bytes` of a message (default 100)")
	fs.Float64Var(&l.joinRate, "join-rate", 10, "how `many` join in a second (default 10)")
	fs.DurationVar(&l.duration, "for", 30*time.Second, "how `long` to measure when all are there (default 30s)")
	fs.IntVar(&l.pid, "pid", 0, "`process` id of the server, on this machine, to measure its CPU and memory")
	if err := parseFlags(fs, args, env, loadAbout); err != nil {
		return err
	}
	if err := l.check(); err != nil {
		return usageError(err)
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	l.c = c
	return l.run(ctx, env, f.json)
}

func (l *load) check() error {
	switch {
	case l.rooms < 1 || l.audio < 0 || l.video < 0 || l.data < 0 || l.subscribers < 0:
		return errors.New("want at least one room, and no fewer than 0 participants")
	case l.participants() == 0:
		return errors.New("nobody would join: want --audio, --video, --data or --subscribers")
	case l.joinRate <= 0 || l.duration <= 0 || l.rate < 1 || l.bitrate < 10:
		return errors.New("--join-rate, --for, --rate and --bitrate want more")
	case l.size < stampSize || l.size > maxData:
		return fmt.Errorf("--size wants %d to %d bytes", stampSize, maxData)
	}
	return nil
}

func (l *load) participants() int { return l.rooms * (l.audio + l.video + l.data + l.subscribers) }

// run joins, measures, and leaves.
func (l *load) run(ctx context.Context, env environment, asJSON bool) error {
	if l.pid > 0 {
		if _, _, err := usage(l.pid); err != nil {
			return err
		}
	}
	there, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		leave()
		l.running.Wait()
		l.deleteRooms(context.WithoutCancel(ctx))
	}()
	progress := l.progress(env)
	defer progress.end()

	l.joinAll(ctx, there, progress)
	if l.traffic.joined.Load() == 0 {
		return orInterrupted(ctx, l.traffic.first)
	}
	from, err := l.traffic.count(l.pid)
	if err != nil {
		return err
	}
	for end := time.Now().Add(l.duration); time.Now().Before(end) && sleep(ctx, min(time.Second, time.Until(end))); {
		progress.show("measuring")
	}
	to, err := l.traffic.count(l.pid)
	if err != nil {
		return err
	}
	progress.end()
	r := l.traffic.report(from, to)
	if asJSON {
		err = r.json(env)
	} else {
		r.print(env)
	}
	if err == nil && r.Failed > 0 {
		err = fmt.Errorf("%s failed, the first one so: %w", plural(int(r.Failed), "join"), l.traffic.first)
	}
	return err
}

func orInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted before anybody had joined")
	}
	return err
}

// joinAll returns when everybody has joined or failed to.
func (l *load) joinAll(ctx, there context.Context, progress *progress) {
	gap := time.NewTicker(time.Duration(float64(time.Second) / l.joinRate))
	defer gap.Stop()
	var joining sync.WaitGroup
	defer joining.Wait()
	for n := range l.participants() / l.rooms {
		for room := range l.rooms {
			if n+room > 0 {
				select {
				case <-gap.C:
				case <-ctx.Done():
					return
				}
			}
			joining.Go(func() { l.join(there, room, n) })
			progress.show("joining")
		}
	}
}

func (l *load) roomName(i int) string {
	if l.rooms == 1 {
		return l.name
	}
	return fmt.Sprintf("%s-%d", l.name, i)
}

func (l *load) deleteRooms(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for i := range l.rooms {
		_, _ = l.c.rooms(token.VideoGrant{RoomCreate: true}).DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: l.roomName(i)})
	}
}

// join is the stay of one participant, who publishes what its number says.
func (l *load) join(ctx context.Context, room, n int) {
	identity := fmt.Sprintf("load-%d", n)
	claims := &token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: l.roomName(room)}}
	raw, err := token.Mint(l.c.key, l.c.secret, claims, time.Now(), 10*time.Minute)
	if err != nil {
		l.traffic.fail(err)
		return
	}
	began := time.Now()
	r, err := rtc.Connect(ctx, l.c.base, raw, rtc.Options{Setup: l.receive, SinglePeerConnection: true})
	if err != nil {
		l.traffic.fail(err)
		return
	}
	l.traffic.joins.add(time.Since(began))
	l.traffic.joined.Add(1)
	l.running.Go(func() {
		defer leave(r)
		switch {
		case n < l.audio:
			l.speak(ctx, r)
		case n < l.audio+l.video:
			l.film(ctx, r)
		case n < l.audio+l.video+l.data:
			l.write(ctx, r)
		default:
			<-ctx.Done()
		}
	})
}

// receive counts what a participant receives.
func (l *load) receive(r *rtc.Room) {
	rtc.On(r, func(e rtc.TrackSubscribed) {
		l.running.Go(func() {
			var s stream
			for {
				p, err := e.Track.ReadRTP()
				if err != nil {
					return
				}
				l.traffic.received.Add(1)
				l.traffic.lost.Add(s.packet(&p.Header))
				if p.Marker || e.Track.Kind() == livekit.TrackType_AUDIO {
					l.took(p.Payload, &l.traffic.delays)
				}
			}
		})
	})
	rtc.On(r, func(e rtc.DataReceived) {
		l.traffic.got.Add(1)
		l.took(e.Payload, &l.traffic.courier)
	})
}

// stampSize is how many bytes the time of sending takes, the last of a payload.
const stampSize = 8

func (l *load) stamp(payload []byte) {
	binary.BigEndian.PutUint64(payload[len(payload)-stampSize:], uint64(time.Since(l.began)))
}

func (l *load) took(payload []byte, delays *latencies) {
	if len(payload) < stampSize {
		return
	}
	sent := time.Duration(binary.BigEndian.Uint64(payload[len(payload)-stampSize:]))
	if d := time.Since(l.began) - sent; sent > 0 && d >= 0 && d < time.Hour {
		delays.add(d)
	}
}

// speak publishes sound: a packet of 100 bytes every 20 ms.
func (l *load) speak(ctx context.Context, r *rtc.Room) {
	frame := make([]byte, 100)
	frame[0] = 0xf8 // RFC 6716 §3.1: CELT, fullband, 20 ms, one frame
	l.publish(ctx, r, rtc.NewLocalTrack(rtc.Opus), 20*time.Millisecond, func(int) rtc.Sample {
		l.traffic.sent.Add(1)
		l.stamp(frame)
		return rtc.Sample{Data: frame, Duration: 20 * time.Millisecond, AudioLevel: 0.5, Voice: true}
	})
}

// framesPerSecond is of video.
const framesPerSecond = 30

// film publishes what looks like VP8 (RFC 6386 §9.1): a key frame every ten
// seconds, four times as large as the others.
func (l *load) film(ctx context.Context, r *rtc.Room) {
	const interval = time.Second / framesPerSecond
	size := max(l.bitrate*1000/8/framesPerSecond, 100)
	key, delta := make([]byte, 4*size), make([]byte, size)
	copy(key, []byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}) // 640×360
	delta[0] = 0x11
	l.publish(ctx, r, rtc.NewLocalTrack(rtc.VP8), interval, func(n int) rtc.Sample {
		frame := delta
		if n%(10*framesPerSecond) == 0 {
			frame = key
		}
		l.stamp(frame)
		l.traffic.sent.Add(int64(len(frame)+packetSize-1) / packetSize)
		return rtc.Sample{Data: frame, Duration: interval}
	})
}

// packetSize is about how much of a frame goes into a packet, in bytes.
const packetSize = 1184

// publish sends a frame at each interval until ctx ends.
func (l *load) publish(ctx context.Context, r *rtc.Room, track *rtc.LocalTrack, interval time.Duration, next func(n int) rtc.Sample) {
	if _, err := r.Local().Publish(ctx, rtc.PublishOptions{Width: 640, Height: 360}, track); err != nil {
		if ctx.Err() == nil {
			l.traffic.fail(err)
		}
		return
	}
	beat := time.NewTicker(interval)
	defer beat.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-r.Done():
			return
		case <-beat.C:
			_ = track.WriteSample(next(n)) // an error is of a connection that ends, or is restored
		}
	}
}

// write publishes messages until ctx ends.
func (l *load) write(ctx context.Context, r *rtc.Room) {
	beat := time.NewTicker(time.Second / time.Duration(l.rate))
	defer beat.Stop()
	message := make([]byte, l.size)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.Done():
			return
		case <-beat.C:
			l.stamp(message)
			if err := r.Local().PublishData(ctx, message, rtc.DataOptions{}); err == nil {
				l.traffic.messages.Add(1)
			}
		}
	}
}

// progress tells how a load goes: on a terminal in one line that changes, else in
// a line now and then.
type progress struct {
	l        *load
	w        io.Writer
	terminal bool
	last     count
	told     time.Time
	open     bool // a line that has no end yet
}

func (l *load) progress(env environment) *progress {
	p := &progress{l: l, w: env.stderr}
	if f, ok := env.stderr.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	p.last.at = time.Now()
	return p
}

func (p *progress) show(what string) {
	every := 5 * time.Second
	if p.terminal {
		every = 500 * time.Millisecond
	}
	if time.Since(p.told) < every {
		return
	}
	p.told = time.Now()
	now, _ := p.l.traffic.count(0)
	span := max(now.at.Sub(p.last.at).Seconds(), 1e-3)
	rate := func(a, b int64) float64 { return float64(b-a) / span }
	line := fmt.Sprintf("%s: %d of %d joined, %.0f packets/s in, %.0f out, %d lost, delay %s",
		what, p.l.traffic.joined.Load(), p.l.participants(), rate(p.last.sent, now.sent), rate(p.last.received, now.received),
		now.lost, millis(ms(p.l.traffic.delays.percentile(0.5))))
	if p.l.data > 0 {
		line += fmt.Sprintf(", %.0f messages/s", rate(p.last.got, now.got))
	}
	p.last = now
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		p.open = true
		return
	}
	fmt.Fprintln(p.w, line)
}

// end ends the line.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}
