package httpapi

import (
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strings"
)

// debugHandler serves profiles, and figures for who looks for leaks.
func debugHandler(stats func() any) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/stats", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, runtimeStats(r.URL.Query().Get("gc") == "1", stats))
	})
	return mux
}

// statsJSON is what /debug/stats answers.
type statsJSON struct {
	Goroutines  int    `json:"goroutines"`
	HeapBytes   uint64 `json:"heapBytes"` // in use by live and not yet swept objects
	HeapObjects uint64 `json:"heapObjects"`
	SysBytes    uint64 `json:"sysBytes"` // obtained from the system
	Collections uint32 `json:"collections"`
	Mallocs     uint64 `json:"mallocs"`          // objects allocated so far
	Server      any    `json:"server,omitempty"` // Options.Stats
}

// runtimeStats reads the figures, after a collection if collect.
func runtimeStats(collect bool, server func() any) statsJSON {
	if collect {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := statsJSON{
		Goroutines:  runtime.NumGoroutine(),
		HeapBytes:   m.HeapAlloc,
		HeapObjects: m.HeapObjects,
		SysBytes:    m.Sys,
		Collections: m.NumGC,
		Mallocs:     m.Mallocs,
	}
	if server != nil {
		s.Server = server()
	}
	return s
}

// OnlyThisMachine refuses requests from elsewhere: those that come through a
// proxy on this machine, and those of a web page whose name was made to resolve
// to it, too.
func OnlyThisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.RemoteAddr) || !isLoopback(r.Host) || isForwarded(r.Header) {
			refuse(w, r, http.StatusForbidden, "permission_denied", "only from this machine")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isForwarded(h http.Header) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// isLoopback says whether a host, with or without a port, is this machine.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
