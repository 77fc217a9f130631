package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"runtime"
	"strconv"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// target is the server as an application names it.
type target struct {
	base *url.URL // immutable
}

func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, err
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return target{}, fmt.Errorf("%q: %w", raw, ErrNotAServer)
	}
	if u.Host == "" {
		return target{}, fmt.Errorf("%q: %w", raw, ErrNotAServer)
	}
	u.RawQuery, u.Fragment = "", ""
	return target{u}, nil
}

// resumption is what a client that was here before says.
type resumption struct {
	sid    string
	reason livekit.ReconnectReason
}

// joinURL returns where to join, in the handshake with query parameters.
func (t target) joinURL(o *Options, resume *resumption) (string, error) {
	q := url.Values{
		"sdk": {"go"}, "version": {Version}, "os": {runtime.GOOS},
		"protocol": {strconv.Itoa(protocolVersion)}, "client_protocol": {strconv.Itoa(clientProtocol)},
		"auto_subscribe": {flag(!o.ManualSubscribe)}, "adaptive_stream": {"0"},
	}
	if o.AllowPause {
		q.Set("subscriber_allow_pause", "1")
	}
	if len(o.Attributes) > 0 {
		encoded, err := json.Marshal(o.Attributes)
		if err != nil {
			return "", err
		}
		q.Set("attributes", base64.URLEncoding.EncodeToString(encoded))
	}
	if resume != nil {
		q.Set("reconnect", "1")
		q.Set("sid", resume.sid)
		q.Set("reconnect_reason", strconv.Itoa(int(resume.reason)))
	}
	return t.at("rtc", q), nil
}

// joinURLSingle returns where to join with one connection for both directions.
func (t target) joinURLSingle(o *Options, resume *resumption) (string, error) {
	req := &livekit.JoinRequest{
		ClientInfo: &livekit.ClientInfo{
			Sdk: livekit.ClientInfo_GO, Version: Version, Protocol: protocolVersion, ClientProtocol: clientProtocol, Os: runtime.GOOS,
		},
		ConnectionSettings: &livekit.ConnectionSettings{AutoSubscribe: !o.ManualSubscribe},
		Metadata:           o.Metadata, ParticipantAttributes: o.Attributes,
	}
	if o.AllowPause {
		req.ConnectionSettings.SubscriberAllowPause = proto.Bool(true)
	}
	if resume != nil {
		req.Reconnect, req.ParticipantSid, req.ReconnectReason = true, resume.sid, resume.reason
	}
	encoded, err := proto.Marshal(req)
	if err != nil {
		return "", err
	}
	wrapped, err := proto.Marshal(&livekit.WrappedJoinRequest{JoinRequest: encoded})
	if err != nil {
		return "", err
	}
	return t.at("rtc/v1", url.Values{"join_request": {base64.URLEncoding.EncodeToString(wrapped)}}), nil
}

func (t target) at(place string, q url.Values) string {
	u := *t.base
	u.Path = path.Join("/", u.Path, place)
	u.RawQuery = q.Encode()
	return u.String()
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
