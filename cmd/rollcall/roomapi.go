package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// rooms is the server's RoomService to somebody who has the grant.
func (c *client) rooms(grant token.VideoGrant) livekit.RoomService {
	return livekit.NewRoomServiceProtobufClient(c.base, &granted{c, token.Claims{Video: &grant}})
}

// admin is the RoomService to an admin of the room.
func (c *client) admin(room string) livekit.RoomService {
	return c.rooms(token.VideoGrant{RoomAdmin: true, Room: room})
}

// granted is an HTTP client that sends a token with each request.
type granted struct {
	*client
	claims token.Claims
}

// Do implements livekit.HTTPClient.
func (g *granted) Do(req *http.Request) (*http.Response, error) {
	claims := g.claims
	raw, err := token.Mint(g.key, g.secret, &claims, time.Now(), 10*time.Minute)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	resp, err := g.http.Do(req)
	if err != nil {
		return nil, g.unreachable(req.Context(), err)
	}
	return resp, nil
}

// unreachable says in words of this program why there was no answer.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return &noServer{c.base, err}
}

// noServer is that nobody answers.
type noServer struct {
	base  string
	cause error
}

func (e *noServer) Error() string {
	return fmt.Sprintf("no server answers at %s (is it running, and is --url right?): %v", e.base, e.cause)
}

func (e *noServer) Unwrap() error { return e.cause }

// said turns an error of the RoomService into one that names its code as the
// server does, without the layers of the library.
func said(err error) error {
	if err == nil {
		return nil
	}
	if ns, ok := errors.AsType[*noServer](err); ok {
		return ns
	}
	if te, ok := errors.AsType[twirp.Error](err); ok {
		if ns, ok := errors.AsType[*noServer](errors.Unwrap(te)); ok {
			return ns
		}
		return &apiError{code: string(te.Code()), message: te.Msg()}
	}
	return err
}

// printProto prints a message as JSON, as the server's API has it.
func printProto(w io.Writer, m proto.Message) error {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	printJSON(w, json.RawMessage(raw)) // protojson varies its spaces
	return nil
}
