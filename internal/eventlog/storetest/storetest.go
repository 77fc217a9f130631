package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// Disk is where a store keeps its data.
type Disk interface {
	// Open opens the store, which no one else has open.
	Open() (eventlog.Store, error)
	// PowerCut returns the disk as a machine would find it that lost power now:
	// with all that was durable, and with a part of what was not, chosen by
	// seed. The original is not touched.
	PowerCut(seed uint64) Disk
}

// Options size the suite.
type Options struct {
	// PowerCuts is how many are simulated at random moments; 64 by default.
	PowerCuts int
}

// Run runs the suite on empty disks made by newDisk.
func Run(t *testing.T, newDisk func(t *testing.T) Disk, opts Options) {
	if opts.PowerCuts == 0 {
		opts.PowerCuts = 64
	}
	for name, test := range map[string]func(*testing.T, Disk){
		"NewStoreIsEmpty":              testEmpty,
		"RecordsAreReadInOrder":        testRead,
		"RoomsAreReadByTheirWholeName": testRooms,
		"IndexFollowsItsChanges":       testIndex,
		"CursorsAreSetAndDeleted":      testCursors,
		"TrimKeepsWhatItIsToldTo":      testTrim,
		"RewritesTakeTheirPlaces":      testRewrite,
		"RetentionKeepsOpenRooms":      testRetention,
		"ForgetTakesOutAPerson":        testForget,
		"SessionsAreListed":            testHistory,
		"StoreSurvivesReopening":       testReopen,
		"AppendersKeepTheirOrder":      testAppenders,
		"LogContinuesAfterReopening":   testContinue,
		"CloseOpenEndsEachThingOnce":   testCloseOpen,
	} {
		t.Run(name, func(t *testing.T) { test(t, newDisk(t)) })
	}
	t.Run("ClosureCutShortIsFinished", func(t *testing.T) { testClosureCutShort(t, newDisk(t)) })
	t.Run("PowerCutLosesNothingSynced", func(t *testing.T) { testPowerCuts(t, newDisk, opts.PowerCuts) })
}

func open(t *testing.T, d Disk) eventlog.Store {
	t.Helper()
	s, err := d.Open()
	if err != nil {
		t.Fatal("open store:", err)
	}
	return s
}

func closeStore(t *testing.T, s eventlog.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal("close store:", err)
	}
}

// records returns n records from seq on, of one session of the room.
func records(room, sid string, seq uint64, n int) []event.Record {
	rs := make([]event.Record, n)
	for i := range rs {
		at := seq + uint64(i)
		rs[i] = event.Record{
			Seq: at, RoomSeq: uint64(i) + 1, ID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, at)).String(),
			Name: event.TrackPublished, Room: room, RoomSID: sid,
			ParticipantSID: "PA_1", Identity: "anna", TrackSID: "TR_1",
			Actor: event.ActorClient, Reason: "why",
			Time:        time.UnixMicro(1_700_000_000_000_000 + int64(at)).UTC(),
			Committed:   time.UnixMicro(1_700_000_000_000_999 + int64(at)).UTC(),
			Synthesized: i%2 == 1,
			Body:        fmt.Appendf(nil, `{"event":"track_published","id":"%d"}`, at),
			FullBody:    fmt.Appendf(nil, `{"event":"track_published","id":"%d","room":{}}`, at),
		}
	}
	return rs
}

func apply(t *testing.T, s eventlog.Store, b *eventlog.Batch) {
	t.Helper()
	if err := s.Apply(b); err != nil {
		t.Fatal("apply:", err)
	}
}

func wantRead(t *testing.T, s eventlog.Store, room string, after uint64, limit int, want []event.Record) {
	t.Helper()
	got, err := s.Read(room, after, limit)
	if err != nil {
		t.Fatalf("read %q after %d: %v", room, after, err)
	}
	if len(got)+len(want) == 0 {
		return
	}
	if d := diff(want, got); d != "" {
		t.Fatalf("read %q after %d, limit %d (-want +got):\n%s", room, after, limit, d)
	}
}

