package server

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// endpoints are those of the configuration. What is wrong with one is told with
// its place there, all of it at once.
func (s *Server) endpoints() ([]delivery.Endpoint, error) {
	var all []delivery.Endpoint
	var problems config.Problems
	seen := make(map[string]bool)
	add := func(ep delivery.Endpoint, problem func(field, text string) config.Problem) {
		ep.Source = delivery.SourceConfig
		ep.Secret = s.cfg.Keys[ep.APIKey]
		if ep.ID == "" {
			ep.ID = delivery.EndpointID(ep.URL)
		}
		if err := delivery.Check(ep); err != nil {
			field, text := "", err.Error()
			if ee, ok := errors.AsType[*delivery.EndpointError](err); ok {
				field, text = ee.Field, ee.Problem
			}
			problems = append(problems, problem(field, text))
		} else if seen[ep.ID] {
			problems = append(problems, problem("id", fmt.Sprintf("is that of another endpoint, %s", ep.ID)))
		}
		seen[ep.ID] = true
		all = append(all, ep)
	}
	w := &s.cfg.Webhook
	for i, url := range w.URLs {
		add(delivery.Endpoint{
			URL: url, APIKey: w.APIKey, Filter: liveKitFilter(w.Include, w.Exclude), FullTrackContext: w.FullTrackContext,
		}, func(field, text string) config.Problem { return s.urlProblem(i, field, text) })
	}
	for i := range w.Endpoints {
		e := &w.Endpoints[i]
		add(configured(e, w.APIKey), func(field, text string) config.Problem {
			return e.Problem(i, configKey(field), text)
		})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return all, nil
}

// configured is an endpoint as delivery knows it.
func configured(e *config.Endpoint, apiKey string) delivery.Endpoint {
	if e.APIKey != "" {
		apiKey = e.APIKey
	}
	ep := delivery.Endpoint{
		ID: e.ID, URL: e.URL, Description: e.Description, APIKey: apiKey,
		Filter:  delivery.Filter{Events: e.Events, Exclude: e.Exclude, Rooms: e.Rooms, Tags: e.Tags},
		Headers: e.Headers, CAFile: e.CAFile, ClientCert: e.ClientCertFile, ClientKey: e.ClientKeyFile,
		Mode: delivery.Mode(e.Mode), Format: delivery.Format(e.Format),
		Batch:            delivery.Batch{Max: e.BatchMax, Wait: e.BatchWait},
		FullTrackContext: e.FullTrackContext, Block: e.Block, Rate: e.Rate,
	}
	for _, secret := range e.Secrets {
		ep.Secrets = append(ep.Secrets, delivery.Secret{Value: secret})
	}
	return ep
}

// liveKitFilter is LiveKit's filter: what is included counts alone if there is
// something.
func liveKitFilter(include, exclude []string) delivery.Filter {
	if len(include) > 0 {
		return delivery.Filter{Events: include}
	}
	return delivery.Filter{Exclude: exclude}
}

// configKeys are the keys of the configuration that set a field of an endpoint,
// where they are not called the same.
var configKeys = map[string]string{
	"apiKey": "api_key", "filter.events": "events", "filter.exclude": "exclude", "filter.rooms": "rooms", "filter.tags": "tags",
	"batch": "batch_max", "batch.max": "batch_max", "batch.wait": "batch_wait", "caFile": "ca_file",
	"clientCert": "client_cert_file", "clientKey": "client_key_file",
}

func configKey(field string) string {
	if key, ok := configKeys[field]; ok {
		return key
	}
	return field
}

// urlProblem is what is wrong with the i-th of the URLs, or with their filter.
func (s *Server) urlProblem(i int, field, text string) config.Problem {
	key := fmt.Sprintf("webhook.urls[%d]", i)
	at := "webhook.urls"
	switch field {
	case "filter.events":
		key = "webhook.filter_params.include_events"
		at = key
	case "filter.exclude":
		key = "webhook.filter_params.exclude_events"
		at = key
	case "id":
		text = "is given twice"
	}
	return config.Problem{Where: s.cfg.Where[at], Key: key, Text: text}
}

// receiverNetworks are private networks that endpoints which are not the
// configuration's may be in. In development the receiver is on this machine or
// beside it.
func (s *Server) receiverNetworks() []netip.Prefix {
	names := s.cfg.Webhook.AllowNetworks
	if s.cfg.Development && s.cfg.Where["webhook.allow_networks"] == "" {
		names = privateNetworks
	}
	return networks(names)
}

// privateNetworks are those that development may reach.
var privateNetworks = []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}

// networks reads ranges of addresses that the configuration has checked.
func networks(names []string) []netip.Prefix {
	list := make([]netip.Prefix, 0, len(names))
	for _, n := range names {
		list = append(list, netip.MustParsePrefix(strings.TrimSpace(n)).Masked())
	}
	return list
}
