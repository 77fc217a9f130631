package egress

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// How long a recording waits for somebody who is not there.
const (
	waitForFirst    = 30 * time.Second // at its beginning
	waitAfterLeave  = 5 * time.Second  // some clients say goodbye and join again to reconnect
	waitAfterLosing = 20 * time.Second
)

// changes is a mailbox that takes changes of a room without waiting.
type changes struct {
	mu    sync.Mutex
	all   []room.Change
	wakec chan struct{}
}

func newChanges() *changes { return &changes{wakec: make(chan struct{}, 1)} }

func (c *changes) put(one room.Change) {
	c.mu.Lock()
	c.all = append(c.all, one)
	c.mu.Unlock()
	select {
	case c.wakec <- struct{}{}:
	default:
	}
}

func (c *changes) take() []room.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

// tracks is what a job gets of its room. One goroutine has it at a time: that which
// begins the job, then that of the job.
type tracks struct {
	src     *request.Source
	rooms   Rooms
	changes *changes

	heard bool // only sound will do

	watch  *room.Watch
	there  map[string]*published // by sid
	people map[string]bool       // who is in the room
	count  int                   // of tracks that were published
	tapped map[string]*tapped    // by sid
	number uint16                // of the last
	over   bool                  // the room is
	named  *published            // what names of files are made of; nil if nothing was there
	// absent is when it ends unless somebody comes; zero while nobody is waited for.
	absent time.Time
}

// tapped is a track that is recorded.
type tapped struct {
	wire.Track
	of  *published
	tap *room.Tap
}

// open begins to look at the room. It fails as Rooms.Watch does.
func (t *tracks) open(ctx context.Context, name string, now time.Time) error {
	t.changes, t.there, t.people, t.tapped = newChanges(), make(map[string]*published), make(map[string]bool), make(map[string]*tapped)
	watch, err := t.rooms.Watch(ctx, name, t.changes.put)
	if err != nil {
		return err
	}
	t.watch = watch
	t.absent = now.Add(waitForFirst)
	t.note(now)
	return nil
}

// note takes in what has changed in the room.
func (t *tracks) note(now time.Time) {
	for _, c := range t.changes.take() {
		who := c.Participant.GetIdentity()
		switch c.What {
		case room.TrackPublished:
			t.count++
			t.there[c.Track.Sid] = &published{c.Participant, c.Track, t.count}
		case room.TrackChanged:
			if p := t.there[c.Track.Sid]; p != nil {
				p.who, p.track = c.Participant, c.Track
			}
		case room.TrackUnpublished:
			delete(t.there, c.Track.Sid)
		case room.ParticipantHere:
			t.people[who] = true
			if who == t.src.Identity {
				t.absent = time.Time{}
			}
		case room.ParticipantGone:
			delete(t.people, who)
			if who == t.src.Identity {
				t.absent = now.Add(patienceAfter(c.Left))
			}
		case room.RoomOver:
			t.over = true
		}
	}
}

// patienceAfter is how long somebody who left for that reason is waited for.
func patienceAfter(why livekit.DisconnectReason) time.Duration {
	switch why {
	case livekit.DisconnectReason_PARTICIPANT_REMOVED, livekit.DisconnectReason_ROOM_DELETED, livekit.DisconnectReason_ROOM_CLOSED:
		return 0
	case livekit.DisconnectReason_CLIENT_INITIATED:
		return waitAfterLeave
	}
	return waitAfterLosing
}

// ended says whether nothing can come any more, and when to ask again if not.
func (t *tracks) ended(now time.Time) (over bool, again time.Time) {
	switch {
	case t.over:
		return true, again
	case t.src.Kind == request.Tracks:
		return len(wanted(t.src, t.there)) == 0, again
	case t.src.Identity == "" || t.absent.IsZero():
		return false, again
	}
	return !now.Before(t.absent), t.absent
}

