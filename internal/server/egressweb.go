package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/egress"
	"github.com/rollcall-rtc/rollcall/internal/egress/browser"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/studio"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// pageTokenTime is how long the token of a page that lays out a room can be used to
// join. Who has joined gets new ones.
const pageTokenTime = 24 * time.Hour

// browserWorker records web pages, and rooms as pages of others lay them out.
func (s *Server) browserWorker() egress.Worker {
	return egress.Worker{Check: s.checkPage, Prepare: s.preparePage, Layout: s.pageLayout}
}

// checkPage says why a page cannot be recorded.
func (s *Server) checkPage(ctx context.Context, r *request.Request) error {
	page := r.Source.URL
	if r.Source.BaseURL != "" {
		page = r.Source.BaseURL
	}
	u, err := url.Parse(page)
	if err != nil {
		return err
	}
	// Names are looked up when they are dialled.
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := delivery.CheckAddress(addr, s.receiverNetworks()); err != nil {
			return &egress.Error{Code: egress.InvalidArgument, Msg: "url: " + err.Error()}
		}
	}
	if err := browser.Check(r.Encoding); err != nil {
		return err
	}
	if sketch := egress.Sketch(r); sketch.NeedsStudio() {
		program, err := s.encoding.Find(ctx)
		if err != nil {
			return err
		}
		sketch.Kind, sketch.Layout = wire.Browse, "" // which the page knows
		if err := studio.Check(program, sketch); err != nil {
			return err
		}
	}
	_, err = browser.Find(s.cfg.Egress.Chromium)
	return err
}

// preparePage tells a job of the browser, and of the page that lays out its room.
func (s *Server) preparePage(ctx context.Context, r *request.Request, job *wire.Job) error {
	job.Allow = s.receiverNetworks()
	job.Browser = wire.Browser{Program: s.cfg.Egress.Chromium, Memory: s.cfg.Egress.PageMemory, Own: s.ownAddresses()}
	if job.NeedsStudio() {
		if err := s.lendFFmpeg(ctx, job); err != nil {
			return err
		}
	}
	if r.Source.Kind == request.Web {
		return nil
	}
	page, err := url.Parse(r.Source.BaseURL)
	if err != nil {
		return err
	}
	login := s.login()
	raw, err := token.Mint(login.Key, login.Secret, pageClaims(r.Room, job.ID), time.Now(), pageTokenTime)
	if err != nil {
		return fmt.Errorf("token of a page: %w", err)
	}
	q := page.Query()
	q.Set("layout", r.Source.Layout)
	q.Set("url", s.pageServer())
	q.Set("token", raw)
	page.RawQuery = q.Encode()
	job.URL, job.Await = page.String(), true
	return nil
}

// pageClaims are those with which a page joins: it sees, is not seen, and changes
// nothing.
func pageClaims(room, egressID string) *token.Claims {
	yes, no := true, false
	return &token.Claims{
		Identity: egressID, Kind: livekit.ParticipantInfo_EGRESS,
		Video: &token.VideoGrant{
			RoomJoin: true, Room: room, Hidden: true, Recorder: true,
			CanSubscribe: &yes, CanPublish: &no, CanPublishData: &no, CanUpdateOwnMetadata: &no,
		},
	}
}

// pageServer is the URL by which a page that lays out a room reaches this server.
func (s *Server) pageServer() string {
	if u := s.cfg.Egress.WSURL; u != "" {
		return u
	}
	scheme := "ws"
	if s.cfg.TLS.Enabled() {
		scheme = "wss"
	}
	return scheme + "://" + s.ownAddresses()[0]
}

// ownAddresses are those at which this server answers, without the guard's leave.
func (s *Server) ownAddresses() []string {
	port := strconv.Itoa(s.cfg.Port)
	var addresses []string
	for _, host := range s.cfg.TLS.ACME.Domains {
		addresses = append(addresses, net.JoinHostPort(host, port))
	}
	for _, host := range s.cfg.BindAddresses {
		if addr, err := netip.ParseAddr(host); err == nil && !addr.IsUnspecified() {
			addresses = append(addresses, net.JoinHostPort(host, port))
		}
	}
	addresses = append(addresses, net.JoinHostPort("localhost", port), net.JoinHostPort("127.0.0.1", port))
	if u, err := url.Parse(s.cfg.Egress.WSURL); err == nil && u.Host != "" {
		port := cmp.Or(u.Port(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme])
		addresses = append(addresses, net.JoinHostPort(u.Hostname(), port))
	}
	return addresses
}

// pageLayout has the page of a job take another layout: it is told by the metadata
// of its participant.
func (s *Server) pageLayout(ctx context.Context, info *livekit.EgressInfo, layout string) error {
	if info.RoomName == "" {
		return &egress.Error{Code: egress.FailedPrecondition, Msg: "egress " + info.EgressId + " has no layout: it is of a web page"}
	}
	raw, err := json.Marshal(map[string]string{"layout": layout})
	if err != nil {
		return err
	}
	_, err = s.rooms.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: info.RoomName, Identity: info.EgressId, Metadata: string(raw)})
	return err
}
