package room

import (
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// session is what a participant's summary is made of.
type session struct {
	joinedAt   time.Time
	firstMedia time.Time
	published  int
	subscribed int
	resumes    int
	talk       time.Duration
	segments   int

	judgedAt time.Time // since when the quality is what it is
	quality  map[livekit.ConnectionQuality]time.Duration
}

// speech is a segment of speaking that is going on; zero while silent.
type speech struct {
	since time.Time
	peak  float32
}

// totals is what a room's summary is made of.
type totals struct {
	identities   map[string]struct{}
	sessions     int
	aborted      int
	peak         int
	published    int
	talk         time.Duration
	participants time.Duration
	resumes      int
	quality      map[string]time.Duration
	// firstMedia is the sum of what withMedia participants waited for theirs.
	firstMedia time.Duration
	withMedia  int
}

func (t *totals) joined(s *state, p *participant) {
	present := 0
	for _, other := range s.participants {
		if other.joined {
			present++
		}
	}
	t.count(p.identity, present)
}

// count counts somebody who has joined and with whom so many are present.
func (t *totals) count(identity string, present int) {
	if t.identities == nil {
		t.identities = make(map[string]struct{})
	}
	if len(t.identities) < maxIdentities {
		t.identities[identity] = struct{}{}
	}
	t.sessions++
	t.peak = max(t.peak, present)
}

// maxIdentities bounds what is remembered to count who was there.
const maxIdentities = 100_000

func (t *totals) summary(s *state, by event.Actor, why string) *event.RoomTotals {
	started := time.UnixMilli(s.settings.CreationTimeMs).UTC()
	firstMedia := int64(-1)
	if t.withMedia > 0 {
		firstMedia = (t.firstMedia / time.Duration(t.withMedia)).Milliseconds()
	}
	return &event.RoomTotals{
		Quality: inMilliseconds(t.quality), Resumes: t.resumes, FirstMediaMS: firstMedia,
		StartedAt: started, FinishedAt: s.now.UTC(), DurationMS: s.now.Sub(s.began).Milliseconds(),
		Sessions: t.sessions, Identities: len(t.identities), Aborted: t.aborted, Peak: t.peak,
		Published: t.published, TalkMS: t.talk.Milliseconds(), ParticipantMS: t.participants.Milliseconds(),
		Reason: why, By: by,
	}
}

// judged adds how long a connection that is over was of each level.
func (t *totals) judged(quality map[string]time.Duration) {
	if t.quality == nil {
		t.quality = make(map[string]time.Duration)
	}
	for level, d := range quality {
		t.quality[level] += d
	}
}

// waited adds how long a participant waited for its first media.
func (t *totals) waited(d time.Duration) {
	t.firstMedia += d
	t.withMedia++
}

func inMilliseconds(durations map[string]time.Duration) map[string]int64 {
	ms := make(map[string]int64, len(durations))
	for level, d := range durations {
		ms[level] = d.Milliseconds()
	}
	return ms
}

// mediaFlows notes the first media of a participant.
func (p *participant) mediaFlows() {
	if p.session.firstMedia.IsZero() {
		p.session.firstMedia = p.state.now
		p.stages().FirstMedia()
		if len(p.formerly) == 0 && p.forwarding == nil {
			p.state.opts.census.firstMedia.Observe(p.state.now.Sub(p.joinedAt))
		}
	}
}

// followSpeech begins and ends segments of speaking.
func (p *participant) followSpeech(now speakerState) {
	switch {
	case now.active && p.speech.since.IsZero():
		p.speech = speech{since: p.state.now, peak: now.level}
	case now.active:
		p.speech.peak = max(p.speech.peak, now.level)
	default:
		p.endSpeech()
	}
}

// endSpeech tells the segment that is going on, if there is one.
func (p *participant) endSpeech() {
	if p.speech.since.IsZero() {
		return
	}
	length := p.state.now.Sub(p.speech.since)
	p.session.talk += length
	p.session.segments++
	p.state.totals.talk += length
	p.state.emit(event.Event{Name: event.ParticipantSpoke, Participant: p.info(), Detail: &event.Speech{
		StartedAt: p.speech.since.UTC(), DurationMS: length.Milliseconds(), Peak: p.speech.peak,
	}})
	p.speech = speech{}
}

// judged takes over a new quality and tells a change of its level.
func (p *participant) judged(now connectionQuality) {
	p.judgeTime()
	before := p.quality
	p.quality = now
	if p.wasJudged && before.level == now.level {
		return
	}
	detail := &event.Quality{Level: spelled(qualityWords, now.level), Score: now.score}
	if p.wasJudged {
		detail.Previous = spelled(qualityWords, before.level)
	}
	p.wasJudged = true
	p.state.emit(event.Event{Name: event.ConnectionQualityChanged, Participant: p.info(), Actor: event.ActorServer, Detail: detail})
}

// judgeTime adds the time since the last judgement to the histogram.
func (p *participant) judgeTime() {
	if p.wasJudged {
		if p.session.quality == nil {
			p.session.quality = make(map[livekit.ConnectionQuality]time.Duration)
		}
		p.session.quality[p.quality.level] += p.state.now.Sub(p.session.judgedAt)
	}
	p.session.judgedAt = p.state.now
}

// summarize tells what the session of a participant that has gone was like.
func (s *state) summarize(p *participant, joined bool, by event.Actor, why string) {
	if !joined {
		s.totals.aborted++
		return
	}
	length := s.now.Sub(p.session.joinedAt)
	s.totals.participants += length
	quality := make(map[string]time.Duration, len(p.session.quality))
	for level, d := range p.session.quality {
		quality[spelled(qualityWords, level)] = d
	}
	s.totals.judged(quality)
	summary := &event.Summary{
		JoinedAt: p.session.joinedAt.UTC(), LeftAt: s.now.UTC(), DurationMS: length.Milliseconds(),
		ConnectMS:    p.session.joinedAt.Sub(p.joinedAt).Milliseconds(),
		FirstMediaMS: -1,
		TalkMS:       p.session.talk.Milliseconds(), TalkSegments: p.session.segments,
		Published: p.session.published, Subscribed: p.session.subscribed, Resumes: p.session.resumes,
		Quality: inMilliseconds(quality),
		Reason:  why, By: by,
	}
	if !p.session.firstMedia.IsZero() {
		waited := p.session.firstMedia.Sub(p.joinedAt)
		s.totals.waited(waited)
		summary.FirstMediaMS = waited.Milliseconds()
	}
	s.emit(event.Event{Name: event.ParticipantSummary, Participant: p.info(), Actor: by, Reason: why, Detail: summary})
}

// reasonWords and qualityWords are the names of the protocol as events spell them. Enums
// find their names by reflection, which takes longer than all else that is done for them.
var (
	reasonWords  = lower(livekit.DisconnectReason_name)
	qualityWords = lower(livekit.ConnectionQuality_name)
)

func lower(names map[int32]string) map[int32]string {
	words := make(map[int32]string, len(names))
	for n, name := range names {
		words[n] = strings.ToLower(name)
	}
	return words
}

// spelled is what names have for e: a number, if the protocol has no name for it.
func spelled[E interface {
	~int32
	String() string
}](names map[int32]string, e E) string {
	if name, ok := names[int32(e)]; ok {
		return name
	}
	return e.String()
}

// wordOf is a reason as events spell it.
func wordOf(reason livekit.DisconnectReason) string { return spelled(reasonWords, reason) }

// nameOf is a reason as the protocol spells it.
func nameOf(reason livekit.DisconnectReason) string {
	return spelled(livekit.DisconnectReason_name, reason)
}

// actorOf says who ends a session for this reason.
func actorOf(reason livekit.DisconnectReason) event.Actor {
	switch reason {
	case livekit.DisconnectReason_PARTICIPANT_REMOVED, livekit.DisconnectReason_ROOM_DELETED:
		return event.ActorAPI
	case livekit.DisconnectReason_DUPLICATE_IDENTITY, livekit.DisconnectReason_SIGNAL_CLOSE:
		return event.ActorClient
	}
	if clientsReason(reason) {
		return event.ActorClient
	}
	return event.ActorServer
}

// clientsReason says whether this is a reason of a client's.
func clientsReason(reason livekit.DisconnectReason) bool {
	switch reason {
	case livekit.DisconnectReason_CLIENT_INITIATED, livekit.DisconnectReason_USER_UNAVAILABLE,
		livekit.DisconnectReason_USER_REJECTED, livekit.DisconnectReason_AGENT_ERROR:
		return true
	}
	return trunksReason(reason)
}

// trunksReason says whether this is how a call ends that a bridge to SIP has made a
// participant of: its trunk fails, or sound stays away.
func trunksReason(reason livekit.DisconnectReason) bool {
	return reason == livekit.DisconnectReason_SIP_TRUNK_FAILURE || reason == livekit.DisconnectReason_MEDIA_FAILURE
}

// mayLeaveFor says whether p's client may give this as the reason of its goodbye. The
// others are what the server or the API does, or see, and not for a client to claim.
func (p *participant) mayLeaveFor(reason livekit.DisconnectReason) bool {
	if trunksReason(reason) {
		return p.req.Kind == livekit.ParticipantInfo_SIP
	}
	return clientsReason(reason)
}

// endOf says who ends the room and why.
func (s *state) endOf(end livekit.RoomEndReason) (event.Actor, string) {
	switch {
	case end == livekit.RoomEndReason_ROOM_END_API_DELETE:
		return event.ActorAPI, "api_delete"
	case s.joinedOnce:
		return event.ActorServer, "departure_timeout"
	default:
		return event.ActorServer, "empty_timeout"
	}
}
