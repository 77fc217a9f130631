package token

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
)

// wireClaims is the JSON of a token's payload. Claims that it does not name
// are ignored: they belong to services that this server does not offer, or like aud do
// not concern it.
type wireClaims struct {
	Issuer      string            `json:"iss,omitempty"`
	Subject     string            `json:"sub,omitempty"`
	ExpiresAt   *seconds          `json:"exp,omitempty"`
	NotBefore   *seconds          `json:"nbf,omitempty"`
	IssuedAt    *seconds          `json:"iat,omitempty"`
	ID          string            `json:"jti,omitempty"`
	Name        string            `json:"name,omitempty"`
	Kind        string            `json:"kind,omitempty"`
	KindDetails []string          `json:"kindDetails,omitempty"`
	Video       *VideoGrant       `json:"video,omitempty"`
	SIP         *SIPGrant         `json:"sip,omitempty"`
	Rollcall    *RollcallGrant    `json:"rollcall,omitempty"`
	RoomConfig  json.RawMessage   `json:"roomConfig,omitempty"` // decoded once the signature is verified
	RoomPreset  string            `json:"roomPreset,omitempty"`
	SHA256      string            `json:"sha256,omitempty"`
	Metadata    string            `json:"metadata,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

func (w *wireClaims) claims() (*Claims, error) {
	c := &Claims{
		APIKey:     w.Issuer,
		Identity:   w.Subject,
		Name:       w.Name,
		Metadata:   w.Metadata,
		Attributes: w.Attributes,
		Video:      w.Video,
		SIP:        w.SIP,
		Rollcall:   w.Rollcall,
		RoomPreset: w.RoomPreset,
		SHA256:     w.SHA256,
		NotBefore:  timeOf(w.NotBefore),
		IssuedAt:   timeOf(w.IssuedAt),
		ExpiresAt:  timeOf(w.ExpiresAt),
		// An unknown kind joins as a standard participant.
		Kind: livekit.ParticipantInfo_Kind(livekit.ParticipantInfo_Kind_value[strings.ToUpper(w.Kind)]),
	}
	if c.Identity == "" {
		c.Identity = w.ID
	}
	for _, name := range w.KindDetails {
		if d, ok := livekit.ParticipantInfo_KindDetail_value[strings.ToUpper(name)]; ok {
			c.KindDetails = append(c.KindDetails, livekit.ParticipantInfo_KindDetail(d))
		}
	}
	if len(w.RoomConfig) > 0 && string(w.RoomConfig) != "null" {
		c.RoomConfig = new(livekit.RoomConfiguration)
		opts := protojson.UnmarshalOptions{DiscardUnknown: true}
		if err := opts.Unmarshal(w.RoomConfig, c.RoomConfig); err != nil {
			return nil, fmt.Errorf("%w: claim roomConfig is no room configuration", ErrMalformed)
		}
	}
	return c, nil
}

func wire(c *Claims) (*wireClaims, error) {
	w := &wireClaims{
		Subject:    c.Identity,
		Name:       c.Name,
		Video:      c.Video,
		SIP:        c.SIP,
		Rollcall:   c.Rollcall,
		RoomPreset: c.RoomPreset,
		SHA256:     c.SHA256,
		Metadata:   c.Metadata,
		Attributes: c.Attributes,
	}
	if c.Kind != livekit.ParticipantInfo_STANDARD {
		w.Kind = strings.ToLower(c.Kind.String())
	}
	for _, d := range c.KindDetails {
		w.KindDetails = append(w.KindDetails, strings.ToLower(d.String()))
	}
	if c.RoomConfig != nil {
		b, err := protojson.Marshal(c.RoomConfig)
		if err != nil {
			return nil, fmt.Errorf("encode room configuration: %w", err)
		}
		w.RoomConfig = b
	}
	return w, nil
}

func timeOf(s *seconds) time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.Time
}

// seconds is a NumericDate (RFC 7519 §2) as jwt has it, but for whole seconds without its
// detours, which are four allocations for each that is decoded.
type seconds struct{ jwt.NumericDate }

func secondsOf(t time.Time) *seconds { return &seconds{*jwt.NewNumericDate(t)} }

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil && n >= 0 && n < maxSeconds {
		s.Time = time.Unix(n, 0)
		return nil
	}
	return s.NumericDate.UnmarshalJSON(b)
}

// MarshalJSON implements json.Marshaler.
func (s seconds) MarshalJSON() ([]byte, error) {
	if n := s.Unix(); n >= 0 && n < maxSeconds && s.Nanosecond() == 0 {
		return strconv.AppendInt(nil, n, 10), nil
	}
	return s.NumericDate.MarshalJSON()
}

// maxSeconds is in the year 5138.
const maxSeconds = 100_000_000_000

// These make claims what jwt signs and parses; Verify checks them itself.
func (w *wireClaims) GetExpirationTime() (*jwt.NumericDate, error) { return dateOf(w.ExpiresAt), nil }
func (w *wireClaims) GetNotBefore() (*jwt.NumericDate, error)      { return dateOf(w.NotBefore), nil }
func (w *wireClaims) GetIssuedAt() (*jwt.NumericDate, error)       { return dateOf(w.IssuedAt), nil }
func (w *wireClaims) GetIssuer() (string, error)                   { return w.Issuer, nil }
func (w *wireClaims) GetSubject() (string, error)                  { return w.Subject, nil }
func (w *wireClaims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

func dateOf(s *seconds) *jwt.NumericDate {
	if s == nil {
		return nil
	}
	return &s.NumericDate
}
