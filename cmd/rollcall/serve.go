package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/headroom"
	"github.com/rollcall-rtc/rollcall/internal/server"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const serveAbout = `Runs the server until it is interrupted. Every flag but --config is also a key of
the configuration file and an environment variable; the flag wins.

  rollcall serve --dev                      to try it out on this machine
  rollcall serve --config rollcall.yaml`

// garbage is what may be on the heap before it is collected, in bytes: about what a hundred
// joins with media make.
const garbage = 32 << 20

// serve runs the server until ctx ends or it cannot go on.
func serve(ctx context.Context, args []string, env environment) error {
	fs := flag.NewFlagSet("rollcall serve", flag.ContinueOnError)
	var flags config.Flags
	flags.Register(fs)
	if err := parseFlags(fs, args, env, serveAbout); err != nil {
		return err
	}
	cfg, err := config.Load(&flags, env.environ)
	if err != nil {
		return err
	}
	log := newLogger(env.stderr, cfg.Logging)
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	if len(cfg.Unsupported) > 0 {
		log.Warn("these settings are known from LiveKit and have no effect yet", "keys", cfg.Unsupported)
	}

	defer headroom.Keep(garbage)()
	s, err := server.Start(ctx, cfg, version(), log)
	if err != nil {
		return err
	}
	greet(env.stdout, cfg, s)
	failure := s.Wait(ctx)
	if failure == nil {
		again, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
		failure = s.Drain(again)
		stop()
	}
	log.Info("stopping", "timeout", cfg.Drain.Timeout)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Drain.Timeout)
	defer cancel()
	if err := s.Stop(stopping); err != nil && failure == nil {
		return fmt.Errorf("stop: %w", err)
	}
	return failure
}

func newLogger(w io.Writer, l config.Logging) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.Level}
	if l.JSON {
		return slog.New(late(slog.NewJSONHandler(w, options)))
	}
	return slog.New(late(slog.NewTextHandler(w, options)))
}

// greet says where the server is and what to do next.
func greet(w io.Writer, cfg *config.Config, s *server.Server) {
	host, port, _ := net.SplitHostPort(s.Addr().String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
	}
	if names := cfg.TLS.ACME.Domains; len(names) > 0 {
		host = names[0]
	}
	at := net.JoinHostPort(host, port)
	udp, tcp := s.MediaAddrs()
	fmt.Fprintf(w, "rollcall %s\n", version())
	web, sdk := "http", "ws"
	if s.TLS() {
		web, sdk = "https", "wss"
	}
	fmt.Fprintf(w, "  page, API    %s://%s\n", web, at)
	fmt.Fprintf(w, "  dashboard    %s://%s/dashboard\n", web, at)
	fmt.Fprintf(w, "  SDKs         %s://%s\n", sdk, at)
	if media := mediaText(cfg.RTC, udp, tcp); media != "" {
		fmt.Fprintf(w, "  media        %s\n", media)
	}
	fmt.Fprintf(w, "  event log    %s\n", cfg.DataDir)
	if len(cfg.Webhook.URLs) > 0 {
		fmt.Fprintf(w, "  webhooks     %s, signed with key %s\n", plural(len(cfg.Webhook.URLs), "endpoint"), cfg.Webhook.APIKey)
	}
	if !cfg.Development {
		return
	}
	key := slices.Min(slices.Collect(maps.Keys(cfg.Keys)))
	fmt.Fprintf(w, "\nDevelopment mode: whoever opens the page gets a token, keep it on this machine.\n")
	fmt.Fprintf(w, "  API key      %s\n", key)
	if key == config.DevKey && cfg.Keys[key] == config.DevSecret { // known to everybody, unlike one's own
		fmt.Fprintf(w, "  API secret   %s\n", config.DevSecret)
	}
	grant := &token.VideoGrant{RoomJoin: true, Room: "demo", RoomAdmin: true, RoomCreate: true, RoomList: true}
	ready, err := token.Mint(key, cfg.Keys[key], &token.Claims{Identity: "dev", Name: "Dev", Video: grant}, time.Now(), 24*time.Hour)
	if err == nil {
		fmt.Fprintf(w, "\nA token for room demo, valid for a day:\n  %s\n", ready)
	}
	fmt.Fprintf(w, "\nNext: open %s://%s in two tabs and join the same room.\n", web, at)
}

// mediaText says how media comes: each connection may have ports of its own.
func mediaText(rtc config.RTC, udp, tcp net.Addr) string {
	var ways []string
	switch {
	case udp != nil:
		ways = append(ways, "udp "+udp.String())
	case rtc.PortRangeStart > 0:
		ways = append(ways, fmt.Sprintf("udp %d to %d", rtc.PortRangeStart, rtc.PortRangeEnd))
	}
	if tcp != nil {
		ways = append(ways, "tcp "+tcp.String())
	}
	return strings.Join(ways, ", ")
}
