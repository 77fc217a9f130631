package room

// Stages hears how far a join has come. Its methods are called on the room's loop
// and must not block.
type Stages interface {
	// Accepted says that the client was let in, as the participant sid.
	Accepted(roomSID, sid string)
	// Reachable says that packets go both ways; it may be passed over.
	Reachable()
	// Joined says that the transport is up, before participant_joined.
	Joined()
	// FirstMedia says that a first track is published or received.
	FirstMedia()
	// Gone says that the session has ended.
	Gone(joined bool, reason string)
}

// noStages is for who does not ask.
type noStages struct{}

func (noStages) Accepted(string, string) {}
func (noStages) Reachable()              {}
func (noStages) Joined()                 {}
func (noStages) FirstMedia()             {}
func (noStages) Gone(bool, string)       {}

// stages are those that the participant came with.
func (p *participant) stages() Stages {
	if p.req.Stages == nil {
		return noStages{}
	}
	return p.req.Stages
}
