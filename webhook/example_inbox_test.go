package webhook_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/webhook"
	"github.com/rollcall-rtc/rollcall/webhook/storetest"
)

// What is lost on the way is fetched, and what comes twice is ignored.
func ExampleInbox() {
	log := new(storetest.Log) // stands in for a server; see HTTPSource
	inbox := &webhook.Inbox[webhook.NoTx]{
		Receiver: webhook.Receiver{Keys: webhook.Keys{"devkey": "secret"}},
		Source:   log,
		Store:    webhook.NewMemoryStore(),
		Handle: func(_ context.Context, _ webhook.NoTx, ev *webhook.Event) error {
			fmt.Println(ev.Delivery.RoomSeq, ev.GetEvent(), ev.GetRoom().GetName())
			return nil
		},
	}
	started := log.Append(event.RoomStarted, "blue")
	log.Append(event.ParticipantJoined, "blue") // never arrives
	left := log.Append(event.ParticipantLeft, "blue")
	for _, ev := range []*webhook.Event{started, started, left, left} {
		if err := inbox.Take(context.Background(), ev); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 1 room_started blue
	// 2 participant_joined blue
	// 3 participant_left blue
}

// The application's work and the position of the room are one transaction.
func ExampleSQLStore() {
	var db *sql.DB // sql.Open("pgx", …)
	store := &webhook.SQLStore{DB: db, Placeholder: webhook.Dollar}
	inbox := &webhook.Inbox[*sql.Tx]{
		Receiver: webhook.Receiver{Keys: webhook.Keys{"devkey": "secret"}},
		Source:   &webhook.HTTPSource{URL: "http://localhost:7880", APIKey: "devkey", Secret: "secret"},
		Store:    store,
		Handle: func(ctx context.Context, tx *sql.Tx, ev *webhook.Event) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO attendance (room, identity, event) VALUES ($1, $2, $3)`,
				ev.GetRoom().GetName(), ev.GetParticipant().GetIdentity(), ev.GetEvent())
			return err
		},
	}
	http.Handle("POST /webhook", inbox)
}

// A RoomState answers what the events amount to.
func ExampleRoomState() {
	log := new(storetest.Log)
	var room webhook.RoomState
	for _, name := range []event.Name{event.RoomStarted, event.ParticipantJoined} {
		if err := room.Apply(log.Append(name, "blue")); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(room.Room().GetName(), room.Live(), room.Participants()[0].GetIdentity())
	// Output: blue true ana
}
