package delivery

import (
	"testing"
	"time"
)

func TestGapsGrowAndThenRepeat(t *testing.T) {
	var p RetryPolicy
	p.setDefaults()
	for _, tc := range []struct {
		failures int
		want     time.Duration
	}{
		{0, time.Second}, {1, time.Second}, {2, 2 * time.Second}, {3, 4 * time.Second}, {4, 8 * time.Second},
		{5, 15 * time.Second}, {6, 30 * time.Second}, {7, time.Minute}, {8, 2 * time.Minute}, {9, 4 * time.Minute},
		{10, 5 * time.Minute}, {11, 5 * time.Minute}, {1 << 40, 5 * time.Minute},
	} {
		if got := p.gap(tc.failures, 0.5); got != tc.want {
			t.Errorf("after %d failures: %s, want %s", tc.failures, got, tc.want)
		}
	}
}

func TestGapsVaryByTwentyPercent(t *testing.T) {
	var p RetryPolicy
	p.setDefaults()
	if got, want := p.gap(5, 0), 12*time.Second; got != want {
		t.Errorf("least %s, want %s", got, want)
	}
	if got := p.gap(5, 0.999999); got <= 17900*time.Millisecond || got >= 18*time.Second {
		t.Errorf("most %s, want just below 18s", got)
	}
}

func TestHeadIsOverdueAfterThreeDays(t *testing.T) {
	var p RetryPolicy
	p.setDefaults()
	first := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	if p.judge(first, first.Add(72*time.Hour-1)) != retryHead || p.judge(first, first.Add(72*time.Hour)) != overdue {
		t.Error("the limit is not at 72 h")
	}
}

func TestRetryAfterIsReadInBothFormsAndBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 500, time.UTC)
	for _, tc := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0}, {"soon", 0}, {"-5", 0}, {"1.5", 0}, {"0", 0}, {"7", 7 * time.Second}, {" 7 ", 7 * time.Second},
		{"300", 5 * time.Minute}, {"301", 5 * time.Minute}, {"99999999999999999999999999", 5 * time.Minute},
		{"Mon, 23 Nov 2026 10:00:30 GMT", 30*time.Second - 500},
		{"Monday, 23-Nov-26 10:00:30 GMT", 30*time.Second - 500},
		{"Mon Nov 23 10:00:30 2026", 30*time.Second - 500},
		{"Mon, 23 Nov 2026 09:00:00 GMT", 0},
		{"Tue, 24 Nov 2026 09:00:00 GMT", 5 * time.Minute},
	} {
		if got := retryAfter(tc.value, now, 5*time.Minute); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.value, got, tc.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "Mon, 23 Nov 2026 10:00:30 GMT", "", "-1", "٣"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(s, now, time.Minute); d < 0 || d > time.Minute {
			t.Errorf("%q: %s", s, d)
		}
	})
}
