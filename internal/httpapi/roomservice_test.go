package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// calls are all methods of RoomService, each on room den and, where it has one,
// participant ana.
var calls = []struct {
	name  string
	grant token.VideoGrant // what it needs
	call  func(context.Context, livekit.RoomService) error
}{
	{"CreateRoom", token.VideoGrant{RoomCreate: true}, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.CreateRoom(ctx, &livekit.CreateRoomRequest{Name: "den"}))
	}},
	{"ListRooms", token.VideoGrant{RoomList: true}, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.ListRooms(ctx, &livekit.ListRoomsRequest{}))
	}},
	{"DeleteRoom", token.VideoGrant{RoomCreate: true}, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: "den"}))
	}},
	{"UpdateRoomMetadata", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.UpdateRoomMetadata(ctx, &livekit.UpdateRoomMetadataRequest{Room: "den", Metadata: "m"}))
	}},
	{"SendData", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.SendData(ctx, &livekit.SendDataRequest{Room: "den", Data: []byte("hi"), Nonce: make([]byte, 16)}))
	}},
	{"ListParticipants", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: "den"}))
	}},
	{"GetParticipant", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.GetParticipant(ctx, ana))
	}},
	{"RemoveParticipant", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.RemoveParticipant(ctx, ana))
	}},
	{"MutePublishedTrack", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: "den", Identity: "ana", TrackSid: "TR_1"}))
	}},
	{"UpdateParticipant", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: "den", Identity: "ana", Name: "Ana"}))
	}},
	{"UpdateSubscriptions", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.UpdateSubscriptions(ctx, &livekit.UpdateSubscriptionsRequest{Room: "den", Identity: "ana"}))
	}},
	{"ForwardParticipant", denToAttic, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.ForwardParticipant(ctx, &livekit.ForwardParticipantRequest{Room: "den", Identity: "ana", DestinationRoom: "attic"}))
	}},
	{"MoveParticipant", denToAttic, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.MoveParticipant(ctx, &livekit.MoveParticipantRequest{Room: "den", Identity: "ana", DestinationRoom: "attic"}))
	}},
	{"PerformRpc", denAdmin, func(ctx context.Context, s livekit.RoomService) error {
		return second(s.PerformRpc(ctx, &livekit.PerformRpcRequest{Room: "den", DestinationIdentity: "ana", Method: "m"}))
	}},
}

var (
	denToAttic = token.VideoGrant{RoomAdmin: true, Room: "den", DestinationRoom: "attic"}

	denAdmin = token.VideoGrant{RoomAdmin: true, Room: "den"}
	ana      = &livekit.RoomParticipantIdentity{Room: "den", Identity: "ana"}
)

func second[T any](_ T, err error) error { return err }

// clients are the two encodings in which SDKs call.
var clients = map[string]func(string, livekit.HTTPClient, ...twirp.ClientOption) livekit.RoomService{
	"protobuf": livekit.NewRoomServiceProtobufClient,
	"json":     livekit.NewRoomServiceJSONClient,
}

// wantTwirp checks the code and a word of the text; no code means success.
func wantTwirp(t *testing.T, err error, code twirp.ErrorCode, says string) {
	t.Helper()
	if code == twirp.NoError {
		if err != nil {
			t.Errorf("got %v, want success", err)
		}
		return
	}
	te, ok := errors.AsType[twirp.Error](err)
	if !ok || te.Code() != code || !strings.Contains(te.Msg(), says) {
		t.Errorf("got %v, want %s saying %q", err, code, says)
	}
}

func TestEveryCallWorksWithItsGrantInBothEncodings(t *testing.T) {
	for encoding, newClient := range clients {
		for _, c := range calls {
			t.Run(encoding+"/"+c.name, func(t *testing.T) {
				a := newAPI(t)
				a.rooms.join("den", "ana")
				s := newClient(a.URL, bearer(mint(t, token.Claims{Video: &c.grant})))
				wantTwirp(t, c.call(t.Context(), s), twirp.NoError, "")
			})
		}
	}
}

