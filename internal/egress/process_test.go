package egress

import "testing"

func TestWorkersAreDebuggedAsTheServerIs(t *testing.T) {
	for server, want := range map[string]string{
		"":                         "GODEBUG=asyncpreemptoff=1",
		"gctrace=1,madvdontneed=1": "GODEBUG=gctrace=1,madvdontneed=1,asyncpreemptoff=1",
	} {
		if got := withoutSignals(server); got != want {
			t.Errorf("%q becomes %q, want %q", server, got, want)
		}
	}
}
