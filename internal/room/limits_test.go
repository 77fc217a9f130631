package room

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// announces sends an announcement and returns the answer.
func (c *client) announces(req *livekit.AddTrackRequest) string {
	c.heard()
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: req}})
	return strings.Join(c.heard(), ", ")
}

func video(codecs, layers int) *livekit.AddTrackRequest {
	req := &livekit.AddTrackRequest{Cid: "c", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA}
	for range codecs {
		req.SimulcastCodecs = append(req.SimulcastCodecs, &livekit.SimulcastCodec{})
	}
	for range layers {
		req.Layers = append(req.Layers, &livekit.VideoLayer{})
	}
	return req
}

// Each codec without layers of its own has those of the track.
func TestAnnouncementsOfTooMuchAreRefused(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	strange := &livekit.VideoLayer{}
	strange.ProtoReflect().SetUnknown(append([]byte{0xfa, 0x3f, 0x80, 0x80, 0x04}, make([]byte, 1<<16)...))
	for what, req := range map[string]*livekit.AddTrackRequest{
		"codecs":          video(1000, 1),
		"layers":          video(1, 1000),
		"codecs × layers": video(1000, 1000),
		"layers of a codec": {Cid: "c", Type: livekit.TrackType_VIDEO, SimulcastCodecs: []*livekit.SimulcastCodec{
			{Codec: "vp8"}, {Layers: video(0, 1000).Layers}}},
		"features":        {Cid: "c", AudioFeatures: make([]livekit.AudioTrackFeature, 100)},
		"stream":          {Cid: "c", Stream: long},
		"cid of a codec":  {Cid: "c", Type: livekit.TrackType_VIDEO, SimulcastCodecs: []*livekit.SimulcastCodec{{Cid: long}}},
		"rid":             {Cid: "c", Type: livekit.TrackType_VIDEO, Layers: []*livekit.VideoLayer{{Rid: long}}},
		"unknown field":   {Cid: "c", Type: livekit.TrackType_VIDEO, Layers: []*livekit.VideoLayer{strange}},
		"second encoding": {Cid: "c", Sid: "TR_x", Type: livekit.TrackType_VIDEO, SimulcastCodecs: []*livekit.SimulcastCodec{{Layers: video(0, 1000).Layers}}},
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				alice := tc.enter("demo", "alice")
				if got := alice.announces(req); got != "response LIMIT_EXCEEDED" {
					t.Errorf("answered %q", got)
				}
				if n := len(alice.p().pending); n != 0 {
					t.Errorf("%d tracks are pending", n)
				}
			})
		})
	}
}

func TestClientThatSaysTooMuchOfItselfIsRefused(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		for what, info := range map[string]*livekit.ClientInfo{
			"capabilities": {Capabilities: make([]livekit.ClientInfo_Capability, 1000)},
			"device":       {DeviceModel: strings.Repeat("x", 1<<20)},
		} {
			j := joinOf("demo", "alice")
			j.Client = info
			_, err := tc.reg.Join(context.Background(), j, &recorder{})
			wantRefusal(t, what, err, InvalidArgument)
			wantRefusal(t, what, tc.reg.CanJoin(context.Background(), j), InvalidArgument)
		}
	})
}

// An offer, and what else is of use once, is longer than all that is to be known later.
func TestWhatAJoinBringsForItsBeginningIsNotKept(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		j := joinOf("demo", "alice")
		j.SinglePC, j.Offer = true, &livekit.SessionDescription{Type: "offer", Sdp: strings.Repeat("x", 1<<20), Id: 7}
		j.AddTracks, j.SyncState, j.RoomConfig = []*livekit.AddTrackRequest{video(1, 1)}, &livekit.SyncState{}, &livekit.RoomConfiguration{}
		alice := tc.accept(j)
		if alice.duplex().offered != 7 || len(alice.p().pending) != 1 {
			t.Error("what it brought is not used")
		}
		kept := alice.p().req
		if kept.Offer != nil || kept.AddTracks != nil || kept.SyncState != nil || kept.RoomConfig != nil {
			t.Errorf("kept %+v", kept)
		}
	})
}

