package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/testing/protocmp"
)

// fullClaims has every claim set.
func fullClaims() *Claims {
	return &Claims{
		Identity:    "ana",
		Name:        "Ana Ñ",
		Kind:        livekit.ParticipantInfo_AGENT,
		KindDetails: []livekit.ParticipantInfo_KindDetail{livekit.ParticipantInfo_CLOUD_AGENT},
		Metadata:    `{"seat":1}`,
		Attributes:  map[string]string{"role": "host"},
		Video: &VideoGrant{
			RoomCreate: true, RoomList: true, RoomRecord: true, IngressAdmin: true,
			RoomAdmin: true, RoomJoin: true, Room: "den", DestinationRoom: "attic",
			CanPublish: new(true), CanSubscribe: new(false), CanPublishData: new(false),
			CanPublishSources:    []string{"camera", "screen_share_audio"},
			CanUpdateOwnMetadata: new(true), CanSubscribeMetrics: new(true), CanManageAgentSession: new(true),
			Hidden: true, Recorder: true, Agent: true,
		},
		SIP: &SIPGrant{Admin: true, Call: true},
		RoomConfig: &livekit.RoomConfiguration{
			EmptyTimeout: 9, DepartureTimeout: 8, MaxParticipants: 7, Metadata: "m", Tags: map[string]string{"k": "v"},
		},
		RoomPreset: "classroom",
		SHA256:     "abc=",
	}
}

func TestMintedTokenVerifiesToTheSameClaims(t *testing.T) {
	want := fullClaims()
	want.Rollcall = &RollcallGrant{Events: true}
	raw, err := Mint("front", testKeys["front"], want, testNow, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Verify(raw, testKeys, testNow)
	if err != nil {
		t.Fatal(err)
	}
	want.APIKey = "front"
	want.NotBefore, want.IssuedAt = testNow.Local(), testNow.Local()
	want.ExpiresAt = testNow.Add(time.Hour).Local()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("claims (-minted +verified):\n%s", diff)
	}
}

func TestTokensOfThePublishedModuleVerifyHere(t *testing.T) {
	want := fullClaims()
	at := auth.NewAccessToken("front", testKeys["front"]).
		SetIdentity(want.Identity).
		SetName(want.Name).
		SetKind(want.Kind).
		SetKindDetail(want.KindDetails...).
		SetMetadata(want.Metadata).
		SetAttributes(want.Attributes).
		SetVideoGrant(&auth.VideoGrant{
			RoomCreate: true, RoomList: true, RoomRecord: true, IngressAdmin: true,
			RoomAdmin: true, RoomJoin: true, Room: "den", DestinationRoom: "attic",
			CanPublish: new(true), CanSubscribe: new(false), CanPublishData: new(false),
			CanPublishSources:    want.Video.CanPublishSources,
			CanUpdateOwnMetadata: new(true), CanSubscribeMetrics: new(true), CanManageAgentSession: new(true),
			Hidden: true, Recorder: true, Agent: true,
		}).
		SetSIPGrant(&auth.SIPGrant{Admin: true, Call: true}).
		SetRoomConfig(want.RoomConfig).
		SetRoomPreset(want.RoomPreset).
		SetSha256(want.SHA256).
		SetValidFor(time.Hour)
	raw, err := at.ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Verify(raw, testKeys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if life := got.ExpiresAt.Sub(got.NotBefore); life != time.Hour {
		t.Errorf("token lives %s, want 1h", life)
	}
	want.APIKey, want.NotBefore, want.IssuedAt, want.ExpiresAt = "front", got.NotBefore, got.IssuedAt, got.ExpiresAt
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("claims (-minted +verified):\n%s", diff)
	}

	// What the module makes of the grant is the permission that is made here.
	if diff := cmp.Diff(at.GetGrants().Video.ToPermission(), got.Permission(), protocmp.Transform()); diff != "" {
		t.Errorf("permission (-module +here):\n%s", diff)
	}
}

