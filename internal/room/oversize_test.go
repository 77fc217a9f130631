package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// undisturbed fails if one of them heard that it has to go.
func (tc *test) undisturbed(why string, clients ...*client) {
	tc.t.Helper()
	sleep(10 * time.Second)
	for _, c := range clients {
		if c.left() != nil || slices.ContainsFunc(c.heard(), func(w string) bool { return strings.HasPrefix(w, "leave") }) {
			tc.t.Errorf("%s: %s has to go", why, c.join.Identity)
		}
	}
}

// What a client sends grows by who it is from, twice.
func TestWhatIsTooLargeWithItsSenderIsDroppedAndNobodyRemoved(t *testing.T) {
	for _, kind := range []peer.DataKind{peer.Reliable, peer.Lossy} {
		inBubble(t, Options{}, func(tc *test) {
			ana, ben, cem := tc.enter("demo", "ana"), tc.enter("demo", "ben"), tc.enter("demo", "cem")
			for size := peer.MaxMessageSize - 300; size <= peer.MaxMessageSize; size++ {
				const around = 8 // tags and lengths
				packet := userPacket(strings.Repeat("x", size-around))
				if in := proto.Size(packet); in != size {
					t.Fatalf("%d bytes in place of %d", in, size)
				}
				ana.sendPacket(kind, packet)
			}
			ana.sendPacket(kind, userPacket("and on"))
			tc.undisturbed(kind.String(), ana, ben, cem)
			for _, c := range []*client{ben, cem} {
				f := c.sub()
				got, longest := len(f.data), 0
				for _, p := range f.data {
					longest = max(longest, proto.Size(p))
				}
				// Exactly those that fit, to the byte.
				if got < 100 || longest > maxPacket || longest != maxPacket || string(f.data[got-1].GetUser().Payload) != "and on" {
					t.Errorf("%s: %s got %d messages, the longest of %d bytes", kind, c.join.Identity, got, longest)
				}
			}
			ana.leave()
			ben.leave()
			cem.leave()
		})
	}
}

func TestSendDataBoundsWhatIsSentAndNotTheDataAlone(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("demo", "ana")
		topic := strings.Repeat("t", 2000)
		many := []string{"ana"}
		for i := range 50 {
			many = append(many, fmt.Sprintf("participant-%04d", i))
		}
		for what, req := range map[string]*livekit.SendDataRequest{
			"destinations": {Data: make([]byte, 63_900), DestinationIdentities: many},
			"topic":        {Data: make([]byte, 63_900), Topic: &topic},
			"data":         {Data: make([]byte, maxData+1)},
		} {
			req.Room = "demo"
			err := tc.reg.SendData(context.Background(), req)
			if refused := (*Error)(nil); !errors.As(err, &refused) || refused.Code != InvalidArgument || !strings.Contains(refused.Msg, "limit") {
				t.Errorf("%s: %v", what, err)
			}
		}
		tc.undisturbed("SendData", ana)
		if n := len(ana.sub().data); n != 0 {
			t.Errorf("ana got %d messages", n)
		}
		if err := tc.reg.SendData(context.Background(), &livekit.SendDataRequest{Room: "demo", Data: make([]byte, maxData), DestinationIdentities: many[:5]}); err != nil {
			t.Error(err)
		}
		if n := len(ana.sub().data); n != 1 {
			t.Errorf("ana got %d messages", n)
		}
	})
}

func TestRPCMethodsAreBoundedAsNamesAre(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("demo", "ana")
		_, err := tc.reg.PerformRPC(context.Background(), &livekit.PerformRpcRequest{Room: "demo", DestinationIdentity: "ana", Method: strings.Repeat("m", 1<<20)})
		if refused := (*Error)(nil); !errors.As(err, &refused) || refused.Code != InvalidArgument {
			t.Errorf("answered %v", err)
		}
		tc.undisturbed("PerformRPC", ana)
		synctest.Wait()
	})
}
