package soak

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// lore is a log of one session and what was delivered of it.
func lore() (records []event.Record, got []webhooksink.Delivery) {
	names := []event.Name{event.RoomStarted, event.ParticipantJoined, event.TrackPublished, event.TrackUnpublished, event.ParticipantLeft, event.RoomFinished}
	for i, name := range names {
		r := event.Record{Seq: uint64(i) + 1, RoomSeq: uint64(i) + 1, ID: fmt.Sprint("id-", i), Name: name, Room: "room", RoomSID: "RM_1", Body: []byte(name)}
		if i > 0 && i < 5 {
			r.ParticipantSID = "PA_1"
		}
		if i == 2 || i == 3 {
			r.TrackSID = "TR_1"
		}
		records = append(records, r)
		got = append(got, webhooksink.Delivery{N: i + 1, Status: 200, Body: r.Body, Header: http.Header{"Rollcall-Seq": {fmt.Sprint(r.Seq)}},
			Event: &livekit.WebhookEvent{Id: r.ID, Event: string(name)}})
	}
	return records, got
}

// hear lets a judge hear of one life that promised everything, and of what was
// left of it.
func hear(promised uint64, records []event.Record, got []webhooksink.Delivery) *judge {
	j := newJudge("a receiver")
	j.durable(promised)
	j.died(got)
	var last uint64
	for i := range records {
		j.record(&records[i])
		last = records[i].Seq
	}
	j.settled(last, time.Second)
	return j
}

func TestJudgeFindsWhatItIsFor(t *testing.T) {
	records, got := lore()
	if j := hear(6, records, got); len(j.problems) > 0 || j.outstanding() > 0 {
		t.Fatalf("a good life: %q", j.problems)
	}
	without := func(i int) []event.Record {
		return append(append([]event.Record(nil), records[:i]...), records[i+1:]...)
	}
	swapped := append([]webhooksink.Delivery(nil), got...)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	forged := append([]webhooksink.Delivery(nil), got...)
	forged[2].Body = []byte("other")
	unsigned := append([]webhooksink.Delivery(nil), got...)
	unsigned[2].Invalid = "bad signature"
	for name, j := range map[string]*judge{
		"a lost end":               hear(6, records[:5], got[:5]),
		"a lost event":             hear(6, without(2), nil),
		"delivered and lost":       hear(0, records[:5], got),
		"delivered out of order":   hear(6, records, swapped),
		"delivered with a gap":     hear(6, records, append(got[:2:2], got[3:]...)),
		"repeated for no reason":   hear(6, records, append(got[:2:2], got[1:]...)),
		"another body":             hear(6, records, forged),
		"a signature that is none": hear(6, records, unsigned),
		"open after the death":     hear(2, records[:2], nil),
		"closed before its track":  hear(6, without(3), nil),
	} {
		if len(j.problems) == 0 {
			t.Errorf("%s: no complaint", name)
		}
	}
	if j := hear(6, records, got[:4]); len(j.problems) > 0 || j.outstanding() != 2 {
		t.Errorf("two to come: %q, %d outstanding", j.problems, j.outstanding())
	}

	j := newJudge("a receiver") // a death that took two answers along
	j.died(got[:4])
	j.died(got[2:])
	for i := range records {
		j.record(&records[i])
	}
	j.settled(6, time.Second)
	if len(j.problems) > 0 || j.verdict.Repeats != 2 || j.verdict.Delivered != 6 {
		t.Errorf("repeats after a death: %q, %+v", j.problems, j.verdict)
	}
}
