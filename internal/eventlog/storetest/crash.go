package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// hooked calls after when a batch is applied.
type hooked struct {
	eventlog.Store
	after func()
}

func (h hooked) Apply(b *eventlog.Batch) error {
	if err := h.Store.Apply(b); err != nil {
		return err
	}
	h.after()
	return nil
}

// leaveOpen appends two sessions that are open and one that is finished.
func leaveOpen(t *testing.T, l *eventlog.Log) {
	t.Helper()
	one, two, done := NewRoom("one", "RM_1"), NewRoom("two", "RM_2"), NewRoom("two", "RM_0")
	l.Append(done.Start(), done.Join())
	l.Append(done.Finish()...)
	l.Append(one.Start(), two.Start(), one.Join(), one.Join(), one.Publish(0), one.Publish(0), two.Join())
	l.Append(one.Join(), one.Publish(1), one.Publish(2))
	l.Append(one.Leave(1)...)
	wantSync(t, l, l.Append(one.Join()))
}

func testCloseOpen(t *testing.T, d Disk) {
	l := openLog(t, open(t, d), 0)
	leaveOpen(t, l)
	closeLog(t, l)

	l = openLog(t, open(t, d), 0)
	before := l.Last()
	now := time.Unix(1_800_000_000, 0)
	n, err := l.CloseOpen(context.Background(), now)
	if err != nil {
		t.Fatal("close open:", err)
	}
	all := ReadAll(t, l)
	CheckOrder(t, all)
	CheckClosed(t, all)
	var story []string
	for _, r := range all[before:] {
		if !r.Synthesized || !r.Time.Equal(now) || r.Actor != event.ActorCrash || r.Reason == "" {
			t.Errorf("event %d (%s): synthesized %t, at %v, by %s (%s); want true, at %v", r.Seq, r.Name, r.Synthesized, r.Time, r.Actor, r.Reason, now)
		}
		w, err := r.Webhook()
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %s %s", r.Room, r.Name, r.Identity)
		switch r.Name {
		case event.ParticipantLeft:
			if p := w.Participant; p.DisconnectReason != livekit.DisconnectReason_SERVER_SHUTDOWN ||
				p.State != livekit.ParticipantInfo_DISCONNECTED || len(p.Tracks) > 0 || p.Metadata != "about me" {
				t.Errorf("event %d: participant %v", r.Seq, p)
			}
			line += fmt.Sprintf(" leaves %d, %d publish", w.Room.NumParticipants, w.Room.NumPublishers)
		case event.RoomFinished:
			if w.RoomEndReason != livekit.RoomEndReason_ROOM_END_SERVER_SHUTDOWN || w.Room.Metadata != "about "+r.Room {
				t.Errorf("event %d: room %v, reason %v", r.Seq, w.Room, w.RoomEndReason)
			}
			line += fmt.Sprintf("leaves %d, %d publish", w.Room.NumParticipants, w.Room.NumPublishers)
		case event.TrackUnpublished:
			if w.Track.GetName() != "camera" || w.Participant.GetName() != "Somebody" {
				t.Errorf("event %d: track %v of %v", r.Seq, w.Track, w.Participant)
			}
		}
		story = append(story, line)
	}
	want := []string{
		"two participant_left identity-1 leaves 0, 0 publish",
		"two room_finished leaves 0, 0 publish",
		"one track_unpublished identity-1",
		"one track_unpublished identity-1",
		"one participant_left identity-1 leaves 2, 1 publish",
		"one track_unpublished identity-5",
		"one participant_left identity-5 leaves 1, 0 publish",
		"one participant_left identity-8 leaves 0, 0 publish",
		"one room_finished leaves 0, 0 publish",
	}
	wantStories(t, want, story)
	if n != len(story) {
		t.Errorf("CloseOpen reports %d events, the log has %d", n, len(story))
	}
	if n, err := l.CloseOpen(context.Background(), now); n != 0 || err != nil {
		t.Errorf("a second CloseOpen = %d, %v", n, err)
	}
	closeLog(t, l)
}