func TestTokensMintedHereVerifyInThePublishedModule(t *testing.T) {
	mine := fullClaims()
	raw, err := Mint("back", testKeys["back"], mine, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.ParseAPIToken(raw)
	if err != nil {
		t.Fatal(err)
	}
	if v.APIKey() != "back" || v.Identity() != "ana" {
		t.Errorf("module reads key %q, identity %q; want back, ana", v.APIKey(), v.Identity())
	}
	_, theirs, err := v.Verify(testKeys["back"])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mine.Permission(), theirs.Video.ToPermission(), protocmp.Transform()); diff != "" {
		t.Errorf("permission (-here +module):\n%s", diff)
	}
	if diff := cmp.Diff(mine.RoomConfig, theirs.GetRoomConfiguration(), protocmp.Transform()); diff != "" {
		t.Errorf("room configuration (-here +module):\n%s", diff)
	}
	if theirs.Name != mine.Name || theirs.GetParticipantKind() != mine.Kind || theirs.Metadata != mine.Metadata ||
		!cmp.Equal(theirs.Attributes, mine.Attributes) || !theirs.Video.RoomJoin || theirs.Video.Room != "den" ||
		theirs.RoomPreset != mine.RoomPreset || theirs.Sha256 != mine.SHA256 || !theirs.SIP.Admin {
		t.Errorf("module reads %+v from %+v", theirs, mine)
	}
}

func TestRefreshKeepsExpiryOrGivesTenMinutes(t *testing.T) {
	for _, tc := range []struct {
		name       string
		life, used time.Duration
		want       time.Duration // left after the refresh
	}{
		{"long life left", time.Hour, 20 * time.Minute, 40 * time.Minute},
		{"little left", time.Hour, 55 * time.Minute, MinRefresh},
		{"already past", time.Minute, time.Hour, MinRefresh},
	} {
		raw, err := Mint("front", testKeys["front"], fullClaims(), testNow, tc.life)
		if err != nil {
			t.Fatal(err)
		}
		old, err := Verify(raw, testKeys, testNow)
		if err != nil {
			t.Fatal(err)
		}
		later := testNow.Add(tc.used)
		raw, err = Refresh(old, testKeys, later)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Verify(raw, testKeys, later)
		if err != nil {
			t.Fatal(err)
		}
		if left := got.ExpiresAt.Sub(later); left != tc.want {
			t.Errorf("%s: refreshed token lives %s, want %s", tc.name, left, tc.want)
		}
		got.NotBefore, got.IssuedAt, got.ExpiresAt = old.NotBefore, old.IssuedAt, old.ExpiresAt
		if diff := cmp.Diff(old, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: claims (-old +refreshed):\n%s", tc.name, diff)
		}
	}
}

func TestMintRefusesWhatNobodyCouldVerify(t *testing.T) {
	c := fullClaims()
	_, noKey := Mint("", "s", c, testNow, time.Hour)
	_, noSecret := Mint("front", "", c, testNow, time.Hour)
	_, noLife := Mint("front", "s", c, testNow, 0)
	_, badText := Mint("front", "s", &Claims{RoomConfig: &livekit.RoomConfiguration{Metadata: "\xff"}}, testNow, time.Hour)
	_, withdrawn := Refresh(&Claims{APIKey: "withdrawn"}, testKeys, testNow)
	for name, err := range map[string]error{
		"no key": noKey, "no secret": noSecret, "no lifetime": noLife, "invalid UTF-8": badText, "withdrawn key": withdrawn,
	} {
		if !errors.Is(err, ErrMint) {
			t.Errorf("%s: error = %v, want ErrMint", name, err)
		}
	}
	if !errors.Is(withdrawn, ErrUnknownKey) || !strings.Contains(withdrawn.Error(), "withdrawn") {
		t.Errorf("refresh with a withdrawn key: %v, want it named", withdrawn)
	}
}
