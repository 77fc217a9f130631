package main

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/webhook"
	"github.com/rollcall-rtc/rollcall/webhook/storetest"
)

func TestStoreOnSQLite(t *testing.T) {
	runStore(t, webhook.SQLStore{}, "INTEGER PRIMARY KEY", "?, ?", func(t *testing.T) func() *sql.DB {
		file := filepath.Join(t.TempDir(), "inbox.db")
		return func() *sql.DB {
			db, err := open(file)
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
	})
}

// runStore runs the suite. rowid is the type of a column that counts rows, and
// values are two parameters; fresh returns how to open a database that is new.
func runStore(t *testing.T, store webhook.SQLStore, rowid, values string, fresh func(t *testing.T) func() *sql.DB) {
	storetest.Run(t, func(t *testing.T) storetest.App[*sql.Tx] {
		open := fresh(t)
		db := open()
		t.Cleanup(func() { db.Close() })
		if _, err := db.Exec(`CREATE TABLE notes (n ` + rowid + `, lane VARCHAR(512) NOT NULL, id VARCHAR(64) NOT NULL)`); err != nil {
			t.Fatal(err)
		}
		return storetest.App[*sql.Tx]{
			Transactional: true,
			Open: func(t testing.TB) webhook.Store[*sql.Tx] {
				s := store
				s.DB = open()
				t.Cleanup(func() { s.DB.Close() })
				if err := s.Create(context.Background()); err != nil {
					t.Fatal(err)
				}
				return &s
			},
			Note: func(ctx context.Context, tx *sql.Tx, lane, id string) error {
				_, err := tx.ExecContext(ctx, `INSERT INTO notes (lane, id) VALUES (`+values+`)`, lane, id)
				return err
			},
			Notes: func(t testing.TB, lane string) (ids []string) {
				rows, err := db.Query(`SELECT id FROM notes WHERE lane = '` + lane + `' ORDER BY n`)
				if err != nil {
					t.Fatal(err)
				}
				defer rows.Close()
				for rows.Next() {
					var id string
					if err := rows.Scan(&id); err != nil {
						t.Fatal(err)
					}
					ids = append(ids, id)
				}
				if err := rows.Err(); err != nil {
					t.Fatal(err)
				}
				return ids
			},
		}
	})
	t.Run("PrunedLanesBeginAfterWhatWasPruned", func(t *testing.T) {
		ctx := t.Context()
		s := store
		s.DB = fresh(t)()
		t.Cleanup(func() { s.DB.Close() })
		if err := s.Create(ctx); err != nil {
			t.Fatal(err)
		}
		work := func(context.Context, *sql.Tx) error { return nil }
		for lane, seq := range map[string]uint64{"room:a": 40, "room:b": 41} {
			if err := s.Advance(ctx, lane, webhook.Position{}, webhook.Position{Seq: seq, ID: lane}, work); err != nil {
				t.Fatal(err)
			}
		}
		want := func(lane string, p webhook.Position) {
			t.Helper()
			if got, err := s.Load(ctx, lane); err != nil || got != p {
				t.Errorf("Load(%s) = %+v, %v; want %+v", lane, got, err, p)
			}
		}
		prune := func(before time.Time) {
			t.Helper()
			if err := s.Prune(ctx, before); err != nil {
				t.Fatal(err)
			}
		}
		prune(time.Now().Add(-time.Hour))
		want("room:a", webhook.Position{Seq: 40, ID: "room:a"})
		prune(time.Now().Add(time.Hour))
		for _, lane := range []string{"room:a", "room:b", "room:c"} {
			want(lane, webhook.Position{Seq: 41})
		}
		prune(time.Now().Add(time.Hour))
		want("room:a", webhook.Position{Seq: 41})
		if err := s.Advance(ctx, "room:a", webhook.Position{Seq: 41}, webhook.Position{Seq: 50, ID: "x"}, work); err != nil {
			t.Fatal(err)
		}
		want("room:a", webhook.Position{Seq: 50, ID: "x"})
	})
}

// What comes of it otherwise is that events of one room are taken for old ones.
func TestTableThatTakesTwoRoomsForOneIsAnError(t *testing.T) {
	ctx := t.Context()
	db, err := open(filepath.Join(t.TempDir(), "inbox.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	const table = `CREATE TABLE webhook_inbox (lane VARCHAR(512) COLLATE NOCASE NOT NULL PRIMARY KEY,
		seq BIGINT, id VARCHAR(64), room_sid VARCHAR(64), room_seq BIGINT, moved_at BIGINT)`
	if _, err := db.Exec(table); err != nil {
		t.Fatal(err)
	}
	s := webhook.SQLStore{DB: db}
	work := func(context.Context, *sql.Tx) error { return nil }
	at := webhook.Position{Seq: 40, ID: "a"}
	if err := s.Advance(ctx, "room:Den", webhook.Position{}, at, work); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Load(ctx, "room:Den"); err != nil || p != at {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := s.Load(ctx, "room:den"); !errors.Is(err, webhook.ErrCollation) {
		t.Errorf("another room is at %+v, %v", p, err)
	}
	if err := s.Advance(ctx, "room:den", webhook.Position{}, at, work); !errors.Is(err, webhook.ErrCollation) {
		t.Errorf("another room is begun: %v", err)
	}
}
