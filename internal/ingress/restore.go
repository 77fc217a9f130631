package ingress

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-rtc/rollcall/event"
)

// keepEnded is how long endpoints are listed that cannot be used again.
const keepEnded = 24 * time.Hour

// restore loads the endpoints, and ends the sessions of the last run.
func (s *Service) restore(ctx context.Context) error {
	values, err := s.opts.Log.LoadCursors(endpointPrefix)
	if err != nil {
		return err
	}
	for key, value := range values {
		var k kept
		info := new(livekit.IngressInfo)
		err := json.Unmarshal(value, &k)
		if err == nil {
			err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(k.Info, info)
		}
		if err != nil {
			s.opts.Logger.Error("forget unreadable ingress", "ingress", strings.TrimPrefix(key, endpointPrefix), "error", err)
			s.opts.Log.SaveCursors(nil, []string{key})
			continue
		}
		if info.State == nil {
			info.State = new(livekit.IngressState)
		}
		e := &endpoint{s: s, created: k.Created, info: info, room: k.Room, after: k.After, settled: k.Settled}
		s.endpoints[info.IngressId] = e
		if info.StreamKey != "" {
			s.keys[hashKey(info.StreamKey)] = e
		}
		if !e.settled {
			if err := e.restore(ctx); err != nil {
				return fmt.Errorf("%s: %w", info.IngressId, err)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetOld(time.Now())
	return nil
}

// restore tells the end of the last session, unless the log has it.
func (e *endpoint) restore(ctx context.Context) error {
	s := e.s
	session := e.info.State.ResourceId
	told, err := e.endTold(ctx, session)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if live(e.info.State.Status) {
		e.change(func(state *livekit.IngressState) {
			state.Status, state.EndedAt = livekit.IngressState_ENDPOINT_ERROR, time.Now().UnixNano()
			state.Error = "the server ended while the ingress was live"
		})
	}
	var seq uint64
	if !told {
		seq = e.tell(event.Event{Name: event.IngressEnded, Actor: event.ActorCrash, Reason: "failed", Synthesized: true})
		s.opts.Logger.Warn("ingress of the last run ended with it", "ingress", e.info.IngressId, "session", session, "room", e.room)
	}
	s.mu.Unlock()
	e.settle(session, seq)
	return nil
}

func live(status livekit.IngressState_Status) bool {
	return status == livekit.IngressState_ENDPOINT_BUFFERING || status == livekit.IngressState_ENDPOINT_PUBLISHING
}

// settlePatience bounds waiting for the log, which fails for good if it fails.
const settlePatience = 30 * time.Second

// settle notes that the log has the end of a session, at seq, once it has; 0 means
// that it has it.
func (e *endpoint) settle(session string, seq uint64) {
	if seq != 0 {
		ctx, cancel := context.WithTimeout(context.Background(), settlePatience)
		defer cancel()
		if err := e.s.opts.Log.Sync(ctx, seq); err != nil {
			return // the next start finds out whether it is there
		}
	}
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	if e.s.endpoints[e.info.IngressId] == e && e.info.State.ResourceId == session {
		e.settled = true
		e.keep()
	}
}

// endTold says whether the log has the end of a session.
func (e *endpoint) endTold(ctx context.Context, session string) (bool, error) {
	for after := e.after; ; {
		records, err := e.s.opts.Log.ReadRoom(ctx, e.room, after, 1024)
		if err != nil || len(records) == 0 {
			return false, err
		}
		for i := range records {
			rec := &records[i]
			after = rec.Seq
			if rec.Name != event.IngressEnded {
				continue
			}
			if w, err := rec.Webhook(); err == nil && w.GetIngressInfo().GetState().GetResourceId() == session {
				return true, nil
			}
		}
	}
}

// forgetOld drops endpoints that ended long ago and cannot be used again; mu must be
// held.
func (s *Service) forgetOld(now time.Time) {
	var keys []string
	for id, e := range s.endpoints {
		if e.spent() && now.Sub(time.Unix(0, e.info.State.EndedAt)) > keepEnded {
			delete(s.endpoints, id)
			keys = append(keys, endpointKey(id))
		}
	}
	s.opts.Log.SaveCursors(nil, keys)
}

// makeRoom says whether there may be one endpoint more. If there are as many as may
// be, those go that cannot be used again: the old ones, or else the one that ended
// first. mu must be held.
func (s *Service) makeRoom(now time.Time) bool {
	if len(s.endpoints) < s.opts.MaxEndpoints {
		return true
	}
	s.forgetOld(now)
	if len(s.endpoints) < s.opts.MaxEndpoints {
		return true
	}
	var first *endpoint
	for _, e := range s.endpoints {
		if e.spent() && (first == nil || e.info.State.EndedAt < first.info.State.EndedAt) {
			first = e
		}
	}
	if first == nil {
		return false
	}
	delete(s.endpoints, first.info.IngressId)
	s.opts.Log.SaveCursors(nil, []string{endpointKey(first.info.IngressId)})
	return true
}
