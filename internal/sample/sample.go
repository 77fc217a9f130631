package sample

import (
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// Options say what may differ from the story; the zero value is the story.
type Options struct {
	Room     string // the room's name
	Identity string // the participant's
}

// Event returns an example of the event of that name, which happens at now, and
// whether the catalogue has it.
func Event(name event.Name, o Options, now time.Time) (event.Event, bool) {
	d, ok := event.Lookup(name)
	if !ok {
		return event.Event{}, false
	}
	if o.Room == "" {
		o.Room = "daily-standup"
	}
	if o.Identity == "" {
		o.Identity = "ana"
	}
	s := story{Options: o, now: now}
	e := event.Event{Name: name, Time: now, Room: s.room(), Actor: event.ActorClient}
	switch d.Scope {
	case event.ScopeParticipant:
		e.Participant = s.participant()
	case event.ScopeTrack:
		e.Participant, e.Track = s.participant(), s.track()
	case event.ScopeEgress:
		e.Room, e.Egress = s.roomRef(), s.egress()
	case event.ScopeIngress:
		e.Room, e.Ingress = s.roomRef(), s.ingress()
	case event.ScopeJob:
		e.Job = s.job()
	}
	s.ending(&e)
	if d.Detail != nil {
		e.Detail = s.detail(d.Detail)
	}
	return e, true
}

type story struct {
	Options
	now time.Time
}

func (s story) room() *livekit.Room {
	began := s.now.Add(-time.Minute)
	return &livekit.Room{
		Sid: "RM_hvYuLGxcXyZB", Name: s.Room, EmptyTimeout: 300, DepartureTimeout: 20, Metadata: `{"team":"blue"}`,
		CreationTime: began.Unix(), CreationTimeMs: began.UnixMilli(), NumParticipants: 2, NumPublishers: 1,
	}
}

func (s story) roomRef() *livekit.Room {
	return &livekit.Room{Sid: "RM_hvYuLGxcXyZB", Name: s.Room}
}

func (s story) participant() *livekit.ParticipantInfo {
	joined := s.now.Add(-50 * time.Second)
	return &livekit.ParticipantInfo{
		Sid: "PA_pTGMLVRHzKsL", Identity: s.Identity, Name: "Ana", State: livekit.ParticipantInfo_ACTIVE, Version: 3,
		JoinedAt: joined.Unix(), JoinedAtMs: joined.UnixMilli(), Attributes: map[string]string{"plan": "free"}, IsPublisher: true,
		Permission: &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishData: true},
	}
}

func (s story) track() *livekit.TrackInfo {
	return &livekit.TrackInfo{
		Sid: "TR_VCrkpqWAJZVvKn", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA, Name: "camera",
		MimeType: "video/VP8", Mid: "1", Stream: "camera", Width: 1280, Height: 720,
	}
}

func (s story) egress() *livekit.EgressInfo {
	return &livekit.EgressInfo{
		EgressId: "EG_Rdp5VJnzQ7gV", RoomId: "RM_hvYuLGxcXyZB", RoomName: s.Room, Status: livekit.EgressStatus_EGRESS_ACTIVE,
		StartedAt: s.now.Add(-30 * time.Second).UnixNano(), UpdatedAt: s.now.UnixNano(),
		Request: &livekit.EgressInfo_RoomComposite{RoomComposite: &livekit.RoomCompositeEgressRequest{
			RoomName: s.Room, Layout: "grid", FileOutputs: []*livekit.EncodedFileOutput{{Filepath: "standup.mp4"}},
		}},
	}
}

func (s story) ingress() *livekit.IngressInfo {
	return &livekit.IngressInfo{
		IngressId: "IN_sMQrUVzVbHzn", Name: "encoder", InputType: livekit.IngressInput_RTMP_INPUT, RoomName: s.Room,
		ParticipantIdentity: "encoder", State: &livekit.IngressState{
			Status: livekit.IngressState_ENDPOINT_PUBLISHING, RoomId: "RM_hvYuLGxcXyZB", StartedAt: s.now.UnixNano()},
	}
}

func (s story) job() *livekit.Job {
	return &livekit.Job{
		Id: "AJ_7fLrkHcbQ2Pv", DispatchId: "AD_9sVbQwLpZk", Type: livekit.JobType_JT_ROOM, Room: s.room(), AgentName: "helper",
		CreatedAt: s.now.UnixNano(), State: &livekit.JobState{Status: livekit.JobStatus_JS_PENDING},
	}
}

