package ingress

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/rate"
)

// Service keeps the ingress endpoints of a server, and runs their sessions.
type Service struct {
	opts    Options                 // immutable
	wrong   *rate.Keyed[netip.Addr] // wrong keys, by address
	pulling context.Context         // immutable; over when the service closes
	abandon context.CancelCauseFunc // ends pulling
	watch   *time.Ticker            // of sessions that may have gone silent
	donec   chan struct{}           // closed when the service closes
	tally   *tally                  // immutable

	mu        sync.Mutex
	endpoints map[string]*endpoint  // mu guards; by id
	keys      map[keyHash]*endpoint // mu guards; by stream key
	stopping  bool                  // mu guards
	draining  bool                  // mu guards
	working   sync.WaitGroup        // goroutines of the service
}

const (
	// maxEndpoints is how many endpoints there may be.
	maxEndpoints = 10_000
	// wrongKeys is how many wrong keys an address may have tried in a row, and
	// wrongKeyRate how many more a second.
	wrongKeys    = 20
	wrongKeyRate = 0.5
)

// Start ends the sessions of the last run, and returns a Service that takes new
// ones.
func Start(ctx context.Context, o Options) (*Service, error) {
	if o.MaxEndpoints == 0 {
		o.MaxEndpoints = maxEndpoints
	}
	s := &Service{
		opts:      o,
		wrong:     rate.NewKeyed[netip.Addr](wrongKeyRate, wrongKeys),
		watch:     time.NewTicker(watchInterval),
		donec:     make(chan struct{}),
		tally:     newTally(),
		endpoints: make(map[string]*endpoint),
		keys:      make(map[keyHash]*endpoint),
	}
	s.pulling, s.abandon = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := s.restore(ctx); err != nil {
		return nil, fmt.Errorf("restore ingress: %w", err)
	}
	s.working.Go(s.watchSessions)
	return s, nil
}

// Create makes an endpoint. One of a URL begins to pull at once, and is gone from the
// list of what can be used again when it ends. origin is where the caller has found
// this server; see Options.URL.
//
// It fails with invalid_argument for values that cannot be, with unimplemented for an
// input that this server does not take, with failed_precondition for a codec that its
// ffmpeg does not encode to, and with resource_exhausted for one too many.
func (s *Service) Create(ctx context.Context, origin string, req *livekit.CreateIngressRequest) (*livekit.IngressInfo, error) {
	info := &livekit.IngressInfo{
		IngressId: "IN_" + rand.Text()[:12], Name: req.Name, InputType: req.InputType,
		Audio: req.Audio, Video: req.Video, EnableTranscoding: req.EnableTranscoding,
		BypassTranscoding: req.BypassTranscoding, //nolint:staticcheck // older clients write it
		RoomName:          req.RoomName, ParticipantIdentity: req.ParticipantIdentity,
		ParticipantName: req.ParticipantName, ParticipantMetadata: req.ParticipantMetadata,
		Enabled: req.Enabled, State: &livekit.IngressState{},
	}
	switch req.InputType {
	case livekit.IngressInput_RTMP_INPUT, livekit.IngressInput_WHIP_INPUT:
		info.Reusable = true
		if s.opts.URL != nil {
			info.Url = s.opts.URL(req.InputType, origin)
		}
	case livekit.IngressInput_URL_INPUT:
		if req.Url == "" {
			return nil, refuse(InvalidArgument, "invalid ingress: missing URL parameter")
		}
		info.Url = req.Url
	}
	if info.Reusable {
		info.StreamKey = newStreamKey()
		if info.Url == "" {
			return nil, refuse(Unimplemented, "this server does not take %s: see ingress in its configuration", info.InputType)
		}
	}
	if err := s.complete(info); err != nil {
		return nil, err
	}
	if err := s.checkVideo(ctx, info.Video); err != nil {
		return nil, err
	}
	e := &endpoint{s: s, created: time.Now(), info: info, settled: true}
	var session *Session
	s.mu.Lock()
	switch {
	case s.stopping || s.draining:
		s.mu.Unlock()
		return nil, ErrStopping
	case !s.makeRoom(time.Now()):
		n := len(s.endpoints)
		s.mu.Unlock()
		return nil, refuse(ResourceExhausted, "there are %d ingress endpoints, which is the limit: delete some", n)
	}
	s.endpoints[info.IngressId] = e
	if info.StreamKey != "" {
		s.keys[hashKey(info.StreamKey)] = e
	} else {
		session = s.begin(e)
		s.working.Go(func() { s.pull(session) })
	}
	e.keep()
	info = e.info
	s.mu.Unlock()
	s.opts.Logger.Info("ingress created", "ingress", info.IngressId, "input", info.InputType.String(), "room", info.RoomName)
	return info, s.opts.Log.FlushCursors(ctx)
}

