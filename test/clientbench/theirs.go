package main

import (
	"context"

	"github.com/go-logr/logr"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
)

func init() { lksdk.SetLogger(logger.LogRLogger(logr.Discard())) }

// liveKit is LiveKit's SDK.
type liveKit struct{}

func (liveKit) join(_ context.Context, url, room, identity string) (func(), error) {
	jwt, err := token(room, identity)
	if err != nil {
		return nil, err
	}
	r, err := lksdk.ConnectToRoomWithToken(url, jwt, lksdk.NewRoomCallback(), lksdk.WithAutoSubscribe(false))
	if err != nil {
		return nil, err
	}
	return r.Disconnect, nil
}

func (liveKit) receive(_ context.Context, url, room, identity string, track, packet func()) (func(), error) {
	jwt, err := token(room, identity)
	if err != nil {
		return nil, err
	}
	callback := lksdk.NewRoomCallback()
	callback.OnTrackSubscribed = func(t *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
		track()
		go func() {
			for {
				if _, _, err := t.ReadRTP(); err != nil {
					return
				}
				packet()
			}
		}()
	}
	r, err := lksdk.ConnectToRoomWithToken(url, jwt, callback)
	if err != nil {
		return nil, err
	}
	return r.Disconnect, nil
}
