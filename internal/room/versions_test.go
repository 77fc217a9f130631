package room

import (
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// wantVersions says that a client was told nothing of a session that is older than what it
// was told before, nothing else under the same version, and nothing after its end: SDKs
// take what has the higher version.
func (c *client) wantVersions() {
	c.tc.t.Helper()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	told := map[string]*livekit.ParticipantInfo{}
	for _, m := range c.sink.messages {
		all := m.GetUpdate().GetParticipants()
		if j := m.GetJoin(); j != nil {
			all = append([]*livekit.ParticipantInfo{j.Participant}, j.OtherParticipants...)
		}
		for _, info := range all {
			before := told[info.Sid]
			told[info.Sid] = info
			switch {
			case before == nil:
			case info.Version < before.Version,
				info.Version == before.Version && !proto.Equal(info, before),
				before.State == livekit.ParticipantInfo_DISCONNECTED && info.State != before.State:
				c.tc.t.Errorf("%s was told of\n%v\nand then of\n%v", c.join.Identity, before, info)
			}
		}
	}
	if len(told) == 0 {
		c.tc.t.Errorf("%s was told of nobody", c.join.Identity)
	}
}