// complete makes concrete what the caller left out, and says what is wrong.
func (s *Service) complete(info *livekit.IngressInfo) error {
	if err := validate(info); err != nil {
		return err
	}
	transcoding := transcodes(info)
	info.EnableTranscoding = &transcoding
	info.BypassTranscoding = !transcoding //nolint:staticcheck // older clients read it
	if info.InputType == livekit.IngressInput_URL_INPUT {
		if s.opts.Pull == nil {
			return refuse(Unimplemented, "this server does not fetch from URLs")
		}
		if s.opts.CheckURL != nil {
			if err := s.opts.CheckURL(info.Url); err != nil {
				return refuse(InvalidArgument, "invalid ingress: %s", err)
			}
		}
	}
	return nil
}

// checkVideo says what is missing for a codec that not every ffmpeg encodes to.
func (s *Service) checkVideo(ctx context.Context, o *livekit.IngressVideoOptions) error {
	if s.opts.CheckVideo == nil || o.GetOptions().GetVideoCodec() != livekit.VideoCodec_VP8 {
		return nil
	}
	if err := s.opts.CheckVideo(ctx, o); err != nil {
		return refuse(FailedPrecondition, "invalid ingress: video cannot be encoded as it is asked for: %s", err)
	}
	return nil
}

// Update changes an endpoint: what is not set in the request stays. A session that
// is under way goes on as it began. It fails as Create does, and with not_found.
func (s *Service) Update(ctx context.Context, req *livekit.UpdateIngressRequest) (*livekit.IngressInfo, error) {
	if validateVideo(req.Video) == nil { // else that is said, in turn
		if err := s.checkVideo(ctx, req.Video); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	e := s.endpoints[req.IngressId]
	switch {
	case e == nil:
		s.mu.Unlock()
		return nil, errNotFound
	case !e.info.Reusable:
		s.mu.Unlock()
		return nil, refuse(InvalidArgument, "ingress is not reusable and cannot be modified")
	}
	info := updated(e.info, req)
	if err := s.complete(info); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	e.info = info
	e.keep()
	s.mu.Unlock()
	return info, s.opts.Log.FlushCursors(ctx)
}

// Delete ends an endpoint, and the session that is under way.
func (s *Service) Delete(ctx context.Context, id string) (*livekit.IngressInfo, error) {
	s.mu.Lock()
	e := s.endpoints[id]
	if e == nil {
		s.mu.Unlock()
		return nil, errNotFound
	}
	delete(s.keys, hashKey(e.info.StreamKey))
	session := e.session
	s.mu.Unlock()
	if session != nil {
		session.End(ErrDeleted)
	}
	s.mu.Lock()
	delete(s.endpoints, id)
	info := e.info
	s.opts.Log.SaveCursors(nil, []string{endpointKey(id)})
	s.mu.Unlock()
	s.opts.Logger.Info("ingress deleted", "ingress", id)
	return shown(info), s.opts.Log.FlushCursors(ctx)
}

// shown is an endpoint for others than who has made it: what gives access to a source
// that is fetched is withheld. Keys to this server are not, see List.
func shown(info *livekit.IngressInfo) *livekit.IngressInfo {
	if info.InputType != livekit.IngressInput_URL_INPUT {
		return info
	}
	clean := event.ScrubURL(info.Url)
	if clean == info.Url {
		return info
	}
	info = proto.CloneOf(info)
	info.Url = clean
	return info
}

// List returns the endpoints that match, oldest first, with their stream keys: who
// may list them may make new ones as well.
func (s *Service) List(_ context.Context, req *livekit.ListIngressRequest) (*livekit.ListIngressResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetOld(time.Now())
	resp := &livekit.ListIngressResponse{}
	for _, e := range s.endpoints {
		if (req.RoomName == "" || req.RoomName == e.info.RoomName) && (req.IngressId == "" || req.IngressId == e.info.IngressId) {
			resp.Items = append(resp.Items, shown(e.info))
		}
	}
	created := func(info *livekit.IngressInfo) int64 { return s.endpoints[info.IngressId].created.UnixNano() }
	slices.SortFunc(resp.Items, func(a, b *livekit.IngressInfo) int {
		if d := created(a) - created(b); d != 0 {
			return int(d)
		}
		return strings.Compare(a.IngressId, b.IngressId)
	})
	return resp, nil
}

// Drain lets no more sources in. Those that are there go on.
func (s *Service) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

// Close ends all sessions, and returns when that is told, or with ctx.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return nil
	}
	s.stopping = true
	var live []*Session
	for _, e := range s.endpoints {
		if e.session != nil {
			live = append(live, e.session)
		}
	}
	s.mu.Unlock()
	close(s.donec)
	s.watch.Stop()
	for _, session := range live {
		session.End(ErrStopping)
	}
	s.abandon(ErrStopping)
	done := make(chan struct{})
	go func() { s.working.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end ingress: %w", ctx.Err())
	}
}

// pull runs the session of a URL.
func (s *Service) pull(session *Session) {
	ctx, cancel := context.WithCancelCause(s.pulling)
	defer cancel(nil)
	go func() { // ends with the session, which ends below
		<-session.Ended()
		cancel(ErrEnded)
	}()
	session.End(s.opts.Pull(ctx, session))
}
