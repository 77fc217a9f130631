package room

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

func TestWhoComesAtOneMomentIsListedInOrderOfArrival(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		var want, got []string
		for i := range 10 {
			identity := fmt.Sprint("guest ", 9-i)
			tc.enter("demo", identity) // takes no time
			want = append(want, identity)
		}
		infos, err := tc.reg.ListParticipants(context.Background(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			got = append(got, info.Identity)
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed %q, want %q", got, want)
		}
	})
}
