package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"
)

// Endpoint is a receiver of webhooks with options of its own. What the options
// mean, and whether they go together, is for package delivery to say.
type Endpoint struct {
	ID          string // empty: made from the URL
	URL         string
	Description string
	// APIKey signs the requests; empty is Webhook.APIKey.
	APIKey string
	// Events, Exclude and Rooms are names or globs, Tags those that a room has.
	Events, Exclude, Rooms []string
	Tags                   map[string]string
	// Headers are sent along.
	Headers map[string]string
	// CAFile, ClientCertFile and ClientKeyFile are PEM files.
	CAFile, ClientCertFile, ClientKeyFile string
	Mode                                  string
	Format                                string
	BatchMax                              int
	BatchWait                             time.Duration
	FullTrackContext                      bool
	Block                                 bool
	// Rate is how many requests a second it gets at most; 0: no limit.
	Rate float64
	// Secrets are for Standard Webhooks.
	Secrets []string
	// Where says of each key that was given where, and of "" where the endpoint
	// begins: for those who find out what is wrong with it.
	Where map[string]string
}

func (e Endpoint) String() string       { return "endpoint " + cmp.Or(e.ID, "without id") }
func (e Endpoint) GoString() string     { return e.String() }
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.String()) }

// Problem is what is wrong with a key of the endpoint, the i-th of the list.
func (e *Endpoint) Problem(i int, key, text string) Problem {
	at, ok := e.Where[key]
	if !ok {
		at = e.Where[""]
	}
	return Problem{Where: at, Key: join(fmt.Sprintf("webhook.endpoints[%d]", i), key), Text: text}
}

// endpointKey is a key of an endpoint.
type endpointKey struct {
	name string
	set  func(e *Endpoint, v value, path string)
}

// endpointKeys are in the order of rollcall.yaml.
var endpointKeys = []endpointKey{
	{"id", endpointText(func(e *Endpoint) *string { return &e.ID })},
	{"url", endpointText(func(e *Endpoint) *string { return &e.URL })},
	{"description", endpointText(func(e *Endpoint) *string { return &e.Description })},
	{"api_key", endpointText(func(e *Endpoint) *string { return &e.APIKey })},
	{"events", endpointTexts(func(e *Endpoint) *[]string { return &e.Events })},
	{"exclude", endpointTexts(func(e *Endpoint) *[]string { return &e.Exclude })},
	{"rooms", endpointTexts(func(e *Endpoint) *[]string { return &e.Rooms })},
	{"tags", endpointPairs(func(e *Endpoint) *map[string]string { return &e.Tags })},
	{"headers", endpointPairs(func(e *Endpoint) *map[string]string { return &e.Headers })},
	{"ca_file", endpointText(func(e *Endpoint) *string { return &e.CAFile })},
	{"client_cert_file", endpointText(func(e *Endpoint) *string { return &e.ClientCertFile })},
	{"client_key_file", endpointText(func(e *Endpoint) *string { return &e.ClientKeyFile })},
	{"mode", endpointText(func(e *Endpoint) *string { return &e.Mode })},
	{"format", endpointText(func(e *Endpoint) *string { return &e.Format })},
	{"batch_max", func(e *Endpoint, v value, path string) {
		n, ok := v.number()
		if !ok || n < 0 || n > maxInt {
			v.expected(path, "a whole number of events")
		}
		e.BatchMax = int(n)
	}},
	{"batch_wait", func(e *Endpoint, v value, path string) {
		t, _ := v.scalar()
		d, err := time.ParseDuration(t)
		if err != nil || d < 0 {
			v.expected(path, "a length of time with its unit, such as 50ms")
		}
		e.BatchWait = d
	}},
	{"full_track_context", endpointBoolean(func(e *Endpoint) *bool { return &e.FullTrackContext })},
	{"block", endpointBoolean(func(e *Endpoint) *bool { return &e.Block })},
	{"rate", func(e *Endpoint, v value, path string) {
		t, _ := v.scalar()
		n, err := strconv.ParseFloat(t, 64)
		if err != nil || !(n >= 0 && n <= maxInt) {
			v.expected(path, "a number of requests a second, or 0")
		}
		e.Rate = n
	}},
	{"secrets", endpointTexts(func(e *Endpoint) *[]string { return &e.Secrets })},
}

func endpointText(field func(*Endpoint) *string) func(*Endpoint, value, string) {
	return func(e *Endpoint, v value, path string) {
		t, ok := v.scalar()
		if !ok {
			v.expected(path, "text")
		}
		*field(e) = t
	}
}

func endpointBoolean(field func(*Endpoint) *bool) func(*Endpoint, value, string) {
	return func(e *Endpoint, v value, path string) {
		b, ok := v.boolean()
		if !ok {
			v.expected(path, "true or false")
		}
		*field(e) = b
	}
}

// endpointTexts also takes a single text for a list of one.
func endpointTexts(field func(*Endpoint) *[]string) func(*Endpoint, value, string) {
	return func(e *Endpoint, v value, path string) {
		items, ok := v.list()
		if t, single := v.scalar(); single && t != "" {
			items, ok = []value{v}, true
		}
		if !ok {
			v.expected(path, "a list")
		}
		for i, item := range items {
			t, ok := item.scalar()
			if !ok || t == "" {
				item.expected(fmt.Sprintf("%s[%d]", path, i), "text")
			}
			*field(e) = append(*field(e), t)
		}
	}
}

func endpointPairs(field func(*Endpoint) *map[string]string) func(*Endpoint, value, string) {
	return func(e *Endpoint, v value, path string) {
		pairs := make(map[string]string)
		v.entries(path, func(name, _ string, v value) {
			t, ok := v.scalar()
			if !ok {
				v.expected(join(path, name), "text")
			}
			pairs[name] = t
		})
		*field(e) = pairs
	}
}

// webhookEndpoints reads the list, or in a variable the YAML of one.
func webhookEndpoints(s *source, path string, v value) {
	if v.node == nil {
		node, ok := v.parse([]byte(v.text))
		if !ok || node == nil {
			return
		}
		v.node = node
	}
	items, ok := v.list()
	if !ok {
		v.expected(path, "a list of endpoints, each with its url")
		return
	}
	s.cfg.Webhook.Endpoints = nil
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		e := Endpoint{Where: map[string]string{"": item.where()}}
		item.entries(at, func(name, where string, v value) {
			k := slices.IndexFunc(endpointKeys, func(k endpointKey) bool { return k.name == name })
			if k < 0 {
				s.unknownEndpointKey(join(at, name), name, where)
				return
			}
			if v.isNull() {
				return
			}
			e.Where[name] = v.where()
			endpointKeys[k].set(&e, v, join(at, name))
		})
		s.cfg.Webhook.Endpoints = append(s.cfg.Webhook.Endpoints, e)
	}
}

func (s *source) unknownEndpointKey(path, name, where string) {
	best, bestDistance := "", 1+max(1, len(name)/3)
	for _, k := range endpointKeys {
		if d := distance(name, k.name); d < bestDistance {
			best, bestDistance = k.name, d
		}
	}
	if best == "" {
		s.problem(where, path, "is no key of an endpoint")
		return
	}
	s.problem(where, path, "is no key of an endpoint; did you mean %s?", best)
}
