package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/rollcall-rtc/rollcall/event"
)

const (
	recorded = "test/compat/results.json"
	document = "docs/compat.md"
	// mark is where the part of the document begins that this command writes.
	mark = "\n## The Go client with other servers\n"
)

// modes are the kinds of connections, as the suite names them.
var modes = []string{"dual", "single"}

// outcome says which events came, by their name and the kind of connections.
type outcome map[string]map[string]bool

// results are the outcomes by server.
type results map[string]outcome

// gap is an event that a server does not let its clients have.
type gap struct{ server, event, mode, why string }

var gaps = []gap{{
	"livekit-server 1.13.5", string(event.ViewTrackStreamStateChanged), "single",
	"the server pauses the track and does not say so: it reports paused tracks of a subscriber's connection only, " +
		"and with a single connection there is none",
}}

func load() (results, error) {
	data, err := os.ReadFile(recorded)
	if err != nil {
		return nil, err
	}
	r := results{}
	return r, json.Unmarshal(data, &r)
}

func (r results) store() error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(recorded, append(data, '\n'), 0o644)
}

// servers are the names of the servers, Rollcall first.
func (r results) servers() []string {
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(r)), func(s string) bool { return s == rollcall })
	return append([]string{rollcall}, others...)
}

// unexplained are the cells of the table that are neither seen nor a known gap,
// and the gaps that are none.
func (r results) unexplained() []string {
	var all []string
	for _, server := range r.servers() {
		for _, v := range event.Views {
			for _, mode := range modes {
				known := slices.ContainsFunc(gaps, func(g gap) bool {
					return g.server == server && g.event == string(v.Name) && g.mode == mode
				})
				if r[server][string(v.Name)][mode] == known {
					all = append(all, fmt.Sprintf("%s, %s, %s: seen %t, known gap %t", server, v.Name, mode, !known, known))
				}
			}
		}
	}
	return all
}

// publish writes this command's part of the document.
func (r results) publish() error {
	data, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, _, _ := strings.Cut(string(data), mark)
	return os.WriteFile(document, []byte(before+r.render()), 0o644)
}

func (r results) render() string {
	var b strings.Builder
	b.WriteString(mark + `
Written by ` + "`make compat`" + `; do not edit. ` + "`client/catalogue_test.go`" + ` provokes each event by its real cause and checks what it says,
at the room and at the participant, wherever it is told; with one peer connection for each way, and with one for both. Against
Rollcall that is a test of every change. Of another server, the newest run is kept in ` + "`test/compat/results.json`" + `:

` + "```" + `
LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=… make compat
` + "```" + `

livekit-server ran with ` + "`rtc.congestion_control.use_send_side_bwe: true`" + `. By default it learns a subscriber's bandwidth from
REMB messages, which clients made with pion do not send, LiveKit's own for Go among them, so that it pauses nothing for them.

`)
	head := []string{"event", "told at"}
	for _, server := range r.servers() {
		head = append(head, server+", two connections", server+", one connection")
	}
	row := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	row(head)
	row(slices.Repeat([]string{"---"}, len(head)))
	for _, v := range event.Views {
		cells := []string{string(v.Name), where(v)}
		for _, server := range r.servers() {
			for _, mode := range modes {
				cells = append(cells, cell(r[server], server, string(v.Name), mode))
			}
		}
		row(cells)
	}
	for i, g := range gaps {
		fmt.Fprintf(&b, "\n<sup>%d</sup> %s: %s.\n", i+1, g.server, g.why)
	}
	return b.String()
}

func where(v event.View) string {
	switch {
	case v.Room && v.Participant:
		return "room, participant"
	case v.Room:
		return "room"
	}
	return "participant"
}

func cell(o outcome, server, name, mode string) string {
	if o[name][mode] {
		return "✓"
	}
	for i, g := range gaps {
		if g.server == server && g.event == name && g.mode == mode {
			return fmt.Sprintf("– <sup>%d</sup>", i+1)
		}
	}
	return "**no**"
}
