package delivery

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-rtc/rollcall/event"
)

// Filter says which events an endpoint gets: those that every part of it lets
// through. The zero value lets through what LiveKit would send.
type Filter struct {
	// Events are names, or globs like "track_*"; empty means every event that
	// LiveKit has too. Events beyond LiveKit's have to be asked for.
	Events []string `json:"events,omitempty"`
	// Exclude are names or globs that are left out nevertheless.
	Exclude []string `json:"exclude,omitempty"`
	// Rooms are globs over room names; empty means all, and events of no room.
	Rooms []string `json:"rooms,omitempty"`
	// Tags must be among those of the room, name and value.
	Tags map[string]string `json:"tags,omitempty"`
}

const maxPatterns = 256

func (f *Filter) validate() error {
	for field, patterns := range map[string][]string{
		"filter.events": f.Events, "filter.exclude": f.Exclude, "filter.rooms": f.Rooms,
	} {
		if len(patterns) > maxPatterns {
			return &EndpointError{Field: field, Problem: fmt.Sprintf("want at most %d patterns", maxPatterns)}
		}
		for _, p := range patterns {
			if p == "" || len(p) > 256 {
				return &EndpointError{Field: field, Problem: fmt.Sprintf("%q is no pattern", p)}
			}
		}
	}
	for _, list := range []struct {
		field    string
		patterns []string
	}{{"filter.events", f.Events}, {"filter.exclude", f.Exclude}} {
		for _, p := range list.patterns {
			known := slices.ContainsFunc(event.Catalogue(), func(d event.Definition) bool { return glob(p, string(d.Name)) })
			if !known {
				return &EndpointError{Field: list.field, Problem: fmt.Sprintf("%q is no event", p)}
			}
		}
	}
	for k := range f.Tags {
		if k == "" || len(f.Tags) > maxPatterns {
			return &EndpointError{Field: "filter.tags", Problem: fmt.Sprintf("want at most %d, with names", maxPatterns)}
		}
	}
	return nil
}

func (f Filter) clone() Filter {
	return Filter{Events: slices.Clone(f.Events), Exclude: slices.Clone(f.Exclude), Rooms: slices.Clone(f.Rooms), Tags: maps.Clone(f.Tags)}
}

// glob matches the whole of name, in which * stands for any text and ? for any
// one byte. There is no other magic: rooms may be called [a] or a/b.
func glob(pattern, name string) bool {
	star, mark := -1, 0 // the last star, and where its text ends
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func anyGlob(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, name) })
}

// matcher is a filter made ready: immutable.
type matcher struct {
	names  map[event.Name]bool
	filter Filter // for names that the catalogue does not have
	rooms  []string
	tags   map[string]string
	room   string // SourceRoom: this one only
	sid    string // and this session of it
	egress string // SourceEgress: this one only
}

func newMatcher(e *Endpoint) *matcher {
	m := &matcher{names: make(map[event.Name]bool), filter: e.Filter, rooms: e.Filter.Rooms, tags: e.Filter.Tags}
	for _, d := range event.Catalogue() {
		m.names[d.Name] = m.asks(d.Name, d.Stock)
	}
	switch e.Source {
	case SourceRoom:
		m.room, m.sid = e.Scope, e.Session
	case SourceEgress:
		m.egress = e.Scope
	}
	return m
}

// asks says whether the filter names an event; stock is what it says by default.
func (m *matcher) asks(name event.Name, stock bool) bool {
	if anyGlob(m.filter.Exclude, string(name)) {
		return false
	}
	return len(m.filter.Events) == 0 && stock || anyGlob(m.filter.Events, string(name))
}

// wants says whether events of that name are for the endpoint. One that this
// version does not know was written by a newer one, which it counts as stock.
func (m *matcher) wants(name event.Name) bool {
	if wanted, known := m.names[name]; known {
		return wanted
	}
	return m.asks(name, true)
}

// why returns in a few words why rec is not for the endpoint, "" if it is.
func (m *matcher) why(rec *event.Record) string {
	if !m.wants(rec.Name) {
		if d, known := event.Lookup(rec.Name); known && !d.Stock && len(m.filter.Events) == 0 {
			return "the endpoint does not ask for this event, which is beyond LiveKit's"
		}
		return "the endpoint's filter leaves this event out"
	}
	if len(m.rooms) > 0 && !anyGlob(m.rooms, rec.Room) {
		return "the endpoint's filter leaves this room out"
	}
	for k, v := range m.tags {
		if has, ok := rec.Tags[k]; !ok || has != v {
			return "the room does not have the endpoint's tag " + k
		}
	}
	if m.room != "" && rec.Room != m.room {
		return "the endpoint belongs to another room"
	}
	if m.sid != "" && rec.RoomSID != "" && rec.RoomSID != m.sid {
		return "the endpoint belongs to another session of the room"
	}
	if m.egress != "" && egressOf(rec) != m.egress {
		return "the endpoint belongs to another egress"
	}
	return ""
}

func (m *matcher) match(rec *event.Record) bool {
	return m.wants(rec.Name) && (len(m.rooms) == 0 && len(m.tags) == 0 && m.room == "" && m.egress == "" || m.why(rec) == "")
}

// egressOf returns the id of the egress that rec is of, "" for none.
func egressOf(rec *event.Record) string {
	if d, ok := event.Lookup(rec.Name); !ok || d.Scope != event.ScopeEgress {
		return ""
	}
	w, err := rec.Webhook()
	if err != nil {
		return ""
	}
	return w.GetEgressInfo().GetEgressId()
}
