package peer

// State is the state of a connection: of ICE and DTLS together.
type State int

// A connection goes New, Connecting, Reachable, Connected. Reachable is ICE's
// part of it: packets go both ways, and DTLS has yet to agree on keys; it may be
// passed over. From Connected it may go to Disconnected and back, from there to
// Failed, and from Failed to Connecting by an ICE restart. Closed is final.
const (
	New State = iota
	Connecting
	Reachable
	Connected
	Disconnected
	Failed
	Closed
)

// String implements fmt.Stringer.
func (s State) String() string {
	switch s {
	case New:
		return "new"
	case Connecting:
		return "connecting"
	case Reachable:
		return "reachable"
	case Connected:
		return "connected"
	case Disconnected:
		return "disconnected"
	case Failed:
		return "failed"
	case Closed:
		return "closed"
	}
	return "unknown"
}
