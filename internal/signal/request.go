package signal

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// request is what the handshake of a signal connection asks for.
type request struct {
	join      *room.Join
	reconnect bool
	sid       string     // the session to resume
	key       string     // the API key of its token
	from      netip.Addr // by which it is limited; invalid: it is not
}

// badRequest is a refusal of the handshake itself.
type badRequest struct {
	status int
	msg    string
}

func (e *badRequest) Error() string { return e.msg }

func unauthorized(msg string) error { return &badRequest{http.StatusUnauthorized, msg} }

// parse verifies the token and reads what the client wants: from a join_request,
// with which clients of a single peer connection come, or from the parameters
// of the older handshake. It comes from addr. What it does not know is ignored.
func (h *Handler) parse(r *http.Request, addr netip.Addr) (*request, error) {
	q := r.URL.Query()
	claims, now, err := h.verify(r, q)
	if err != nil {
		return nil, err
	}
	name, err := claims.CanJoin(q.Get("room"))
	switch {
	case errors.Is(err, token.ErrNoIdentity), errors.Is(err, token.ErrNoRoom):
		return nil, &badRequest{http.StatusBadRequest, err.Error()}
	case err != nil:
		return nil, unauthorized(err.Error())
	}
	join := &room.Join{
		Room:         name,
		Identity:     claims.Identity,
		Name:         claims.Name,
		Metadata:     claims.Metadata,
		Attributes:   claims.Attributes,
		Kind:         claims.Kind,
		KindDetails:  claims.KindDetails,
		Permission:   claims.Permission(),
		TokenFrom:    claims.MadeAt(),
		TokenUntil:   claims.ExpiresAt,
		At:           now,
		MayCreate:    claims.CanCreateRoom() == nil,
		RoomConfig:   claims.RoomConfig,
		RoomPreset:   claims.RoomPreset,
		RefreshToken: h.refresher(claims),
	}
	req := &request{join: join, key: claims.APIKey}
	if q.Has("join_request") || singlePath(r.URL.Path) {
		err = req.readWrapped(q.Get("join_request"))
	} else {
		err = req.readParameters(q)
	}
	if err != nil {
		return nil, err
	}
	if addr.IsValid() {
		join.Client.Address = addr.String()
	}
	return req, nil
}

// readParameters reads the handshake of clients with two peer connections.
func (req *request) readParameters(q url.Values) error {
	join := req.join
	join.Client = clientInfo(q)
	join.AutoSubscribe = boolParam(q, "auto_subscribe", true)
	join.AutoSubscribeData = boolParam(q, "auto_subscribe_data_track", false)
	join.FullICE = boolParam(q, "disable_ice_lite", false)
	if q.Get("subscriber_allow_pause") != "" {
		join.AllowPause = new(boolParam(q, "subscriber_allow_pause", false))
	}
	req.reconnect, req.sid = boolParam(q, "reconnect", false), q.Get("sid")
	extra, err := decodeAttributes(q.Get("attributes"))
	if err != nil {
		return err
	}
	return req.describe("", extra)
}

// verify finds the token where SDKs put it, in the header or in the query, and returns
// at which time it is valid. That is now; for who comes back, and the clock was set
// meanwhile, the time by the clock as it was.
func (h *Handler) verify(r *http.Request, q url.Values) (*token.Claims, time.Time, error) {
	raw, now := q.Get("access_token"), time.Now()
	if header := r.Header.Get("Authorization"); header != "" {
		bearer, found := strings.CutPrefix(header, "Bearer ")
		if !found {
			return nil, now, unauthorized(`the Authorization header must be "Bearer" and a token`)
		}
		raw = bearer
	}
	if raw == "" {
		return nil, now, unauthorized("a token is required, in the Authorization header or as access_token")
	}
	claims, err := token.VerifyBy(raw, h.opts.Keys, now, func(c *token.Claims) time.Time {
		name, err := c.CanJoin(q.Get("room"))
		if err != nil {
			return time.Time{}
		}
		theirs := h.opts.Rooms.ClockOf(r.Context(), name, c.Identity)
		if !theirs.IsZero() {
			now = theirs
		}
		return theirs
	})
	if err != nil {
		return nil, now, unauthorized("invalid token: " + err.Error())
	}
	return claims, now, nil
}

