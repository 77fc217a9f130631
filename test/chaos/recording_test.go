//go:build linux && amd64

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// recording is one of a participant, as published.
type recording struct {
	m     *meeting
	ctx   context.Context // admits to the API
	api   livekit.Egress
	id    string
	began time.Time // when it had begun, by the clock of this process
}

// record begins to record somebody, and returns when it has begun.
func (m *meeting) record(identity string) *recording {
	m.t.Helper()
	raw, err := mint(&token.Claims{Video: &token.VideoGrant{RoomRecord: true, Room: "demo"}})
	m.must(err)
	ctx, err := twirp.WithHTTPRequestHeaders(m.t.Context(), http.Header{"Authorization": {"Bearer " + raw}})
	m.must(err)
	r := &recording{m: m, ctx: ctx, api: livekit.NewEgressProtobufClient(m.s.url, http.DefaultClient)}
	info, err := r.api.StartParticipantEgress(ctx, &livekit.ParticipantEgressRequest{
		RoomName: "demo", Identity: identity, FileOutputs: []*livekit.EncodedFileOutput{{Filepath: "clock"}},
	})
	m.must(err)
	r.id = info.EgressId
	m.s.poll("the recording to begin", func() error {
		if info, err := r.info(); err != nil || info.Status != livekit.EgressStatus_EGRESS_ACTIVE {
			return fmt.Errorf("%v, %w", info.GetStatus(), err)
		}
		return nil
	})
	r.began = time.Now()
	return r
}

func (r *recording) info() (*livekit.EgressInfo, error) {
	list, err := r.api.ListEgress(r.ctx, &livekit.ListEgressRequest{EgressId: r.id})
	if err == nil && len(list.Items) != 1 {
		err = errors.New("it is not listed")
	}
	if err != nil {
		return nil, err
	}
	return list.Items[0], nil
}

// wantWhole ends the recording, and says that its file lasts for as long as it took.
func (r *recording) wantWhole() {
	r.m.t.Helper()
	took := time.Since(r.began)
	_, err := r.api.StopEgress(r.ctx, &livekit.StopEgressRequest{EgressId: r.id})
	r.m.must(err)
	r.m.s.poll("the recording to end", func() error {
		info, err := r.info()
		if err != nil || info.Status != livekit.EgressStatus_EGRESS_COMPLETE || len(info.FileResults) != 1 {
			return fmt.Errorf("%v, %w", info, err)
		}
		plays := time.Duration(info.FileResults[0].Duration)
		// What was said before it had begun, and until it had ended, is in it.
		if plays < took-5*time.Second || plays > took+patience {
			r.m.t.Errorf("the file plays for %v of %v", plays, took)
		}
		return nil
	})
}
