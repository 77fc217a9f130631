package httpapi

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// NewHandler returns the handler of everything that the server offers over HTTP.
func NewHandler(o Options) http.Handler {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Alive == nil {
		o.Alive = o.Ready
	}
	if o.LogState == nil {
		o.LogState = func() LogState { return LogState{} }
	}
	if o.Guard == nil {
		o.Guard = func(agents http.Handler) http.Handler { return agents }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	auth := authenticator{o.Keys, newKeyRate(o.RequestsPerKey)}

	mux := http.NewServeMux()
	mux.Handle("/twirp/", newTwirp(o, auth))
	mux.Handle("/agent", o.Guard(o.Agents))
	for _, path := range SignalPaths {
		mux.Handle(path, o.Signal)
		mux.Handle(path+"/validate", o.Signal)
	}
	if o.WHIP != nil {
		for _, path := range []string{"/w", "/w/", "/whip/v1", "/whip/v1/"} {
			mux.Handle(path, o.WHIP)
		}
	}
	addRoutes(mux, apiRoutes(o, auth), errorAnswer{o.Logger})
	mux.Handle("/{$}", root(o))
	if o.Page != nil {
		mux.Handle("/dashboard", o.Page)
		mux.Handle("/dashboard/", o.Page)
	}
	if o.Docs != nil {
		mux.Handle("/docs", o.Docs)
		mux.Handle("/docs/", o.Docs)
	}
	mux.HandleFunc("/healthz", health(o.Alive))
	mux.HandleFunc("/readyz", health(o.Ready))
	if o.DevKey != "" {
		mux.Handle("/dev/token", devTokens{key: o.DevKey, secret: o.Keys[o.DevKey]})
		mux.Handle("/dev/dashboard", OnlyThisMachine(devDashboard(o.DevKey, o.Keys[o.DevKey])))
	}
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	if o.Debug {
		mux.Handle("/debug/", OnlyThisMachine(debugHandler(o.Stats)))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if o.Page != nil && isPageFile(r.URL.Path) {
			o.Page.ServeHTTP(w, r)
			return
		}
		refuse(w, r, http.StatusNotFound, "not_found", "there is nothing at this path")
	})

	return logAccess(o.Logger, oneLeadingSlash(recoverPanics(o.Logger, signalFirst(o.Signal, allowOrigins(limitBody(mux))))))
}

// apiRoutes are the routes beside Twirp that OpenAPI describes.
func apiRoutes(o Options, auth authenticator) []route {
	rooms := &roomFinder{log: o.Log}
	stream := &events{log: o.Log, rooms: rooms, consumers: o.Consumers, auth: auth, draining: o.Draining, logger: o.Logger}
	return slices.Concat(
		[]route{{"GET", "/events", stream.serve}},
		newSessionAPI(o, auth).routes(),
		(&statsAPI{figures: o.Figures, auth: auth, draining: o.Draining}).routes(),
		(&eventAPI{log: o.Log, deliveries: o.Deliveries, auth: auth}).routes(),
		(&logAPI{state: o.LogState, forgetter: o.Forgetter, auth: auth}).routes(),
		(&consumerAPI{consumers: o.Consumers, log: o.Log, state: o.LogState, auth: auth}).routes(),
		(&stateAPI{log: o.Log, rooms: rooms, auth: auth}).routes(),
		(&historyAPI{log: o.Log, auth: auth}).routes(),
		(&recordingAPI{egress: o.Egress, auth: auth}).routes(),
		(&endpointAPI{endpoints: o.Endpoints, deliveries: o.Deliveries, log: o.Log, state: o.LogState, auth: auth}).routes(),
	)
}

// isPageFile tells the files of the page, assets and the likes of favicon.svg,
// from paths of an API: those must not get a page for an answer.
func isPageFile(path string) bool {
	if strings.HasPrefix(path, "/assets/") {
		return true
	}
	file := path[1:]
	return strings.Contains(file, ".") && !strings.Contains(file, "/")
}
