package client_test

import (
	"context"
	"testing"
)

// A server uses a receiver's media sections again, so that descriptions do not grow.
func TestTracksInSectionsUsedBeforeAreReceived(t *testing.T) {
	crossings(t, func(x *crossing) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
		defer cancel()
		local := x.alice.room.Local()
		for range 4 {
			for _, pub := range local.Tracks() {
				if err := local.Unpublish(ctx, pub); err != nil {
					x.t.Fatal(err)
				}
			}
			x.publish(x.alice)
			x.flows("after publishing again")
		}
	})
}
