//go:build postgres

package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/rollcall-rtc/rollcall/webhook"
)

func TestStoreOnPostgreSQL(t *testing.T) {
	socket := startPostgres(t)
	admin := connect(t, socket, "postgres")
	databases := 0
	runStore(t, webhook.SQLStore{Placeholder: webhook.Dollar}, "BIGSERIAL PRIMARY KEY", "$1, $2", func(t *testing.T) func() *sql.DB {
		databases++
		name := fmt.Sprintf("inbox%d", databases)
		if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
			t.Fatal(err)
		}
		return func() *sql.DB { return connect(t, socket, name) }
	})
}

func connect(t *testing.T, socket, database string) *sql.DB {
	db, err := sql.Open("pgx", fmt.Sprintf("host=%s user=inbox database=%s", socket, database))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(8)
	t.Cleanup(func() { db.Close() })
	return db
}

// startPostgres runs a server of its own on a socket in a directory.
func startPostgres(t *testing.T) (socket string) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		t.Fatal("PostgreSQL is missing: install the Debian package postgresql")
	}
	bin := found[len(found)-1]
	dir, err := os.MkdirTemp("", "inbox-pg-") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // as whom PostgreSQL does not run
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = dir, attr, &out, &out
		return cmd
	}
	data := filepath.Join(dir, "data")
	if err := command("initdb", "-D", data, "-U", "inbox", "-A", "trust", "-N").Run(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, &out)
	}
	server := command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT)
		server.Wait()
		if t.Failed() {
			t.Logf("PostgreSQL says:\n%s", &out)
		}
	})
	db := connect(t, dir, "postgres")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err := db.Ping(); err == nil {
			return dir
		} else if time.Now().After(deadline) {
			t.Fatalf("PostgreSQL does not start: %v", err)
		}
	}
}