// wantStories compares line by line; whole sessions may come in either order.
func wantStories(t *testing.T, want, got []string) {
	t.Helper()
	bySession := func(lines []string) map[string]string {
		m := make(map[string]string)
		for _, line := range lines {
			m[line[:3]] += line + "\n"
		}
		return m
	}
	w, g := bySession(want), bySession(got)
	for session := range w {
		if w[session] != g[session] {
			t.Errorf("session %s, want:\n%s\ngot:\n%s", session, w[session], g[session])
		}
	}
	if len(g) != len(w) {
		t.Errorf("got sessions %v", g)
	}
}

// testClosureCutShort cuts the power after each event of the closure, also of
// the closure that follows such a cut.
func testClosureCutShort(t *testing.T, d Disk) {
	l := openLog(t, open(t, d), 0)
	leaveOpen(t, l)
	want := 9 // events of the closure, see testCloseOpen
	closeLog(t, l)

	var seed uint64
	var finish func(d Disk, done int)
	finish = func(d Disk, done int) {
		var cuts []Disk
		// A ring of one makes each event a group of its own.
		l := openLog(t, hooked{open(t, d), func() {
			seed++
			cuts = append(cuts, d.PowerCut(seed))
		}}, 1)
		n, err := l.CloseOpen(context.Background(), time.Now())
		if err != nil {
			t.Fatal("close open:", err)
		}
		if n != want-done {
			t.Errorf("closure after %d of its events: %d more, want %d", done, n, want-done)
		}
		all := ReadAll(t, l)
		CheckOrder(t, all)
		CheckClosed(t, all)
		closeLog(t, l)
		if done == 0 {
			for i, cut := range cuts {
				finish(cut, i+1)
			}
		}
	}
	finish(d, 0)
}

// testPowerCuts runs rooms at once, cuts the power at random moments, and
// checks what is left each time.
func testPowerCuts(t *testing.T, newDisk func(*testing.T) Disk, cuts int) {
	const perRun = 8
	for run := 0; run*perRun < cuts; run++ {
		seed := uint64(run)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			d := newDisk(t)
			rng := rand.New(rand.NewPCG(seed, 2))
			l := openLog(t, open(t, d), 1+rng.IntN(64))
			appended := newLedger()
			const rooms, each = 6, 25
			var writers, cutters sync.WaitGroup
			for i := range rooms {
				writers.Go(func() {
					rng := rand.New(rand.NewPCG(seed, 100+uint64(i)))
					room := NewRoom(fmt.Sprintf("room-%d", i%3), fmt.Sprintf("RM_%d", i))
					live(l, rng, room, each, rng.IntN(2) == 0, func(e event.Event, seq uint64) {
						appended.note(e, seq)
						if rng.IntN(2) == 0 {
							wantSync(t, l, seq)
							appended.durable(seq)
						}
					})
				})
			}
			type cut struct {
				disk   Disk
				synced uint64
			}
			taken := make([]cut, perRun)
			for i := range taken {
				at, seed := rng.Uint64N(rooms*each), rng.Uint64()
				cutters.Go(func() {
					if err := l.Wait(context.Background(), at); err != nil {
						t.Error("wait:", err)
					}
					synced := appended.lastDurable()
					taken[i] = cut{d.PowerCut(seed), synced}
				})
			}
			cutters.Wait()
			writers.Wait()
			closeLog(t, l)

			for _, cut := range taken {
				l := openLog(t, open(t, cut.disk), 0)
				if l.Last() < cut.synced {
					t.Fatalf("%d was durable, after the power cut the log ends at %d", cut.synced, l.Last())
				}
				before := ReadAll(t, l)
				CheckOrder(t, before)
				appended.check(t, before)
				if _, err := l.CloseOpen(context.Background(), time.Now()); err != nil {
					t.Fatal("close open:", err)
				}
				all := ReadAll(t, l)
				CheckOrder(t, all)
				CheckClosed(t, all)
				closeLog(t, l)
			}
		})
	}
}
