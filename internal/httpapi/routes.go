package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// route is one operation of the API beside Twirp. The OpenAPI document lists
// the same ones, and a test compares them.
type route struct {
	method, path string // as in a pattern of http.ServeMux
	serve        func(w http.ResponseWriter, r *http.Request) error
}

// addRoutes registers the routes, and for each of their paths a refusal of the
// methods that it does not have.
func addRoutes(mux *http.ServeMux, routes []route, answer errorAnswer) {
	methods := make(map[string][]string)
	for _, rt := range routes {
		mux.Handle(rt.method+" "+rt.path, answer.handler(rt.serve))
		methods[rt.path] = append(methods[rt.path], rt.method)
	}
	for path, allowed := range maps.All(methods) {
		text := strings.Join(slices.Sorted(slices.Values(allowed)), ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { refuseMethod(w, r, text) })
	}
}