// refresher mints tokens with what the participant has become.
func (h *Handler) refresher(claims *token.Claims) func(time.Time, string, *livekit.ParticipantInfo) (string, error) {
	return func(at time.Time, name string, info *livekit.ParticipantInfo) (string, error) {
		now := claims.WithPermission(info.Permission)
		now.Video.Room = name
		now.Name, now.Metadata, now.Attributes = info.Name, info.Metadata, info.Attributes
		return token.Refresh(now, h.opts.Keys, at)
	}
}

// decodeAttributes reads the parameter: base64url of a JSON object.
func decodeAttributes(encoded string) (map[string]string, error) {
	if encoded == "" {
		return nil, nil
	}
	raw, err := decodeBase64(encoded)
	if err != nil {
		return nil, &badRequest{http.StatusBadRequest, "attributes must be base64url"}
	}
	extra := map[string]string{}
	if err := json.Unmarshal(raw, &extra); err != nil {
		return nil, &badRequest{http.StatusBadRequest, "attributes must be a JSON object of strings"}
	}
	return extra, nil
}

// decodeBase64 takes base64url as some SDKs pad it and others do not.
func decodeBase64(encoded string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
}

// describe puts what the handshake says of the participant over what the token
// says. A nil map says nothing; an empty value leaves the token's.
func (req *request) describe(metadata string, extra map[string]string) error {
	join := req.join
	if metadata == "" && extra == nil {
		return nil
	}
	join.BeyondToken = true
	if !join.Permission.CanUpdateMetadata {
		return unauthorized("the token does not allow setting metadata or attributes (canUpdateOwnMetadata)")
	}
	if metadata != "" {
		join.Metadata = metadata
	}
	merged := make(map[string]string, len(join.Attributes)+len(extra))
	for _, m := range []map[string]string{join.Attributes, extra} {
		for k, v := range m {
			if v != "" {
				merged[k] = v
			}
		}
	}
	join.Attributes = merged
	return nil
}

// boolParam reads a parameter as SDKs write it: 1, true, 0, false or absent.
func boolParam(q url.Values, name string, absent bool) bool {
	if v := q.Get(name); v != "" {
		return v == "1" || strings.EqualFold(v, "true")
	}
	return absent
}

// clientInfo reads what the SDK says of itself.
func clientInfo(q url.Values) *livekit.ClientInfo {
	c := &livekit.ClientInfo{
		Sdk:            sdkOf(q.Get("sdk")),
		Version:        q.Get("version"),
		Protocol:       intParam(q, "protocol"),
		ClientProtocol: intParam(q, "client_protocol"),
		Os:             q.Get("os"),
		OsVersion:      q.Get("os_version"),
		DeviceModel:    q.Get("device_model"),
		Browser:        q.Get("browser"),
		BrowserVersion: q.Get("browser_version"),
		Network:        q.Get("network"),
	}
	for name := range strings.SplitSeq(q.Get("capabilities"), ",") {
		if v, ok := livekit.ClientInfo_Capability_value[strings.TrimSpace(name)]; ok && v != 0 {
			c.Capabilities = append(c.Capabilities, livekit.ClientInfo_Capability(v))
		}
	}
	return c
}

func intParam(q url.Values, name string) int32 {
	v, err := strconv.ParseInt(q.Get(name), 10, 32)
	if err != nil {
		return 0
	}
	return int32(v)
}

// sdkOf maps the names that SDKs send to the enum.
func sdkOf(name string) livekit.ClientInfo_SDK {
	switch name = strings.ToLower(name); name {
	case "ios":
		return livekit.ClientInfo_SWIFT
	case "reactnative":
		return livekit.ClientInfo_REACT_NATIVE
	case "unityweb":
		return livekit.ClientInfo_UNITY_WEB
	default:
		return livekit.ClientInfo_SDK(livekit.ClientInfo_SDK_value[strings.ToUpper(name)])
	}
}
