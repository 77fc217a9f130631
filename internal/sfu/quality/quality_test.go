package quality

import (
	"testing"
	"time"
)

func TestLevelsFollowWhatPeopleFeel(t *testing.T) {
	ms := time.Millisecond
	for name, tt := range map[string]struct {
		w    Window
		want Level
	}{
		"perfect":              {Window{}, Excellent},
		"another continent":    {Window{RTT: 150 * ms, Jitter: 5 * ms}, Excellent},
		"half a percent lost":  {Window{Loss: 0.005, RTT: 40 * ms}, Excellent},
		"two percent lost":     {Window{Loss: 0.02, RTT: 40 * ms}, Good},
		"five percent lost":    {Window{Loss: 0.05}, Poor},
		"everything lost":      {Window{Loss: 1}, Poor},
		"a long way, no loss":  {Window{RTT: 500 * ms}, Good},
		"a satellite and more": {Window{RTT: 900 * ms}, Poor},
		"jitter alone":         {Window{RTT: 50 * ms, Jitter: 150 * ms}, Good},
		"a layer missing":      {Window{RTT: 20 * ms, Missed: 1}, Good},
		"two layers missing":   {Window{RTT: 20 * ms, Missed: 2}, Poor},
		"paused":               {Window{Paused: true}, Poor},
		"missing, and lossy":   {Window{Loss: 0.05, Missed: 1}, Poor},
		"nonsense":             {Window{Loss: 7, RTT: -time.Second}, Poor},
	} {
		if got := LevelOf(Score(tt.w)); got != tt.want {
			t.Errorf("%s: %v with score %.2f, want %v", name, got, Score(tt.w), tt.want)
		}
	}
	if got := Score(Window{}); got < Best-0.01 || got > Best+0.01 {
		t.Errorf("best score is %.3f, documented %.2f", got, Best)
	}
}

func TestScoreNeverRisesWithLossOrDelay(t *testing.T) {
	last := 5.0
	for percent := range 101 {
		if s := Score(Window{Loss: float64(percent) / 100}); s > last || s < 1 {
			t.Fatalf("%d %% lost scores %.3f after %.3f", percent, s, last)
		} else {
			last = s
		}
	}
	last = 5.0
	for ms := range 3000 {
		if s := Score(Window{RTT: time.Duration(ms) * time.Millisecond}); s > last || s < 1 {
			t.Fatalf("%d ms score %.3f after %.3f", ms, s, last)
		} else {
			last = s
		}
	}
}
