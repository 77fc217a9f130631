package client

import (
	"context"
	"io"
	"testing"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// joinedRoom is a room that has joined, with somebody in it and a track of its
// own, and without any connection. The test is its loop.
func joinedRoom() (*Room, *session) {
	r := newRoom(target{}, "", Options{Reconnect: ReconnectPolicy{Attempts: -1}})
	s := newSession(r, &livekit.JoinResponse{
		Room: &livekit.Room{Sid: "RM_1", Name: "r"}, Participant: &livekit.ParticipantInfo{Sid: "PA_1", Identity: "me"},
		OtherParticipants: []*livekit.ParticipantInfo{{
			Sid: "PA_2", Identity: "other", Tracks: []*livekit.TrackInfo{{Sid: "TR_2", Type: livekit.TrackType_VIDEO}},
		}},
	})
	r.session = s
	r.joined(s.join)
	r.connected()
	layers, _ := NewSimulcastTracks(VP8, 3)
	pub := &LocalPublication{layers: layers, announced: true, publication: publication{room: r, info: &livekit.TrackInfo{Sid: "TR_1"}}}
	r.local.pubs = []*LocalPublication{pub}
	r.HandleText("t", func(s *StreamReader) { _, _ = io.Copy(io.Discard, s) })
	r.local.HandleRPC("m", func(context.Context, Invocation) (string, error) { return "", nil })
	return r, s
}

// over ends what a test began.
func over(r *Room) {
	r.leave(livekit.DisconnectReason_CLIENT_INITIATED, nil)
	r.events.run()
	r.running.Wait()
}

func add(f *testing.F, ms ...proto.Message) {
	for _, m := range ms {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b)
	}
}

func FuzzSignalResponses(f *testing.F) {
	for _, m := range []*livekit.SignalResponse{
		{Message: &livekit.SignalResponse_Update{Update: &livekit.ParticipantUpdate{Participants: []*livekit.ParticipantInfo{
			{Sid: "PA_1", Identity: "me", Version: 2, Tracks: []*livekit.TrackInfo{{Sid: "TR_1", Muted: true}}},
			{Sid: "PA_2", Identity: "other", Version: 2, Attributes: map[string]string{"a": "b"}},
			{Sid: "PA_2", Identity: "other", State: livekit.ParticipantInfo_DISCONNECTED},
		}}}},
		{Message: &livekit.SignalResponse_TrackUnpublished{TrackUnpublished: &livekit.TrackUnpublishedResponse{TrackSid: "TR_1"}}},
		{Message: &livekit.SignalResponse_Mute{Mute: &livekit.MuteTrackRequest{Sid: "TR_1", Muted: true}}},
		{Message: &livekit.SignalResponse_SpeakersChanged{SpeakersChanged: &livekit.SpeakersChanged{Speakers: []*livekit.SpeakerInfo{{Sid: "PA_2", Active: true, Level: 1}, nil}}}},
		{Message: &livekit.SignalResponse_ConnectionQuality{ConnectionQuality: &livekit.ConnectionQualityUpdate{Updates: []*livekit.ConnectionQualityInfo{{ParticipantSid: "PA_2"}}}}},
		{Message: &livekit.SignalResponse_RoomUpdate{RoomUpdate: &livekit.RoomUpdate{Room: &livekit.Room{Metadata: "m"}}}},
		{Message: &livekit.SignalResponse_StreamStateUpdate{StreamStateUpdate: &livekit.StreamStateUpdate{StreamStates: []*livekit.StreamStateInfo{{TrackSid: "TR_2", State: livekit.StreamState_PAUSED}}}}},
		{Message: &livekit.SignalResponse_SubscriptionPermissionUpdate{SubscriptionPermissionUpdate: &livekit.SubscriptionPermissionUpdate{TrackSid: "TR_2"}}},
		{Message: &livekit.SignalResponse_SubscriptionResponse{SubscriptionResponse: &livekit.SubscriptionResponse{TrackSid: "TR_2", Err: livekit.SubscriptionError_SE_CODEC_UNSUPPORTED}}},
		{Message: &livekit.SignalResponse_SubscribedQualityUpdate{SubscribedQualityUpdate: &livekit.SubscribedQualityUpdate{
			TrackSid: "TR_1", SubscribedQualities: []*livekit.SubscribedQuality{{Quality: 7}, {Quality: -1}, {Quality: 2}},
		}}},
		{Message: &livekit.SignalResponse_RequestResponse{RequestResponse: &livekit.RequestResponse{RequestId: 1, Reason: livekit.RequestResponse_NOT_ALLOWED}}},
		{Message: &livekit.SignalResponse_RoomMoved{RoomMoved: &livekit.RoomMovedResponse{Room: &livekit.Room{Sid: "RM_2"}}}},
		{Message: &livekit.SignalResponse_Leave{Leave: &livekit.LeaveRequest{Action: livekit.LeaveRequest_RECONNECT}}},
	} {
		add(f, m)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r, s := joinedRoom()
		defer over(r)
		for _, b := range [][]byte{first, second} {
			m := new(livekit.SignalResponse)
			if proto.Unmarshal(b, m) == nil && r.connection != StateDisconnected {
				s.handle(m)
			}
		}
		r.State()
	})
}

func FuzzDataPackets(f *testing.F) {
	size := uint64(1 << 63)
	for _, m := range []*livekit.DataPacket{
		{ParticipantSid: "PA_2", Sequence: 1, Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte("x")}}},
		{ParticipantIdentity: "other", Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
			StreamId: "s", Topic: "t", TotalLength: &size, ContentHeader: &livekit.DataStream_Header_TextHeader{},
		}}},
		{ParticipantIdentity: "other", Value: &livekit.DataPacket_StreamChunk{StreamChunk: &livekit.DataStream_Chunk{StreamId: "s", ChunkIndex: 1}}},
		{ParticipantIdentity: "other", Value: &livekit.DataPacket_StreamTrailer{StreamTrailer: &livekit.DataStream_Trailer{StreamId: "s"}}},
		{Value: &livekit.DataPacket_RpcRequest{}}, {Value: &livekit.DataPacket_RpcAck{}}, {Value: &livekit.DataPacket_RpcResponse{}},
	} {
		add(f, m)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r, _ := joinedRoom()
		defer over(r)
		r.data.close() // nothing can be answered
		for i, b := range [][]byte{first, second} {
			m := new(livekit.DataPacket)
			if proto.Unmarshal(b, m) == nil {
				r.data.handle(livekit.DataPacket_Kind(i), m)
			}
		}
	})
}