func TestAnnouncementsOfSDKsAreWithinTheLimits(t *testing.T) {
	id := strings.Repeat("1", 36)
	layers := []*livekit.VideoLayer{
		{Quality: livekit.VideoQuality_LOW, Width: 320, Height: 180, Bitrate: 160_000, Rid: "q"},
		{Quality: livekit.VideoQuality_MEDIUM, Width: 640, Height: 360, Bitrate: 450_000, Rid: "h"},
		{Quality: livekit.VideoQuality_HIGH, Width: 1280, Height: 720, Bitrate: 1_700_000, Rid: "f"},
	}
	for what, req := range map[string]*livekit.AddTrackRequest{
		"simulcast with a backup": {Cid: id, Name: "camera", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA, Layers: layers,
			SimulcastCodecs: []*livekit.SimulcastCodec{{Codec: "av1", Cid: id, Layers: layers}, {Codec: "vp8", Layers: layers}}},
		"shared screen": {Cid: id, Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_SCREEN_SHARE, Layers: layers[1:]},
		"microphone": {Cid: id, Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE, Stream: id,
			AudioFeatures: []livekit.AudioTrackFeature{0, 1, 2, 3, 4, 5, 6}},
		"every codec": {Cid: id, Type: livekit.TrackType_VIDEO, Layers: layers,
			SimulcastCodecs: []*livekit.SimulcastCodec{{Codec: "av1"}, {Codec: "vp9"}, {Codec: "h264"}, {Codec: "vp8"}}},
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				if got := tc.enter("demo", "alice").announces(req); got != "trackpublished" {
					t.Errorf("answered %q", got)
				}
			})
		})
	}
}

func TestFeaturesAndSchemasAreBounded(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		alice.media("mic", "audio")
		alice.heard()
		update := func(n int) {
			alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateAudioTrack{UpdateAudioTrack: &livekit.UpdateLocalAudioTrack{
				TrackSid: alice.p().tracks[0].info.Sid, Features: make([]livekit.AudioTrackFeature, n)}}})
		}
		update(7)
		alice.wantHeard("the features of an SDK", "update alice:active/1")
		update(1000)
		alice.wantHeard("more than there are", "response LIMIT_EXCEEDED")
		if n := len(alice.p().tracks[0].info.AudioFeatures); n != 7 {
			t.Errorf("%d features are kept", n)
		}
		publish := func(handle uint32, schema int) {
			alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_PublishDataTrackRequest{PublishDataTrackRequest: &livekit.PublishDataTrackRequest{
				PubHandle: handle, Name: strings.Repeat("n", int(handle)), Schema: &livekit.DataTrackSchemaId{Name: strings.Repeat("s", schema)}}}})
		}
		publish(1, 256)
		alice.wantHeard("a schema of an SDK", "publishdatatrackresponse")
		publish(2, 1<<20)
		alice.wantHeard("a schema that is too long", "response LIMIT_EXCEEDED")
	})
}

// What a client announces is not much less than what others are told of it.
func FuzzAddTrack(f *testing.F) {
	for _, req := range []*livekit.AddTrackRequest{video(2, 3), video(1000, 1000), video(4, 8), {Cid: "c", Name: "n", Stream: "s"}} {
		raw, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		req := new(livekit.AddTrackRequest)
		if proto.Unmarshal(raw, req) != nil {
			return
		}
		inBubble(t, Options{}, func(tc *test) {
			alice := tc.enter("demo", "alice")
			alice.announces(req)
			for _, p := range alice.p().pending {
				if size, limit := proto.Size(p.info), (maxAnnouncedCodecs+1)*proto.Size(req)+1024; size > limit {
					t.Errorf("%d bytes make a track of %d", proto.Size(req), size)
				}
				alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: p.info.Sid, Muted: !p.info.Muted}}})
			}
		})
	})
}

// What a room's loop does for a message grows as the message does, and no faster.
func TestChoicesOfManyTracksCostWhatTheyAre(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		allocated := func(n int) uint64 {
			update := &livekit.UpdateSubscription{TrackSids: make([]string, n)}
			for range n {
				update.ParticipantTracks = append(update.ParticipantTracks, &livekit.ParticipantTracks{})
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Subscription{Subscription: update}})
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		if n := allocated(5_000); n > 5_000*16 {
			t.Errorf("%d bytes for a message of 20,000", n)
		}
	})
}

func TestInventedTracksGetLittleMemory(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		sids := []string{"", strings.Repeat("x", 1<<20)}
		for i := range 2 * maxWanted {
			sids = append(sids, fmt.Sprint("TR_", i))
		}
		choose := func(subscribe bool) {
			alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Subscription{Subscription: &livekit.UpdateSubscription{
				Subscribe: subscribe, ParticipantTracks: []*livekit.ParticipantTracks{{TrackSids: sids}}}}})
		}
		choose(true)
		choose(false)
		wanted := alice.p().wanted
		if len(wanted) != maxWanted || wanted["TR_1"] {
			t.Errorf("%d are kept, the second as wanted: %v", len(wanted), wanted["TR_1"])
		}
		for sid := range wanted {
			if sid == "" || len(sid) > maxSID {
				t.Errorf("%d bytes are kept as a sid", len(sid))
			}
		}
	})
}

