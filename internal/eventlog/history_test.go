package eventlog

import (
	"reflect"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

func TestStoredSessionIsReadAsItWasOrRefused(t *testing.T) {
	want := event.Session{
		Room: "büro", SID: "RM_1", First: 7, Last: 1 << 40, Events: 300, Participants: 12, Actor: event.ActorCrash, Reason: "server_crash",
		Started: time.UnixMicro(1_700_000_000_000_001).UTC(), Ended: time.UnixMicro(1_700_000_100_000_000).UTC(), Synthesized: true,
	}
	for _, s := range []event.Session{want, {}, {Room: "x", SID: "RM_2", First: 1, Started: want.Started}} {
		b := appendSession(nil, &s)
		if got, err := decodeSession(b); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, %v, want %+v", got, err, s)
		}
		for i := range b {
			if got, err := decodeSession(b[:i]); err == nil {
				t.Errorf("%d bytes of %d are read as %+v", i, len(b), got)
			}
		}
		if _, err := decodeSession(append(b, 0)); err == nil {
			t.Error("a byte too many is read")
		}
	}
}

// Sessions that are listed already have keys of this form.
func TestKeysOfSessions(t *testing.T) {
	if got, want := sessionKey(0x12), prefixSession+"ffffffffffffffed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
