package webhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SQLStore keeps positions in a table of an SQL database. Handle gets the
// transaction in which the position moves. Only DB is required.
type SQLStore struct {
	DB *sql.DB
	// Table is "webhook_inbox" by default. It is part of the statements: never
	// take it from others.
	Table string
	// Placeholder returns the n-th parameter, from 1, as the database writes it:
	// "?" by default; Dollar is PostgreSQL's.
	Placeholder func(n int) string
	// TxOptions are for Advance; read committed is enough.
	TxOptions *sql.TxOptions
}

// Dollar is the Placeholder of PostgreSQL: $1, $2, ….
func Dollar(n int) string { return "$" + strconv.Itoa(n) }

// floorLane is the row that holds the greatest Seq that was pruned.
const floorLane = "floor"

// statement fills in the table's name and the placeholders.
func (s *SQLStore) statement(text string) string {
	table := s.Table
	if table == "" {
		table = "webhook_inbox"
	}
	text = strings.ReplaceAll(text, "TABLE_NAME", table)
	if s.Placeholder == nil {
		return text
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(text, "?") {
		if n > 0 {
			b.WriteString(s.Placeholder(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// Create makes the table, unless there is one. In a database that compares text
// without case or accents where it is not told otherwise, as MySQL does, rooms whose
// names differ in no more would be one: Load then returns ErrCollation. Make the table
// yourself there, with a lane that is compared by its bytes: VARBINARY(1024) in MySQL.
func (s *SQLStore) Create(ctx context.Context) error {
	_, err := s.DB.ExecContext(ctx, s.statement(`CREATE TABLE IF NOT EXISTS TABLE_NAME (
	lane VARCHAR(512) NOT NULL PRIMARY KEY,
	seq BIGINT NOT NULL,
	id VARCHAR(64) NOT NULL,
	room_sid VARCHAR(64) NOT NULL,
	room_seq BIGINT NOT NULL,
	moved_at BIGINT NOT NULL
)`))
	if err != nil {
		return fmt.Errorf("create table of positions: %w", err)
	}
	return nil
}

// Load implements Store.
func (s *SQLStore) Load(ctx context.Context, lane string) (Position, error) {
	p, err := s.row(ctx, lane)
	if errors.Is(err, sql.ErrNoRows) {
		if p, err = s.row(ctx, floorLane); errors.Is(err, sql.ErrNoRows) {
			return Position{}, nil
		}
	}
	return p, err
}

func (s *SQLStore) row(ctx context.Context, lane string) (p Position, err error) {
	var stored string
	err = s.DB.QueryRowContext(ctx, s.statement(`SELECT lane, seq, id, room_sid, room_seq FROM TABLE_NAME WHERE lane = ?`), lane).
		Scan(&stored, &p.Seq, &p.ID, &p.RoomSID, &p.RoomSeq)
	if err == nil && stored != lane {
		return Position{}, fmt.Errorf("%w: %q and %q; lane has to be compared by its bytes", ErrCollation, stored, lane)
	}
	return p, err
}

// Advance implements Store.
func (s *SQLStore) Advance(ctx context.Context, lane string, from, to Position, do func(context.Context, *sql.Tx) error) error {
	tx, err := s.DB.BeginTx(ctx, s.TxOptions)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // without effect after Commit
	if err := s.move(ctx, tx, lane, from, to); err != nil {
		return err
	}
	if err := do(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// move comes first in the transaction: it locks the lane's row, so that another
// process waits, and then finds it moved.
func (s *SQLStore) move(ctx context.Context, tx *sql.Tx, lane string, from, to Position) error {
	now := time.Now().Unix()
	if from.ID == "" {
		_, err := tx.ExecContext(ctx, s.statement(`INSERT INTO TABLE_NAME (lane, seq, id, room_sid, room_seq, moved_at) VALUES (?, ?, ?, ?, ?, ?)`),
			lane, int64(to.Seq), to.ID, to.RoomSID, int64(to.RoomSeq), now)
		if err == nil {
			return nil
		}
		// How a driver says that the row exists differs; that it does, not. The
		// failed transaction has to end before another connection is asked: it
		// may be the only one.
		tx.Rollback()
		switch at, e := s.row(ctx, lane); {
		case errors.Is(e, ErrCollation):
			return e
		case e == nil && at != from:
			return ErrConflict
		}
		return fmt.Errorf("insert position: %w", err)
	}
	result, err := tx.ExecContext(ctx, s.statement(`UPDATE TABLE_NAME SET seq = ?, id = ?, room_sid = ?, room_seq = ?, moved_at = ? WHERE lane = ? AND seq = ?`),
		int64(to.Seq), to.ID, to.RoomSID, int64(to.RoomSeq), now, lane, int64(from.Seq))
	if err != nil {
		return fmt.Errorf("update position: %w", err)
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return fmt.Errorf("update position: %w", err)
	case n == 0:
		return ErrConflict
	}
	return nil
}

// Prune deletes the rows of lanes that have not moved since before. Rooms whose
// names are used once would fill the table otherwise. The time has to be longer
// ago than the server keeps events (7 days by default): an event of a pruned
// lane that comes again would be handed over again, were it not that all
// unknown lanes begin after what was pruned.
func (s *SQLStore) Prune(ctx context.Context, before time.Time) error {
	tx, err := s.DB.BeginTx(ctx, s.TxOptions)
	if err != nil {
		return fmt.Errorf("prune positions: begin: %w", err)
	}
	defer tx.Rollback()
	var floor sql.NullInt64
	err = tx.QueryRowContext(ctx, s.statement(`SELECT MAX(seq) FROM TABLE_NAME WHERE moved_at < ? OR lane = ?`), before.Unix(), floorLane).Scan(&floor)
	if err != nil {
		return fmt.Errorf("prune positions: %w", err)
	}
	if !floor.Valid {
		return nil
	}
	// Whatever moves meanwhile is not deleted: its moved_at is now.
	for _, step := range []struct {
		text string
		args []any
	}{
		{`DELETE FROM TABLE_NAME WHERE lane = ? OR (moved_at < ? AND seq <= ?)`, []any{floorLane, before.Unix(), floor.Int64}},
		{`INSERT INTO TABLE_NAME (lane, seq, id, room_sid, room_seq, moved_at) VALUES (?, ?, '', '', 0, ?)`, []any{floorLane, floor.Int64, time.Now().Unix()}},
	} {
		if _, err := tx.ExecContext(ctx, s.statement(step.text), step.args...); err != nil {
			return fmt.Errorf("prune positions: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("prune positions: commit: %w", err)
	}
	return nil
}
