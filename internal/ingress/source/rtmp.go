package source

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
	"github.com/rollcall-rtc/rollcall/internal/ingress/rtmp"
)

// Sessions lets sources in; *ingress.Service does.
type Sessions interface {
	Admit(ingress.Source) (*ingress.Session, error)
}

// RTMP is what an RTMP server asks, and gives its media to.
type RTMP struct {
	Sessions Sessions
	// FFmpeg is the name or the path of the program; empty: that of PATH.
	FFmpeg string
	// Running counts its children, unless it is nil.
	Running *ffmpeg.Children
	Logger  *slog.Logger
}

// Publish implements rtmp.Handler.
func (r *RTMP) Publish(ctx context.Context, q rtmp.Request) (rtmp.Publication, error) {
	session, err := r.Sessions.Admit(ingress.Source{Key: q.Key, Input: livekit.IngressInput_RTMP_INPUT})
	if errors.Is(err, ingress.ErrUnknownKey) || errors.Is(err, ingress.ErrTooManyKeys) {
		return nil, wrongKey{err}
	}
	if err != nil {
		return nil, err
	}
	return &publication{ctx: ctx, session: session, feed: newFeed(session, r.FFmpeg, r.Running, r.Logger)}, nil
}

// wrongKey is a refusal that counts against the address.
type wrongKey struct{ error }

// Is has it be rtmp.ErrKey, with its own words.
func (wrongKey) Is(target error) bool { return target == rtmp.ErrKey }

// Unwrap returns the refusal.
func (w wrongKey) Unwrap() error { return w.error }

// publication is one connection.
type publication struct {
	ctx     context.Context // of the connection, which the publication is part of
	session *ingress.Session
	feed    *feed
	failed  error
}

// Audio implements rtmp.Publication.
func (p *publication) Audio(at time.Duration, body []byte) error {
	return p.take(flv.TypeAudio, at, body)
}

// Video implements rtmp.Publication.
func (p *publication) Video(at time.Duration, body []byte) error {
	return p.take(flv.TypeVideo, at, body)
}

func (p *publication) take(kind byte, at time.Duration, body []byte) error {
	if err := p.feed.take(p.ctx, kind, at, body); err != nil {
		p.failed = err
		return err
	}
	return nil
}

// Done implements rtmp.Publication.
func (p *publication) Done() <-chan struct{} { return p.session.Ended() }

// Close implements rtmp.Publication.
func (p *publication) Close(cause error) {
	p.feed.close(p.failed != nil)
	if p.failed == nil && !hungUp(cause) {
		p.failed = cause
	}
	p.session.End(p.failed)
}

// hungUp says that a source is gone, in good order or not: that is no fault of the
// endpoint's.
func hungUp(cause error) bool {
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.ErrDeadlineExceeded, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(cause, gone) {
			return true
		}
	}
	return cause == nil
}