// Each text that a client can say of itself counts, also one that is new.
func TestEachTextOfAClientCounts(t *testing.T) {
	message := (&livekit.ClientInfo{}).ProtoReflect()
	for i := range message.Descriptor().Fields().Len() {
		field := message.Descriptor().Fields().Get(i)
		switch field.Kind() {
		case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind, protoreflect.GroupKind:
		default:
			continue
		}
		if field.Kind() != protoreflect.StringKind || field.IsList() {
			t.Errorf("clientText knows no %s of kind %s", field.Name(), field.Kind())
			continue
		}
		c := &livekit.ClientInfo{}
		c.ProtoReflect().Set(field, protoreflect.ValueOfString(strings.Repeat("x", maxClientInfo+1)))
		if err := checkClient(c); err == nil {
			t.Errorf("a long %s is taken", field.Name())
		}
	}
	unknown := &livekit.ClientInfo{}
	unknown.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 1000, protowire.BytesType), make([]byte, maxClientInfo)))
	if err := checkClient(unknown); err == nil {
		t.Error("a long field that nobody knows is taken")
	}
	if err := checkClient(nil); err != nil {
		t.Error(err)
	}
}

// Each text has its limit wherever it comes in: what is as long is taken, and what is a
// byte longer is not.
func TestTextsHaveTheirLimitsWhereverTheyComeIn(t *testing.T) {
	limits := Limits{MaxMetadata: 20, MaxAttributes: 30, MaxRoomName: 10, MaxIdentity: 12, MaxName: 14}
	ctx, long := context.Background(), func(n int) string { return strings.Repeat("x", n) }
	tags := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint("tag-", i)] = ""
		}
		return m
	}
	join := func(change func(j *Join)) func(tc *test) error {
		return func(tc *test) error {
			j := joinOf("demo", "bob")
			change(j)
			_, err := tc.reg.Join(ctx, j, &recorder{})
			if (tc.reg.CanJoin(ctx, j) == nil) != (err == nil) {
				tc.t.Errorf("joining says %v, and asking whether one can the opposite", err)
			}
			return err
		}
	}
	for _, tt := range []struct {
		what  string
		limit int
		do    func(n int) func(tc *test) error
	}{
		{"identity", limits.MaxIdentity, func(n int) func(*test) error { return join(func(j *Join) { j.Identity = long(n) }) }},
		{"name", limits.MaxName, func(n int) func(*test) error { return join(func(j *Join) { j.Name = long(n) }) }},
		{"room", limits.MaxRoomName, func(n int) func(*test) error { return join(func(j *Join) { j.Room = long(n) }) }},
		{"metadata", limits.MaxMetadata, func(n int) func(*test) error { return join(func(j *Join) { j.Metadata = long(n) }) }},
		{"attributes", limits.MaxAttributes, func(n int) func(*test) error {
			return join(func(j *Join) { j.Attributes = map[string]string{"a": long(n - 4), "bc": "d"} })
		}},
		{"metadata of the token's room", limits.MaxMetadata, func(n int) func(*test) error {
			return join(func(j *Join) { j.RoomConfig = &livekit.RoomConfiguration{Metadata: long(n)} })
		}},
		{"tags of the token's room", maxTags, func(n int) func(*test) error {
			return join(func(j *Join) { j.RoomConfig = &livekit.RoomConfiguration{Tags: tags(n)} })
		}},
		{"CreateRoom, name", limits.MaxRoomName, func(n int) func(*test) error {
			return func(tc *test) error {
				_, err := tc.reg.Create(ctx, &livekit.CreateRoomRequest{Name: long(n)})
				return err
			}
		}},
		{"CreateRoom, metadata", limits.MaxMetadata, func(n int) func(*test) error {
			return func(tc *test) error {
				_, err := tc.reg.Create(ctx, &livekit.CreateRoomRequest{Name: "den", Metadata: long(n)})
				return err
			}
		}},
		{"CreateRoom, tags", maxTags, func(n int) func(*test) error {
			return func(tc *test) error {
				_, err := tc.reg.Create(ctx, &livekit.CreateRoomRequest{Name: "den", Tags: tags(n)})
				return err
			}
		}},
		{"CreateRoom, a long tag", maxTagBytes, func(n int) func(*test) error {
			return func(tc *test) error {
				_, err := tc.reg.Create(ctx, &livekit.CreateRoomRequest{Name: "den", Tags: map[string]string{"t": long(n - 1)}})
				return err
			}
		}},
		{"UpdateRoomMetadata", limits.MaxMetadata, func(n int) func(*test) error {
			return func(tc *test) error { _, err := tc.reg.UpdateRoomMetadata(ctx, "demo", long(n)); return err }
		}},
		{"UpdateParticipant, name", limits.MaxName, func(n int) func(*test) error {
			return func(tc *test) error {
				_, err := tc.reg.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: "demo", Identity: "alice", Name: long(n)})
				return err
			}
		}},
		{"UpdateParticipant, metadata", limits.MaxMetadata, func(n int) func(*test) error {
			return func(tc *test) error {
				_, err := tc.reg.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: "demo", Identity: "alice", Metadata: long(n)})
				return err
			}
		}},
		{"UpdateParticipant, attributes beside those that are there", limits.MaxAttributes, func(n int) func(*test) error {
			return func(tc *test) error {
				_, err := tc.reg.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: "demo", Identity: "alice",
					Attributes: map[string]string{"new": long(n - len("new") - len("mood") - len("good"))}})
				return err
			}
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			inBubble(t, Options{Limits: limits}, func(tc *test) {
				j := joinOf("demo", "alice")
				j.Attributes = map[string]string{"mood": "good"}
				alice := tc.accept(j)
				alice.transport(peer.Connected)
				wantRefusal(t, "one too many", tt.do(tt.limit+1)(tc), InvalidArgument)
				if err := tt.do(tt.limit)(tc); err != nil {
					t.Errorf("at the limit: %v", err)
				}
			})
		})
	}
}