// ending makes those events say why that end something.
func (s story) ending(e *event.Event) {
	switch e.Name {
	case event.RoomFinished:
		e.RoomEndReason, e.Reason, e.Actor = livekit.RoomEndReason_ROOM_END_IDLE_TIMEOUT, "departure_timeout", event.ActorServer
		e.Room.NumParticipants, e.Room.NumPublishers = 0, 0
	case event.ParticipantLeft:
		e.Participant.State = livekit.ParticipantInfo_DISCONNECTED
		e.Participant.DisconnectReason = livekit.DisconnectReason_CLIENT_INITIATED
		e.Reason = "client_initiated"
	case event.ParticipantConnectionAborted:
		e.Participant.State = livekit.ParticipantInfo_DISCONNECTED
		e.Participant.DisconnectReason = livekit.DisconnectReason_CONNECTION_TIMEOUT
		e.Reason, e.Actor = "connection_timeout", event.ActorServer
	case event.EgressEnded:
		e.Egress.Status, e.Egress.EndedAt = livekit.EgressStatus_EGRESS_COMPLETE, s.now.UnixNano()
		e.Egress.FileResults = []*livekit.FileInfo{{Filename: "standup.mp4", Duration: 30_000_000_000, Size: 12_345_678}}
	case event.IngressEnded:
		e.Ingress.State.Status = livekit.IngressState_ENDPOINT_INACTIVE
	case event.AgentJobStarted:
		e.Job.State = &livekit.JobState{Status: livekit.JobStatus_JS_RUNNING, StartedAt: s.now.UnixNano(), WorkerId: "AW_1"}
	case event.AgentJobEnded:
		e.Job.State = &livekit.JobState{Status: livekit.JobStatus_JS_SUCCESS, EndedAt: s.now.UnixNano(), WorkerId: "AW_1"}
	}
}

// detail returns an example of that type of detail, nil if there is none.
func (s story) detail(of any) any {
	joined := s.now.Add(-50 * time.Second).UTC().Truncate(time.Millisecond)
	at := s.now.UTC().Truncate(time.Millisecond)
	switch of.(type) {
	case *event.Lost:
		return &event.Lost{Cause: "signal"}
	case *event.Changed:
		return &event.Changed{By: event.ActorAPI, Keys: []string{"plan"}}
	case *event.Speech:
		return &event.Speech{StartedAt: at.Add(-1500 * time.Millisecond), DurationMS: 1500, Peak: 0.25}
	case *event.Quality:
		return &event.Quality{Level: "poor", Previous: "good", Score: 2.5}
	case *event.Failure:
		return &event.Failure{Error: "codec not supported", Publisher: "ben"}
	case *event.Data:
		return &event.Data{Kind: "reliable", Topic: "chat", Bytes: 512}
	case *event.Summary:
		return &event.Summary{JoinedAt: joined, LeftAt: at, DurationMS: at.Sub(joined).Milliseconds(), ConnectMS: 210, FirstMediaMS: 350,
			TalkMS: 12_000, TalkSegments: 7, Published: 2, Subscribed: 3, Resumes: 1, Quality: map[string]int64{"excellent": 40_000, "good": 10_000},
			Reason: "client_initiated", By: event.ActorClient}
	case *event.RoomTotals:
		return &event.RoomTotals{StartedAt: joined, FinishedAt: at, DurationMS: at.Sub(joined).Milliseconds(), Sessions: 2, Identities: 2, Peak: 2,
			Published: 3, TalkMS: 20_000, ParticipantMS: 95_000, Quality: map[string]int64{"excellent": 90_000, "good": 5_000},
			Resumes: 1, FirstMediaMS: 420, Reason: "departure_timeout", By: event.ActorServer}
	}
	return nil
}

// Record returns the example as a record outside of any log, under the given
// id: its Seq is 0.
func Record(e event.Event, id string) (event.Record, error) {
	body, err := e.Body(id)
	if err != nil {
		return event.Record{}, err
	}
	return event.Record{
		ID: id, Name: e.Name, Time: e.Time.UTC(), Room: e.Room.GetName(), RoomSID: e.Room.GetSid(),
		ParticipantSID: e.Participant.GetSid(), Identity: e.Participant.GetIdentity(), TrackSID: e.Track.GetSid(),
		Actor: e.Actor, Reason: e.Reason, Body: body,
	}, nil
}
