package delivery

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCursorsComeBackAsTheyWereSaved(t *testing.T) {
	disabled := time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)
	for _, c := range []endpointCursor{{}, {After: 7}, {After: 1 << 60, Disabled: &disabled}} {
		got, err := decodeEndpointCursor(c.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, c := range []laneCursor{{}, {After: 1 << 60, Prev: 12, Attempts: 300, FirstFailure: disabled}} {
		b := c.encode()
		got, err := decodeLaneCursor(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Error(diff)
		}
		for i := range b {
			if _, err := decodeLaneCursor(b[:i]); !errors.Is(err, ErrCursor) {
				t.Errorf("cut at %d: %v", i, err)
			}
		}
		if _, err := decodeLaneCursor(append(b, 0)); !errors.Is(err, ErrCursor) {
			t.Errorf("with a byte too many: %v", err)
		}
	}
	if _, err := decodeLaneCursor([]byte{2, 0, 0, 0, 0}); !errors.Is(err, ErrCursor) {
		t.Errorf("a version from the future: %v", err)
	}
	if _, err := decodeEndpointCursor([]byte("{")); !errors.Is(err, ErrCursor) {
		t.Errorf("broken JSON: %v", err)
	}
}

func TestCursorKeysKeepAnyRoomName(t *testing.T) {
	for _, key := range []laneKey{
		{roomLane, "blue"}, {roomLane, "a/b//c"}, {roomLane, "\x00ü"}, {participantLane, "PA_1"}, {kind: commonLane},
	} {
		id, got, isLane, err := parseCursorKey(key.cursorKey("ep1"))
		if err != nil || id != "ep1" || !isLane || got != key {
			t.Errorf("%v: %q %v %v %v", key, id, got, isLane, err)
		}
	}
	if id, _, isLane, err := parseCursorKey(endpointKey("ep1")); id != "ep1" || isLane || err != nil {
		t.Errorf("endpoint: %q %v %v", id, isLane, err)
	}
	for _, key := range []string{"", "delivery/", "delivery/ep1/", "delivery//rblue", "other/ep1"} {
		if _, _, _, err := parseCursorKey(key); !errors.Is(err, ErrCursor) {
			t.Errorf("%q: %v", key, err)
		}
	}
}