func TestEveryCallIsUnauthenticatedWithoutItsGrant(t *testing.T) {
	a := newAPI(t)
	a.rooms.join("den", "ana")
	stale, err := token.Mint(testKey, testSecret, &token.Claims{Video: &denAdmin}, time.Now().Add(-2*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := token.Mint(testKey, "another secret", &token.Claims{Video: &denAdmin}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		other := token.VideoGrant{RoomAdmin: true, Room: "attic", RoomJoin: true,
			RoomCreate: !c.grant.RoomCreate, RoomList: !c.grant.RoomList}
		for _, tc := range []struct{ name, token, says string }{
			{"no token", "", "no access token"},
			{"not a token", "abc", "malformed"},
			{"expired", stale, "expired"},
			{"forged", forged, "signature"},
			{"no grant", mint(t, token.Claims{}), "grant"},
			{"the other grants", mint(t, token.Claims{Video: &other}), "grant"},
		} {
			t.Run(c.name+"/"+tc.name, func(t *testing.T) {
				s := livekit.NewRoomServiceProtobufClient(a.URL, bearer(tc.token))
				wantTwirp(t, c.call(t.Context(), s), twirp.Unauthenticated, tc.says)
			})
		}
	}
}

func TestTokenMayComeInTheQuery(t *testing.T) {
	a := newAPI(t)
	list := mint(t, token.Claims{Video: &token.VideoGrant{RoomList: true}})
	path := "/twirp/livekit.RoomService/ListRooms"
	resp := a.request(t, "POST", path+"?access_token="+list, "{}", "Content-Type", "application/json")
	if resp.StatusCode != http.StatusOK {
		t.Errorf("token in the query: %d %s", resp.StatusCode, text(t, resp))
	}
	resp = a.request(t, "POST", path+"?access_token="+list, "{}", "Content-Type", "application/json", "Authorization", "Basic YTpi")
	wantError(t, resp, http.StatusUnauthorized, "unauthenticated", "Bearer")
}

func TestUnknownRoomAndParticipantAreNotFound(t *testing.T) {
	for _, c := range calls {
		if c.name == "CreateRoom" || c.name == "ListRooms" || c.name == "ListParticipants" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t)
			s := livekit.NewRoomServiceJSONClient(a.URL, bearer(mint(t, token.Claims{Video: &c.grant})))
			wantTwirp(t, c.call(t.Context(), s), twirp.NotFound, "requested room does not exist")

			a.rooms.join("den", "bob")
			switch c.name {
			case "DeleteRoom", "UpdateRoomMetadata", "SendData":
				wantTwirp(t, c.call(t.Context(), s), twirp.NoError, "")
			default:
				wantTwirp(t, c.call(t.Context(), s), twirp.NotFound, "participant does not exist")
			}
		})
	}
}

func TestParticipantsOfUnknownRoomAreAnEmptyList(t *testing.T) {
	a := newAPI(t)
	s := livekit.NewRoomServiceProtobufClient(a.URL, bearer(mint(t, adminOf("den"))))
	resp, err := s.ListParticipants(t.Context(), &livekit.ListParticipantsRequest{Room: "den"})
	if err != nil || len(resp.Participants) != 0 {
		t.Errorf("ListParticipants = %v, %v; want an empty list", resp, err)
	}
	a.rooms.fail = refusal{"unavailable", "stopping"}
	_, err = s.ListParticipants(t.Context(), &livekit.ListParticipantsRequest{Room: "den"})
	wantTwirp(t, err, twirp.Unavailable, "stopping")
}

func TestMissingArgumentsAreInvalid(t *testing.T) {
	a := newAPI(t)
	all := token.Claims{Video: &token.VideoGrant{RoomCreate: true, RoomAdmin: true, Room: "den"}}
	noRoom := token.Claims{Video: &token.VideoGrant{RoomAdmin: true}}
	ctx := t.Context()
	with := func(c token.Claims) livekit.RoomService {
		return livekit.NewRoomServiceProtobufClient(a.URL, bearer(mint(t, c)))
	}
	s := with(all)
	wantTwirp(t, second(s.CreateRoom(ctx, &livekit.CreateRoomRequest{})), twirp.InvalidArgument, "name")
	wantTwirp(t, second(s.DeleteRoom(ctx, &livekit.DeleteRoomRequest{})), twirp.InvalidArgument, "room")
	wantTwirp(t, second(with(noRoom).ListParticipants(ctx, &livekit.ListParticipantsRequest{})), twirp.InvalidArgument, "room")
	wantTwirp(t, second(with(noRoom).SendData(ctx, &livekit.SendDataRequest{})), twirp.InvalidArgument, "room")
	wantTwirp(t, second(s.SendData(ctx, &livekit.SendDataRequest{Room: "den", Nonce: []byte("short")})), twirp.InvalidArgument, "nonce")
	wantTwirp(t, second(s.GetParticipant(ctx, &livekit.RoomParticipantIdentity{Room: "den"})), twirp.InvalidArgument, "identity")
	wantTwirp(t, second(s.MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: "den", Identity: "ana"})), twirp.InvalidArgument, "track_sid")
	wantTwirp(t, second(s.UpdateSubscriptions(ctx, &livekit.UpdateSubscriptionsRequest{Room: "den"})), twirp.InvalidArgument, "identity")
}