func testEmpty(t *testing.T, d Disk) {
	s := open(t, d)
	defer closeStore(t, s)
	wantRead(t, s, "", 0, 10, nil)
	wantRead(t, s, "", 1<<63, 10, nil)
	wantRead(t, s, "room", 0, 10, nil)
	last, err := s.Last()
	if err != nil || last.Seq != 0 {
		t.Fatalf("Last of an empty store = %d, %v", last.Seq, err)
	}
	if roomSeq, seq, err := s.RoomSeq("room", "RM_1"); err != nil || roomSeq+seq != 0 {
		t.Fatalf("RoomSeq in an empty store = %d, %d, %v", roomSeq, seq, err)
	}
	if open, err := s.Open(""); err != nil || len(open) != 0 {
		t.Fatalf("Open of an empty store = %v, %v", open, err)
	}
	if values, err := s.Values("", "", 0); err != nil || len(values) != 0 {
		t.Fatalf("Values of an empty store = %v, %v", values, err)
	}
	if err := s.Trim(7, []uint64{3}); err != nil {
		t.Fatalf("Trim of an empty store: %v", err)
	}
}

func testRead(t *testing.T, d Disk) {
	s := open(t, d)
	defer closeStore(t, s)
	all := records("room", "RM_1", 1, 300)
	for part := range slices.Chunk(all, 70) {
		apply(t, s, &eventlog.Batch{Records: part})
	}
	wantRead(t, s, "", 0, 1000, all)
	wantRead(t, s, "", 0, 1, all[:1])
	wantRead(t, s, "", 69, 3, all[69:72])
	wantRead(t, s, "", 299, 10, all[299:])
	wantRead(t, s, "", 300, 10, nil)
	last, err := s.Last()
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(all[299], last); d != "" {
		t.Fatalf("Last (-want +got):\n%s", d)
	}
}

func testRooms(t *testing.T, d Disk) {
	s := open(t, d)
	defer closeStore(t, s)
	names := []string{"a", "aa", "a\x00", "a\x00\x01", "b", "\xc3\xa4\xc3\xb6", string(make([]byte, 300)), "a\xff"}
	want := make(map[string][]event.Record)
	var seq uint64 = 1
	for range 3 {
		b := new(eventlog.Batch)
		for _, name := range names {
			rs := records(name, "RM_of_"+name, seq, 2)
			seq += 2
			want[name] = append(want[name], rs...)
			b.Records = append(b.Records, rs...)
		}
		// An event of no room is in no room's list.
		r := records("", "", seq, 1)
		seq++
		b.Records = append(b.Records, r...)
		apply(t, s, b)
	}
	for _, name := range names {
		wantRead(t, s, name, 0, 100, want[name])
		wantRead(t, s, name, want[name][2].Seq, 2, want[name][3:5])
		last := want[name][5].Seq
		if got, seq, err := s.RoomSeq(name, "RM_of_"+name); err != nil || got != 2 || seq != last {
			t.Errorf("RoomSeq of %q = %d, %d, %v; want 2, %d", name, got, seq, err, last)
		}
		if got, seq, err := s.RoomSeq(name, "RM_other"); err != nil || got+seq != 0 {
			t.Errorf("RoomSeq of %q, unknown session = %d, %d, %v; want 0", name, got, seq, err)
		}
	}
	wantRead(t, s, "", 0, 1, want["a"][:1])
}

