package token

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/testing/protocmp"
)

func TestPermissionDefaultsAreConcrete(t *testing.T) {
	no, yes := new(false), new(true)
	all := func(change func(*livekit.ParticipantPermission)) *livekit.ParticipantPermission {
		p := &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishData: true}
		change(p)
		return p
	}
	for _, tc := range []struct {
		name  string
		grant *VideoGrant
		want  *livekit.ParticipantPermission
	}{
		{"no grant at all", nil, all(func(*livekit.ParticipantPermission) {})},
		{"empty grant", &VideoGrant{}, all(func(*livekit.ParticipantPermission) {})},
		{"data follows publish", &VideoGrant{CanPublish: no}, all(func(p *livekit.ParticipantPermission) {
			p.CanPublish, p.CanPublishData = false, false
		})},
		{"data on its own", &VideoGrant{CanPublish: no, CanPublishData: yes}, all(func(p *livekit.ParticipantPermission) {
			p.CanPublish = false
		})},
		{"no subscribe", &VideoGrant{CanSubscribe: no}, all(func(p *livekit.ParticipantPermission) {
			p.CanSubscribe = false
		})},
		{"extras", &VideoGrant{
			CanUpdateOwnMetadata: yes, CanSubscribeMetrics: yes, CanManageAgentSession: yes,
			Hidden: true, Recorder: true, Agent: true,
		}, all(func(p *livekit.ParticipantPermission) {
			p.CanUpdateMetadata, p.CanSubscribeMetrics, p.CanManageAgentSession = true, true, true
			p.Hidden, p.Recorder, p.Agent = true, true, true //nolint:staticcheck // clients still read them
		})},
		{"sources", &VideoGrant{CanPublishSources: []string{"camera", "screen_share", "camera", "hologram"}},
			all(func(p *livekit.ParticipantPermission) {
				p.CanPublishSources = []livekit.TrackSource{livekit.TrackSource_CAMERA, livekit.TrackSource_SCREEN_SHARE}
			})},
		{"only sources that do not exist", &VideoGrant{CanPublishSources: []string{"hologram"}},
			all(func(p *livekit.ParticipantPermission) { p.CanPublish = false })},
	} {
		got := (&Claims{Video: tc.grant}).Permission()
		if diff := cmp.Diff(tc.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: permission (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestChangedPermissionSurvivesClaims(t *testing.T) {
	for _, want := range []*livekit.ParticipantPermission{
		{},
		{CanSubscribe: true},
		{CanPublish: true, CanPublishData: true, CanUpdateMetadata: true, Hidden: true},
		{CanPublish: true, CanPublishSources: []livekit.TrackSource{livekit.TrackSource_MICROPHONE}},
	} {
		old := &Claims{Video: &VideoGrant{RoomJoin: true, Room: "den", CanPublishSources: []string{"camera"}}}
		changed := old.WithPermission(want)
		if diff := cmp.Diff(want, changed.Permission(), protocmp.Transform()); diff != "" {
			t.Errorf("permission (-want +got):\n%s", diff)
		}
		if room, err := (&Claims{Identity: "ana", Video: changed.Video}).CanJoin(""); room != "den" || err != nil {
			t.Errorf("CanJoin after the change = %q, %v; want den", room, err)
		}
		if len(old.Video.CanPublishSources) != 1 || old.Video.CanPublish != nil {
			t.Errorf("the old claims changed: %+v", old.Video)
		}
	}
}

func TestGrantDecidesWhichRoomIsJoined(t *testing.T) {
	join := func(room string) *VideoGrant { return &VideoGrant{RoomJoin: true, Room: room} }
	for _, tc := range []struct {
		name     string
		identity string
		grant    *VideoGrant
		asked    string
		room     string
		err      error
	}{
		{"no video grant", "ana", nil, "den", "", ErrGrant},
		{"no roomJoin", "ana", &VideoGrant{Room: "den", RoomAdmin: true}, "den", "", ErrGrant},
		{"no identity", "", join("den"), "den", "", ErrNoIdentity},
		{"no room", "ana", join(""), "", "", ErrNoRoom},
		{"grant names it", "ana", join("den"), "", "den", nil},
		{"request names it", "ana", join(""), "attic", "attic", nil},
		{"grant wins", "ana", join("den"), "attic", "den", nil},
	} {
		room, err := (&Claims{Identity: tc.identity, Video: tc.grant}).CanJoin(tc.asked)
		if room != tc.room || !errors.Is(err, tc.err) {
			t.Errorf("%s: CanJoin = %q, %v; want %q, %v", tc.name, room, err, tc.room, tc.err)
		}
	}
}

func TestServerGrants(t *testing.T) {
	none := &Claims{}
	create := &Claims{Video: &VideoGrant{RoomCreate: true}}
	list := &Claims{Video: &VideoGrant{RoomList: true}}
	admin := &Claims{Video: &VideoGrant{RoomAdmin: true, Room: "den"}}
	bring := &Claims{Video: &VideoGrant{RoomAdmin: true, Room: "den", DestinationRoom: "attic"}}
	adminOfNone := &Claims{Video: &VideoGrant{RoomAdmin: true}}
	events := &Claims{Rollcall: &RollcallGrant{Events: true}}
	eventsOf := &Claims{Rollcall: &RollcallGrant{Events: true, Room: "den"}}
	endpoints := &Claims{Rollcall: &RollcallGrant{Endpoints: true}}
	all := &Claims{Rollcall: &RollcallGrant{Admin: true}}
	allOf := &Claims{Rollcall: &RollcallGrant{Admin: true, Room: "den"}}
	endpointsOf := &Claims{Rollcall: &RollcallGrant{Endpoints: true, Room: "den"}}

	for _, tc := range []struct {
		name string
		err  error
		want error
		says string
	}{
		{"create with", create.CanCreateRoom(), nil, ""},
		{"create without", admin.CanCreateRoom(), ErrGrant, "roomCreate"},
		{"create with nothing", none.CanCreateRoom(), ErrGrant, "roomCreate"},
		{"list with", list.CanListRooms(), nil, ""},
		{"list without", create.CanListRooms(), ErrGrant, "roomList"},
		{"admin with", admin.CanAdmin("den"), nil, ""},
		{"bring with", bring.CanAdminBoth("den", "attic"), nil, ""},
		{"bring elsewhere", bring.CanAdminBoth("den", "cellar"), ErrGrant, `"attic", not "cellar"`},
		{"bring from elsewhere", bring.CanAdminBoth("attic", "attic"), ErrGrant, `"den", not "attic"`},
		{"bring without", admin.CanAdminBoth("den", "attic"), ErrGrant, "destinationRoom"},
		{"admin of another room", admin.CanAdmin("attic"), ErrGrant, `"den", not "attic"`},
		{"admin of no room", adminOfNone.CanAdmin(""), ErrNoRoom, "room"},
		{"admin without", list.CanAdmin("den"), ErrGrant, "roomAdmin"},
		{"events of all rooms", events.CanReadEvents(""), nil, ""},
		{"events of a room", events.CanReadEvents("den"), nil, ""},
		{"events of an administered room", admin.CanReadEvents("den"), nil, ""},
		{"events of another room", admin.CanReadEvents("attic"), ErrGrant, "rollcall.events"},
		{"all events as a room's admin", admin.CanReadEvents(""), ErrGrant, "rollcall.events"},
		{"events without", none.CanReadEvents("den"), ErrGrant, "rollcall.events"},
		{"events limited to the room", eventsOf.CanReadEvents("den"), nil, ""},
		{"events limited to another room", eventsOf.CanReadEvents("attic"), ErrGrant, `"den", not "attic"`},
		{"events limited to a room, for all", eventsOf.CanReadEvents(""), ErrGrant, "not for all"},
		{"events with endpoints only", endpoints.CanReadEvents("den"), ErrGrant, "rollcall.events"},
		{"endpoints with", endpoints.CanManageEndpoints(), nil, ""},
		{"endpoints without", none.CanManageEndpoints(), ErrGrant, "rollcall.endpoints"},
		{"endpoints with events", events.CanManageEndpoints(), ErrGrant, "rollcall.endpoints"},
		{"endpoints as a room's admin", admin.CanManageEndpoints(), ErrGrant, "rollcall.endpoints"},
		{"admin of all, a room", all.CanAdmin("den"), nil, ""},
		{"admin of all, no room", all.CanAdmin(""), ErrGrant, "roomAdmin"},
		{"admin of all, all", all.CanAdminAny(""), nil, ""},
		{"admin of all, create", all.CanCreateRoom(), nil, ""},
		{"admin of all, list", all.CanListRooms(), nil, ""},
		{"admin of all, bring", all.CanAdminBoth("den", "attic"), nil, ""},
		{"admin of all, events of a room", all.CanReadEvents("den"), nil, ""},
		{"admin of all, events of all", all.CanReadEvents(""), ErrGrant, "rollcall.events"},
		{"admin of all, endpoints", all.CanManageEndpoints(), ErrGrant, "rollcall.endpoints"},
		{"admin of all, forget", all.CanForget("den"), ErrGrant, "rollcall.forget"},
		{"admin of one, that", allOf.CanAdmin("den"), nil, ""},
		{"admin of one, another", allOf.CanAdmin("attic"), ErrGrant, "roomAdmin"},
		{"admin of one, all", allOf.CanAdminAny(""), ErrGrant, "rollcall.admin"},
		{"admin of one, create", allOf.CanCreateRoom(), ErrGrant, "roomCreate"},
		{"admin of one, list", allOf.CanListRooms(), ErrGrant, "roomList"},
		{"admin of one, bring", allOf.CanAdminBoth("den", "attic"), ErrGrant, "destinationRoom"},
		{"admin of one by video, all", admin.CanAdminAny(""), ErrGrant, "rollcall.admin"},
		{"endpoints limited to a room", endpointsOf.CanManageEndpoints(), ErrGrant, "concerns all rooms"},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.want)
		}
		if tc.err != nil && !strings.Contains(tc.err.Error(), tc.says) {
			t.Errorf("%s: error %q does not say %q", tc.name, tc.err, tc.says)
		}
	}
}

func TestEventsRoomIsTheOneThatMayBeRead(t *testing.T) {
	for want, claims := range map[string]*Claims{
		"":      {Rollcall: &RollcallGrant{Events: true}, Video: &VideoGrant{RoomAdmin: true, Room: "attic"}},
		"den":   {Rollcall: &RollcallGrant{Events: true, Room: "den"}, Video: &VideoGrant{RoomAdmin: true, Room: "attic"}},
		"attic": {Video: &VideoGrant{RoomAdmin: true, Room: "attic"}},
	} {
		if got := claims.EventsRoom(); got != want || claims.CanReadEvents(got) != nil {
			t.Errorf("EventsRoom = %q, %v; want %q", got, claims.CanReadEvents(got), want)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	c := &Claims{
		KindDetails: []livekit.ParticipantInfo_KindDetail{livekit.ParticipantInfo_CLOUD_AGENT},
		Attributes:  map[string]string{"a": "1"},
		Video:       &VideoGrant{CanPublish: new(true), CanPublishSources: []string{"camera"}},
		SIP:         &SIPGrant{Admin: true},
		Rollcall:    &RollcallGrant{Events: true},
		RoomConfig:  &livekit.RoomConfiguration{Metadata: "m"},
	}
	d := c.Clone()
	if diff := cmp.Diff(c, d, protocmp.Transform()); diff != "" {
		t.Fatalf("clone differs (-original +clone):\n%s", diff)
	}
	d.KindDetails[0] = livekit.ParticipantInfo_FORWARDED
	d.Attributes["a"] = "2"
	*d.Video.CanPublish = false
	d.Video.CanPublishSources[0] = "microphone"
	d.SIP.Admin = false
	d.Rollcall.Events = false
	d.RoomConfig.Metadata = "n"
	if c.KindDetails[0] != livekit.ParticipantInfo_CLOUD_AGENT || c.Attributes["a"] != "1" ||
		!*c.Video.CanPublish || c.Video.CanPublishSources[0] != "camera" ||
		!c.SIP.Admin || !c.Rollcall.Events || c.RoomConfig.Metadata != "m" {
		t.Errorf("the original changed with its clone: %+v", c)
	}
}
