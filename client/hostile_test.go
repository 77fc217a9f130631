package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/client"
)

// script is a server that says what it is told to, and listens to nobody.
func script(t testing.TB, frames func(n int) [][]byte) *httptest.Server {
	t.Helper()
	var dialled sync.Mutex
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		dialled.Lock()
		all := frames(n)
		n++
		dialled.Unlock()
		for _, f := range all {
			if conn.Write(r.Context(), websocket.MessageBinary, f) != nil {
				return
			}
		}
		_, _, _ = conn.Read(r.Context())
		// What the client says first is not its last word: it goes on reading.
		for {
			if _, _, err := conn.Read(r.Context()); err != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func encode(t testing.TB, m *livekit.SignalResponse) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// goodJoin lets a client in that sees its way only when the primary connects,
// which it never does here.
func goodJoin(t testing.TB) []byte {
	return encode(t, &livekit.SignalResponse{Message: &livekit.SignalResponse_Join{Join: &livekit.JoinResponse{
		Room: &livekit.Room{Sid: "RM_1", Name: "r"}, Participant: &livekit.ParticipantInfo{Sid: "PA_1", Identity: "me"}, SubscriberPrimary: true,
		OtherParticipants: []*livekit.ParticipantInfo{{Sid: "PA_2", Identity: "other", Tracks: []*livekit.TrackInfo{{Sid: "TR_2"}}}},
	}}})
}

// meet joins a hostile server, and wants nothing but to get out again.
func meet(t testing.TB, url string, o client.Options) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	o.Reconnect = client.ReconnectPolicy{Attempts: 2, Delay: func(int) time.Duration { return 0 }}
	var room *client.Room
	o.Setup = func(r *client.Room) { room = r }
	if _, err := client.Connect(ctx, url, "token", o); err == nil {
		t.Error("connected to nothing")
	}
	<-room.Done()
}

func TestHostileServer(t *testing.T) {
	said := func(ms ...*livekit.SignalResponse) func(int) [][]byte {
		all := [][]byte{goodJoin(t)}
		for _, m := range ms {
			all = append(all, encode(t, m))
		}
		return func(int) [][]byte { return all }
	}
	sd := func(kind, sdp string) *livekit.SessionDescription {
		return &livekit.SessionDescription{Type: kind, Sdp: sdp, Id: 1}
	}
	for name, frames := range map[string]func(int) [][]byte{
		"says nothing": func(int) [][]byte { return nil },
		"no protobuf":  func(int) [][]byte { return [][]byte{{0xff, 0xff, 0xff}} },
		"empty join": func(int) [][]byte {
			return [][]byte{encode(t, &livekit.SignalResponse{Message: &livekit.SignalResponse_Join{}})}
		},
		"no join": func(int) [][]byte {
			return [][]byte{encode(t, &livekit.SignalResponse{Message: &livekit.SignalResponse_Pong{}})}
		},
		"bad offer": said(&livekit.SignalResponse{Message: &livekit.SignalResponse_Offer{Offer: sd("offer", "v=0\r\n")}}),
		"no offer":  said(&livekit.SignalResponse{Message: &livekit.SignalResponse_Offer{}}),
		"answer to nothing": said(
			&livekit.SignalResponse{Message: &livekit.SignalResponse_Answer{Answer: sd("answer", "nonsense")}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_Trickle{Trickle: &livekit.TrickleRequest{CandidateInit: "{", Target: livekit.SignalTarget_SUBSCRIBER}}},
		),
		"empty messages": said(
			&livekit.SignalResponse{Message: &livekit.SignalResponse_Update{Update: &livekit.ParticipantUpdate{Participants: []*livekit.ParticipantInfo{{}, {Sid: "PA_3"}}}}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_TrackPublished{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_RoomUpdate{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_Mute{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_SpeakersChanged{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_ConnectionQuality{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_StreamStateUpdate{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_SubscriptionPermissionUpdate{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_SubscribedQualityUpdate{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_RequestResponse{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_RoomMoved{}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_MediaSectionsRequirement{MediaSectionsRequirement: &livekit.MediaSectionsRequirement{NumAudios: 1 << 31}}},
			&livekit.SignalResponse{Message: &livekit.SignalResponse_Leave{}},
		),
	} {
		t.Run(name, func(t *testing.T) {
			srv := script(t, frames)
			for _, o := range []client.Options{{}, {SinglePeerConnection: true}} {
				meet(t, srv.URL, o)
			}
		})
	}
}
