package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/config"
)

func TestGreetingNamesPortsOfMedia(t *testing.T) {
	udp, tcp := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 7882}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 7881}
	ranged := config.RTC{PortRangeStart: 50000, PortRangeEnd: 60000}
	for _, tc := range []struct {
		rtc      config.RTC
		udp, tcp net.Addr
		want     string
	}{
		{config.RTC{}, udp, tcp, "udp 10.0.0.9:7882, tcp 10.0.0.9:7881"},
		{config.RTC{}, udp, nil, "udp 10.0.0.9:7882"},
		{ranged, nil, tcp, "udp 50000 to 60000, tcp 10.0.0.9:7881"},
		{ranged, nil, nil, "udp 50000 to 60000"},
	} {
		if got := mediaText(tc.rtc, tc.udp, tc.tcp); got != tc.want {
			t.Errorf("mediaText = %q, want %q", got, tc.want)
		}
	}
}

func TestInterruptedVerbSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var said bytes.Buffer
	status := run(ctx, []string{"events", "status", "--dev", "--url", "http://127.0.0.1:1"}, environment{stdin: strings.NewReader(""), stdout: &said, stderr: &said})
	if want := "rollcall: interrupted before it was done\n"; status != exitFailed || said.String() != want {
		t.Errorf("status %d, said %q, want %q", status, said.String(), want)
	}
}
