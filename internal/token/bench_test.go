package token

import (
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
)

// BenchmarkJoin verifies the token that a client brings, and mints the next one.
func BenchmarkJoin(b *testing.B) {
	raw, err := auth.NewAccessToken("front", testKeys["front"]).SetIdentity("ana").SetName("Ana").SetValidFor(time.Hour).
		SetVideoGrant(&auth.VideoGrant{RoomJoin: true, Room: "demo"}).ToJWT()
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	c, err := Verify(raw, testKeys, now)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Verify(raw, testKeys, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("mint", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Refresh(c, testKeys, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