func TestErrorsOfRoomsKeepTheirCode(t *testing.T) {
	a := newAPI(t)
	s := livekit.NewRoomServiceJSONClient(a.URL, bearer(mint(t, token.Claims{Video: &token.VideoGrant{RoomCreate: true}})))
	for _, tc := range []struct {
		err  error
		code twirp.ErrorCode
		says string
	}{
		{refusal{"not_found", "no such thing"}, twirp.NotFound, "no such thing"},
		{refusal{"invalid_argument", "name is too long"}, twirp.InvalidArgument, "too long"},
		{refusal{"failed_precondition", "remote unmute not enabled"}, twirp.FailedPrecondition, "remote unmute not enabled"},
		{refusal{"permission_denied", "no"}, twirp.PermissionDenied, "no"},
		{refusal{"resource_exhausted", "full"}, twirp.ResourceExhausted, "full"},
		{refusal{"already_exists", "twice"}, twirp.AlreadyExists, "twice"},
		{refusal{"unavailable", "stopping"}, twirp.Unavailable, "stopping"},
		{refusal{"internal", "loop stuck"}, twirp.Internal, "loop stuck"},
		{fmt.Errorf("create: %w", refusal{"not_found", "wrapped"}), twirp.NotFound, "wrapped"},
		{refusal{"no_such_code", "odd"}, twirp.Internal, "internal error"},
		{errors.New("disk at /var/x is full"), twirp.Internal, "internal error"},
		{context.DeadlineExceeded, twirp.DeadlineExceeded, "in time"},
	} {
		a.rooms.fail = tc.err
		_, err := s.CreateRoom(t.Context(), &livekit.CreateRoomRequest{Name: "den"})
		wantTwirp(t, err, tc.code, tc.says)
		if err != nil && strings.Contains(err.Error(), "/var/x") {
			t.Errorf("%v leaks what is inside", err)
		}
	}
	if !strings.Contains(a.logs.String(), "disk at /var/x is full") {
		t.Error("the internal error is not in the log")
	}
}

func TestJSONIsReadInBothSpellingsAndWrittenInSnakeCase(t *testing.T) {
	a := newAPI(t)
	create := mint(t, token.Claims{Video: &token.VideoGrant{RoomCreate: true, RoomList: true}})
	for _, body := range []string{
		`{"name":"den","emptyTimeout":7,"unknownField":{"a":[1]}}`,
		`{"name":"den","empty_timeout":7}`,
	} {
		resp := a.request(t, "POST", "/twirp/livekit.RoomService/CreateRoom", body,
			"Content-Type", "application/json;charset=UTF-8", "Authorization", "Bearer "+create)
		got := text(t, resp)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" ||
			!strings.Contains(strings.ReplaceAll(got, " ", ""), `"empty_timeout":7`) {
			t.Errorf("%s: %d %s", body, resp.StatusCode, got)
		}
	}
}

func TestCallsHandOnTheirArguments(t *testing.T) {
	a := newAPI(t)
	a.rooms.join("den", "ana")
	a.rooms.join("attic", "bob")
	ctx := t.Context()
	s := livekit.NewRoomServiceJSONClient(a.URL, bearer(mint(t, token.Claims{Video: &token.VideoGrant{
		RoomAdmin: true, Room: "den", RoomList: true}})))

	list, err := s.ListRooms(ctx, &livekit.ListRoomsRequest{Names: []string{"attic", "cellar"}})
	if err != nil || len(list.Rooms) != 1 || list.Rooms[0].Name != "attic" {
		t.Errorf("ListRooms = %v, %v; want attic alone", list, err)
	}
	muted, err := s.MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: "den", Identity: "ana", TrackSid: "TR_9", Muted: true})
	if err != nil || muted.Track.GetSid() != "TR_9" || !muted.Track.GetMuted() {
		t.Errorf("MutePublishedTrack = %v, %v", muted, err)
	}
	changed, err := s.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: "den", Identity: "ana", Name: "Ana",
		Attributes: map[string]string{"a_b": "1", "cD": "2"}})
	if err != nil || changed.Name != "Ana" || cmp.Diff(map[string]string{"a_b": "1", "cD": "2"}, changed.Attributes) != "" {
		t.Errorf("UpdateParticipant = %v, %v", changed, err)
	}
	if _, err := s.SendData(ctx, &livekit.SendDataRequest{Room: "den", Data: []byte("hi")}); err != nil || cmp.Diff([]string{"hi"}, a.rooms.sent) != "" {
		t.Errorf("SendData: %v, sent %q", err, a.rooms.sent)
	}
	answer, err := s.PerformRpc(ctx, &livekit.PerformRpcRequest{Room: "den", DestinationIdentity: "ana", Method: "m", Payload: "p"})
	if err != nil || answer.Payload != "m(p)" {
		t.Errorf("PerformRpc = %v, %v", answer, err)
	}
	if _, err := s.RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: "den", Identity: "ana", RevokeTokenTs: 1700000000}); err != nil || a.rooms.revoked.Unix() != 1700000000 {
		t.Errorf("RemoveParticipant: %v, tokens until %v", err, a.rooms.revoked)
	}
	left, err := s.ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: "den"})
	if err != nil || len(left.Participants) != 0 {
		t.Errorf("ListParticipants after the removal = %v, %v", left, err)
	}
}