// update has tapped be what is wanted: what is new is returned, to be told and
// started, and so is what has changed, and what is gone. refused is why a track
// that is wanted cannot be had.
func (t *tracks) update(ctx context.Context) (fresh, changed, gone []*tapped, refused error) {
	want := wanted(t.src, t.there)
	keep := make(map[string]bool, len(want))
	for _, p := range want {
		sid := p.track.Sid
		keep[sid] = true
		if old := t.tapped[sid]; old != nil && old.of == p {
			if now := describe(old.Number, p, old.tap.Codec.MimeType, old.Side, old.tap); now != old.Track {
				old.Track = now
				changed = append(changed, old)
			}
			continue
		} else if old != nil {
			gone = append(gone, old) // the same sid, published again
			delete(t.tapped, sid)
		}
		one, err := t.tap(ctx, p)
		if err != nil {
			refused = errors.Join(refused, err)
			continue
		}
		t.tapped[sid] = one
		fresh = append(fresh, one)
	}
	for sid, old := range t.tapped {
		if !keep[sid] {
			gone = append(gone, old)
			delete(t.tapped, sid)
		}
	}
	return fresh, changed, gone, refused
}

// tap makes a tap of a track.
func (t *tracks) tap(ctx context.Context, p *published) (*tapped, error) {
	tap, err := t.rooms.Tap(ctx, t.watch.Room.Name, p.track.Sid, func() {})
	if err != nil {
		return nil, err
	}
	if _, err := container.CodecOf(tap.Codec.MimeType); err != nil {
		tap.Close()
		return nil, refuse(FailedPrecondition, "a track of %s cannot be recorded as it is", tap.Codec.MimeType)
	}
	t.number++
	return &tapped{of: p, tap: tap, Track: describe(t.number, p, tap.Codec.MimeType, sideOf(t.src, p, int(t.number)-1), tap)}, nil
}

func describe(number uint16, p *published, mime, side string, tap *room.Tap) wire.Track {
	name := p.who.Name
	if name == "" {
		name = p.who.Identity
	}
	return wire.Track{
		Number: number, MimeType: mime, ClockRate: tap.Codec.ClockRate, Channels: int(tap.Codec.Channels),
		Sid: p.track.Sid, Identity: p.who.Identity, Name: name, Source: strings.ToLower(p.track.Source.String()),
		Muted: p.track.Muted, Width: int(p.track.Width), Height: int(p.track.Height), Side: side,
	}
}

// missing says which of the tracks that were asked for by their sids is not there,
// and what is wrong with one.
func (t *tracks) missing() error {
	if t.src.Kind != request.Tracks {
		return nil
	}
	for _, sid := range []string{t.src.AudioTrack, t.src.VideoTrack} {
		if sid != "" && t.there[sid] == nil {
			return room.ErrTrackNotFound
		}
	}
	if t.src.Direct {
		p := t.there[t.src.AudioTrack]
		if p == nil {
			p = t.there[t.src.VideoTrack]
		}
		t.src.Video = p.track.Type == livekit.TrackType_VIDEO
		if t.src.Audio = !t.src.Video; t.heard && t.src.Video {
			return refuse(InvalidArgument, "track_id %.64q is of pictures: a WebSocket gets sound", p.track.Sid)
		}
		return nil
	}
	if a := t.there[t.src.AudioTrack]; a != nil && a.track.Type != livekit.TrackType_AUDIO {
		return refuse(InvalidArgument, "audio_track_id %.64q is of pictures", t.src.AudioTrack)
	}
	if v := t.there[t.src.VideoTrack]; v != nil && v.track.Type != livekit.TrackType_VIDEO {
		return refuse(InvalidArgument, "video_track_id %.64q is of sound", t.src.VideoTrack)
	}
	return nil
}

// name finds what files are named after: the pictures, or the sound, if there are
// any.
func (t *tracks) name() {
	for _, one := range t.tapped {
		if t.named == nil || one.of.track.Type == livekit.TrackType_VIDEO {
			t.named = one.of
		}
	}
}

// close ends all taps, and the watch.
func (t *tracks) close() {
	for _, one := range t.tapped {
		one.tap.Close()
	}
	if t.watch != nil {
		t.watch.Close()
	}
}

// of finds what is tapped by its number.
func (t *tracks) of(number uint16) *tapped {
	for _, one := range t.tapped {
		if one.Number == number {
			return one
		}
	}
	return nil
}
