package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

func testTrim(t *testing.T, d Disk) {
	s := open(t, d)
	// Two rooms in turns, more than an engine takes out at a time.
	const n = 3000
	all := make([]event.Record, 0, n)
	for seq := uint64(1); seq <= n; seq++ {
		name := []string{"a", "b"}[seq%2]
		r := records(name, "RM_"+name, seq, 1)[0]
		r.RoomSeq = (seq + 1) / 2
		all = append(all, r)
	}
	for from := 0; from < n; from += 500 {
		apply(t, s, &eventlog.Batch{Records: all[from : from+500]})
	}
	trim := func(first uint64, keep ...uint64) {
		t.Helper()
		if err := s.Trim(first, keep); err != nil {
			t.Fatalf("trim below %d: %v", first, err)
		}
		var left []event.Record
		rooms := make(map[string][]event.Record)
		for _, r := range all {
			kept := r.Seq >= first
			for _, seq := range keep {
				kept = kept || r.Seq == seq
			}
			if kept {
				left = append(left, r)
				rooms[r.Room] = append(rooms[r.Room], r)
			}
		}
		wantRead(t, s, "", 0, n, left)
		wantRead(t, s, "a", 0, n, rooms["a"])
		wantRead(t, s, "b", 0, n, rooms["b"])
		wantRead(t, s, "b", 2, 3, rooms["b"][min(len(rooms["b"]), indexAfter(rooms["b"], 2)):][:3])
	}
	trim(0)
	trim(1)
	trim(2)
	trim(1500, 2, 3, 1024, 1026, 1499)
	trim(1500, 2, 3, 1024, 1026, 1499)
	trim(2900, 3, 1499, 2000)
	closeStore(t, s)
	s = open(t, d)
	trim(2990, 3)
	trim(2990)
	if roomSeq, seq, err := s.RoomSeq("a", "RM_a"); err != nil || roomSeq != n/2 || seq != n {
		t.Errorf("RoomSeq = %d, %d, %v; want %d, %d", roomSeq, seq, err, n/2, n)
	}
	apply(t, s, &eventlog.Batch{Records: records("a", "RM_a2", n+1, 1)})
	if last, err := s.Last(); err != nil || last.Seq != n+1 {
		t.Errorf("Last = %d, %v; want %d", last.Seq, err, n+1)
	}
	closeStore(t, s)
}

func indexAfter(rs []event.Record, seq uint64) int {
	for i := range rs {
		if rs[i].Seq > seq {
			return i
		}
	}
	return len(rs)
}

func testRewrite(t *testing.T, d Disk) {
	s := open(t, d)
	all := records("room", "RM_1", 1, 20)
	apply(t, s, &eventlog.Batch{Records: all})
	for _, i := range []int{0, 7} {
		all[i].Identity, all[i].Body, all[i].FullBody = "nobody", []byte(`{}`), nil
	}
	more := records("room", "RM_1", 21, 1)
	apply(t, s, &eventlog.Batch{Rewrites: []event.Record{all[0], all[7]}, Records: more})
	all = append(all, more...)
	wantRead(t, s, "", 0, 100, all)
	wantRead(t, s, "room", 0, 100, all)
	closeStore(t, s)
	s = open(t, d)
	wantRead(t, s, "", 0, 100, all)
	closeStore(t, s)
}

// testRetention outlives the opening of a room by far, then crashes and closes.
func testRetention(t *testing.T, d Disk) {
	opts := eventlog.Options{Store: open(t, d), Retention: eventlog.Retention{Size: 64 << 10, Interval: time.Millisecond}}
	l, err := eventlog.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	quiet, busy := NewRoom("quiet", "RM_quiet"), NewRoom("busy", "RM_busy")
	l.Append(quiet.Start(), quiet.Join(), quiet.Publish(0), quiet.Join())
	l.Append(busy.Start())
	l.Append(NewRoom("brief", "RM_brief").Start())
	l.Append(NewRoom("brief", "RM_brief").Finish()...)
	// Whenever a part was trimmed, more comes.
	deadline := time.Now().Add(time.Minute)
	for first := uint64(1); first < 500; first = l.First() {
		for l.First() == first {
			if time.Now().After(deadline) {
				t.Fatalf("nothing is trimmed: First %d, %d bytes", first, l.Stats().Bytes)
			}
			l.Append(busy.Join())
			wantSync(t, l, l.Append(busy.Leave(0)...))
		}
	}
	first, last := l.First(), l.Last()
	closeLog(t, l)

	opts.Store = open(t, d)
	opts.Retention = eventlog.Retention{} // nothing more goes, so that the closure can be looked at
	if l, err = eventlog.Open(opts); err != nil {
		t.Fatal(err)
	}
	if l.First() < first || l.Last() != last {
		t.Errorf("after reopening the log goes from %d to %d, was %d to %d", l.First(), l.Last(), first, last)
	}
	var listed []string
	for _, s := range Sessions(t, l, 10) {
		listed = append(listed, s.SID)
	}
	if want := []string{"RM_busy", "RM_quiet"}; !slices.Equal(listed, want) {
		t.Errorf("sessions %v are listed, want %v", listed, want)
	}
	if left, err := opts.Store.Values("", "", 0); err != nil || slices.ContainsFunc(left, func(v eventlog.Value) bool { return strings.HasSuffix(v.Key, "RM_brief") }) {
		t.Errorf("of a session that has left the log something is kept, %v", err)
	}
	kept, err := l.ReadRoom(context.Background(), "quiet", 0, eventlog.MaxRead)
	if err != nil || len(kept) != 4 || kept[0].Name != event.RoomStarted {
		t.Errorf("%d events of the quiet room are kept, %v; want 4", len(kept), err)
	}
	n, err := l.CloseOpen(context.Background(), time.Now())
	if err != nil || n != 5 { // a track, two participants, two rooms
		t.Errorf("CloseOpen = %d, %v; want 5", n, err)
	}
	all, err := l.ReadRoom(context.Background(), "quiet", 0, eventlog.MaxRead)
	if err != nil {
		t.Fatal(err)
	}
	CheckClosed(t, all)
	for i, r := range all {
		if r.RoomSeq != uint64(i)+1 {
			t.Errorf("event %d of the quiet room has RoomSeq %d", i+1, r.RoomSeq)
		}
	}
	closeLog(t, l)
}
