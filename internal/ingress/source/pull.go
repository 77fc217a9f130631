package source

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// Puller fetches from URLs: files and HLS by HTTP, and SRT.
type Puller struct {
	// Guard is asked about each address before it is sent to.
	Guard Guard
	// FFmpeg is the name or the path of the program; empty: that of PATH.
	FFmpeg string
	// Running counts its children, unless it is nil.
	Running *ffmpeg.Children
	Logger  *slog.Logger

	roots *x509.CertPool // of https: sources; nil: the system's
	mute  time.Duration  // after that much of nothing a source has ended; 0: muteFor
}

// muteFor is more than segments of a live playlist are apart, and than a fetch takes
// to be given up.
const muteFor = time.Minute

var (
	errMute   = errors.New("the source has sent nothing for a minute")
	errBroken = errors.New("the connection to the source broke, or it has sent nothing for 15 s")
)

// brokenAfter is less than nothing has come of an SRT source whose connection broke: one
// that hangs up says so, and else its peer waits for five seconds. What reads from it
// ends in the same way, and then hands on what it has had for as long.
const brokenAfter = 3 * time.Second

// Check says what is wrong with a URL, without asking anybody about it.
func (p *Puller) Check(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("malformed URL")
	}
	if u.Hostname() == "" {
		return errors.New("the URL names no host")
	}
	switch u.Scheme {
	case "http", "https":
	case "srt":
		if err := checkSRT(u, raw); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%.16q is no scheme that can be fetched: http, https and srt are", u.Scheme)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return p.Guard(addr)
	}
	return nil
}

// Pull publishes what the URL of the session has, until its end, which is nil, or
// ctx's. Its error is shown to people.
func (p *Puller) Pull(ctx context.Context, session *ingress.Session) error {
	raw := session.Info().Url
	if err := p.Check(raw); err != nil {
		return err
	}
	in, source, err := p.input(ctx, raw)
	if err != nil {
		return err
	}
	for range 3 { // at first it is not known which codecs there are
		err := p.run(ctx, session, in, source)
		switch {
		case errors.Is(err, ffmpeg.ErrVideoCodec) && !in.EncodeVideo:
			in.EncodeVideo = true
		case errors.Is(err, ffmpeg.ErrAudioCodec) && !in.EncodeAudio:
			in.EncodeAudio = true
		default:
			return err
		}
	}
	return ffmpeg.ErrFailed
}

// input is what a child is to fetch, and for HTTP what that stands for.
func (p *Puller) input(ctx context.Context, raw string) (ffmpeg.Input, *alias, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return ffmpeg.Input{}, nil, errors.New("malformed URL")
	}
	if u.Scheme == "srt" {
		in, err := srtInput(ctx, p.Guard, u)
		return in, nil, err
	}
	source, err := newAlias(u)
	if err != nil {
		return ffmpeg.Input{}, nil, err
	}
	return ffmpeg.Input{URL: source.url}, source, nil
}

// run publishes what one child fetches.
func (p *Puller) run(ctx context.Context, session *ingress.Session, in ffmpeg.Input, source *alias) (err error) {
	var through *proxy
	paced := source != nil
	if paced {
		if through, err = newProxy(p.Guard, source, p.roots); err != nil {
			return err
		}
		defer through.Close()
		in.Proxy = through.URL
	}
	child, err := ffmpeg.Open(p.FFmpeg, in, p.Running)
	if err != nil {
		return err
	}
	q := newQueue()
	stop := context.AfterFunc(ctx, func() { child.Kill(); q.close(context.Cause(ctx)) })
	defer stop()
	var reading sync.WaitGroup
	reading.Go(func() { q.close(p.read(child, q, !paced)) })
	f := newFeed(session, p.FFmpeg, p.Running, p.Logger)
	err = p.play(ctx, q, f, child, paced)
	child.Kill()
	q.close(err)
	reading.Wait()
	_ = child.Close()
	f.close(err != nil)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && through != nil && through.blocked() != nil:
		return through.blocked()
	case (err == nil || errors.Is(err, ffmpeg.ErrFailed)) && through != nil && through.broken() != nil:
		return through.broken()
	}
	return tell(err)
}

// read puts the child's tags into the queue, which makes it wait when there are
// enough. It ends a child that says nothing, for that may be hung. A source that is
// connected has not ended in good order if it fell silent before.
func (p *Puller) read(child *ffmpeg.Demuxer, q *queue, connected bool) error {
	var clock flv.Clock
	patience := cmp.Or(p.mute, muteFor)
	mute := time.AfterFunc(patience, func() {
		q.close(errMute)
		child.Kill()
	})
	defer mute.Stop()
	var quiet lull
	for {
		mute.Reset(patience)
		asked := time.Now()
		kind, ms, body, err := child.Next()
		mute.Stop()
		over := quiet.before(asked, time.Now(), err)
		if connected && over && errors.Is(err, io.EOF) {
			return errBroken
		}
		if err != nil {
			return err
		}
		if kind != flv.TypeAudio && kind != flv.TypeVideo {
			continue
		}
		if err := q.push(tag{kind, clock.At(ms), append([]byte(nil), body...)}); err != nil {
			return err
		}
	}
}

// A lull tells whether a source fell silent before its end.
type lull struct {
	begun bool      // something has come
	until time.Time // when the last silence ended
}

// before notes what came of a read, from asked to now, and says whether it ended within,
// or soon after, a silence. A source may take its time for the first that it sends.
func (l *lull) before(asked, now time.Time, err error) bool {
	if (l.begun || err != nil) && now.Sub(asked) >= brokenAfter {
		l.until = now
	}
	l.begun = true
	return !l.until.IsZero() && now.Sub(l.until) < brokenAfter
}

// play hands on what is in the queue, paced if it comes in bursts.
func (p *Puller) play(ctx context.Context, q *queue, f *feed, child *ffmpeg.Demuxer, paced bool) error {
	pace := pacer{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		t, ahead, err := q.pop()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if paced {
			pace.live = child.Live()
			if over := pace.skip(ahead, time.Now()); over > 0 {
				if n := q.skip(t, t.at+over); n > 0 {
					p.Logger.Info("left out to be live again", "ingress", f.session.Info().IngressId, "skipped", over)
					f.session.Dropped(ingress.DropCatchUp, n)
					pace.forget()
				}
				continue
			}
			if d := pace.wait(t.at, time.Now()); d > 0 {
				timer.Reset(d)
				select {
				case <-timer.C:
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-f.session.Ended():
					return ended(f.session)
				}
			}
		}
		if err := f.take(ctx, t.kind, t.at, t.body); err != nil {
			return err
		}
	}
}
