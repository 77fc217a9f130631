package room

import (
	"time"

	"github.com/livekit/protocol/livekit"
)

// simulation is what a client asked to be played for its own tests.
type simulation struct {
	speaksUntil time.Time // others are told that it speaks; nothing of it is an event
	speaking    bool      // they were
	// cutResume ends the signal connection of the next resume, after its
	// messages or, with cutFirst, before them.
	cutResume, cutFirst bool
}

// maxSimulatedSpeech bounds what a client can have others believe.
const maxSimulatedSpeech = 30 * time.Second

// simulate plays one of the faults that SDKs ask for in their own tests.
func (p *participant) simulate(m *livekit.SimulateScenario) {
	s := p.state
	switch scenario := m.GetScenario().(type) {
	case *livekit.SimulateScenario_SpeakerUpdate:
		p.simulation.speaksUntil = s.now.Add(min(time.Duration(scenario.SpeakerUpdate)*time.Second, maxSimulatedSpeech))
		s.tickSpeakers()
	case *livekit.SimulateScenario_ServerLeave:
		p.sendLeave(livekit.DisconnectReason_SERVER_SHUTDOWN, livekit.LeaveRequest_DISCONNECT)
		s.remove(p, livekit.DisconnectReason_SERVER_SHUTDOWN)
	case *livekit.SimulateScenario_LeaveRequestFullReconnect:
		p.sendLeave(livekit.DisconnectReason_UNKNOWN_REASON, livekit.LeaveRequest_RECONNECT)
		s.remove(p, livekit.DisconnectReason_MIGRATION)
	case *livekit.SimulateScenario_NodeFailure, *livekit.SimulateScenario_Migration:
		// As if the node had died: no word to the client.
		s.remove(p, livekit.DisconnectReason_MIGRATION)
	case *livekit.SimulateScenario_SwitchCandidateProtocol:
		// The client comes back by itself, in a new session.
		s.setWay(p.identity, scenario.SwitchCandidateProtocol)
	case *livekit.SimulateScenario_SubscriberBandwidth:
		if out := p.outgoing(); out != nil {
			out.LimitBandwidth(uint64(max(scenario.SubscriberBandwidth, 0)))
		}
	case *livekit.SimulateScenario_DisconnectSignalOnResume:
		p.simulation.cutResume, p.simulation.cutFirst = true, false
	case *livekit.SimulateScenario_DisconnectSignalOnResumeNoMessages:
		p.simulation.cutResume, p.simulation.cutFirst = true, true
	}
}

// maxWays bounds the identities whose next session is remembered.
const maxWays = 1000

// setWay has an identity's next session travel over a protocol alone.
func (s *state) setWay(identity string, way livekit.CandidateProtocol) {
	if s.ways == nil {
		s.ways = make(map[string]livekit.CandidateProtocol)
	}
	if way == livekit.CandidateProtocol_UDP || len(s.ways) >= maxWays {
		delete(s.ways, identity)
		return
	}
	s.ways[identity] = way
}

// takeWay returns how an identity's session has to travel, once. Without a relay
// over TLS that is TCP.
func (p *participant) takeWay() livekit.CandidateProtocol {
	way := p.state.ways[p.identity]
	delete(p.state.ways, p.identity)
	if way == livekit.CandidateProtocol_TLS && len(p.iceServersOver("turns:")) == 0 {
		return livekit.CandidateProtocol_TCP
	}
	return way
}

// clientConfiguration is what p's client has to do differently, nil if nothing.
func (p *participant) clientConfiguration() *livekit.ClientConfiguration {
	if p.way != livekit.CandidateProtocol_TLS {
		return nil
	}
	return &livekit.ClientConfiguration{ForceRelay: livekit.ClientConfigSetting_ENABLED}
}

// speech returns what others are told of p's voice, which is really v.
func (sim *simulation) speech(now time.Time, v speakerState) (told speakerState, audible bool) {
	if !now.Before(sim.speaksUntil) {
		return v, false
	}
	return speakerState{active: true, level: 1}, true
}
