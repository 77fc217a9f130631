package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// tell appends records of a room with true bodies.
func (l *memLog) tell(t *testing.T, room, sid string, names ...event.Name) {
	t.Helper()
	for _, name := range names {
		e := event.Event{Name: name, Room: &livekit.Room{Name: room, Sid: sid}, Participant: &livekit.ParticipantInfo{Sid: "PA_ana", Identity: "ana"}}
		body, err := e.Body("id")
		if err != nil {
			t.Fatal(err)
		}
		l.append(room, string(body))
		l.mu.Lock()
		r := &l.records[len(l.records)-1]
		r.Name, r.RoomSID, r.ParticipantSID = name, sid, "PA_ana"
		l.mu.Unlock()
	}
}

// seqs are those of a page's events.
func seqs(v map[string]any) string {
	var b strings.Builder
	for _, e := range v["events"].([]any) {
		fmt.Fprintf(&b, "%.0f ", e.(map[string]any)["seq"])
	}
	return strings.TrimSpace(b.String())
}

func TestPageHoldsTheTypesAndTheSessionThatAreAskedFor(t *testing.T) {
	a := newAPI(t)
	a.log.tell(t, "den", "RM_1", event.RoomStarted, event.ParticipantJoined, event.ParticipantLeft, event.RoomFinished)
	a.log.tell(t, "attic", "RM_2", event.RoomStarted)
	a.log.tell(t, "den", "RM_3", event.RoomStarted, event.ParticipantJoined)
	for query, want := range map[string]string{
		"types=room_*": "1 4 5 6",
		"types=room_started,room_finished&room=den":  "1 4 6",
		"types=participant_left&types=room_finished": "3 4",
		"room=RM_1":                        "1 2 3 4",
		"room=RM_3":                        "6 7",
		"room=RM_1&types=participant_*":    "2 3",
		"room=RM_4":                        "",
		"types=participant_joined&limit=1": "2",
		"after=now":                        "",
		"types=participant_joined&limit=1&after=2": "7",
	} {
		v := a.wantStatus(t, eventsGrant(), "GET", "/events?wait=0&"+query, "", 200)
		if got := seqs(v); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	// The limits of a token hold for sids too.
	a.wantStatus(t, eventsOf("den"), "GET", "/events?wait=0&room=RM_1", "", 200)
	a.wantStatus(t, eventsOf("den"), "GET", "/events?wait=0&room=RM_2", "", 403)
	a.wantStatus(t, eventsOf("den"), "GET", "/events?wait=0&room=attic", "", 403)
	a.wantStatus(t, eventsOf("den"), "GET", "/events?wait=0", "", 403)
}

func TestPagesOfAFilterComeToTheEnd(t *testing.T) {
	a := newAPI(t)
	for range 3 * scanBatch {
		a.log.append("den", `{}`)
	}
	a.log.tell(t, "den", "RM_1", event.ParticipantJoined)
	v := a.wantStatus(t, eventsGrant(), "GET", "/events?wait=0&types=participant_joined", "", 200)
	if want := float64(3*scanBatch + 1); v["cursor"] != want || v["done"] != true || seqs(v) != fmt.Sprint(want) {
		t.Errorf("cursor %v, done %v, events %s; want %v", v["cursor"], v["done"], seqs(v), want)
	}
}

// A filter that finds nothing among many large events, or on a slow disk, answers soon
// all the same, and is gone on with from its cursor.
func TestPageOfAFilterThatFindsNothingIsBounded(t *testing.T) {
	const events = 3000
	large := `{"metadata":"` + strings.Repeat(" ", 100<<10) + `"}`
	for name, c := range map[string]struct {
		body string
		slow time.Duration // for each read
		soon time.Duration // the page comes
		most int           // bytes that are read at once
	}{
		"large": {large, 0, time.Second, 2 * readBytes},
		"slow":  {`{}`, 300 * time.Millisecond, maxScanTime + 300*time.Millisecond, readBytes},
	} {
		t.Run(name, func(t *testing.T) {
			log := newMemLog()
			body := []byte(c.body)
			for i := range events {
				log.append("den", "")
				log.records[i].Body = body
			}
			log.tell(t, "den", "RM_1", event.ParticipantJoined)
			log.slow = c.slow
			inBubble(t, log, nil, func(t *testing.T, p *pipes) {
				pages, cursor := 0, 0
				for {
					start := time.Now()
					conn := p.dial(t, fmt.Sprint("/events?wait=0&types=participant_joined&after=", cursor))
					body := readResponse(t, conn)
					_ = conn.Close()
					pages++
					if took := time.Since(start); took > c.soon {
						t.Fatalf("page %d takes %s", pages, took)
					}
					if log.most > c.most {
						t.Fatalf("%d bytes are read at once", log.most)
					}
					if strings.Contains(body, `"done":true`) {
						if !strings.Contains(body, fmt.Sprintf(`"seq":%d,`, events+1)) {
							t.Errorf("the last page is %s", body)
						}
						break
					}
					at := cursor
					if _, err := fmt.Sscanf(body, `{"events":[],"cursor":%d,"done":false}`, &cursor); err != nil || cursor <= at {
						t.Fatalf("page %d after %d: %s, %v", pages, at, body, err)
					}
				}
				if pages < 2 {
					t.Errorf("%d pages", pages)
				}
			})
		})
	}
}

func TestStreamHoldsTheTypesThatAreAskedFor(t *testing.T) {
	a := newAPI(t)
	for range 2 * streamBatch {
		a.log.append("den", `{}`)
	}
	a.log.tell(t, "den", "RM_1", event.ParticipantJoined)
	resp := a.request(t, "GET", "/events?types=participant_*", "", "Authorization", "Bearer "+mint(t, eventsGrant()))
	a.wantStream(t, resp, fmt.Sprintf("id: %d\n", 2*streamBatch+1))
}

func TestPageWaitsForItsFirstEvent(t *testing.T) {
	log := newMemLog()
	inBubble(t, log, nil, func(t *testing.T, p *pipes) {
		start := time.Now()
		conn := p.dial(t, "/events?room=den&wait=30")
		defer func() { _ = conn.Close() }()
		time.Sleep(3 * time.Second)
		log.append("attic", `{}`) // wakes, but is not asked for
		time.Sleep(4 * time.Second)
		log.append("den", `{"n":2}`)
		body := readResponse(t, conn)
		if !strings.Contains(body, `"seq":2,`) || !strings.Contains(body, `"cursor":2,"done":true`) || time.Since(start) != 7*time.Second {
			t.Errorf("after %s: %s", time.Since(start), body)
		}
	})
}

func TestPageThatWaitsInVainIsEmptyAndHasACursor(t *testing.T) {
	log := newMemLog()
	inBubble(t, log, nil, func(t *testing.T, p *pipes) {
		start := time.Now()
		conn := p.dial(t, "/events?room=den&wait=20")
		defer func() { _ = conn.Close() }()
		time.Sleep(time.Second)
		log.append("attic", `{}`)
		body := readResponse(t, conn)
		if body != `{"events":[],"cursor":1,"done":true}`+"\n" || time.Since(start) != 20*time.Second {
			t.Errorf("after %s: %s", time.Since(start), body)
		}
	})
}

func TestPageThatWaitsEndsWithTheServer(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{}`)
	late := time.AfterFunc(10*time.Second, a.CloseClientConnections)
	defer late.Stop()
	close(a.drain)
	v := a.wantStatus(t, eventsGrant(), "GET", "/events?after=1&wait=50", "", 200)
	if v["done"] != true || v["cursor"] != 1.0 {
		t.Errorf("%v", v)
	}
}

func TestReadsWaitForTheSeqTheyName(t *testing.T) {
	a := newAPI(t)
	a.rooms.join("den", "ana")
	resp := make(chan int, 1)
	go func() {
		r := a.request(t, "POST", "/twirp/livekit.RoomService/ListParticipants?min_seq=1", `{"room":"den"}`,
			"Authorization", "Bearer "+mint(t, adminOf("den")), "Content-Type", "application/json")
		resp <- r.StatusCode
	}()
	a.log.append("den", `{}`)
	if status := <-resp; status != 200 {
		t.Errorf("status %d", status)
	}
	r := a.request(t, "POST", "/twirp/livekit.RoomService/ListParticipants", `{"room":"den"}`,
		"Authorization", "Bearer "+mint(t, adminOf("den")), "Content-Type", "application/json", "Rollcall-Min-Seq", "1")
	if r.StatusCode != 200 || r.Header.Get("Rollcall-Seq") != "1" {
		t.Errorf("status %d, Rollcall-Seq %q", r.StatusCode, r.Header.Get("Rollcall-Seq"))
	}
	r = a.request(t, "POST", "/twirp/livekit.RoomService/ListParticipants", `{"room":"den"}`,
		"Authorization", "Bearer "+mint(t, adminOf("den")), "Content-Type", "application/json", "Rollcall-Min-Seq", "x")
	wantError(t, r, 400, "invalid_argument", "min_seq")
}

func TestReadOfASeqThatNeverComesFails(t *testing.T) {
	log := newMemLog()
	inBubble(t, log, nil, func(t *testing.T, p *pipes) {
		start := time.Now()
		conn := p.dial(t, "/rooms/den/state?min_seq=7")
		defer func() { _ = conn.Close() }()
		if body := readResponse(t, conn); !strings.Contains(body, "ahead of the log") || time.Since(start) != minSeqTimeout {
			t.Errorf("after %s: %s", time.Since(start), body)
		}
	})
}

func TestRoomStateIsThatOfTheSeq(t *testing.T) {
	a := newAPI(t)
	a.log.tell(t, "den", "RM_1", event.RoomStarted, event.ParticipantConnecting, event.ParticipantJoined)
	a.log.tell(t, "attic", "RM_2", event.RoomStarted)
	a.log.tell(t, "den", "RM_1", event.ParticipantLeft, event.RoomFinished)
	a.log.tell(t, "den", "RM_3", event.RoomStarted)
	for _, tc := range []struct {
		path, sid, in string
		live          bool
		seq           float64
	}{
		{"/rooms/den/state?seq=1", "RM_1", "", true, 1},
		{"/rooms/den/state?seq=2", "RM_1", "connecting", true, 2},
		{"/rooms/den/state?seq=4", "RM_1", "connected", true, 4},
		{"/rooms/den/state?seq=6", "RM_1", "", false, 6},
		{"/rooms/den/state", "RM_3", "", true, 7},
		{"/rooms/RM_1/state", "RM_1", "", false, 7},
		{"/rooms/RM_1/state?seq=3", "RM_1", "connected", true, 3},
	} {
		v := a.wantStatus(t, eventsOf("den"), "GET", tc.path, "", 200)
		in := ""
		for _, p := range v["participants"].([]any) {
			in = p.(map[string]any)["connection"].(string)
			if id := p.(map[string]any)["info"].(map[string]any)["identity"]; id != "ana" {
				t.Errorf("%s: participant %v", tc.path, id)
			}
		}
		if sid := v["room"].(map[string]any)["sid"]; sid != tc.sid || in != tc.in || v["live"] != tc.live || v["seq"] != tc.seq || v["whole"] != true {
			t.Errorf("%s: %v", tc.path, v)
		}
	}
	a.wantStatus(t, eventsOf("den"), "GET", "/rooms/attic/state", "", 403)
	a.wantStatus(t, eventsGrant(), "GET", "/rooms/cellar/state", "", 404)
	a.wantStatus(t, eventsGrant(), "GET", "/rooms/attic/state?seq=3", "", 404)
	a.wantStatus(t, eventsGrant(), "GET", "/rooms/den/state?seq=8", "", 400)
	a.wantStatus(t, eventsGrant(), "GET", "/rooms/den/state?seq=x", "", 400)
}

func TestOneEventIsFoundByIDAndBySeq(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{"n":1}`)
	a.log.append("attic", `{"n":2}`)
	for _, path := range []string{"/events/id-1", "/events/1"} {
		if v := a.wantStatus(t, eventsOf("den"), "GET", path, "", 200); v["id"] != "id-1" || v["body"].(map[string]any)["n"] != 1.0 {
			t.Errorf("%s: %v", path, v)
		}
	}
	a.wantStatus(t, eventsOf("den"), "GET", "/events/2", "", 403)
	a.wantStatus(t, eventsGrant(), "GET", "/events/3", "", 404)
	a.wantStatus(t, eventsGrant(), "GET", "/events/id-3", "", 404)
}
