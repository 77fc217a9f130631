package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// A CreateRoom may ask for endpoints of its own, which get the events of that room
// session alone and end with it. LiveKit's message has no field for them; what
// every SDK can send is a tag of the room, or a header of the request:
//
//	tags:            {"rollcall.webhook": "https://example.com/hook"}
//	tags:            {"rollcall.webhook.crm": "{\"url\": …, \"filter\": {…}}"}
//	Rollcall-Webhook: https://example.com/hook
//
// The text is a URL, or the JSON that POST /endpoints takes. These tags are taken
// out: nobody sees them. Who may create rooms signs with the key of the token;
// another key wants rollcall.endpoints too.
const (
	headerWebhook = "Rollcall-Webhook"
	ownTags       = "rollcall."
	hookTag       = "rollcall.webhook"
)

// hooksKey is the key of a request's webhook headers in a Twirp call's context.
type hooksKey struct{}

func withHookHeaders(ctx context.Context, values []string) context.Context {
	if len(values) == 0 {
		return ctx
	}
	return context.WithValue(ctx, hooksKey{}, values)
}

// roomHooks takes the endpoints that a CreateRoom asks for out of it.
func roomHooks(ctx context.Context, req *livekit.CreateRoomRequest) ([]delivery.Endpoint, error) {
	headers, _ := ctx.Value(hooksKey{}).([]string)
	type source struct{ argument, text string }
	sources := make([]source, 0, len(headers))
	for _, text := range headers {
		sources = append(sources, source{"header " + headerWebhook, text})
	}
	for _, name := range slices.Sorted(maps.Keys(req.Tags)) {
		if !strings.HasPrefix(name, ownTags) {
			continue
		}
		if name != hookTag && !strings.HasPrefix(name, hookTag+".") {
			return nil, twirp.InvalidArgumentError("tags", fmt.Sprintf("%.64q means nothing; tags that begin with %s are the server's", name, ownTags))
		}
		sources = append(sources, source{"tag " + name, req.Tags[name]})
	}
	if len(sources) == 0 {
		return nil, nil
	}
	tags := maps.Clone(req.Tags)
	maps.DeleteFunc(tags, func(name, _ string) bool { return strings.HasPrefix(name, ownTags) })
	req.Tags = tags
	hooks := make([]delivery.Endpoint, 0, len(sources))
	for _, s := range sources {
		hook, err := parseHook(ctx, s.text)
		if err != nil {
			return nil, twirp.InvalidArgumentError(s.argument, err.Error())
		}
		hooks = append(hooks, hook)
	}
	return hooks, nil
}

// parseHook reads a URL or the JSON of an endpoint.
func parseHook(ctx context.Context, text string) (ep delivery.Endpoint, err error) {
	claims := claimsOf(ctx)
	var in endpointInput
	if text = strings.TrimSpace(text); strings.HasPrefix(text, "{") {
		dec := json.NewDecoder(bytes.NewReader([]byte(text)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return ep, badJSON(err)
		}
		if _, err := dec.Token(); err != io.EOF {
			return ep, errors.New("has more than one JSON value")
		}
	} else {
		in.URL = text
	}
	switch {
	case in.Paused:
		return ep, errors.New("cannot begin paused")
	case in.APIKey == "":
		in.APIKey = claims.APIKey
	case in.APIKey != claims.APIKey:
		if err := claims.CanManageEndpoints(); err != nil {
			return ep, fmt.Errorf("signs with another key than the token: %w", err)
		}
	}
	in.apply(&ep)
	if in.Secret != "" {
		ep.Secrets = []delivery.Secret{{Value: in.Secret}}
	}
	return ep, nil
}

// createWithHooks makes the room between the two halves of its endpoints, so that
// they get its first event and nothing of another session.
func (s *roomService) createWithHooks(ctx context.Context, req *livekit.CreateRoomRequest, hooks []delivery.Endpoint) (*livekit.Room, error) {
	made, err := s.endpoints.PutRoom(ctx, req.Name, hooks)
	if err != nil {
		if ee, ok := errors.AsType[*delivery.EndpointError](err); ok {
			return nil, twirp.InvalidArgumentError("webhook "+ee.Field, ee.Problem)
		}
		return nil, err
	}
	room, err := s.rooms.Create(ctx, req)
	if err != nil {
		return nil, errors.Join(err, s.endpoints.Drop(context.WithoutCancel(ctx), made))
	}
	for _, ep := range made {
		if _, err := s.endpoints.Bind(ctx, ep.ID, room.Sid); err != nil {
			// One that nobody binds would hold its place in the log for good.
			return nil, errors.Join(err, s.endpoints.Drop(context.WithoutCancel(ctx), made))
		}
	}
	return room, nil
}