// A room that hangs must not hold its callers.
func TestCallEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := mapErrors(discard())(func(ctx context.Context, _ any) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		start := time.Now()
		_, err := call(t.Context(), nil)
		wantTwirp(t, err, twirp.DeadlineExceeded, "in time")
		if took := time.Since(start); took != callTimeout {
			t.Errorf("took %s, want %s", took, callTimeout)
		}
	})
}

func TestBringingNeedsTheDestinationsGrant(t *testing.T) {
	a := newAPI(t)
	a.rooms.join("den", "ana")
	for _, grant := range []token.VideoGrant{denAdmin, {RoomAdmin: true, Room: "den", DestinationRoom: "cellar"}} {
		s := livekit.NewRoomServiceProtobufClient(a.URL, bearer(mint(t, token.Claims{Video: &grant})))
		wantTwirp(t, second(s.MoveParticipant(t.Context(), &livekit.MoveParticipantRequest{Room: "den", Identity: "ana", DestinationRoom: "attic"})),
			twirp.Unauthenticated, "destination")
		wantTwirp(t, second(s.ForwardParticipant(t.Context(), &livekit.ForwardParticipantRequest{Room: "den", Identity: "ana"})),
			twirp.InvalidArgument, "destination_room")
	}
}

func TestKeyThatAsksTooOftenIsRefusedAndOthersAreNot(t *testing.T) {
	a := newAPI(t, func(o *Options) {
		o.RequestsPerKey = 1
		o.Keys = token.Keys{testKey: testSecret, "other": testSecret}
	})
	s := livekit.NewRoomServiceJSONClient(a.URL, bearer(mint(t, token.Claims{Video: &token.VideoGrant{RoomList: true}})))
	var err error
	for range 5 * requestBurst {
		if err = second(s.ListRooms(t.Context(), &livekit.ListRoomsRequest{})); err != nil {
			break
		}
	}
	wantTwirp(t, err, twirp.ResourceExhausted, "the limit is 1 a second")
	raw, err := token.Mint("other", testSecret, &token.Claims{Video: &token.VideoGrant{RoomList: true}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s = livekit.NewRoomServiceJSONClient(a.URL, bearer(raw))
	wantTwirp(t, second(s.ListRooms(t.Context(), &livekit.ListRoomsRequest{})), twirp.NoError, "")
}

func TestKeyThatAsksBesideTwirpTooOftenIsRefusedThereAlone(t *testing.T) {
	a := newAPI(t, func(o *Options) { o.RequestsPerKey = 1 })
	bearing := func(c token.Claims) []string { return []string{"Authorization", "Bearer " + mint(t, c)} }
	var last *http.Response
	for _, path := range []string{"/consumers", "/log", "/session"} {
		for range 5 * requestBurst {
			if last = a.request(t, "GET", path, "", bearing(eventsGrant())...); last.StatusCode == http.StatusTooManyRequests {
				break
			}
		}
	}
	if got := last.Header.Get("Retry-After"); got != "1" {
		t.Errorf("asked to come back after %q s", got)
	}
	wantError(t, last, http.StatusTooManyRequests, "resource_exhausted", "the limit is 1 a second")
	// Neither the API of LiveKit's SDKs nor who has no token is kept out.
	s := livekit.NewRoomServiceJSONClient(a.URL, bearer(mint(t, token.Claims{Video: &token.VideoGrant{RoomList: true}})))
	wantTwirp(t, second(s.ListRooms(t.Context(), &livekit.ListRoomsRequest{})), twirp.NoError, "")
	if resp := a.request(t, "GET", "/session", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("without a token: %s", resp.Status)
	}
}
