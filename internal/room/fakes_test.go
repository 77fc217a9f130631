package room

import (
	"sync/atomic"

	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// fakeSender is a track on its way to a client.
type fakeSender struct {
	stream, id, mime string
	down             *downtrack.DownTrack
	priority         atomic.Int32
}

func (s *fakeSender) TrackID() string                 { return s.id }
func (s *fakeSender) SetPriority(p int)               { s.priority.Store(int32(p)) }
func (s *fakeSender) DownTrack() *downtrack.DownTrack { return s.down }

// fakeReceiver is media that a client sends.
type fakeReceiver struct {
	id, kind string
	mime     string // empty: Opus or VP8
	rids     []string
	up       *uptrack.UpTrack
}

func (r *fakeReceiver) TrackID() string { return r.id }
func (r *fakeReceiver) Mid() string     { return "0" }
func (r *fakeReceiver) Kind() string    { return r.kind }
func (r *fakeReceiver) MimeType() string {
	if r.mime != "" {
		return r.mime
	}
	return map[string]string{"audio": "audio/opus", "video": "video/VP8"}[r.kind]
}
func (r *fakeReceiver) Simulcast() []string       { return r.rids }
func (r *fakeReceiver) UpTrack() *uptrack.UpTrack { return r.up }
