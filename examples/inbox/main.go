// Command inbox keeps who was in which room in an SQL database: every event
// once and in order, in one transaction with the application's own rows, however
// often it or the server is killed.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"

	_ "modernc.org/sqlite"

	"github.com/rollcall-rtc/rollcall/webhook"
)

func main() {
	addr := flag.String("addr", "localhost:3000", "`address` to listen on")
	file := flag.String("db", "attendance.db", "SQLite `file`")
	server := flag.String("server", "http://localhost:7880", "`URL` of the server")
	key := flag.String("api-key", "devkey", "API `key`")
	secret := flag.String("api-secret", "secret", "its `secret`")
	flag.Parse()

	db, err := open(*file)
	if err != nil {
		log.Fatal(err)
	}
	in, err := newInbox(context.Background(), db, *server, *key, *secret)
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhook", in)
	log.Printf("receiving at http://%s/webhook", *addr)
	log.Fatal(http.ListenAndServe(*addr, nil))
}

// open opens a database whose commits survive a crash, and whose writers wait
// for each other.
func open(file string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
}

func newInbox(ctx context.Context, db *sql.DB, server, key, secret string) (*webhook.Inbox[*sql.Tx], error) {
	store := &webhook.SQLStore{DB: db}
	if err := store.Create(ctx); err != nil {
		return nil, err
	}
	_, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS attendance (
		n INTEGER PRIMARY KEY, seq INTEGER NOT NULL UNIQUE, room TEXT NOT NULL, identity TEXT NOT NULL, event TEXT NOT NULL, at TEXT NOT NULL)`)
	if err != nil {
		return nil, fmt.Errorf("create table: %w", err)
	}
	return &webhook.Inbox[*sql.Tx]{
		Receiver: webhook.Receiver{Keys: webhook.Keys{key: secret}},
		Source:   &webhook.HTTPSource{URL: server, APIKey: key, Secret: secret},
		Store:    store,
		Logger:   slog.Default(),
		Handle:   record,
	}, nil
}

// record is the application's part. There is no ON CONFLICT in it: an event that
// came twice would fail.
func record(ctx context.Context, tx *sql.Tx, ev *webhook.Event) error {
	d := ev.Delivery
	slog.Info("event", "seq", d.Seq, "event", ev.GetEvent(), "room", ev.GetRoom().GetName(), "identity", ev.GetParticipant().GetIdentity(), "fetched", d.Attempt == 0)
	_, err := tx.ExecContext(ctx, `INSERT INTO attendance (seq, room, identity, event, at) VALUES (?, ?, ?, ?, ?)`,
		int64(d.Seq), ev.GetRoom().GetName(), ev.GetParticipant().GetIdentity(), ev.GetEvent(), d.OccurredAt.UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
	return err
}