func TestParticipantHasSoManyTracksAndNoMore(t *testing.T) {
	inBubble(t, Options{Limits: Limits{MaxTracks: 2}}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		cam := alice.publishCamera()
		announce := func(cid string) string {
			return alice.announces(&livekit.AddTrackRequest{Cid: cid, Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE})
		}
		for _, step := range []struct{ why, cid, want string }{
			{"one published, none announced", "second", "trackpublished"},
			{"one of each", "third", "response LIMIT_EXCEEDED"},
			{"the one that is announced", "second", "trackpublished"},
		} {
			if got := announce(step.cid); got != step.want {
				t.Errorf("%s: answered %q, want %q", step.why, got, step.want)
			}
		}
		if n := len(alice.p().pending); n != 1 {
			t.Errorf("%d tracks are pending", n)
		}
		alice.end(cam)
		if got := announce("third"); got != "trackpublished" {
			t.Errorf("with one less: answered %q", got)
		}

		alice.heard()
		alice.publishData(1, "one")
		alice.publishData(2, "two")
		alice.heard()
		alice.publishData(3, "three")
		alice.wantHeard("a data track too many", "response LIMIT_EXCEEDED")
		alice.unpublishData(1)
		alice.heard()
		alice.publishData(3, "three")
		alice.wantHeard("with one less", "publishdatatrackresponse")
		alice.leave()

		i, _ := tc.inject("encoder")
		for range 2 {
			if _, err := camera(i, 1); err != nil {
				t.Fatal(err)
			}
		}
		_, err := camera(i, 1)
		wantRefusal(t, "a track of the server's own", err, ResourceExhausted)
		i.Close()
	})
}

func TestRoomHasSoManyCallsWaitingAndNoMore(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob := tc.enter("demo", "bob")
		req := &livekit.PerformRpcRequest{Room: "demo", DestinationIdentity: "bob", Method: "greet"}
		over := make(chan error, maxRPCCalls)
		for range maxRPCCalls {
			go func() {
				_, err := tc.reg.PerformRPC(context.Background(), req)
				over <- err
			}()
		}
		synctest.Wait()
		begin := time.Now()
		_, err := tc.reg.PerformRPC(context.Background(), req)
		wantRefusal(t, "one more", err, ResourceExhausted)
		if took := time.Since(begin); took > 0 {
			t.Errorf("it was refused after %v", took)
		}
		sleep(rpcAckTimeout)
		for range maxRPCCalls {
			wantRefusal(t, "one of those that waited", <-over, DeadlineExceeded)
		}
		_, _, outcome := tc.call(bob) // there is room again
		bob.leave()
		if a := <-outcome; a.err == nil {
			t.Error("who has left has answered")
		} else {
			wantRefusal(t, "a call to who leaves", a.err, Unavailable)
		}
	})
}
