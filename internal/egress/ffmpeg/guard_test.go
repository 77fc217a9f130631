package ffmpeg

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// The address is one that may be reached, in its own form; if none may be, the host is
// known all the same.
func TestFindTakesAnAddressThatMayBeReached(t *testing.T) {
	guard := Guard{Check: func(a netip.Addr) error {
		if a.IsLoopback() {
			return errors.New("is private")
		}
		return nil
	}}
	for _, tc := range []struct {
		guard Guard
		host  string
		want  string // "" for none
		known bool
		says  string // the error; "" for none
	}{
		{guard, "192.0.2.1", "192.0.2.1", true, ""},
		{guard, "::ffff:192.0.2.1", "192.0.2.1", true, ""},
		{guard, "2001:db8::1", "2001:db8::1", true, ""},
		{guard, "127.0.0.1", "", true, "is private"},
		{guard, "::ffff:127.0.0.1", "", true, "is private"},
		{guard, "localhost", "", true, "is private"},
		{Guard{}, "127.0.0.1", "127.0.0.1", true, ""},
	} {
		found, known, err := tc.guard.Find(t.Context(), tc.host)
		if (found.IsValid() || tc.want != "") && found.String() != tc.want || known != tc.known {
			t.Errorf("%s: found %v, known %v", tc.host, found, known)
		}
		if (err != nil || tc.says != "") && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: %v", tc.host, err)
		}
	}
	// What no resolver is asked for, and would not have the time to answer: some know
	// every name.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, known, err := guard.Find(ctx, "no such host"); found.IsValid() || known || err == nil || !strings.Contains(err.Error(), "lookup") {
		t.Errorf("no such host: found %v, known %v: %v", found, known, err)
	}
}
