package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"
)

// callTimeout bounds a call. The Node SDK waits for 10 s.
const callTimeout = 15 * time.Second

// maxRPCTimeout is the longest that a participant may take to answer.
const maxRPCTimeout = 5 * time.Minute

// absentServices are those that SDKs know and this server does not offer, with
// the reason. A clear refusal saves their users a search for a wrong URL.
var absentServices = map[string]string{
	"livekit.SIP":                "SIP is not available yet",
	"livekit.AgentSimulation":    "agent simulation is not available on a self-hosted server",
	"livekit.CloudAgent":         "cloud agents are not available on a self-hosted server",
	"livekit.Connector":          "connectors are not available on a self-hosted server",
	"livekit.PhoneNumberService": "phone numbers are not available on a self-hosted server",
	"livekit.Replay":             "replay is not available yet",
}

// twirpHandler guards the generated server: it authenticates before it reads,
// and reads before it decodes, so that a body too long is told from a bad one.
type twirpHandler struct {
	auth   authenticator
	log    Log
	logger *slog.Logger
	rate   *keyRate
	// services by name
	services map[string]http.Handler
}

func newTwirp(o Options, auth authenticator) http.Handler {
	service := &roomService{rooms: o.Rooms, participants: o.Participants, endpoints: o.Endpoints}
	errors := twirp.WithServerInterceptors(mapErrors(o.Logger))
	// JSON answers keep the generated defaults, proto names and zero values: it
	// is what the reference server sends, and every SDK and script reads.
	return &twirpHandler{
		auth:   auth,
		rate:   newKeyRate(o.RequestsPerKey),
		log:    o.Log,
		logger: o.Logger,
		services: map[string]http.Handler{
			"livekit.RoomService":          livekit.NewRoomServiceServer(service, errors),
			"livekit.AgentDispatchService": livekit.NewAgentDispatchServiceServer(&dispatchService{o.Agents}, errors),
			"livekit.Egress":               livekit.NewEgressServer(&egressService{o.Egress}, errors),
			"livekit.Ingress":              livekit.NewIngressServer(&ingressService{o.Ingress}, errors),
		},
	}
}

// timeoutOf gives a call to a participant as long as it asks for.
func timeoutOf(req any) time.Duration {
	rpc, ok := req.(*livekit.PerformRpcRequest)
	if !ok {
		return callTimeout
	}
	return callTimeout + min(time.Duration(rpc.ResponseTimeoutMs)*time.Millisecond, maxRPCTimeout)
}

// mapErrors bounds each call in time and maps its error.
func mapErrors(logger *slog.Logger) twirp.Interceptor {
	return func(next twirp.Method) twirp.Method {
		return func(ctx context.Context, req any) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, timeoutOf(req))
			defer cancel()
			resp, err := next(ctx, req)
			if err != nil {
				method, _ := twirp.MethodName(ctx)
				return nil, twirpError(ctx, logger.With("call", method), err)
			}
			return resp, nil
		}
	}
}

func (t *twirpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/twirp/"), "/")
	if why, ok := absentServices[service]; ok {
		writeTwirpError(w, twirp.NewError(twirp.Unimplemented, why))
		return
	}
	handler := t.services[service]
	if handler == nil {
		writeTwirpError(w, twirp.NewError(twirp.BadRoute, fmt.Sprintf("there is no service %.64q", service)))
		return
	}
	if r.Method != http.MethodPost {
		handler.ServeHTTP(w, r) // says what is wrong
		return
	}
	claims, err := t.auth.claims(r)
	if err != nil {
		writeTwirpError(w, twirp.NewError(twirp.Unauthenticated, err.Error()))
		return
	}
	if err := t.rate.take(claims.APIKey, time.Now()); err != nil {
		w.Header().Set("Retry-After", "1")
		writeTwirpError(w, twirp.NewError(twirp.ResourceExhausted, err.Error()))
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuseReading(w, r, err)
		return
	}
	// The call may take longer than what was left of the time for the body.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if err := awaitMinSeq(r, t.log); err != nil {
		errorAnswer{t.logger}.answer(w, r, err)
		return
	}
	w.Header().Set(headerSeq, strconv.FormatUint(t.log.Last(), 10))
	r = r.WithContext(withHookHeaders(withOrigin(withClaims(r.Context(), claims), r), r.Header.Values(headerWebhook)))
	r.Body = io.NopCloser(bytes.NewReader(body))
	handler.ServeHTTP(w, r)
}

// refuseReading answers a request whose body could not be read.
func refuseReading(w http.ResponseWriter, r *http.Request, err error) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		refuseBody(w, r)
		return
	}
	w.Header().Set("Connection", "close")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		writeTwirpError(w, twirp.NewError(twirp.DeadlineExceeded, "the request body did not come in time"))
		return
	}
	writeTwirpError(w, twirp.NewError(twirp.Malformed, "the request body could not be read"))
}

func writeTwirpError(w http.ResponseWriter, err twirp.Error) {
	_ = twirp.WriteError(w, err) // an error means that the client is gone
}
