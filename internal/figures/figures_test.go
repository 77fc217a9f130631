package figures

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/histogram"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// memRooms is rooms that a test writes.
type memRooms struct {
	lines []room.Overview
	one   *room.Figures
	looks int
	err   error
}

func (m *memRooms) Overviews(context.Context) ([]room.Overview, error) {
	m.looks++
	return m.lines, m.err
}

func (m *memRooms) Figures(context.Context, string, ...string) (*room.Figures, error) {
	m.looks++
	return m.one, m.err
}

func TestLobbyIsLookedAtOnceASecondHoweverManyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rooms := &memRooms{lines: []room.Overview{{Name: "den", SID: "RM_1", OctetsOut: 1000}, {Name: "attic", SID: "RM_2"}}}
		l := NewLobby(rooms)
		for range 5 {
			lines, err := l.Lines(t.Context())
			if err != nil || len(lines.Rooms) != 2 || lines.Rooms[0].Name != "attic" {
				t.Fatalf("%+v, %v", lines, err)
			}
		}
		if rooms.looks != 1 {
			t.Errorf("%d looks, want 1", rooms.looks)
		}
		time.Sleep(time.Second)
		if _, err := l.Lines(t.Context()); err != nil || rooms.looks != 2 {
			t.Errorf("%d looks after a second, %v", rooms.looks, err)
		}
	})
}

func TestRatesAreDifferencesOfTwoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rooms := &memRooms{lines: []room.Overview{{Name: "den", SID: "RM_1", OctetsOut: 1000}}}
		l := NewLobby(rooms)
		out := func(octets uint64, after time.Duration) uint64 {
			t.Helper()
			rooms.lines[0].OctetsOut = octets
			time.Sleep(after)
			lines, err := l.Lines(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return lines.Rooms[0].BitrateOut
		}
		for i, step := range []struct {
			octets uint64
			after  time.Duration
			want   uint64
		}{
			{1000, 0, 0},                  // nothing to compare with
			{3000, 2 * time.Second, 8000}, // 2000 octets in 2 s
			{2000, time.Second, 0},        // a subscription has ended
			{2500, time.Second, 4000},
			{9000, time.Minute, 0}, // nobody looked for a while
			{9125, time.Second, 1000},
		} {
			if got := out(step.octets, step.after); got != step.want {
				t.Errorf("step %d: %d bit/s, want %d", i, got, step.want)
			}
		}
		rooms.err = errors.New("stuck")
		time.Sleep(time.Second)
		if _, err := l.Lines(t.Context()); !errors.Is(err, rooms.err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOnlookerMeasuresLayersAndReception(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := room.LayerFigures{Layer: 1, Frames: 100, Packets: 1000, Lost: 10}
		heard := room.Reception{TrackSID: "TR_1", Subscriber: "ben", Octets: 5000}
		rooms := &memRooms{one: &room.Figures{Room: &livekit.Room{Name: "den"}}}
		o := NewOnlooker(rooms, "den", "ben")
		look := func() Person {
			t.Helper()
			rooms.one.Participants = []room.Person{{
				Info:   &livekit.ParticipantInfo{Sid: "PA_1"},
				Tracks: []room.TrackFigures{{SID: "TR_1", Layers: []room.LayerFigures{layer}}}, Receiver: []room.Reception{heard},
			}}
			seen, err := o.Look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return seen.People[0]
		}
		if p := look(); p.Tracks[0].Layers[0].FPS != 0 || p.Reception[0].Bitrate != 0 {
			t.Errorf("rates of a first look: %+v", p)
		}
		time.Sleep(2 * time.Second)
		layer.Frames, layer.Packets, layer.Lost, heard.Octets = 160, 1190, 20, 6000
		p := look()
		if l := p.Tracks[0].Layers[0]; l.FPS != 30 || l.LossShare != 0.05 {
			t.Errorf("%v frames a second, loss %v; want 30, 0.05", l.FPS, l.LossShare)
		}
		if got := p.Reception[0].Bitrate; got != 4000 {
			t.Errorf("%d bit/s, want 4000", got)
		}
		time.Sleep(time.Second)
		layer.Frames, layer.Packets = 5, 50 // the stream began anew
		if l := look().Tracks[0].Layers[0]; l.FPS != 0 || l.LossShare != 0 {
			t.Errorf("rates across a new beginning: %+v", l)
		}
	})
}

// parts is a server that a test writes.
type parts struct {
	commits *histogram.Histogram
	traffic peer.Traffic
}

func (p *parts) Stats() room.Stats               { return room.Stats{Rooms: 3, Participants: 7, VideoTracks: 2} }
func (p *parts) Traffic() peer.Traffic           { return p.traffic }
func (p *parts) First() uint64                   { return 4 }
func (p *parts) Last() uint64                    { return 99 }
func (p *parts) DiskUsage() uint64               { return 1 << 20 }
func (p *parts) CommitTimes() histogram.Snapshot { return p.commits.Snapshot() }

func TestWatchKeepsTheLastMinutesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &parts{commits: histogram.New(time.Millisecond, 10*time.Millisecond)}
		p.traffic = peer.Traffic{Connections: 2, Routes: map[peer.Route]int{{Protocol: "tcp", Candidate: "host"}: 1, {Protocol: "udp", Candidate: "srflx"}: 4}}
		p.traffic.Audio.In.Packets, p.traffic.Video.In.Packets = 10, 20
		w := Start(Sources{Rooms: p, Media: p, Log: p, Waiting: func() int { return 1 }})
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := w.History(); len(got) != 3 || got[1].At.Sub(got[0].At) != step {
			t.Fatalf("%d looks kept, want 3", len(got))
		}
		for range 98 {
			p.commits.Observe(500 * time.Microsecond)
		}
		p.commits.Observe(2 * time.Millisecond)
		p.commits.Observe(2 * time.Millisecond)
		n := w.Now()
		if n.Rooms != 3 || n.Participants != 7 || n.In.Packets != 30 || n.Log.Last != 99 || n.Log.Waiting != 1 || n.Memory == 0 || n.Heap == 0 {
			t.Errorf("node is %+v", n)
		}
		if want := (Route{"udp", "srflx", 4}); len(n.Routes) != 2 || n.Routes[0] != want {
			t.Errorf("routes are %v", n.Routes)
		}
		if n.Log.SyncMS != 0.53 || n.Log.SyncP99MS != 10 {
			t.Errorf("syncs took %v ms, 99 of 100 within %v; want 0.53, 10", n.Log.SyncMS, n.Log.SyncP99MS)
		}
		if again := w.Now(); again.At != n.At {
			t.Error("looked twice in a second")
		}
		time.Sleep(2 * steps * step)
		synctest.Wait()
		if got := len(w.History()); got != steps {
			t.Errorf("%d looks kept, want %d", got, steps)
		}
		w.Close()
	})
}
