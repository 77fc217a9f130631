package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// unreachableHint says what usually keeps a request from its answer.
func unreachableHint(err error) string {
	var certificate *tls.CertificateVerificationError
	var name x509.HostnameError
	switch {
	case errors.As(err, &name):
		return "The certificate is for another name: use that one in the URL, or get one for this one (tls in rollcall.yaml)."
	case errors.As(err, &certificate):
		return "The certificate has expired, or nobody trusts who signed it: see tls in rollcall.yaml, and send the whole chain."
	case errors.Is(err, http.ErrSchemeMismatch):
		return "What answers there does not speak TLS: use http and ws in the URL, or set tls in rollcall.yaml."
	}
	return "Is the port open in the firewall, and does a proxy in front pass it on?"
}

// renewal is how long before its end a certificate should have been renewed.
const renewal = 14 * 24 * time.Hour

// secureDiagnosis judges how browsers see the server.
func secureDiagnosis(state *tls.ConnectionState, local bool, now time.Time) diagnosis {
	f := diagnosis{"secure page", fine, "", ""}
	switch {
	case state == nil && local:
		f.Detail = "this machine needs no TLS"
	case state == nil:
		f.Result, f.Detail = failure, "plain HTTP"
		f.Hint = "Browsers give camera and microphone to https pages only: set tls in rollcall.yaml, or put a proxy with TLS in front."
	default:
		until := state.PeerCertificates[0].NotAfter
		f.Detail = "the certificate is valid until " + until.UTC().Format(time.DateOnly)
		if until.Sub(now) < renewal {
			f.Result, f.Hint = warning, "It should have been renewed by now: does what renews it run, and write the files that the server reads?"
		}
	}
	return f
}

// takesClients checks whether the server is ready.
func (d *doctor) takesClients(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+"/readyz", nil)
	if err != nil {
		return
	}
	resp, err := d.http.Do(req)
	if err != nil {
		d.found(diagnosis{"ready", failure, d.unreachable(ctx, err).Error(), unreachableHint(err)})
		return
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	switch resp.StatusCode {
	case http.StatusOK:
		d.found(diagnosis{"ready", fine, "takes clients, and its log takes events", ""})
	case http.StatusNotFound:
		d.found(diagnosis{"ready", skipped, "there is no /readyz", "What answers is another server, or a proxy that passes on some paths only."})
	default:
		d.found(diagnosis{"ready", failure, string(text),
			"A full log: raise log.quota or disk space, see rollcall events status. Else it stops or has failed, which its own log explains."})
	}
}

// passesWebSockets checks whether signal connections come through, with one that
// has no token: only the server itself refuses it for that.
func (d *doctor) passesWebSockets(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+"/rtc?protocol=16", nil)
	if err != nil {
		return
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "cm9sbGNhbGwgZG9jdG9yIQ==",
	} {
		req.Header.Set(name, value)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		d.found(diagnosis{"WebSockets", failure, d.unreachable(ctx, err).Error(), unreachableHint(err)})
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		d.found(diagnosis{"WebSockets", fine, "reach the server", ""})
		return
	}
	d.found(diagnosis{"WebSockets", failure, fmt.Sprintf("a connection without a token gets %s, not 401", resp.Status),
		"A proxy in front has to pass on the headers Upgrade and Connection (nginx: proxy_http_version 1.1), and let connections live for hours."})
}
