package token

import (
	"maps"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// Claims is what a token says: who bears it and what it permits.
//
// Claims are immutable once verified; whoever wants to change some works on a
// Clone.
type Claims struct {
	// APIKey is the key whose secret signs the token (iss).
	APIKey string
	// Identity is the participant's (sub, else jti); empty in a token for the
	// server API.
	Identity    string
	Name        string
	Kind        livekit.ParticipantInfo_Kind
	KindDetails []livekit.ParticipantInfo_KindDetail
	Metadata    string
	Attributes  map[string]string

	// Video holds the grants on rooms; nil when the token has none.
	Video *VideoGrant
	SIP   *SIPGrant
	// Rollcall holds the grants that only this server knows.
	Rollcall *RollcallGrant

	// RoomConfig and RoomPreset apply when this join creates the room.
	RoomConfig *livekit.RoomConfiguration
	RoomPreset string

	// SHA256 is the digest of the body that a webhook's token signs.
	SHA256 string

	// NotBefore, IssuedAt and ExpiresAt are read from a token; Mint sets its own.
	NotBefore time.Time
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// MadeAt is when the token was made, by what it says: the later of nbf and iat. It is
// zero if neither says: LiveKit's SDK for Node writes an nbf of 0, and no iat.
func (c *Claims) MadeAt() time.Time {
	made := c.NotBefore
	if c.IssuedAt.After(made) {
		made = c.IssuedAt
	}
	if made.Unix() <= 0 {
		return time.Time{}
	}
	return made
}

// Clone returns a copy that shares nothing with c.
func (c *Claims) Clone() *Claims {
	d := *c
	d.KindDetails = slices.Clone(c.KindDetails)
	d.Attributes = maps.Clone(c.Attributes)
	d.Video = c.Video.clone()
	if c.SIP != nil {
		sip := *c.SIP
		d.SIP = &sip
	}
	if c.Rollcall != nil {
		own := *c.Rollcall
		d.Rollcall = &own
	}
	if c.RoomConfig != nil {
		d.RoomConfig = proto.Clone(c.RoomConfig).(*livekit.RoomConfiguration)
	}
	return &d
}

// Permission is what the bearer may do inside a room, with every default made
// concrete.
func (c *Claims) Permission() *livekit.ParticipantPermission {
	if c.Video == nil {
		return new(VideoGrant).Permission()
	}
	return c.Video.Permission()
}

// WithPermission returns a copy of c whose video grant says p, for the refresh
// of a token whose bearer's permission was changed by the server API.
func (c *Claims) WithPermission(p *livekit.ParticipantPermission) *Claims {
	d := c.Clone()
	if d.Video == nil {
		d.Video = &VideoGrant{}
	}
	d.Video.setPermission(p)
	return d
}
