package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/webhook"
)

const (
	key    = "APIkill"
	secret = "a-secret-for-tests-of-at-least-32-characters"
	// patience is how long anything may take that has to happen.
	patience = 2 * time.Minute
)

// The real server, this program, rooms that come and go, and kill -9 on either:
// the database ends up with what the log has.
func TestNothingIsMissedWhoeverIsKilled(t *testing.T) {
	dir := t.TempDir()
	build := func(name, pkg, from string) string {
		file := filepath.Join(dir, name)
		cmd := exec.Command("go", "build", "-o", file, pkg)
		cmd.Dir = from
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
		return file
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", freePort(t, "tcp"))
	receiver := fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))
	config, err := json.Marshal(map[string]any{ // JSON is YAML
		"port": json.Number(url[len("http://127.0.0.1:"):]), "bind_addresses": []string{"127.0.0.1"},
		"rtc":     map[string]any{"udp_port": freePort(t, "udp"), "tcp_port": freePort(t, "tcp"), "node_ip": "127.0.0.1"},
		"keys":    map[string]string{key: secret},
		"webhook": map[string]any{"api_key": key, "urls": []string{"http://" + receiver + "/webhook"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(dir, "attendance.db")
	server := newProcess(t, build("rollcall", "./cmd/rollcall", "../.."), "serve", "--config", file, "--data-dir", filepath.Join(dir, "data"))
	app := newProcess(t, build("inbox", ".", "."), "-addr", receiver, "-db", database, "-server", url, "-api-key", key, "-api-secret", secret)

	rnd := rand.New(rand.NewPCG(3, 1))
	server.start()
	app.start()
	for round := range 10 {
		poll(t, "the server to answer", func() error { return call(url, "ListRooms", nil) })
		for i := range 12 {
			room := map[string]any{"name": fmt.Sprintf("room%d", i%4)}
			// Where the server is killed meanwhile, the call may or may not have had its effect.
			method := []string{"CreateRoom", "DeleteRoom"}[rnd.IntN(2)]
			if method == "DeleteRoom" {
				room = map[string]any{"room": room["name"]}
			}
			call(url, method, room)
			if i == rnd.IntN(12) {
				app.kill()
				app.start()
			}
		}
		if round%2 == 0 {
			server.kill()
			server.start()
		}
		if round%3 == 0 {
			app.kill()
			app.start()
		}
	}
	poll(t, "the server to answer", func() error { return call(url, "CreateRoom", map[string]any{"name": "last"}) })

	db, err := open(database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log := &webhook.HTTPSource{URL: url, APIKey: key, Secret: secret}
	var want map[string][]uint64
	poll(t, "the database to have what the log has", func() error {
		if want, err = logged(t, log); err != nil {
			return err
		}
		rows, err := db.Query(`SELECT room, seq FROM attendance ORDER BY n`)
		if err != nil {
			return err
		}
		defer rows.Close()
		got := make(map[string][]uint64)
		for rows.Next() {
			var room string
			var seq uint64
			if err := rows.Scan(&room, &seq); err != nil {
				return err
			}
			got[room] = append(got[room], seq)
		}
		for room, seqs := range want {
			if !slices.Equal(got[room], seqs) {
				return fmt.Errorf("room %s: the database has %v, the log %v", room, got[room], seqs)
			}
		}
		return rows.Err()
	})
	if len(want) != 5 || len(want["last"]) != 1 {
		t.Errorf("the log has %v", want)
	}
}

// logged returns the stock events of the log by room.
func logged(t *testing.T, log *webhook.HTTPSource) (map[string][]uint64, error) {
	seqs := make(map[string][]uint64)
	for after := uint64(0); ; {
		page, cursor, err := log.ReadRoom(t.Context(), "", after, 1000)
		if err != nil {
			return nil, err
		}
		for _, ev := range page {
			if d, _ := event.Lookup(event.Name(ev.GetEvent())); d.Stock {
				seqs[ev.GetRoom().GetName()] = append(seqs[ev.GetRoom().GetName()], ev.Delivery.Seq)
			}
		}
		if cursor <= after {
			return seqs, nil
		}
		after = cursor
	}
}

// call calls RoomService.
func call(url, method string, request map[string]any) error {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": key, "exp": time.Now().Add(time.Minute).Unix(), "video": map[string]bool{"roomCreate": true, "roomList": true},
	}).SignedString([]byte(secret))
	if err != nil {
		return err
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if request == nil {
		body = []byte("{}")
	}
	r, err := http.NewRequest(http.MethodPost, url+"/twirp/livekit.RoomService/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(answer))
	}
	return err
}

// process is a program that is killed and run again.
type process struct {
	t    *testing.T
	args []string
	out  *os.File
	cmd  *exec.Cmd
}

func newProcess(t *testing.T, args ...string) *process {
	out, err := os.Create(args[0] + ".log")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, args: args, out: out}
	t.Cleanup(func() {
		p.kill()
		out.Close()
		if said, err := os.ReadFile(out.Name()); err == nil && t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(args[0]), said[max(0, len(said)-8000):])
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) kill() {
	if p.cmd != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		p.cmd = nil
	}
}

func poll(t *testing.T, what string, probe func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := probe()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %v", patience, what, err)
		}
	}
}

// freePort returns a loopback port that nobody has.
func freePort(t *testing.T, network string) int {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
