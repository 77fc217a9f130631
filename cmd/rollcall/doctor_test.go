package main

import (
	"testing"
	"time"
)

func TestClocksOfTwoMachines(t *testing.T) {
	for _, c := range []struct {
		ahead  time.Duration
		want   result
		detail string
	}{
		{400 * time.Millisecond, fine, "agrees with the server's"},
		{-1500 * time.Millisecond, fine, "agrees with the server's"},
		{20 * time.Second, warning, "20s ahead of the server's"},
		{-20 * time.Second, warning, "20s behind the server's"},
		{-time.Hour, failure, "1h0m0s behind the server's"},
	} {
		if got := clockDiagnosis(c.ahead); got.Result != c.want || got.Detail != c.detail {
			t.Errorf("%s: %s, %q; want %s, %q", c.ahead, got.Result, got.Detail, c.want, c.detail)
		}
	}
}
