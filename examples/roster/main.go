// Roster shows in a terminal who is in a room, what they publish, and who speaks.
//
//	LIVEKIT_URL=ws://localhost:7880 TOKEN=… go run ./roster
//
// It handles no event: it draws the newest snapshot of the room, whatever has
// happened. q ends it.
package main

import (
	"context"
	"fmt"
	"os"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/rollcall-rtc/rollcall/client"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "roster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	room, err := client.Connect(ctx, os.Getenv("LIVEKIT_URL"), os.Getenv("TOKEN"), client.Options{})
	if err != nil {
		return err
	}
	screen := tea.NewProgram(model{room.State()}, tea.WithContext(ctx))
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		for state := range room.Observe(ctx) {
			screen.Send(state)
		}
	}()
	_, err = screen.Run()
	cancel()
	<-drawn
	if left := room.Disconnect(context.Background()); err == nil {
		err = left
	}
	return err
}

// model is a snapshot: all that there is to draw.
type model struct{ state *client.State }

// Init implements tea.Model.
func (model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case *client.State:
		m.state = msg
		if msg.Connection == client.StateDisconnected {
			return m, tea.Quit
		}
	case tea.KeyMsg:
		switch msg.String() {
		case "q", "ctrl+c", "esc":
			return m, tea.Quit
		}
	}
	return m, nil
}
