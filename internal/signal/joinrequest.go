package signal

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// maxJoinRequest bounds a join_request after decompression, in bytes.
const maxJoinRequest = 1 << 20

var errJoinRequestSize = fmt.Errorf("join_request is longer than %d bytes", maxJoinRequest)

// singlePath says whether the path takes a join_request only.
func singlePath(path string) bool {
	path = strings.TrimSuffix(strings.TrimRight(path, "/"), "/validate")
	return strings.HasSuffix(path, "/v1")
}

// readWrapped reads the handshake of clients with a single peer connection.
func (req *request) readWrapped(encoded string) error {
	if encoded == "" {
		return &badRequest{http.StatusBadRequest, "join_request is required"}
	}
	m, err := decodeJoinRequest(encoded)
	if err != nil {
		return &badRequest{http.StatusBadRequest, err.Error()}
	}
	join := req.join
	join.SinglePC = true
	join.Client = m.GetClientInfo()
	if join.Client == nil {
		join.Client = &livekit.ClientInfo{}
	}
	join.AutoSubscribe = true
	if settings := m.GetConnectionSettings(); settings != nil {
		join.AutoSubscribe = settings.AutoSubscribe
		join.AutoSubscribeData = settings.GetAutoSubscribeDataTrack()
		join.FullICE = settings.DisableIceLite
		join.AllowPause = settings.SubscriberAllowPause
	}
	join.Offer, join.AddTracks, join.SyncState = m.GetPublisherOffer(), m.GetAddTrackRequests(), m.GetSyncState()
	req.reconnect, req.sid = m.GetReconnect(), m.GetParticipantSid()
	return req.describe(m.GetMetadata(), m.GetParticipantAttributes())
}

// decodeJoinRequest undoes base64url, the wrapper, and the wrapper's compression.
func decodeJoinRequest(encoded string) (*livekit.JoinRequest, error) {
	raw, err := decodeBase64(encoded)
	if err != nil {
		return nil, errors.New("join_request must be base64url")
	}
	wrapped := new(livekit.WrappedJoinRequest)
	if err := proto.Unmarshal(raw, wrapped); err != nil {
		return nil, errors.New("join_request must be a WrappedJoinRequest")
	}
	message := wrapped.JoinRequest
	switch wrapped.Compression {
	case livekit.WrappedJoinRequest_NONE:
	case livekit.WrappedJoinRequest_GZIP:
		if message, err = gunzip(message); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("join_request has an unknown compression, %d", wrapped.Compression)
	}
	if len(message) > maxJoinRequest {
		return nil, errJoinRequestSize
	}
	m := new(livekit.JoinRequest)
	if err := checkParts(message, m); err != nil {
		return nil, fmt.Errorf("join_request is refused: %w", err)
	}
	if err := proto.Unmarshal(message, m); err != nil {
		return nil, errors.New("join_request must hold a JoinRequest")
	}
	return m, nil
}

// gunzip stops at the limit, whatever the stream would grow to.
func gunzip(compressed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, errors.New("join_request is not gzip as it says")
	}
	message, err := io.ReadAll(io.LimitReader(r, maxJoinRequest+1))
	switch {
	case len(message) > maxJoinRequest:
		return nil, errJoinRequestSize
	case err != nil:
		return nil, errors.New("join_request has broken gzip data")
	}
	return message, nil
}