func testIndex(t *testing.T, d Disk) {
	s := open(t, d)
	defer closeStore(t, s)
	room := eventlog.Thing{RoomSID: "RM_1"}
	longer := eventlog.Thing{RoomSID: "RM_12"}
	anna := eventlog.Thing{RoomSID: "RM_1", ParticipantSID: "PA_1"}
	video := eventlog.Thing{RoomSID: "RM_1", ParticipantSID: "PA_1", TrackSID: "TR_1"}
	apply(t, s, &eventlog.Batch{Records: records("room", "RM_1", 1, 1), Index: []eventlog.Entry{
		{Thing: room, Room: "room", Opened: 1, Seq: 101}, {Thing: anna, Room: "room", Opened: 2, Seq: 102},
		{Thing: video, Room: "room", Opened: 3, Seq: 103}, {Thing: longer, Room: "other", Opened: 4, Seq: 104},
	}})
	want := func(sid string, want ...eventlog.Entry) {
		t.Helper()
		got, err := s.Open(sid)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(a, b eventlog.Entry) int { return int(a.Seq) - int(b.Seq) })
		if d := diff(want, got); d != "" {
			t.Fatalf("Open(%q) (-want +got):\n%s", sid, d)
		}
	}
	want("RM_1", eventlog.Entry{Thing: room, Room: "room", Opened: 1, Seq: 101}, eventlog.Entry{Thing: anna, Room: "room", Opened: 2, Seq: 102}, eventlog.Entry{Thing: video, Room: "room", Opened: 3, Seq: 103})
	want("RM_12", eventlog.Entry{Thing: longer, Room: "other", Opened: 4, Seq: 104})

	// Within a batch the later change counts.
	apply(t, s, &eventlog.Batch{Records: records("room", "RM_1", 2, 1), Index: []eventlog.Entry{
		{Thing: video}, {Thing: room, Room: "room", Opened: 5, Seq: 105}, {Thing: room, Room: "room", Opened: 6, Seq: 106},
		{Thing: anna}, {Thing: anna, Room: "room", Opened: 7, Seq: 107}, {Thing: longer, Room: "other", Opened: 8, Seq: 108}, {Thing: longer},
	}})
	want("", eventlog.Entry{Thing: room, Room: "room", Opened: 6, Seq: 106}, eventlog.Entry{Thing: anna, Room: "room", Opened: 7, Seq: 107})
}

func testCursors(t *testing.T, d Disk) {
	s := open(t, d)
	defer closeStore(t, s)
	apply(t, s, &eventlog.Batch{Cursors: map[string][]byte{
		"a/1": []byte("one"), "a/2": {}, "a/\xff": []byte("high"), "b/1": []byte("other"),
	}})
	apply(t, s, &eventlog.Batch{Cursors: map[string][]byte{"a/1": nil, "a/3": {0, 1, 2}, "gone": nil}})
	two, three := eventlog.Value{Key: "a/2", Value: []byte{}}, eventlog.Value{Key: "a/3", Value: []byte{0, 1, 2}}
	high, other := eventlog.Value{Key: "a/\xff", Value: []byte("high")}, eventlog.Value{Key: "b/1", Value: []byte("other")}
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          []eventlog.Value
	}{
		{"", "", 0, []eventlog.Value{two, three, high, other}},
		{"", "", 3, []eventlog.Value{two, three, high}},
		{"", "a/3", 0, []eventlog.Value{high, other}},
		{"a/", "", 9, []eventlog.Value{two, three, high}},
		{"a/", "a", 2, []eventlog.Value{two, three}},
		{"a/", "a/2", 1, []eventlog.Value{three}},
		{"a/", "a/\xff", 0, nil},
		{"a/", "b", 0, nil},
		{"a/\xff", "", 0, []eventlog.Value{high}},
		{"c", "", 0, nil},
	} {
		got, err := s.Values(c.prefix, c.after, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(c.want, got); d != "" {
			t.Errorf("Values(%q, %q, %d) (-want +got):\n%s", c.prefix, c.after, c.limit, d)
		}
	}
}

func testReopen(t *testing.T, d Disk) {
	s := open(t, d)
	all := records("room", "RM_1", 1, 50)
	entry := eventlog.Entry{Thing: eventlog.Thing{RoomSID: "RM_1"}, Room: "room", Opened: 1, Seq: 101}
	apply(t, s, &eventlog.Batch{Records: all, Index: []eventlog.Entry{entry}, Cursors: map[string][]byte{"c": []byte("v")}})
	for range 3 {
		closeStore(t, s)
		s = open(t, d)
		wantRead(t, s, "", 0, 100, all)
		wantRead(t, s, "room", 0, 100, all)
		open, err := s.Open("RM_1")
		if d := diff([]eventlog.Entry{entry}, open); d != "" || err != nil {
			t.Fatalf("Open (-want +got), %v:\n%s", err, d)
		}
		values, err := s.Values("", "", 0)
		if d := diff([]eventlog.Value{{Key: "c", Value: []byte("v")}}, values); d != "" || err != nil {
			t.Fatalf("Values (-want +got), %v:\n%s", err, d)
		}
		all = append(all, records("room", "RM_1", uint64(len(all))+1, 5)...)
		apply(t, s, &eventlog.Batch{Records: all[len(all)-5:]})
	}
	closeStore(t, s)
}

// diff is cmp.Diff, which goes through bodies byte by byte, for what differs.
func diff(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}
