package main

import (
	"context"
	"errors"
	"time"

	"github.com/livekit/protocol/auth"

	"github.com/rollcall-rtc/rollcall/client"
)

func token(room, identity string) (string, error) {
	grant := &auth.VideoGrant{RoomJoin: true, Room: room}
	return auth.NewAccessToken(key, secret).SetIdentity(identity).SetVideoGrant(grant).SetValidFor(time.Hour).ToJWT()
}

// rollcall is package client.
type rollcall struct{}

func (rollcall) join(ctx context.Context, url, room, identity string) (func(), error) {
	jwt, err := token(room, identity)
	if err != nil {
		return nil, err
	}
	r, err := client.Connect(ctx, url, jwt, client.Options{ManualSubscribe: true})
	if err != nil {
		return nil, err
	}
	return func() { _ = r.Disconnect(context.Background()) }, nil
}

func (rollcall) receive(ctx context.Context, url, room, identity string, track, packet func()) (func(), error) {
	jwt, err := token(room, identity)
	if err != nil {
		return nil, err
	}
	r, err := client.Connect(ctx, url, jwt, client.Options{Setup: func(r *client.Room) {
		client.On(r, func(e client.TrackSubscribed) {
			track()
			go func() {
				for range e.Track.Packets(ctx) {
					packet()
				}
			}()
		})
	}})
	if err != nil {
		return nil, errors.Join(err)
	}
	return func() { _ = r.Disconnect(context.Background()) }, nil
}
