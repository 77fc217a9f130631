package config

import (
	"fmt"
	"strings"

	"github.com/livekit/protocol/livekit"
)

// ownTags begin the names of tags that ask the server for something, which is for
// requests to do.
const ownTags = "rollcall."

// presets reads settings of rooms by name. Their keys are those of LiveKit's
// RoomConfiguration, with underscores or, as LiveKit reads them, without.
func presets(s *source, path string, v value) {
	var all map[string]*livekit.RoomConfiguration
	v.entries(path, func(name, where string, v value) {
		at := join(path, name)
		c := &livekit.RoomConfiguration{Name: name}
		v.entries(at, func(key, where string, v value) { presetKey(s, c, join(at, key), where, key, v) })
		if all == nil {
			all = make(map[string]*livekit.RoomConfiguration)
		}
		all[name] = c
	})
	s.cfg.Room.Presets = all
}

func presetKey(s *source, c *livekit.RoomConfiguration, at, where, key string, v value) {
	if v.isNull() {
		return
	}
	amount := func(to *uint32, what string) {
		n, ok := v.number()
		if !ok || n < 0 || n > maxInt {
			v.expected(at, what)
			return
		}
		*to = uint32(n)
	}
	text := func(to *string) {
		t, ok := v.scalar()
		if !ok {
			v.expected(at, "text")
			return
		}
		*to = t
	}
	switch strings.ReplaceAll(key, "_", "") {
	case "name":
		text(&c.Name)
	case "emptytimeout":
		amount(&c.EmptyTimeout, "a whole number of seconds")
	case "departuretimeout":
		amount(&c.DepartureTimeout, "a whole number of seconds")
	case "maxparticipants":
		amount(&c.MaxParticipants, "a whole number of participants")
	case "metadata":
		text(&c.Metadata)
	case "minplayoutdelay":
		amount(&c.MinPlayoutDelay, "a whole number of milliseconds")
	case "maxplayoutdelay":
		amount(&c.MaxPlayoutDelay, "a whole number of milliseconds")
	case "syncstreams":
		b, ok := v.boolean()
		if !ok {
			v.expected(at, "true or false")
		}
		c.SyncStreams = b
	case "tags":
		c.Tags = presetTags(at, v)
	case "agents":
		c.Agents = presetAgents(s, at, v)
	case "egress":
		c.Egress = presetEgress(at, where, v)
	default:
		s.unknown(at, where)
	}
}

func presetTags(path string, v value) map[string]string {
	tags := make(map[string]string)
	v.entries(path, func(name, where string, v value) {
		t, ok := v.scalar()
		switch {
		case !ok:
			v.expected(join(path, name), "text")
		case strings.HasPrefix(name, ownTags):
			v.problem(where, join(path, name), "tags that begin with %s are for requests", ownTags)
		default:
			tags[name] = t
		}
	})
	return tags
}

func presetAgents(s *source, path string, v value) []*livekit.RoomAgentDispatch {
	items, ok := v.list()
	if !ok || v.node == nil && len(items) > 0 {
		v.expected(path, "a list of agents, each as \"agent_name: helper\"")
		return nil
	}
	var agents []*livekit.RoomAgentDispatch
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		agent := new(livekit.RoomAgentDispatch)
		item.entries(at, func(name, where string, v value) {
			t, ok := v.scalar()
			if !ok {
				v.expected(join(at, name), "text")
			}
			switch strings.ReplaceAll(name, "_", "") {
			case "agentname":
				agent.AgentName = t
			case "metadata":
				agent.Metadata = t
			default:
				s.unknown(join(at, name), where)
			}
		})
		agents = append(agents, agent)
	}
	return agents
}
